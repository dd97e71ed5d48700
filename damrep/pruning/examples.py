"""Example inputs: checked, and cut to two examples where the model allows it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from damrep.masking.validation import InputError
from damrep.pruning.flow import tensors_in

__all__ = [
    "analysis_copy",
    "as_arguments",
    "check_runs",
    "evaluating",
    "example_count",
    "mapped",
    "shorten",
]


def as_arguments(example_inputs: Any) -> tuple[Any, ...]:
    """The positional arguments that example inputs stand for: a tensor, or a tuple or list of them.

    Raises
    ------
    TypeError
        If it is something else.
    InputError
        If there is no tensor in it.
    """
    if isinstance(example_inputs, Tensor):
        return (example_inputs,)
    if not isinstance(example_inputs, (tuple, list)):
        raise TypeError(
            "example_inputs must be a tensor, or a tuple of what the model is called with, got "
            f"{type(example_inputs).__name__}"
        )
    if not any(True for _ in tensors_in(tuple(example_inputs))):
        raise InputError("example_inputs must hold at least one tensor, got none")
    return tuple(example_inputs)


def mapped(value: Any, change: Any) -> Any:
    """The same nested value with `change` applied to every tensor."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [mapped(item, change) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def analysis_copy(model: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy on the CPU, in eval mode, for a dry run; the model itself is not touched.

    Raises
    ------
    InputError
        If the model cannot be copied.
    """
    try:
        twin = copy.deepcopy(model)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the model ({type(model).__name__}) cannot be copied: {reason}") from None
    return twin.cpu().to(dtype).eval() if dtype is not None else twin.cpu().eval()


@contextlib.contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Models in eval mode inside the block, every module back in its own mode after it."""
    modes = [(module, module.training) for model in models for module in model.modules()]
    try:
        for model in models:
            model.eval()
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def check_runs(model: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Run the model once.

    Raises
    ------
    InputError
        If it raises; the message gives the shapes and what it said.
    """
    try:
        with torch.no_grad():
            model(*inputs)
    except InputError:
        raise
    except Exception as error:
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors_in(inputs))
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"the model ({type(model).__name__}) does not run on example_inputs of shape {shapes}: "
            f"{said}"
        ) from None


def example_count(inputs: tuple[Any, ...]) -> int:
    """Examples in the batch: the first axis of the first tensor."""
    first = next(tensors_in(inputs))
    return first.shape[0] if first.dim() else 1


def shorten(model: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The first two examples, if all tensors have the same first axis and the model takes two."""
    sizes = {t.shape[0] if t.dim() else -1 for t in tensors_in(inputs)}
    if len(sizes) != 1 or sizes.pop() <= 2:
        return inputs
    fewer = mapped(inputs, lambda t: t[:2])
    try:
        with torch.no_grad():
            model(*fewer)
    except Exception:
        return inputs
    return tuple(fewer)
