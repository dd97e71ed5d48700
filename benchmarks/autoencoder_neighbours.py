"""The part ``neighbours`` of `benchmarks.autoencoder`: who stays whose neighbour in fewer columns.

Vectors somebody has already, to be made narrower for an index: 512-wide node embeddings of PubMed,
from the graph estimator before its cut, and MNIST's rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.preprocessing import normalize
from sklearn.random_projection import GaussianRandomProjection

from benchmarks.autoencoder_tables import checkpoint
from benchmarks.comparators import Array, fit_pca
from benchmarks.damrep_fits import fit_damrep
from benchmarks.harness import Column, Say, over_seeds
from benchmarks.table_data import load_table
from damrep.autoencoder.neighbours import recall_at
from damrep.masking.validation import InputError

__all__ = ["SOURCES", "Vectors", "neighbours_part"]

_WIDE = 512
_K = 10
_HELD_OUT = 0.2
_MOST_QUERIES = 2000
DAMREP, COSINE = "damrep", "damrep, metric cosine"
PCA, PROJECTION, CUT = "PCA", "random projection", "first columns"
METHODS = (COSINE, DAMREP, PCA, PROJECTION, CUT)


def _mnist(options: argparse.Namespace) -> Array:
    return load_table("digits" if options.quick else "mnist", options.data_root).x


def _pubmed(options: argparse.Namespace) -> Array:
    from benchmarks.graph_methods import QUICK, Fits
    from damrep.datasets import load

    name = "karate" if options.quick else "pubmed"
    fits = Fits(load(name, options.data_root), 0, changes=QUICK if options.quick else None)
    # The encoder's columns; the spectral ones beside them are in order of importance already.
    return fits.full()[:, :_WIDE]


SOURCES: dict[str, Callable[[argparse.Namespace], Array]] = {
    "mnist rows": _mnist,
    "pubmed nodes": _pubmed,
}
"""Name in the table -> vectors."""


class Vectors:
    """Vectors and what is held out of them under a seed.

    Parameters
    ----------
    values : ndarray, shape (n, columns)
    quick : bool
    """

    def __init__(self, values: Array, quick: bool = False) -> None:
        self.values = np.ascontiguousarray(values, dtype=np.float32)
        self.changes: dict[str, Any] = {"max_epochs": 4, "max_components": 12} if quick else {}

    def parts(self, seed: int) -> tuple[Array, Array]:
        """Rows to fit, and rows held out."""
        order = np.random.default_rng(seed).permutation(len(self.values))
        cut = max(_K + 2, round(_HELD_OUT * len(order)))
        return self.values[order[cut:]], self.values[order[:cut]]

    def run(self, method: str, seed: int, dims: int | None) -> dict[str, float]:
        """Numbers of a method: ``dims``, ``recall`` on the held-out rows, ``cpu_s``."""
        fit_on, held_out = self.parts(seed)
        cpu_s = 0.0
        if method in (DAMREP, COSINE):
            metric = "cosine" if method == COSINE else "euclidean"
            own = {**self.changes, **({} if dims is None else {"n_components": dims})}
            fit = fit_damrep(fit_on, seed, metric=metric, **own)
            codes, cpu_s = fit.model.transform(held_out), fit.cpu_s
        else:
            assert dims is not None
            codes = _plain_codes(method, fit_on, held_out, dims, seed)
        queries = np.arange(min(len(held_out), _MOST_QUERIES))
        return {
            "dims": codes.shape[1],
            "recall": recall_at(_K, held_out, codes, held_out[queries], codes[queries], queries),
            "cpu_s": cpu_s,
        }


def _plain_codes(method: str, fit_on: Array, held_out: Array, dims: int, seed: int) -> Array:
    if method == PCA:
        # Rows at unit length, as for damrep: what is compared are angles.
        unit = normalize(fit_on)
        return fit_pca(unit, unit, dims, seed=seed).encode(normalize(held_out))
    if method == PROJECTION:
        return np.asarray(
            GaussianRandomProjection(dims, random_state=seed).fit(fit_on).transform(held_out)
        )
    return held_out[:, :dims]


def neighbours_part(options: argparse.Namespace, say: Say) -> None:
    """Recall of the nearest neighbours at the dimensions damrep learned."""
    columns = (
        Column("vectors", "Vectors"),
        Column("width", "Wide"),
        Column("method", "Method"),
        Column("dims", "Dims", 1),
        Column("recall", f"Recall@{_K}"),
        Column("bytes_text", "MB a million"),
        Column("cpu_s", "CPU s", 1),
    )
    done = checkpoint("neighbours", "Nearest neighbours kept in fewer columns", columns, options)
    done.notes = [
        f"Recall@{_K}: share of the {_K} nearest rows by cosine that are still so, of rows that "
        "were held out of the fit and among them; mean over the seeds. Every method has the "
        f"dimensions of {COSINE!r} under the same seed; MB a million: of float32 codes.",
    ]
    order = [f"{source}/{method}" for source in SOURCES for method in METHODS]
    for source, read in SOURCES.items():
        if all(done.has(f"{source}/{method}") for method in METHODS):
            say(f"{source}: finished (--again measures it once more)")
            continue
        try:
            vectors = Vectors(read(options), options.quick)
        except InputError as error:
            say(f"{source}: left out: {error}")
            continue
        for method in METHODS:

            def row(
                method: str = method, source: str = source, vectors: Vectors = vectors
            ) -> dict[str, Any]:
                learned = None if method == COSINE else done.get(f"{source}/{COSINE}")
                return _row(source, vectors, method, options.seeds, learned)

            made = done.row(f"{source}/{method}", row, order)
            if made is not None:
                say(f"{source}: {method}: recall {made['recall']['mean']:.3f}")


def _row(
    source: str,
    vectors: Vectors,
    method: str,
    seeds: Sequence[int],
    learned: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A method's row, at the dimensions of the row that learned them."""
    known = [None] * len(seeds) if learned is None else map(int, learned["dims"]["values"])
    at: dict[int, int | None] = dict(zip(seeds, known, strict=True))
    found = over_seeds(lambda seed: vectors.run(method, seed, at[seed]), seeds)
    wide = vectors.values.shape[1]
    return {
        "vectors": source,
        "width": wide,
        "method": method,
        # A float32 has 4 bytes.
        "bytes_text": f"{4 * found['dims'].mean:,.0f} of {4 * wide:,}",
        **found,
    }
