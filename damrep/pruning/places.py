"""Moves of data that count channels: which must go together so that the counting stays right.

A chunk, a slice or a reshape that splits the channel axis is written with numbers. The code is run
again on fewer channels, and finds the same ones in the same parts only if every part has lost as
many. Channels at the same place of each part are joined for that; where this does not help, the
channels must stay. (Numbers that do not follow the number of channels are found by trying.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from damrep.pruning.coupling import Slots
from damrep.pruning.flow import tensors_in

__all__ = ["keep_places"]

_SPLITS = ("split", "unsafe_split", "chunk", "unsafe_chunk", "split_with_sizes")
_FIXED = ("select", "unbind", "roll", "index_select", "unfold")
_VIEWS = ("view", "_unsafe_view", "reshape", "_reshape_alias", "view_copy", "flatten", "unflatten")


def keep_places(
    slots: Slots,
    name: str,
    func: Any,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    out: Any,
    labels: Tensor | None,
) -> bool:
    """Join channels as far as a move needs it; whether the move is safe then.

    Parameters
    ----------
    slots
        Where channels are joined.
    name, func
        The operation.
    args, kwargs, out
        What it was given and what came out.
    labels
        Of its first argument, narrowed where they are equal; None if it has none.
    """
    if labels is None:
        return True
    x: Tensor = args[0]
    if name in _VIEWS:
        return _view(slots, labels, x, next(tensors_in(out)))
    if name in ("pixel_shuffle", "channel_shuffle", "native_channel_shuffle"):
        axis = x.dim() - 3 if name == "pixel_shuffle" else 1
        if any(size > 1 for at, size in enumerate(labels.shape) if at != axis):
            return False
        if labels.shape[axis] > 1:
            _join(slots, labels, axis, args[1], same_place=name != "pixel_shuffle")
            if name == "pixel_shuffle":
                _join(slots, labels, axis, labels.shape[axis] // args[1] ** 2, same_place=False)
        return True
    along = _axis(func, args, kwargs, x.dim())
    if along is None or labels.shape[along] == 1:
        return True
    return _along_channels(slots, name, args, out, labels, along)


def _along_channels(
    slots: Slots, name: str, args: Sequence[Any], out: Any, labels: Tensor, axis: int
) -> bool:
    """A move along the axis of the channels."""
    size = labels.shape[axis]
    if name in _FIXED:
        return False
    if name in _SPLITS:
        parts = {part.shape[axis] for part in tensors_in(out)}
        return len(parts) == 1 and _equal_parts(slots, labels, axis, parts.pop())
    if name in ("slice", "slice_copy", "narrow"):
        length = next(tensors_in(out)).shape[axis]
        if length == size:
            return True
        step = args[4] if len(args) > 4 else 1
        if step > 1:
            if size % step:
                return False
            _join(slots, labels, axis, size // step, same_place=False)
            return True
        start = (args[2] if len(args) > 2 else 0) or 0
        start = start + size if start < 0 else start
        return start % length == 0 and _equal_parts(slots, labels, axis, length)
    return True


def _equal_parts(slots: Slots, labels: Tensor, axis: int, length: int) -> bool:
    if labels.shape[axis] % length:
        return False
    _join(slots, labels, axis, labels.shape[axis] // length, same_place=True)
    return True


def _join(slots: Slots, labels: Tensor, axis: int, parts: int, same_place: bool) -> None:
    """Join the channels at the same place of equal parts, or those within each part."""
    rows = labels.movedim(axis, 0).reshape(parts, labels.shape[axis] // parts, -1)
    for column in range(rows.shape[2]):
        table = rows[:, :, column]
        for line in (table.T if same_place else table).tolist():
            for label in line[1:]:
                slots.join(line[0], label, "a part of it that is split off holds something else")


def _axis(func: Any, args: Sequence[Any], kwargs: dict[str, Any], ndim: int) -> int | None:
    """The axis an operation works along, by its argument named dim."""
    for at, argument in enumerate(func._schema.arguments):
        if argument.name in ("dim", "dims", "dimension"):
            value = kwargs.get(
                argument.name, args[at] if len(args) > at else argument.default_value
            )
            if isinstance(value, (list, tuple)):
                value = value[0] if len(value) == 1 else None
            return None if value is None else int(value) % max(ndim, 1)
    return None


def _view(slots: Slots, labels: Tensor, x: Tensor, out: Tensor) -> bool:
    """A reshape: axes may be merged; one that is split has to keep the places in its parts."""
    ends = {1}
    product = 1
    for size in out.shape:
        product *= size
        ends.add(product)
    before = 1
    for axis, size in enumerate(x.shape):
        after = before * size
        if labels.shape[axis] > 1:
            inner = sorted(end // before for end in ends if before < end < after)
            if inner and (any(end % before for end in ends if before < end < after)):
                return False
            if inner:
                if size % inner[0] or before not in ends:
                    return False
                _join(slots, labels, axis, inner[0], same_place=True)
        before = after
    return True
