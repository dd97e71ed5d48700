"""What a report says where something simpler does better than what was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["losing_note"]


def losing_note(
    ours: Mapping[str, Any],
    other: Mapping[str, Any],
    measure: str,
    whose: str,
    *,
    called: str | None = None,
    lower: bool = False,
    allowed: float = 0.0,
    spread: float | None = None,
) -> str | None:
    """A sentence for a measure on which another row of a table beats the learned one.

    Parameters
    ----------
    ours, other
        Rows of measures, with "name" and "dims".
    measure
        The column.
    whose
        What was learned, in the genitive.
    called
        What the measure is called; as the column if not given.
    lower
        A smaller number is the better one.
    allowed
        How much better the other may be.
    spread
        How far chance moves the difference between the two; one that is no larger is no news.

    Returns
    -------
    str, or None
        None where it is not better, not clearly so, or one of the two was not measured.

    Examples
    --------
    >>> learned = {"name": "learned", "dims": 3, "rmse": 0.95}
    >>> biases = {"name": "biases alone", "dims": 0, "rmse": 0.94}
    >>> losing_note(learned, biases, "rmse", "the learned model's", called="RMSE", lower=True)
    "biases alone (0 dims): RMSE 0.940 is lower than the learned model's 0.950 (3 dims)"
    """
    mine, theirs = ours.get(measure), other.get(measure)
    if mine is None or theirs is None:
        return None
    # As printed: a difference nobody can see is no news.
    gap = round(round(theirs, 3) - round(mine, 3), 3)
    if lower:
        gap = -gap
    if gap <= allowed or spread is not None and gap <= spread:
        return None
    return (
        f"{other['name']} ({other['dims']} dims): {called or measure} {theirs:.3f} is "
        f"{'lower' if lower else 'higher'} than {whose} {mine:.3f} ({ours['dims']} dims)"
    )
