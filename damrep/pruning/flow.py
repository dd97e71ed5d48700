"""What is known of a tensor while channels are followed, and finding tensors in nested values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from damrep.pruning.coupling import ANYTHING

__all__ = ["Flow", "tensors_in"]


@dataclass(frozen=True)
class Flow:
    """What is known of a tensor.

    Parameters
    ----------
    labels
        int64, as many axes as the tensor, of size 1 along every axis along which they are equal.
    constant
        Whether the values depend on nothing but the channel (axis 1): not on the input, the example
        or the position.
    still_if
        Convolutions and linear layers; if each of them gave a constant, this would be one. None if
        it would not be one even then.
    """

    labels: Tensor
    constant: bool = False
    still_if: frozenset[str] | None = None

    @staticmethod
    def anything(ndim: int) -> Flow:
        """The flow of a tensor with no channel of any layer in it."""
        return Flow(torch.full((1,) * ndim, ANYTHING))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists, dictionaries and objects with attributes.

    Examples
    --------
    >>> [t.item() for t in tensors_in({"a": [torch.tensor(1)], "b": (torch.tensor(2), 3)})]
    [1, 2]
    """
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        yield from tensors_in(vars(value))
