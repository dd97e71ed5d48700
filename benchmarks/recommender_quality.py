"""The tasks ``explicit``, ``implicit``, ``igmc`` and ``rank`` of `benchmarks.recommenders`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.harness import Column, Say
from benchmarks.recommender_data import (
    EXPLICIT,
    IMPLICIT,
    RankingSplit,
    RatingSplit,
    held_out_part,
    ranking_split,
    rating_splits,
    synthetic,
    trials,
)
from benchmarks.recommender_peers import RANKING_PEERS, RATING_PEERS, Peer
from benchmarks.recommender_plot import AT_WIDTH, draw_recommenders
from benchmarks.recommender_rows import (
    checkpoint,
    datasets_asked,
    igmc_fit,
    measured_row,
    row_order,
)
from benchmarks.seeds import over_seeds
from benchmarks.timing import measure
from damrep.masking.validation import InputError
from damrep.recommend.explicit import DAMExplicitMF
from damrep.recommend.implicit import DAMImplicitMF
from damrep.recommend.ranking import evaluate_ranking, rating_errors

__all__ = [
    "BUDGET",
    "IGMC_COLUMNS",
    "IGMC_PUBLISHED",
    "IGMC_TABLES",
    "explicit_task",
    "igmc_task",
    "implicit_methods",
    "implicit_task",
    "rank_task",
    "tuned",
]

DAMREP, UNMASKED = "damrep", "damrep, best width without a mask"
BUDGET = 128
"""Dimensions that every method may have, unless asked otherwise."""
WIDTHS = (2, 4, 8, 16, 32, 64, 128)
IGMC_TABLES = ("flixster", "douban")
IGMC_PUBLISHED = "Published for IGMC without a mask: Flixster .872, Douban .721."
IGMC_COLUMNS = (
    Column("dataset", "Ratings"),
    Column("method", "Method"),
    Column("dims", "Columns of 128", 1),
    Column("rmse", "RMSE", 4),
    Column("cpu_s", "CPU s", 0),
)
RANKS = (3, 8, 16)
CUTOFF = 20
_RATING_METHODS = (DAMREP, UNMASKED, *RATING_PEERS)

_EXPLICIT_NOTES = (
    "Test RMSE and MAE, mean over MovieLens-100K's folds u1 to u5, elsewhere over seeds on the one "
    "published split. 'Best width without a mask': of 2, 4, ..., 128 columns, price aside, the one "
    "with the smallest loss on damrep's held-out part. The others: best of nine settings on a "
    "tenth of the training ratings, then fitted to all of them. CPU s: of the whole choice.",
)
_IMPLICIT_NOTES = (
    "Full ranking of all items a user has not had in training. damrep finds weight, exponent "
    "of popularity and penalty on a tenth of the training interactions, in at most nine trials; "
    "the others the best of nine settings by NDCG@20 on a tenth, then fitted to all. Of softmax "
    "temperature and width are chosen. EASE has no dimensions; it is left out above 10,000 items. "
    "CPU s: of the whole choice.",
)


def _full(budget: int) -> str:
    """Name of the method whose widths are drawn as a curve."""
    return f"damrep, {budget} without a mask"


def _ours(budget: int) -> dict[str, dict[str, Any]]:
    """Methods of the task implicit that are damrep's: its arguments."""
    learned = {"max_components": budget}
    whole = {**learned, "n_components": budget}
    return {
        DAMREP: learned,
        _full(budget): whole,
        "damrep, softmax": {**learned, "loss": "softmax"},
        f"damrep, softmax, {budget} without a mask": {**whole, "loss": "softmax"},
    }


def implicit_methods(budget: int = BUDGET) -> tuple[str, ...]:
    """Names of all methods of the task implicit, in the order of its table.

    Parameters
    ----------
    budget : int
        Dimensions that every method may have.
    """
    return (*_ours(budget), *RANKING_PEERS)


def tuned(
    peer: Peer, matrix: sp.csr_matrix, seed: int, lost: Callable[[Any, sp.csr_matrix], float]
) -> tuple[Any, dict[str, Any]]:
    """The best of a peer's grid on a held-out tenth, fitted again to everything.

    Parameters
    ----------
    peer : Peer
    matrix : csr_matrix
        What may be fitted.
    seed : int
        Of the held-out part, and of the fits.
    lost : callable
        Given a fitted model and the held-out part; smaller is better.

    Returns
    -------
    model, parameters
    """
    rest, part = held_out_part(matrix, seed)
    tried = [(lost(peer.fit(rest, seed, **p), part), p) for p in trials(dict(peer.grid))]
    best = min(tried, key=lambda pair: pair[0])[1]
    return peer.fit(matrix, seed, **best), best


def _rmse(predict: Callable[..., Any], part: sp.csr_matrix) -> float:
    found = part.tocoo()
    return rating_errors(predict(found.row, found.col), found.data)["rmse"]


def _explicit_row(method: str, split: RatingSplit, seed: int, quick: bool) -> dict[str, float]:
    curve: dict[str, float] = {}
    if method in (DAMREP, UNMASKED):
        sweeps: dict[str, Any] = {"max_sweeps": 3} if quick else {}
        asked = (WIDTHS[:2] if quick else WIDTHS) if method == UNMASKED else (None,)
        done = measure(
            lambda: [
                DAMExplicitMF(n_components=m, random_state=seed, **sweeps).fit(split.train)
                for m in asked
            ]
        )
        model = min(done.value, key=lambda one: float(one.report_.loss or 0))
        dims, predict = model.n_components_, model.predict
        if method == UNMASKED:
            for width, one in zip(asked, done.value, strict=True):
                found = rating_errors(one.predict(split.users, split.items), split.ratings)
                curve[f"{AT_WIDTH}{width}"] = found["rmse"]
    else:
        peer = _quickly(RATING_PEERS[method], quick)
        done = measure(tuned, peer, split.train, seed, _rmse)
        predict, chosen = done.value
        dims = int(chosen[peer.width])
    errors = rating_errors(predict(split.users, split.items), split.ratings)
    return {"dims": float(dims), **errors, "cpu_s": done.cpu_s, **curve}


def _quickly(peer: Peer, quick: bool) -> Peer:
    if not quick:
        return peer
    return replace(peer, grid={name: values[:1] for name, values in peer.grid.items()})


def explicit_task(options: argparse.Namespace, say: Say) -> None:
    """RMSE at the dimensions found, beside other libraries."""
    columns = (
        Column("dataset", "Ratings"),
        Column("method", "Method"),
        Column("dims", "Dims", 1),
        Column("rmse", "RMSE", 4),
        Column("mae", "MAE", 4),
        Column("cpu_s", "CPU s", 1),
    )
    done = checkpoint("explicit", "Ratings", columns, options, _EXPLICIT_NOTES)
    order = row_order(EXPLICIT, _RATING_METHODS)
    for dataset in datasets_asked(options, EXPLICIT):
        try:
            splits = rating_splits(dataset, options.data_root, options.seeds)
        except InputError as error:
            say(f"{dataset}: left out: {error}")
            continue
        folds = [*enumerate(splits)]
        if dataset != "ml-100k":
            folds = [*zip(options.seeds, splits, strict=True)]
        for method in _RATING_METHODS:

            def row(
                dataset: str = dataset,
                method: str = method,
                folds: Sequence[tuple[int, RatingSplit]] = folds,
            ) -> Mapping[str, Any]:
                by_seed = dict(folds[:1] if options.quick else folds)
                found = over_seeds(
                    lambda seed: _explicit_row(method, by_seed[seed], seed, options.quick), by_seed
                )
                return {"dataset": dataset, "method": method, **found}

            measured_row(done, dataset, method, row, ("dims", "rmse", "cpu_s"), say, order)
    draw_recommenders(done.name, options.out)


def _ranked(score: Callable[[Any], Any], split: RankingSplit) -> dict[str, float]:
    return evaluate_ranking(score, split.test, split.train, (CUTOFF,))


def _halves(budget: int) -> list[int]:
    """Narrower widths to draw the curve at: 8, 16, ... below the budget."""
    return [8 * 2**k for k in range(20) if 8 * 2**k < budget]


def _scores(model: DAMImplicitMF) -> Callable[[Any], Any]:
    def score(users: Any) -> Any:
        # Copied: what is ranked is written to.
        return model.user_factors_[users] @ model.item_factors_.T + model.item_bias_

    return score


def _implicit_row(
    method: str, split: RankingSplit, seed: int, quick: bool, budget: int
) -> dict[str, float] | None:
    curve: dict[str, float] = {}
    ours = _ours(budget)
    if method in ours:
        asked = ours[method]
        if quick:
            small = {"n_components": 8} if "n_components" in asked else {}
            known: dict[str, Any] = {"max_components": 8, "max_sweeps": 2}
            known |= {"reg": 0.01, "unobserved_weight": 0.1, "unobserved_exponent": 0.5}
            asked = {**asked, **known, **small}
        done = measure(DAMImplicitMF(random_state=seed, **asked).fit, split.train)
        model = done.value
        dims, score = float(model.n_components_), _scores(model)
        # Of wider budgets the curve would cost more than all else together.
        if method == _full(BUDGET) and not quick:
            details: dict[str, Any] = model.report_.details
            chosen = {
                name: details[name] for name in ("reg", "unobserved_weight", "unobserved_exponent")
            }
            for width in _halves(budget):
                narrow: dict[str, Any] = {**asked, **chosen, "n_components": width}
                one = DAMImplicitMF(random_state=seed, **narrow).fit(split.train)
                curve[f"{AT_WIDTH}{width}"] = _ranked(_scores(one), split)[f"ndcg_at_{CUTOFF}"]
            curve[f"{AT_WIDTH}{budget}"] = _ranked(score, split)[f"ndcg_at_{CUTOFF}"]
    else:
        peer = _quickly(RANKING_PEERS[method], quick).at_width(budget)
        if peer.most_items is not None and split.train.shape[1] > peer.most_items:
            return None

        def lost(score: Callable[[Any], Any], part: sp.csr_matrix) -> float:
            seen = split.train - part
            seen.eliminate_zeros()
            return -evaluate_ranking(score, part, seen, (CUTOFF,))[f"ndcg_at_{CUTOFF}"]

        done = measure(tuned, peer, split.train, seed, lost)
        score, chosen = done.value
        dims = float("nan") if peer.width is None else float(chosen[peer.width])
    found = _ranked(score, split)
    measured = {
        "ndcg": found[f"ndcg_at_{CUTOFF}"],
        "recall": found[f"recall_at_{CUTOFF}"],
        "coverage": found[f"coverage_at_{CUTOFF}"],
        "cpu_s": done.cpu_s,
        **curve,
    }
    return measured if np.isnan(dims) else {"dims": dims, **measured}


def implicit_task(options: argparse.Namespace, say: Say) -> None:
    """Full rankings at the dimensions found, beside other libraries."""
    columns = (
        Column("dataset", "Interactions"),
        Column("method", "Method"),
        Column("dims", "Dims", 1),
        Column("ndcg", f"NDCG@{CUTOFF}", 4),
        Column("recall", f"Recall@{CUTOFF}", 4),
        Column("coverage", f"Coverage@{CUTOFF}", 3),
        Column("cpu_s", "CPU s", 1),
    )
    budget, methods = options.budget, implicit_methods(options.budget)
    name = "implicit" if budget == BUDGET else f"implicit-{budget}"
    title = "Interactions" if budget == BUDGET else f"Interactions, {budget} dimensions at most"
    done = checkpoint(name, title, columns, options, _IMPLICIT_NOTES)
    order = row_order(IMPLICIT, methods)
    for dataset in datasets_asked(options, IMPLICIT):
        try:
            splits = {s: ranking_split(dataset, options.data_root, s) for s in options.seeds}
        except InputError as error:
            say(f"{dataset}: left out: {error}")
            continue
        for method in [name for name in methods if name in (options.methods or methods)]:

            def row(
                dataset: str = dataset,
                method: str = method,
                splits: Mapping[int, RankingSplit] = splits,
            ) -> Mapping[str, Any] | None:
                rows = {
                    s: _implicit_row(method, splits[s], s, options.quick, budget) for s in splits
                }
                kept = {s: found for s, found in rows.items() if found is not None}
                if not kept:
                    return None
                found = over_seeds(lambda seed: kept[seed], kept)
                return {"dataset": dataset, "method": method, **found}

            measured_row(
                done, dataset, method, row, ("dims", "ndcg", "recall", "cpu_s"), say, order
            )
    if budget == BUDGET:  # without a curve there is little to see
        draw_recommenders(done.name, options.out)


def igmc_task(options: argparse.Namespace, say: Say) -> None:
    """The graph network with a masked readout, on Monti's splits."""
    title = "IGMC with a mask over its readout"
    done = checkpoint("igmc", title, IGMC_COLUMNS, options, (IGMC_PUBLISHED,))
    for dataset in datasets_asked(options, IGMC_TABLES):
        try:
            splits = rating_splits(dataset, options.data_root, options.seeds)
        except InputError as error:
            say(f"{dataset}: left out: {error}")
            continue

        def row(
            dataset: str = dataset, splits: Sequence[RatingSplit] = splits
        ) -> Mapping[str, Any]:
            by_seed = dict(zip(options.seeds, splits, strict=True))

            def one(seed: int) -> dict[str, float]:
                return igmc_fit(by_seed[seed], seed, options.quick)

            return {"dataset": dataset, "method": "damrep IGMC", **over_seeds(one, by_seed)}

        measured_row(done, dataset, "damrep IGMC", row, ("dims", "rmse", "cpu_s"), say)


def rank_task(options: argparse.Namespace, say: Say) -> None:
    """Is the number of factors found, where it is known?"""
    columns = (
        Column("kind", "Feedback"),
        Column("rank", "Factors", 0),
        Column("exact", "Exact"),
        Column("found", "Found"),
        Column("gates", "Open gates", 1),
        Column("cpu_s", "CPU s", 1),
    )
    notes = ("Two thousand users, 1,500 items; `benchmarks.recommender_data.synthetic`.",)
    done = checkpoint("rank", "The number of factors where it is known", columns, options, notes)
    for kind, model in (("explicit", DAMExplicitMF), ("implicit", DAMImplicitMF)):
        for rank in RANKS[:1] if options.quick else RANKS:

            def row(kind: str = kind, rank: int = rank, model: Any = model) -> Mapping[str, Any]:
                def one(seed: int) -> dict[str, float]:
                    fitted = measure(model(random_state=seed).fit, synthetic(kind, rank, seed))
                    report = fitted.value.report_
                    return {
                        "dims": float(fitted.value.n_components_),
                        "gates": float(report.details["dimensions"]["open gates"]),
                        "cpu_s": fitted.cpu_s,
                    }

                found = over_seeds(one, options.seeds)
                dims = [int(value) for value in found.pop("dims").values]
                right = sum(value == rank for value in dims)
                return {
                    "kind": kind,
                    "rank": rank,
                    "exact": f"{right}/{len(dims)}",
                    "found": ", ".join(str(value) for value in sorted(set(dims))),
                    **found,
                }

            made = done.row(f"{kind}/{rank}", row)
            assert made is not None
            say(f"{kind}, {rank} factors: exact {made['exact']}, found {made['found']}")
