"""Rows of the recommenders' tables: which there are, how they are measured and kept."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.checkpoint import Checkpoint
from benchmarks.harness import Column, Say
from benchmarks.peers import PeerMissingError
from benchmarks.recommender_data import RatingSplit
from benchmarks.timing import measure
from damrep.recommend.igmc.estimator import IGMC
from damrep.recommend.ranking import rating_errors

__all__ = ["checkpoint", "datasets_asked", "igmc_fit", "measured_row", "row_order"]


def datasets_asked(options: argparse.Namespace, known: Sequence[str]) -> list[str]:
    """Data sets asked for, of those a task knows; the first in a quick run, else all."""
    if options.datasets is not None:
        return [name for name in options.datasets if name in known]
    return list(known[:1] if options.quick else known)


def checkpoint(
    name: str,
    title: str,
    columns: Sequence[Column],
    options: argparse.Namespace,
    notes: Sequence[str],
) -> Checkpoint:
    """The result of a task, of what is there already under the same seeds."""
    under = {"seeds": list(options.seeds), "quick": options.quick}
    return Checkpoint(
        f"recommenders-{name}", title, columns, options.out, under, options.again, notes
    )


def row_order(datasets: Sequence[str], methods: Sequence[str]) -> list[str]:
    """Keys of rows in the order of a table."""
    return [f"{dataset}/{method}" for dataset in datasets for method in methods]


def measured_row(
    done: Checkpoint,
    dataset: str,
    method: str,
    row: Callable[[], Mapping[str, Any] | None],
    shown: Sequence[str],
    say: Say,
    order: Sequence[str] = (),
) -> None:
    """Measure a row, and say some of its numbers; or say why it is left out.

    Parameters
    ----------
    done : Checkpoint
    dataset, method : str
        Its key.
    row : callable
        Gives it; None where there are too many items for the method.
    shown : sequence of str
        Fields to say.
    say : callable
    order : sequence of str
        Keys in the order of the table.
    """
    try:
        made = done.row(f"{dataset}/{method}", row, order)
    except PeerMissingError as error:
        say(f"{dataset}: {method}: left out: {error}")
        return
    if made is None:
        say(f"{dataset}: {method}: left out: too many items for it")
        return
    numbers = [f"{key} {made[key]['mean']:.4g}" for key in shown if made.get(key) is not None]
    say(f"{dataset}: {method}: {' '.join(numbers)}")


def igmc_fit(split: RatingSplit, seed: int, quick: bool, **arguments: Any) -> dict[str, float]:
    """Columns, test RMSE and processor seconds of one fit.

    Parameters
    ----------
    split : RatingSplit
    seed : int
    quick : bool
        Two epochs.
    **arguments
        Of `IGMC`.
    """
    fast: dict[str, Any] = {"max_epochs": 2} if quick else {}
    fitted = measure(IGMC(random_state=seed, **{**fast, **arguments}).fit, split.train)
    predicted = fitted.value.predict(split.users, split.items)
    rmse = rating_errors(predicted, split.ratings)["rmse"]
    dims = float(fitted.value.n_components_)
    return {"dims": dims, "rmse": rmse, "cpu_s": fitted.cpu_s}
