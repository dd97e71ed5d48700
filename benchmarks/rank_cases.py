"""What `benchmarks.rank_recovery` measures: tables of known dimensions, and how to find them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

import numpy as np
import torch

from benchmarks.comparators import (
    INTRINSIC,
    Array,
    Budget,
    Shape,
    fit_hard_concrete,
    fit_irmae,
    fit_l1_mask,
    fit_nested_dropout,
    fit_parallel_analysis,
    fit_pca_mle,
    intrinsic_dimension,
)
from benchmarks.damrep_fits import fit_damrep
from benchmarks.generators import make_table
from benchmarks.peers import PeerMissingError
from benchmarks.timing import measure
from damrep.autoencoder.goal import Price
from damrep.autoencoder.linear import principal_axes
from damrep.autoencoder.masked import learn_width
from damrep.autoencoder.network import AutoencoderNetwork
from damrep.autoencoder.rows import Rows, measure_columns
from damrep.training import TrainingOptions, local_seed

__all__ = ["DAMREP", "PARTS", "QUICK", "STEPS", "Case", "cases", "counts", "measure_case"]

DAMREP = "damrep"
TRAINED = "damrep, trained mask"
BOTTLENECK = 50
# Optimiser steps of a comparator: those of damrep's search on these tables.
STEPS = 4000
RANKS = (2, 5, 10, 20, 40)
SCALES = (1.0, 0.1, 10.0)
_LINEAR: Mapping[str, Any] = {"hidden": (), "max_components": BOTTLENECK}
_AUTO: Mapping[str, Any] = {"max_components": BOTTLENECK}
# The raw lambda has the units of the loss, so its rows are at the scale it was published for: that
# of a linear layer's default weights, which give columns a variance of 1/3. Ours have 10.
_VARIANCE_A_THIRD = (1 / 30) ** 0.5
_FEW = 3  # seeds of what is slow or stands beside


@dataclass(frozen=True)
class Quick:
    """Sizes of a quick run."""

    table: Mapping[str, Any] = field(default_factory=lambda: {"rows": 300, "columns": 30})
    damrep: Mapping[str, Any] = field(default_factory=lambda: {"max_epochs": 4})
    steps: int = 20


QUICK = Quick()


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    part, setting, method : str
        What the table calls it; together they are different for every row.
    kind : str
        Generator.
    dims : int
        True dimensions.
    table : mapping
        Further parameters of `make_table`.
    parameters : mapping
        Of damrep, or of the comparator.
    seeds : int
        Most seeds it is run with.
    """

    part: str
    setting: str
    kind: str
    dims: int
    table: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    method: str = DAMREP
    seeds: int = 10

    @property
    def key(self) -> str:
        """Tells it from every other case."""
        return f"{self.part}/{self.setting}/{self.method}"


def _grid(
    part: str, parameters: Mapping[str, Any], seeds: int, ranks: Iterable[int] = RANKS
) -> list[Case]:
    return [
        Case(part, f"{r} of 100, x {s:g}", "linear", r, {"scale": s}, parameters, seeds=seeds)
        for r in ranks
        for s in SCALES
    ]


def _noise() -> list[Case]:
    return [
        Case("noise", f"{r} of 100, noise {n:g}", "linear", r, {"noise": n}, _LINEAR)
        for r in (10, 40)
        for n in (0.1, 0.3)
    ]


def _settings() -> list[Case]:
    return [
        Case(
            "settings",
            f"{label}, lr {lr:g}, width {width}",
            "linear",
            10,
            {},
            {**hidden, "lr": lr, "max_components": width},
            seeds=1,
        )
        for label, hidden in (("linear", {"hidden": ()}), ("auto", {}))
        for lr in (0.001, 0.003, 0.01, 0.03)
        for width in (15, 50, 100, 256)
    ]


def _trained() -> list[Case]:
    return [replace(case, method=TRAINED) for case in _grid("trained", _LINEAR, 10)]


def _paper() -> list[Case]:
    raw = {**_LINEAR, "paper_lambda": 0.01, "max_epochs": 600}
    return [
        Case(
            "paper",
            f"10 of 100, variance 1/3, x {s:g}, lambda .01",
            "linear",
            10,
            {"scale": s * _VARIANCE_A_THIRD},
            raw,
        )
        for s in (1.0, 0.1)
    ]


_PEER_TABLES: tuple[tuple[str, str, int, Mapping[str, Any]], ...] = (
    ("linear, 10 of 100", "linear", 10, {}),
    ("linear, 40 of 100", "linear", 40, {}),
    ("linear, 10 of 100, noise 0.1", "linear", 10, {"noise": 0.1}),
    ("quadratic, 20", "quadratic", 20, {}),
    ("mlp, 20", "mlp", 20, {}),
)
# Two penalties each, set so that the linear table of rank 10, seed 0, is between them: they have no
# unit that carries over, and no one value is right on all the tables.
_PEERS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("PCA, Minka's MLE", {}),
    ("PCA, parallel analysis", {}),
    *((name, {}) for name in INTRINSIC),
    ("IRMAE", {}),
    ("nested dropout", {"price": 1e-3}),
    ("L1 mask, 0.001", {"penalty": 1e-3}),
    ("L1 mask, 0.1", {"penalty": 1e-1}),
    ("hard concrete, 0.001", {"penalty": 1e-3}),
    ("hard concrete, 0.03", {"penalty": 3e-2}),
)


def _peers() -> list[Case]:
    return [
        Case("peers", label, kind, dims, table, parameters, method, _FEW)
        for label, kind, dims, table in _PEER_TABLES
        for method, parameters in _PEERS
    ]


PARTS: dict[str, Callable[[], list[Case]]] = {
    "linear": lambda: _grid("linear", _LINEAR, 10),
    "noise": _noise,
    "quadratic": lambda: [Case("quadratic", "20 of 100", "quadratic", 20, {}, _AUTO)],
    "mlp": lambda: [Case("mlp", "20 of 100", "mlp", 20, {}, _AUTO)],
    "trained": _trained,
    "paper": _paper,
    "linear_auto": lambda: _grid("linear_auto", _AUTO, 1),
    "settings": _settings,
    "peers": _peers,
}
"""Part -> its cases; the quick ones and those of most weight first."""


def cases(parts: Sequence[str]) -> list[Case]:
    """The cases of some parts, in the order of the table."""
    return [case for part in PARTS if part in parts for case in PARTS[part]()]


def counts(found: Sequence[int]) -> str:
    """What was found, as a table shows it.

    Examples
    --------
    >>> counts([20, 21, 20])
    '20 (2), 21 (1)'
    >>> counts([20, 20])
    '20'
    """
    seen = Counter(found)
    if len(seen) == 1:
        return str(found[0])
    return ", ".join(f"{dims} ({seen[dims]})" for dims in sorted(seen))


def measure_case(case: Case, seeds: Sequence[int], quick: bool = False) -> dict[str, Any] | None:
    """Run a case under every seed it takes.

    Returns
    -------
    dict or None
        The row; None where a library is not installed.
    """
    chosen = list(seeds)[: case.seeds]
    runs = []
    for seed in chosen:
        dims = min(case.dims, 5) if quick else case.dims
        table = {**case.table, **(QUICK.table if quick else {})}
        # What a peer that looks at exact ranks sees must not be the rounding to float32.
        x = make_table(case.kind, dims, seed, **table, double=case.method not in (DAMREP, TRAINED))
        try:
            runs.append(_run(case, x, seed, quick))
        except PeerMissingError:
            return None
    found = [int(run["dims"]) for run in runs]
    off = [abs(f - dims) for f in found]
    n = len(found)
    return {
        "part": case.part,
        "setting": case.setting,
        "method": case.method,
        "true": dims,
        "found": counts(found),
        "exact": f"{sum(d == 0 for d in off)}/{n}",
        "within_one": f"{sum(d <= 1 for d in off)}/{n}",
        "steps": max(int(run["steps"]) for run in runs),
        "cpu_s": fmean(run["cpu_s"] for run in runs),
        "found_list": found,
        "raw_list": [run["dims"] for run in runs],
        "seeds": chosen,
    }


def _trained_mask(x: Array, seed: int, width: int, quick: bool) -> dict[str, float]:
    """A linear autoencoder from random weights, its width left to the mask: no closed form."""
    held = len(x) // 10
    rows = Rows(x, *measure_columns(x), torch.float32)
    fit, held_out = rows.part(np.arange(held, len(x))), rows.part(np.arange(held))

    def fresh() -> AutoencoderNetwork:
        with local_seed(seed):
            return AutoencoderNetwork(x.shape[1], (), width)

    options = TrainingOptions(max_epochs=3 if quick else 150, lr=2e-3, device="cpu", seed=seed)
    axes = principal_axes(fit, width, seed)
    done = measure(learn_width, fresh, fit, held_out, 256, Price(1e-3), None, axes, options)
    return {"dims": done.value.network.width, "steps": done.value.steps, "cpu_s": done.cpu_s}


def _run(case: Case, x: Array, seed: int, quick: bool) -> dict[str, float]:
    if case.method == TRAINED:
        return _trained_mask(x, seed, 8 if quick else int(case.parameters["max_components"]), quick)
    if case.method == DAMREP:
        own = dict(case.parameters)
        if quick:
            own |= {**QUICK.damrep, "max_components": min(own["max_components"], 8)}
        fit = fit_damrep(x, seed, **own)
        return {"dims": fit.dims, "steps": fit.steps, "cpu_s": fit.cpu_s}
    if case.method in INTRINSIC:
        done = measure(intrinsic_dimension, case.method, x, seed=seed)
        return {"dims": round(done.value), "steps": 0, "cpu_s": done.cpu_s}
    cut = len(x) * 9 // 10
    train, held_out = x[:cut], x[cut:]
    # On linear tables the comparators are linear too: they are told what damrep finds out.
    shape = Shape(() if case.kind == "linear" else (256, 256))
    training: dict[str, Any] = {"shape": shape, "budget": Budget(QUICK.steps if quick else STEPS)}
    width = min(BOTTLENECK, x.shape[1] // 2)
    fits: dict[str, Callable[..., Any]] = {
        "PCA, Minka's MLE": fit_pca_mle,
        "PCA, parallel analysis": lambda a, b: fit_parallel_analysis(a, b, seed=seed),
        "IRMAE": lambda a, b: fit_irmae(a, b, width, seed=seed, **training),
        "nested dropout": lambda a, b: fit_nested_dropout(
            a, b, width, seed=seed, **case.parameters, **training
        ),
        "L1 mask": lambda a, b: fit_l1_mask(a, b, width, seed=seed, **case.parameters, **training),
        "hard concrete": lambda a, b: fit_hard_concrete(
            a, b, width, seed=seed, **case.parameters, **training
        ),
    }
    fit_peer = fits.get(case.method) or fits[case.method.partition(",")[0]]
    done = measure(fit_peer, train, held_out)
    return {"dims": done.value.dims, "steps": done.value.steps, "cpu_s": done.cpu_s}
