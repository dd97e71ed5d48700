"""The parts ``gates``, ``cold-start``, ``rank`` and ``igmc`` of `benchmarks.paper`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.checkpoint import Checkpoint
from benchmarks.comparators import Array, Model, normalised_loss
from benchmarks.damrep_fits import fit_damrep
from benchmarks.generators import make_table
from benchmarks.harness import Column, Say, over_seeds
from benchmarks.paper_training import (
    LINEAR,
    MLP,
    QUADRATIC,
    Recipe,
    train_by_strategy,
    train_literally,
)
from benchmarks.rank_cases import QUICK, TRAINED, Case, counts, measure_case
from benchmarks.recommender_data import rating_splits
from benchmarks.recommender_quality import IGMC_COLUMNS, IGMC_PUBLISHED, IGMC_TABLES
from benchmarks.recommender_rows import igmc_fit
from benchmarks.timing import measure
from damrep.masking import price_to_lambda
from damrep.masking.gate import GATES

__all__ = ["cold_start_part", "gates_part", "igmc_part", "rank_part"]

PRICE = 1e-3
_GATES = "paper-gates"
LITERAL, STRATEGY = "the paper's training", "damrep's strategy"
DEFAULT, AS_IT_IS = "damrep, the default", "as it is"
_COLD = 0.2  # share of the steps in which beta is held
_QUICK_STEPS = 12
_IGMC_LAMBDA = 0.1  # of the authors' code, for both tables
# Columns of the linear table have the variance of a linear layer's default weights, 1/3.
_THIRD = (1 / 30) ** 0.5

_MASK_COLUMNS = (
    Column("table", "Table"),
    Column("true", "True dims"),
    Column("method", "Method"),
    Column("variant", "Variant"),
    Column("found", "Dims"),
    Column("carrying", "of them in use"),
    Column("loss", "Test loss", 4),
    Column("cost", "Cost", 4),
    Column("steps", "Steps"),
    Column("cpu_s", "CPU s", 1),
)
_MASK_NOTES = (
    "Test loss: share of the variance of rows left aside. Cost: that and a price of .001 for each "
    "dimension, open gates counted; lambda is what this price amounts to at the table's scale. "
    "Dims: with the number of seeds where they differ; in use: dimensions of what the decoder "
    "reads of them. The paper's training and damrep's strategy have the same network "
    "and the same weights at first; the default is the estimator, with its own network, its linear "
    "path that begins as PCA and closed units that are fitted anew.",
)
_RANK_COLUMNS = (
    Column("setting", "Table"),
    Column("method", "Method"),
    Column("true", "True dims"),
    Column("found", "Found"),
    Column("exact", "Exact"),
    Column("within_one", "Within 1"),
    Column("carrying", "of them in use"),
    Column("steps", "Steps"),
    Column("cpu_s", "CPU s", 1),
)
_RANK_NOTES = (
    "The paper's training with the settings of its authors' code: 2,000 steps and lambda .01 for "
    "the linear table, 5,000 and .01 for the quadratic one, whose decoder is quadratic too, 10,000 "
    "and .1 for the MLP's; of 512 rows where the authors take all 5,000. damrep: the default with "
    "50 dimensions at most, on the linear table the mask trained without the closed form.",
)


@dataclass(frozen=True)
class _Table:
    """Rows to fit, by which the mask moves and left aside, by seed; and the network they get."""

    split: Callable[[int], tuple[Array, Array, Array]]
    recipe: Recipe
    true: int | None = None


def _parts(rows: Array, seed: int) -> tuple[Array, Array, Array]:
    mixed = rows[np.random.default_rng(seed).permutation(len(rows))]
    test, held = len(rows) // 5, len(rows) * 7 // 25
    return mixed[held:], mixed[test:held], mixed[:test]


def _planted(kind: str, dims: int, scale: float, recipe: Recipe) -> _Table:
    def split(seed: int) -> tuple[Array, Array, Array]:
        return _parts(make_table(kind, dims, seed, scale=scale), seed)

    return _Table(split, recipe, dims)


_TABLES = {
    "digits": _Table(
        lambda seed: _parts(load_digits().data.astype(np.float32) / 8 - 1, seed),
        Recipe((64,), (64,), width=40, lr=1e-3, weight_decay=0.0, batch_size=256, steps=6000),
    ),
    "linear, 10 of 100": _planted("linear", 10, _THIRD, replace(LINEAR, batch_size=512)),
}
"""Name -> rows and network."""


def _mask_rows(
    name: str,
    title: str,
    variants: Mapping[str, Mapping[str, Any]],
    options: argparse.Namespace,
    say: Say,
) -> None:
    """Rows of every table and method, with what a variant changes for each method."""
    under = {"seeds": list(options.seeds), "quick": options.quick}
    done = Checkpoint(name, title, _MASK_COLUMNS, options.out, under, options.again, _MASK_NOTES)
    tables = dict(list(_TABLES.items())[:1]) if options.quick else _TABLES
    order = []
    for table in _TABLES:
        order += [f"{table}/{method}/{v}" for method in (LITERAL, STRATEGY) for v in variants]
        if name == _GATES:  # once will do
            order.append(f"{table}/{DEFAULT}/{AS_IT_IS}")
    for key in [key for key in order if key.partition("/")[0] in tables]:
        table, method, variant = key.split("/")
        change = variants.get(variant, {})

        def run(table: str = table, method: str = method, variant: str = variant,
                change: Mapping[str, Any] = change) -> dict[str, Any]:  # fmt: skip
            recipe = replace(_TABLES[table].recipe, **change.get("recipe", {}))
            if options.quick:
                recipe = replace(recipe, steps=_QUICK_STEPS)
            runs = [
                _run(_TABLES[table], recipe, method, seed, change.get("strategy", {}))
                for seed in options.seeds
            ]
            return {
                "table": table,
                "true": _TABLES[table].true,
                "method": method,
                "variant": variant,
                "found": counts([run["dims"] for run in runs]),
                "carrying": counts([run["carrying"] for run in runs]),
                **{k: fmean(run[k] for run in runs) for k in ("loss", "cost", "cpu_s")},
                "steps": runs[0]["steps"],
                "runs": runs,
            }

        row = done.row(key, run, order)
        assert row is not None
        say(f"{key}: {row['found']} dims, {row['carrying']} in use, cost {row['cost']:.4f}")


def _run(
    table: _Table, recipe: Recipe, method: str, seed: int, strategy: Mapping[str, Any]
) -> dict[str, Any]:
    train, held, test = table.split(seed)
    rows = np.concatenate([train, held])
    if method == DEFAULT:
        fast: dict[str, Any] = {"max_epochs": 2} if recipe.steps <= _QUICK_STEPS else {}
        fit = fit_damrep(rows, seed, price=PRICE, max_components=recipe.width, **fast)
        loss = 1 - float(fit.model.score(test))
        numbers = {"dims": fit.dims, "carrying": fit.dims, "loss": loss, "steps": fit.steps}
        return {**numbers, "cost": loss + PRICE * fit.dims, "cpu_s": fit.cpu_s}
    if method == LITERAL:
        lam = price_to_lambda(PRICE, recipe.width) * float(rows.var(axis=0).mean())
        done = measure(train_literally, rows, lam, recipe, seed)
    else:
        rows = train
        done = measure(train_by_strategy, train, held, PRICE, recipe, seed, **strategy)
    model: Model = done.value
    loss = float(normalised_loss(test, model.reconstruct(test), rows.mean(axis=0)))
    return {
        "dims": model.dims,
        "carrying": model.details["carrying"],
        "loss": loss,
        "cost": loss + PRICE * model.dims,
        "steps": model.steps,
        "cpu_s": done.cpu_s,
    }


def gates_part(options: argparse.Namespace, say: Say) -> None:
    """The three shapes of the gate."""
    variants = {gate: {"recipe": {"gate": gate}} for gate in GATES}
    _mask_rows(_GATES, "Shapes of the gate", variants, options, say)


def cold_start_part(options: argparse.Namespace, say: Say) -> None:
    """Beta held for a while or not; a price that falls or counts from the first step."""
    variants: dict[str, dict[str, Any]] = {
        "without": {"strategy": {"falls": False}},
        "with": {"recipe": {"cold": _COLD}},
    }
    _mask_rows("paper-cold-start", "With and without a cold start", variants, options, say)


_RANKS: Sequence[tuple[Case, Recipe, float]] = (
    (
        Case("paper", "linear, variance 1/3", "linear", 10, {"scale": _THIRD},
             {"hidden": (), "max_components": 50}, TRAINED),
        replace(LINEAR, batch_size=512), 0.01,
    ),
    (Case("paper", "quadratic", "quadratic", 20, {}, {"max_components": 50}), QUADRATIC, 0.01),
    (Case("paper", "mlp", "mlp", 20, {}, {"max_components": 50}), MLP, 0.1),
)  # fmt: skip


def _literal_rank(
    case: Case, recipe: Recipe, lam: float, options: argparse.Namespace
) -> dict[str, Any]:
    dims = min(case.dims, 5) if options.quick else case.dims
    if options.quick:
        recipe = replace(recipe, steps=QUICK.steps, width=8)
    table = {**case.table, **(QUICK.table if options.quick else {})}
    runs = [
        measure(train_literally, make_table(case.kind, dims, seed, **table), lam, recipe, seed)
        for seed in options.seeds
    ]
    found = [run.value.dims for run in runs]
    off = [abs(one - dims) for one in found]
    return {
        "setting": f"{case.setting}, lambda {lam:g}",
        "method": LITERAL,
        "true": dims,
        "found": counts(found),
        "carrying": counts([run.value.details["carrying"] for run in runs]),
        "exact": f"{sum(one == 0 for one in off)}/{len(off)}",
        "within_one": f"{sum(one <= 1 for one in off)}/{len(off)}",
        "steps": runs[0].value.steps,
        "cpu_s": fmean(run.cpu_s for run in runs),
    }


def rank_part(options: argparse.Namespace, say: Say) -> None:
    """Known dimensions, with the settings the paper's authors have for them."""
    under = {"seeds": list(options.seeds), "quick": options.quick}
    title = "Rank recovery with the paper's settings"
    done = Checkpoint(
        "paper-rank", title, _RANK_COLUMNS, options.out, under, options.again, _RANK_NOTES
    )
    order = [f"{case.kind}/{method}" for case, *_ in _RANKS for method in (LITERAL, "damrep")]
    fits: dict[str, Callable[[], dict[str, Any] | None]] = {}
    for case, recipe, lam in _RANKS:
        fits[f"{case.kind}/{LITERAL}"] = partial(_literal_rank, case, recipe, lam, options)
        fits[f"{case.kind}/damrep"] = partial(measure_case, case, options.seeds, options.quick)
    for key in order[:2] if options.quick else order:
        row = done.row(key, fits[key], order)
        assert row is not None
        say(f"{key}: {row['found']}, exact {row['exact']}")


def igmc_part(options: argparse.Namespace, say: Say) -> None:
    """The graph network for ratings, by the paper's lambda and by the default."""
    notes = (
        f"The splits of Monti et al. {IGMC_PUBLISHED} "
        "Lambda as in the authors' code; one training and no ensemble with it.",
    )
    under = {"seeds": list(options.seeds), "quick": options.quick}
    title = "IGMC by the paper's lambda"
    done = Checkpoint("paper-igmc", title, IGMC_COLUMNS, options.out, under, options.again, notes)
    methods: dict[str, dict[str, Any]] = {
        f"the paper's lambda, {_IGMC_LAMBDA:g}": {"paper_lambda": _IGMC_LAMBDA},
        "damrep": {},
    }
    order = [f"{dataset}/{method}" for dataset in IGMC_TABLES for method in methods]
    for key in order[:2] if options.quick else order:
        dataset, method = key.split("/")

        def run(dataset: str = dataset, method: str = method) -> dict[str, Any]:
            splits = rating_splits(dataset, options.data_root, options.seeds)
            by_seed = dict(zip(options.seeds, splits, strict=True))
            found = over_seeds(
                lambda seed: igmc_fit(by_seed[seed], seed, options.quick, **methods[method]),
                options.seeds,
            )
            return {"dataset": dataset, "method": method, **found}

        row = done.row(key, run, order)
        assert row is not None
        say(f"{key}: {row['dims']['mean']:.4g} columns, RMSE {row['rmse']['mean']:.4f}")
