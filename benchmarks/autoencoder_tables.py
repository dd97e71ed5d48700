"""The parts ``tables`` and ``curve`` of `benchmarks.autoencoder`: quality at the same dims."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.checkpoint import Checkpoint
from benchmarks.comparators import (
    Array,
    Budget,
    Model,
    fit_hard_concrete,
    fit_irmae,
    fit_l1_mask,
    fit_nested_dropout,
    fit_pca,
    fit_plain,
    normalised_loss,
)
from benchmarks.damrep_fits import Fitted, epochs_of, fit_damrep, shape_of
from benchmarks.harness import Column, Say, over_seeds
from benchmarks.table_data import Split, load_table, split_table
from benchmarks.timing import Measurement, measure
from damrep.masking.validation import InputError

__all__ = ["METHODS", "SETTINGS", "curve_part", "quality", "tables_part"]

Row = dict[str, Any]
DAMREP, PCA, L1 = "damrep", "PCA", "L1 mask"
FIRST = "damrep, first codes of one fit"
PLAIN, ORDINARY = "plain autoencoder, damrep's network", "plain autoencoder"
HARD, IRMAE, NESTED, COLUMNS_ALL = "hard concrete", "IRMAE", "nested dropout", "all columns"
GIVEN = "damrep, n_components given"
METHODS = (DAMREP, PCA, GIVEN, PLAIN, ORDINARY, L1, HARD, IRMAE, NESTED, COLUMNS_ALL)

# The paper's network for MNIST; elsewhere damrep's defaults.
SETTINGS: dict[str, dict[str, Any]] = {"mnist": {"hidden": (128, 64), "max_components": 32}}
DATASETS = ("digits", "isolet", "coil20", "pbmc", "tox171", "mnist")
QUICK: dict[str, Any] = {"max_epochs": 4, "max_components": 12, "hidden": (16,)}
QUICK_ROWS = 200
# Where damrep's fit took no steps, the others still need some.
_LEAST_STEPS = 1000
_WIDTH = 100
_MASK_PENALTY = 1e-2
_MOST_LOGISTIC = 20_000
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
CURVE_DIMS = (2, 4, 8, 12, 16, 24, 32)

_MEASURES = (
    Column("dims", "Dims", 1),
    Column("loss", "Held-out loss", 4),
    Column("knn", "kNN"),
    Column("logistic", "Logistic"),
    Column("steps", "Steps", 0),
    Column("cpu_s", "CPU s", 1),
)
NOTES = (
    "Held-out loss: share of the test rows' squared distance to the training mean that is not "
    "reconstructed. kNN: 5 neighbours; logistic: scikit-learn's on standardised codes, at most "
    f"{_MOST_LOGISTIC:,} training rows; both learn from codes of training rows and are scored on "
    "codes of test rows.",
    "Test rows: MNIST's own, elsewhere a fifth of every class, drawn by the seed. "
    "Every comparator gets the dimensions and the steps of damrep's fit under the same seed, and "
    "damrep's network; IRMAE and one of the plain autoencoders are without its linear path. "
    "A comparator's last batch of an epoch holds what is left of the rows, damrep leaves it out; "
    "on small tables the noise of it helps.",
)


def quality(encode: Callable[[Array], Array], split: Split) -> dict[str, float]:
    """Accuracy of two classifiers on codes: ``knn`` and ``logistic``.

    Parameters
    ----------
    encode : callable
        Rows to codes.
    split : Split
    """
    train = np.asarray(encode(split.x_train), dtype=np.float64)
    test = np.asarray(encode(split.x_test), dtype=np.float64)
    knn = KNeighborsClassifier(5).fit(train, split.y_train).score(test, split.y_test)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    rows = np.random.default_rng(0).permutation(len(train))[:_MOST_LOGISTIC]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe.fit(train[rows], split.y_train[rows])
    return {"knn": float(knn), "logistic": float(probe.score(test, split.y_test))}


def held_out_part(x: Array, seed: int) -> tuple[Array, Array]:
    """Training rows less a tenth, and that tenth, which comparators may look at."""
    parts: tuple[Array, Array] = tuple(train_test_split(x, test_size=0.1, random_state=seed))
    return parts


def _first_codes(fit: Fitted, dims: int) -> Model:
    """A fitted model cut to its first codes."""

    def encode(x: Array) -> Array:
        return np.asarray(fit.model.transform(x)[:, :dims])

    return Model(dims, fit.steps, encode, lambda x: fit.reconstruct(x, dims))


class TableRuns:
    """Every method on one table, damrep's fits first and kept.

    Parameters
    ----------
    name : str
        A key of `benchmarks.table_data.TABLES`.
    options : argparse.Namespace
        ``data_root``, ``quick``, ``rows``.

    Raises
    ------
    InputError
        If the table is not there.
    """

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name = name
        self.table = load_table(name, options.data_root)
        self.rows = QUICK_ROWS if options.quick else options.rows
        self.settings = {**SETTINGS.get(name, {}), **(QUICK if options.quick else {})}

    def split(self, seed: int) -> Split:
        """Training and test rows."""
        return split_table(self.table, seed, self.rows)

    def scored(self, split: Split, model: Model | Fitted, cpu_s: float) -> dict[str, float]:
        """Every number of a fitted model."""
        encode = model.model.transform if isinstance(model, Fitted) else model.encode
        return {
            "dims": model.dims,
            "loss": normalised_loss(
                split.x_test, model.reconstruct(split.x_test), split.x_train.mean(axis=0)
            ),
            **quality(encode, split),
            "steps": model.steps,
            "cpu_s": cpu_s,
        }

    def damrep(self, seed: int, **changes: Any) -> dict[str, float]:
        """Damrep's numbers, under other parameters where given."""
        split = self.split(seed)
        fit = fit_damrep(split.x_train, seed, **{**self.settings, **changes})
        return self.scored(split, fit, fit.cpu_s)

    def prefixes(self, seed: int, dims: Iterable[int]) -> list[dict[str, float]]:
        """The first codes of one fit: its numbers at some widths, each with the whole cost."""
        split = self.split(seed)
        fit = fit_damrep(split.x_train, seed, **self.settings)
        widths = sorted({min(m, fit.dims) for m in dims} | {fit.dims})
        return [self.scored(split, _first_codes(fit, m), fit.cpu_s) for m in widths]

    def other(
        self, method: str, seed: int, dims: int | None, steps: int, penalty: float = _MASK_PENALTY
    ) -> dict[str, float]:
        """A comparator's numbers."""
        split = self.split(seed)
        if method == COLUMNS_ALL:
            whole = Model(split.x_train.shape[1], 0, lambda x: x, lambda x: x)
            return self.scored(split, whole, 0.0)
        if method == GIVEN:
            epochs = epochs_of(steps or _LEAST_STEPS, len(split.x_train), self.settings)
            return self.damrep(seed, n_components=dims, max_epochs=epochs)
        done = self._fit(method, split, seed, dims, steps, penalty)
        return self.scored(split, done.value, done.cpu_s)

    def _fit(
        self, method: str, split: Split, seed: int, dims: int | None, steps: int, penalty: float
    ) -> Measurement:
        train, held_out = held_out_part(split.x_train, seed)
        width = min(self.settings.get("max_components", _WIDTH), *train.shape)
        budget = Budget(steps=steps if steps > 0 else _LEAST_STEPS)
        shape = shape_of(self._network(method), train.shape[1])
        common: dict[str, Any] = {"shape": shape, "budget": budget, "seed": seed}
        if method in (PLAIN, ORDINARY):
            return measure(fit_plain, train, held_out, dims, **common)
        if method == PCA:
            # It stops nowhere and chooses nothing, so it has no use for held-out rows.
            return measure(fit_pca, split.x_train, held_out, dims, seed=seed)
        if method in (L1, HARD):
            fit = fit_l1_mask if method == L1 else fit_hard_concrete
            return measure(fit, train, held_out, width, penalty, dims=dims, **common)
        fit_free = fit_irmae if method == IRMAE else fit_nested_dropout
        return measure(fit_free, train, held_out, width, dims=dims, **common)

    def _network(self, method: str) -> dict[str, Any]:
        return {**self.settings, **({"linear_path": False} if method == ORDINARY else {})}


def checkpoint(
    name: str, title: str, columns: Sequence[Column], options: argparse.Namespace
) -> Checkpoint:
    """A result of the autoencoder's benchmark."""
    under = {"seeds": list(options.seeds), "rows": options.rows, "quick": options.quick}
    return Checkpoint(
        f"autoencoder-{name}", title, columns, options.out, under, options.again, NOTES
    )


def tables_part(options: argparse.Namespace, say: Say) -> None:
    """Every method at the dimensions damrep learned, on every table."""
    columns = (Column("dataset", "Table"), Column("method", "Method"), *_MEASURES)
    done = checkpoint(
        "tables", "Real tables: every method at the same dimensions", columns, options
    )
    datasets = options.datasets or (["digits"] if options.quick else list(DATASETS))
    order = [f"{dataset}/{method}" for dataset in DATASETS for method in METHODS]
    for dataset in datasets:
        methods = [DAMREP, *(m for m in METHODS if m != DAMREP and m in options.methods)]
        if all(done.has(f"{dataset}/{method}") for method in methods):
            say(f"{dataset}: finished (--again measures it once more)")
            continue
        try:
            runs = TableRuns(dataset, options)
        except InputError as error:
            say(f"{dataset}: left out: {error}")
            continue
        for method in methods:

            def row(method: str = method, runs: TableRuns = runs) -> dict[str, Any]:
                return _table_row(runs, method, done, options)

            made = done.row(f"{dataset}/{method}", row, order)
            if made is not None:
                say(f"{dataset}: {method}: {_numbers(made)}")


def _table_row(
    runs: TableRuns, method: str, done: Checkpoint, options: argparse.Namespace
) -> dict[str, Any]:
    if method == DAMREP:
        found = over_seeds(runs.damrep, options.seeds)
    else:
        learned = done.get(f"{runs.name}/{DAMREP}")
        at = {
            seed: (int(dims), int(steps))
            for seed, dims, steps in zip(
                options.seeds, learned["dims"]["values"], learned["steps"]["values"], strict=True
            )
        }
        found = over_seeds(lambda seed: runs.other(method, seed, *at[seed]), options.seeds)
    return {"dataset": runs.name, "method": method, **found}


def _numbers(row: dict[str, Any]) -> str:
    keys = ("dims", "loss", "knn", "logistic", "cpu_s")
    values = [(key, row[key]["mean"] if isinstance(row[key], dict) else row[key]) for key in keys]
    return " ".join(f"{key} {value:.4g}" for key, value in values)


def curve_part(options: argparse.Namespace, say: Say) -> None:
    """MNIST: loss against dimensions, damrep beside the L1 mask at several penalties and PCA."""
    columns = (Column("method", "Method"), Column("penalty", "Penalty"), *_MEASURES)
    done = checkpoint("curve", "MNIST: held-out loss against dimensions", columns, options)
    dataset = "digits" if options.quick else "mnist"
    try:
        runs = TableRuns(dataset, options)
    except InputError as error:
        say(f"{dataset}: left out: {error}")
        return
    seed = options.seeds[0]
    most = min(runs.settings["max_components"], runs.table.x.shape[1])
    widths = [m for m in CURVE_DIMS if m <= most]
    penalties = PENALTIES[1:3] if options.quick else PENALTIES

    def row(key: str, method: str, run: Callable[..., dict[str, float]], *at: Any) -> Row:
        made = done.row(key, lambda: {"method": method, **run(*at)})
        assert made is not None
        say(f"{dataset}: {key}: {_numbers(made)}")
        return made

    def masked(penalty: float) -> dict[str, float]:
        return {"penalty": penalty, **runs.other(L1, seed, None, steps, penalty)}

    def other(method: str, dims: int) -> dict[str, float]:
        return runs.other(method, seed, dims, steps)

    def fixed(dims: int) -> dict[str, float]:
        return runs.damrep(seed, n_components=dims)

    steps = int(row("damrep", DAMREP, runs.damrep, seed)["steps"])
    # One fit for all of them, and the last of its rows last, so that a part of them is no end.
    last = f"first {most} or fewer"
    if not done.has(last):
        points = runs.prefixes(seed, widths)
        for point in points[:-1]:
            row(f"first {point['dims']}", FIRST, lambda point=point: dict(point))
        row(last, FIRST, lambda: dict(points[-1]))
    found = [int(row(f"{L1} {p:g}", L1, masked, p)["dims"]) for p in penalties]
    for m in sorted({*widths, *found}):
        row(f"{L1}, largest {m}", f"{L1}, largest entries", other, L1, m)
        row(f"damrep at {m}", f"{DAMREP}, n_components", fixed, m)
        row(f"{PCA} {m}", PCA, other, PCA, m)
