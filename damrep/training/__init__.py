"""One training loop for every model: options, history, seeds, saving, what estimators share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from damrep.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from damrep.training.comparing import losing_note
    from damrep.training.fitted import LearnedDimensions, damage_told, saturation_notes
    from damrep.training.history import History
    from damrep.training.loop import DivergedError, Strategy, Task, resolve_device, train
    from damrep.training.options import TrainingOptions
    from damrep.training.saving import atomic_folder, load_folder, save_folder
    from damrep.training.seeding import local_seed, numpy_generator, resolve_seed, torch_generator
    from damrep.training.threads import limited_threads

__all__ = [
    "DivergedError",
    "History",
    "LearnedDimensions",
    "Strategy",
    "Task",
    "TrainingOptions",
    "atomic_folder",
    "damage_told",
    "limited_threads",
    "load_folder",
    "local_seed",
    "losing_note",
    "numpy_generator",
    "resolve_device",
    "resolve_seed",
    "saturation_notes",
    "save_folder",
    "torch_generator",
    "train",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "DivergedError": "damrep.training.loop",
        "History": "damrep.training.history",
        "LearnedDimensions": "damrep.training.fitted",
        "Strategy": "damrep.training.loop",
        "Task": "damrep.training.loop",
        "TrainingOptions": "damrep.training.options",
        "atomic_folder": "damrep.training.saving",
        "damage_told": "damrep.training.fitted",
        "limited_threads": "damrep.training.threads",
        "load_folder": "damrep.training.saving",
        "local_seed": "damrep.training.seeding",
        "losing_note": "damrep.training.comparing",
        "numpy_generator": "damrep.training.seeding",
        "resolve_device": "damrep.training.loop",
        "resolve_seed": "damrep.training.seeding",
        "saturation_notes": "damrep.training.fitted",
        "save_folder": "damrep.training.saving",
        "torch_generator": "damrep.training.seeding",
        "train": "damrep.training.loop",
    },
)
