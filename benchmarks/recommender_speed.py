"""The tasks ``speed``, ``memory`` and ``growth`` of `benchmarks.recommenders`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.harness import Column, Say, interleave, measure, write_result
from benchmarks.peers import PeerMissingError, require
from benchmarks.recommender_data import ranking_split, rating_splits
from benchmarks.recommender_peers import lenskit_dataset
from damrep.masking.validation import InputError

__all__ = ["growth_task", "memory_task", "speed_task"]

Work = Callable[[], Any]
WIDTH = 128
# A call of either library does work of its own before the first epoch (here a look through all
# installed packages): so many epochs leave that a small part.
_EPOCHS = 100
SIZES = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
_RATINGS_A_USER, _ITEMS, _GROWTH_WIDTH = 100, 5000, 32
EXPONENT, MEMORY_MB, FIT_S = 1.05, 1073.7, 2.5


def _standard(matrix: sp.csr_matrix) -> sp.csr_matrix:
    found = matrix.copy()
    found.data = ((found.data - found.data.mean()) / found.data.std()).astype(np.float32)
    return found


def explicit_sweep(matrix: sp.csr_matrix, width: int) -> Work:
    """A sweep of alternating ridge regressions over ratings, uncertainties and priors included."""
    from damrep.recommend.entries import both_ways
    from damrep.recommend.rating_model import RatingModel
    from damrep.recommend.rating_pattern import pattern_features
    from damrep.training import torch_generator

    by_user, by_item, order = both_ways(_standard(matrix))
    user_pattern, item_pattern = pattern_features(by_user, by_item, 8, 0)
    features = (user_pattern.of(by_user), item_pattern.of(by_item))
    model = RatingModel(by_user, by_item, order, features)
    model.grow(width, torch_generator(0))
    return model.sweep


def adam_epochs(matrix: sp.csr_matrix, width: int) -> Work:
    """Epochs of full-batch Adam, mask included."""
    from damrep.masking.dam import DAM
    from damrep.masking.gradient import GradientWidth
    from damrep.recommend.gradient_tasks import FactorModule, RatingTask
    from damrep.training import TrainingOptions, torch_generator, train

    module = FactorModule(matrix.shape, width, DAM(width), torch_generator(0))
    task = RatingTask(module, _standard(matrix), 1.0, 1e-2)
    options = TrainingOptions(max_epochs=_EPOCHS, lr=0.01, device="cpu", seed=0)
    return lambda: train(task, options, GradientWidth(module, 1e-9))


def implicit_sweep(matrix: sp.csr_matrix, width: int) -> Work:
    """A sweep of the implicit model, re-alignment included."""
    from damrep.recommend.entries import both_ways
    from damrep.recommend.interaction_model import InteractionModel, Penalties

    return InteractionModel(*both_ways(matrix), width, Penalties(0.1, 0.01, 0.5), seed=0).sweep


def surprise_epoch(matrix: sp.csr_matrix, width: int) -> Work:
    """An epoch of scikit-surprise's SVD."""
    surprise = require("surprise", "scikit-surprise")
    found = matrix.tocoo()
    raw = [
        (int(u), int(i), float(r), None)
        for u, i, r in zip(found.row, found.col, found.data, strict=True)
    ]
    known = surprise.Dataset(surprise.Reader(rating_scale=(1, 5))).construct_trainset(raw)
    return lambda: surprise.SVD(n_factors=width, n_epochs=1, random_state=0).fit(known)


def lenskit_sweep(matrix: sp.csr_matrix, width: int) -> Work:
    """A sweep of lenskit's explicit ALS."""
    data = lenskit_dataset(matrix)
    from lenskit.als import BiasedMFScorer
    from lenskit.training import TrainingOptions

    model = BiasedMFScorer(embedding_size=width)
    sweep: Work = model.create_trainer(data, TrainingOptions(rng=0)).train_epoch
    return sweep


def cornac_epochs(matrix: sp.csr_matrix, width: int) -> Work:
    """Epochs of cornac's MF, as many as `adam_epochs`."""
    cornac = require("cornac", "cornac")
    found = matrix.tocoo()
    known = cornac.data.Dataset.from_uir(
        [*zip(found.row.tolist(), found.col.tolist(), found.data.tolist(), strict=True)], seed=0
    )
    return lambda: cornac.models.MF(
        k=width, max_iter=_EPOCHS, verbose=False, num_threads=1, seed=0
    ).fit(known)


def implicit_als_sweep(matrix: sp.csr_matrix, width: int) -> Work:
    """A sweep of implicit's ALS: its conjugate gradient solver, three steps, users then items."""
    require("implicit", "implicit")
    from implicit.cpu._als import least_squares_cg

    by_user = matrix.astype(np.float32).tocsr()
    by_item = by_user.T.tocsr()
    rng = np.random.default_rng(0)
    users, items = ((0.01 * rng.random((n, width))).astype(np.float32) for n in matrix.shape)

    def sweep() -> None:
        least_squares_cg(by_user, users, items, 0.01, num_threads=1)
        least_squares_cg(by_item, items, users, 0.01, num_threads=1)

    return sweep


_COMPARED = (
    (
        "explicit sweep",
        "ml-100k",
        {"damrep": explicit_sweep, "lenskit ALS": lenskit_sweep, "surprise SVD": surprise_epoch},
        {"lenskit ALS": 5.0, "surprise SVD": 1.0},
    ),
    (
        f"{_EPOCHS} epochs of Adam",
        "ml-100k",
        {"damrep": adam_epochs, "cornac MF": cornac_epochs},
        {"cornac MF": 1.3},
    ),
    (
        "implicit sweep",
        "gowalla",
        {"damrep": implicit_sweep, "implicit ALS": implicit_als_sweep},
        {"implicit ALS": 1.0},
    ),
)


def speed_task(options: argparse.Namespace, say: Say) -> None:
    """Sweeps and epochs at 128 columns, taken in turns with other libraries; a whole fit."""
    # lenskit's own threads are not those that the other libraries share.
    for name in ("LK_NUM_THREADS", "LK_NUM_BACKEND_THREADS", "RAYON_NUM_THREADS"):
        os.environ.setdefault(name, str(options.threads))
    width = 8 if options.quick else WIDTH
    rows: list[dict[str, Any]] = []
    for what, dataset, makers, targets in _COMPARED:
        try:
            matrix = _table(dataset, options)
        except InputError as error:
            say(f"{what}: left out: {error}")
            continue
        work: dict[str, Work] = {}
        for name, make in makers.items():
            try:
                work[name] = make(matrix, width)
            except PeerMissingError as error:
                say(f"{what}: {name}: left out: {error}")
        timed = interleave(work, options.rounds)
        for row in timed.rows("damrep"):
            target = targets.get(row["name"])
            met = None if target is None else row["cpu_ratio"] >= target
            rows.append({"what": what, "dataset": dataset, **row, "target": target, "holds": met})
            say(f"{what}: {row['name']}: {row['cpu_median_s']:.4g} CPU s, {row['cpu_ratio']:.3g}")
    rows += _whole_fit(options, say)
    if not rows:
        return
    write_result(
        "recommenders-speed",
        rows,
        (
            Column("what", "What"),
            Column("dataset", "Data"),
            Column("name", "By"),
            Column("cpu_median_s", "CPU s", 3),
            Column("cpu_ratio", "Times damrep's", 2),
            Column("target", "At least", 1),
            Column("holds", "Holds"),
        ),
        title=f"Speed at {width} columns",
        settings={"threads": options.threads, "rounds": options.rounds, "quick": options.quick},
        notes=(
            "Median CPU seconds of calls taken in turns. damrep's explicit sweep keeps "
            "uncertainties and priors too. Whole fit: the default, with the choice of the width; "
            f"at most {FIT_S} s.",
        ),
        out=options.out,
    )


def _table(name: str, options: argparse.Namespace) -> sp.csr_matrix:
    if name == "ml-100k":
        return rating_splits(name, options.data_root, (0,))[0].train
    return ranking_split(name, options.data_root, 0).train


def _whole_fit(options: argparse.Namespace, say: Say) -> list[dict[str, Any]]:
    from damrep.recommend.explicit import DAMExplicitMF

    try:
        matrix = _table("ml-100k", options)
    except InputError:
        return []
    asked: dict[str, Any] = {"max_components": 8} if options.quick else {}
    times = [
        measure(DAMExplicitMF(random_state=seed, **asked).fit, matrix).cpu_s
        for seed in range(options.rounds)
    ]
    say(f"whole fit: {median(times):.3g} CPU s")
    row = {"what": "whole fit", "dataset": "ml-100k", "name": "damrep"}
    return [{**row, "cpu_median_s": median(times), "holds": median(times) <= FIT_S}]


def fit_and_rank(name: str, data_root: Path | None, width: int) -> dict[str, float]:
    """Fit to interactions and rank all items for every user: what the memory of is measured.

    Parameters
    ----------
    name : str
    data_root : Path or None
    width : int
        Most columns.
    """
    from damrep.recommend.implicit import DAMImplicitMF
    from damrep.recommend.ranking import evaluate_ranking

    split = ranking_split(name, data_root, 0)
    model = DAMImplicitMF(max_components=width, random_state=0).fit(split.train)

    def score(users: Any) -> Any:
        return model.user_factors_[users] @ model.item_factors_.T + model.item_bias_

    found = evaluate_ranking(score, split.test, split.train, (20,))
    return {"dims": float(model.n_components_), "recall": found["recall_at_20"]}


def _imports_only() -> None:
    import damrep.recommend.implicit
    import damrep.recommend.ranking  # noqa: F401


def memory_task(options: argparse.Namespace, say: Say) -> None:
    """Peak memory of a fit to Gowalla and a full ranking, above a process that has the imports."""
    name = "lastfm" if options.quick else "gowalla"
    try:
        ranking_split(name, options.data_root, 0)
    except InputError as error:
        say(f"memory: left out: {error}")
        return
    base = measure(_imports_only, fresh_process=True)
    width = 8 if options.quick else WIDTH
    done = measure(fit_and_rank, name, options.data_root, width, fresh_process=True)
    assert done.peak_mb is not None and base.peak_mb is not None
    above = done.peak_mb - base.peak_mb
    say(f"memory: {above:.0f} MB above {base.peak_mb:.0f}")
    write_result(
        "recommenders-memory",
        [
            {
                "what": f"{name}, fit and full ranking",
                "above_mb": above,
                "base_mb": base.peak_mb,
                **done.value,
                "cpu_s": done.cpu_s,
                "holds": above <= MEMORY_MB,
            }
        ],
        (
            Column("what", "What"),
            Column("above_mb", "MB above", 0),
            Column("base_mb", "the imports' MB", 0),
            Column("dims", "Dims", 0),
            Column("recall", "Recall@20", 4),
            Column("cpu_s", "CPU s", 0),
            Column("holds", "Holds"),
        ),
        title="Memory",
        settings={"threads": options.threads, "quick": options.quick},
        notes=("Peak of a process of its own, above the peak of one that only imports.",),
        out=options.out,
    )


def _many_ratings(count: int, seed: int) -> sp.csr_matrix:
    """So many ratings, a hundred a user of 5,000 items, drawn evenly."""
    rng = np.random.default_rng(seed)
    users = count // _RATINGS_A_USER
    columns = np.sort(rng.integers(_ITEMS, size=(users, _RATINGS_A_USER)), axis=1).ravel()
    values = rng.integers(1, 6, size=len(columns)).astype(np.float32)
    starts = np.arange(0, len(columns) + 1, _RATINGS_A_USER)
    matrix = sp.csr_matrix((values, columns, starts), (users, _ITEMS))
    matrix.sum_duplicates()
    return matrix


def growth_task(options: argparse.Namespace, say: Say) -> None:
    """Seconds of a sweep against the number of ratings, and the exponent between them."""
    sizes = SIZES[:2] if options.quick else SIZES
    rows: list[dict[str, Any]] = []
    for size in sizes:
        sweep = explicit_sweep(_many_ratings(size, 0), _GROWTH_WIDTH)
        sweep()
        times = [measure(sweep).cpu_s for _ in range(options.rounds)]
        rows.append({"ratings": size, "sweep_s": median(times)})
        say(f"growth: {size:,} ratings: {median(times):.3g} CPU s a sweep")
    ratings, seconds = (np.log([row[key] for row in rows]) for key in ("ratings", "sweep_s"))
    exponent = float(np.polyfit(ratings, seconds, 1)[0])
    rows[-1] |= {"exponent": exponent, "holds": exponent <= EXPONENT}
    say(f"growth: exponent {exponent:.3f}")
    write_result(
        "recommenders-growth",
        rows,
        (
            Column("ratings", "Ratings", 0),
            Column("sweep_s", "CPU s a sweep", 3),
            Column("exponent", "Exponent", 3),
            Column("holds", "Holds"),
        ),
        title="Seconds of a sweep against ratings",
        settings={"threads": options.threads, "rounds": options.rounds, "quick": options.quick},
        notes=(
            f"{_GROWTH_WIDTH} columns, {_RATINGS_A_USER} ratings a user, {_ITEMS:,} items; at most "
            f"{EXPONENT}.",
        ),
        out=options.out,
    )
