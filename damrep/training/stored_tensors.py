"""What the tensors of a saved model have to be, and modules rebuilt from them.

Names, shapes and types are compared before a file of weights is opened, and modules are built
without memory first, so that a number in a file that somebody changed allocates nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from damrep.masking.schema import Choice, Entries, Items, Record, Rule, Whole
from damrep.masking.validation import InputError

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "FLOATS",
    "INT32",
    "INT64",
    "LAYOUT",
    "UINT8",
    "Layout",
    "Stored",
    "Told",
    "blank_module",
    "check_layout",
    "check_values",
    "filled_module",
    "layout_of",
    "module_tensors",
    "read_layout",
]

Module = TypeVar("Module", bound=nn.Module)

_DTYPES: dict[str, torch.dtype] = {
    name: getattr(torch, name)
    for name in (
        "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
        "float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64", "complex64",
    )
}  # fmt: skip
FLOAT32, FLOAT64 = (torch.float32,), (torch.float64,)
FLOATS = FLOAT32 + FLOAT64
UINT8, INT32, INT64 = (torch.uint8,), (torch.int32,), (torch.int64,)

LAYOUT: Rule = Entries(
    Record({"shape": Items(Whole(), most=8), "dtype": Choice(tuple(_DTYPES))}),
)
"""Of the record that a folder's config has of its tensors."""


@dataclass(frozen=True)
class Told:
    """Shape and type of a tensor, as the config tells them."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        count = 1
        for size in self.shape:
            count *= size
        return count * self.dtype.itemsize


Layout = Mapping[str, Told]


@dataclass(frozen=True)
class Stored:
    """What a tensor of a saved model has to be.

    Parameters
    ----------
    shape
        None where any size will do.
    dtypes
        Any of them.
    finite
        Whether it may hold no NaN and no infinity.
    """

    shape: tuple[int | None, ...]
    dtypes: tuple[torch.dtype, ...] = FLOAT32
    finite: bool = True


def layout_of(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Shapes and types by name, as plain data.

    Examples
    --------
    >>> layout_of({"bias": torch.zeros(3)})
    {'bias': {'shape': [3], 'dtype': 'float32'}}
    """
    return {
        name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
        for name, t in tensors.items()
    }


def read_layout(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, Told]:
    """What `layout_of` gave, after it was checked."""
    return {
        name: Told(tuple(entry["shape"]), _DTYPES[entry["dtype"]]) for name, entry in plain.items()
    }


def check_layout(layout: Layout, expected: Mapping[str, Stored]) -> None:
    """Refuse tensors that are not those a model is made of.

    Raises
    ------
    InputError
        If one is missing, is not part of the model, or has another shape or type.

    Examples
    --------
    >>> told = {"bias": Told((3,), torch.float32)}
    >>> check_layout(told, {"bias": Stored((None,))})
    >>> check_layout(told, {"bias": Stored((4,))})
    Traceback (most recent call last):
    damrep.masking.validation.InputError: tensor bias has shape [3], expected [4]
    """
    missing, strange = sorted(set(expected) - set(layout)), sorted(set(layout) - set(expected))
    if missing:
        raise InputError(f"tensor {missing[0]} is missing")
    if strange:
        raise InputError(f"tensor {strange[0]} is not part of such a model")
    for name, wanted in expected.items():
        told = layout[name]
        fits = len(told.shape) == len(wanted.shape) and all(
            size in (None, there) for size, there in zip(wanted.shape, told.shape, strict=True)
        )
        if not fits:
            sizes = ", ".join("any" if size is None else str(size) for size in wanted.shape)
            raise InputError(f"tensor {name} has shape {list(told.shape)}, expected [{sizes}]")
        if told.dtype not in wanted.dtypes:
            kinds = " or ".join(str(dtype).removeprefix("torch.") for dtype in wanted.dtypes)
            dtype = str(told.dtype).removeprefix("torch.")
            raise InputError(f"tensor {name} is {dtype}, expected {kinds}")


def check_values(tensors: Mapping[str, Tensor], expected: Mapping[str, Stored]) -> None:
    """Refuse tensors with values that are not finite.

    Raises
    ------
    InputError
        Naming the tensor.
    """
    for name, tensor in tensors.items():
        if expected[name].finite and tensor.is_floating_point():
            if not bool(torch.isfinite(tensor).all()):
                raise InputError(f"tensor {name} holds values that are not finite")


def blank_module(build: Callable[[], Module]) -> Module:
    """A module without memory for its parameters, and without drawing any.

    Examples
    --------
    >>> blank_module(lambda: nn.Linear(10**9, 10**9)).weight.shape
    torch.Size([1000000000, 1000000000])
    """
    with torch.device("meta"):
        return build()


def module_tensors(
    module: nn.Module, prefix: str = "", dtypes: tuple[torch.dtype, ...] = FLOAT32
) -> dict[str, Stored]:
    """What the tensors of a module have to be."""
    return {
        f"{prefix}{name}": Stored(tuple(tensor.shape), dtypes)
        for name, tensor in module.state_dict().items()
    }


def filled_module(module: Module, tensors: Mapping[str, Tensor], prefix: str = "") -> Module:
    """A module of `blank_module` with the tensors of that prefix as its parameters, in eval mode.

    Examples
    --------
    >>> stored = {"layer.weight": torch.ones(1, 2), "layer.bias": torch.zeros(1)}
    >>> layer = filled_module(blank_module(lambda: nn.Linear(2, 1)), stored, "layer.")
    >>> layer(torch.ones(2)).item()
    2.0
    """
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    module.load_state_dict(own, assign=True)
    return module.eval()
