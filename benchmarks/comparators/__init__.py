"""What the autoencoder is compared with, behind one signature.

Every comparator is a function of (train, held_out, ...) that gives a ``Model``: how many dimensions
it took, how many training steps, and ways to encode and reconstruct rows. ``held_out`` are rows
that may be looked at to stop or to choose, never the rows a table is scored on. Those that train a
network take the network's shape and a budget of steps, so that all of them, and damrep, get the
same.
"""

from __future__ import annotations

from benchmarks.comparators.intrinsic import INTRINSIC, intrinsic_dimension
from benchmarks.comparators.linear import fit_parallel_analysis, fit_pca, fit_pca_mle
from benchmarks.comparators.masks import fit_hard_concrete, fit_l1_mask
from benchmarks.comparators.model import Array, Model, normalised_loss
from benchmarks.comparators.networks import fit_irmae, fit_nested_dropout, fit_plain
from benchmarks.comparators.training import Budget, Shape

__all__ = [
    "INTRINSIC",
    "Array",
    "Budget",
    "Model",
    "Shape",
    "fit_hard_concrete",
    "fit_irmae",
    "fit_l1_mask",
    "fit_nested_dropout",
    "fit_parallel_analysis",
    "fit_pca",
    "fit_pca_mle",
    "fit_plain",
    "intrinsic_dimension",
    "normalised_loss",
]
