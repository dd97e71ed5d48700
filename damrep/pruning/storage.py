"""Compact models on disk: the weights, and the cuts to be replayed on the original architecture.

No code and no pickle: a compact model is its own class at smaller widths, so whoever can build the
original can load it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from damrep.masking.schema import ANYTHING, TEXT, Entries, Record
from damrep.masking.validation import InputError
from damrep.pruning.surgery import CUTS, Cuts, apply_cuts
from damrep.training.saving import ModelFormat, load_folder, save_folder
from damrep.training.seeding import local_seed
from damrep.training.stored_tensors import (
    Stored,
    check_layout,
    check_values,
    layout_of,
    read_layout,
)

__all__ = ["CUTS_ATTRIBUTE", "load_compact", "save_compact"]

# A plain dictionary on the compact model, which goes along with copies of it.
CUTS_ATTRIBUTE = "pruning_cuts_"
FORMAT = ModelFormat(
    "CompactModel", Record({"model": TEXT, "cuts": CUTS, "extra": Entries(ANYTHING)})
)
# What is raised where a record is replayed on another architecture.
_MISFIT = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
_REALS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def save_compact(
    model: nn.Module, folder: str | os.PathLike[str], *, extra: dict[str, Any] | None = None
) -> None:
    """Save a compact model as a folder: config.json with the cuts, weights.safetensors.

    Parameters
    ----------
    model
        What `ChannelPruner.compact` returned; it may have been trained further.
    folder
        The folder; one that damrep wrote is replaced.
    extra
        Plain data to keep with it, for instance the report.

    Raises
    ------
    InputError
        If the model is not a compact one, holds a parameter that is not finite, or the folder
        holds something else.
    """
    cuts = getattr(model, CUTS_ATTRIBUTE, None)
    if cuts is None:
        raise InputError(
            f"the model ({type(model).__name__}) was not made by ChannelPruner.compact: it has no "
            "record of its cuts; save its state_dict instead"
        )
    config = {"model": type(model).__name__, "cuts": cuts, "extra": extra or {}}
    state = model.state_dict()
    check_values(state, _expected(model))
    save_folder(folder, FORMAT, config, state)


def load_compact(
    folder: str | os.PathLike[str],
    build: Callable[[], nn.Module],
    device: torch.device | str = "cpu",
) -> nn.Module:
    """Load a compact model: build the original, replay the cuts on it, fill in the weights.

    Parameters
    ----------
    folder
        What `save_compact` wrote.
    build
        Makes the original model, for instance ``lambda: PreResNet(20)``. Its weights do not
        matter; no global random state is changed.
    device
        Where to put it.

    Returns
    -------
    Module
        In eval mode.

    Raises
    ------
    InputError
        If the folder is missing, damaged or foreign, or `build` makes another architecture.

    Examples
    --------
    >>> import tempfile
    >>> from damrep.pruning import ChannelPruner
    >>> build = lambda: nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))
    >>> pruner = ChannelPruner(build(), torch.zeros(1, 1, 8, 8))
    >>> pruner.widths = {"0": 5}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_compact(pruner.compact(), folder + "/small")
    ...     load_compact(folder + "/small", build)[0].out_channels
    5
    """
    config, tensors = load_folder(folder, FORMAT)
    cuts = Cuts.from_dict(config["cuts"])
    with local_seed(0):
        model = build()
    if not isinstance(model, nn.Module):
        raise TypeError(f"build must return a torch module, got {type(model).__name__}")
    try:
        apply_cuts(model, cuts)
        expected = _expected(model)
        check_layout(read_layout(layout_of(tensors)), expected)
        check_values(tensors, expected)
        model.load_state_dict(tensors, assign=True)
    except InputError as error:
        raise InputError(f"{folder} does not fit what build makes: {error}") from None
    except _MISFIT as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise InputError(
            f"{folder} does not fit what build makes ({type(model).__name__}; saved from a "
            f"{config['model']}): {' '.join(lines[-1:])}"
        ) from None
    setattr(model, CUTS_ATTRIBUTE, cuts.to_dict())
    return model.to(device).eval()


def _expected(model: nn.Module) -> dict[str, Stored]:
    """What the tensors have to be: as the model has them, perhaps in another precision."""
    trained = dict(model.named_parameters(remove_duplicate=False))
    return {
        name: Stored(
            tuple(tensor.shape),
            _REALS if tensor.is_floating_point() else (tensor.dtype,),
            # A buffer may hold infinities: the mask of an attention does.
            finite=name in trained,
        )
        for name, tensor in model.state_dict().items()
    }
