"""One training loop for every model, its options and history, seeds, and saving."""

from __future__ import annotations

from damrep.training.history import History
from damrep.training.loop import DivergedError, Strategy, Task, resolve_device, train
from damrep.training.options import TrainingOptions
from damrep.training.saving import atomic_folder, load_folder, save_folder
from damrep.training.seeding import local_seed, numpy_generator, resolve_seed, torch_generator

__all__ = [
    "DivergedError",
    "History",
    "Strategy",
    "Task",
    "TrainingOptions",
    "atomic_folder",
    "load_folder",
    "local_seed",
    "numpy_generator",
    "resolve_device",
    "resolve_seed",
    "save_folder",
    "torch_generator",
    "train",
]
