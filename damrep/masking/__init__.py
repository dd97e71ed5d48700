"""The mask: a layer that learns its own width, what a unit costs, how to cut the closed ones.

Source: Bu, Daw, Maruf, Karpatne, "Learning Compact Representations of Neural Networks using
DiscriminAtive Masking (DAM)", NeurIPS 2021, arXiv 2110.00684.
"""

from __future__ import annotations

from damrep.masking.compaction import ChannelScale, compact_sequential, slice_linear
from damrep.masking.dam import DAM
from damrep.masking.gate import GATES, beta_for_width, offsets
from damrep.masking.gradient import GradientWidth
from damrep.masking.price import (
    column_mean_loss,
    lambda_to_price,
    masks_in,
    normalised_loss,
    penalty,
    price_to_lambda,
    priced_penalty,
)
from damrep.masking.report import DimensionsReport, FitReport, learned_dimensions
from damrep.masking.rotation import LatentRotation, rotate_, rotate_latent
from damrep.masking.search import WidthSearch, exact_width, search_width
from damrep.masking.validation import InputError

__all__ = [
    "DAM",
    "GATES",
    "ChannelScale",
    "DimensionsReport",
    "FitReport",
    "GradientWidth",
    "InputError",
    "LatentRotation",
    "WidthSearch",
    "beta_for_width",
    "column_mean_loss",
    "compact_sequential",
    "exact_width",
    "lambda_to_price",
    "learned_dimensions",
    "masks_in",
    "normalised_loss",
    "offsets",
    "penalty",
    "price_to_lambda",
    "priced_penalty",
    "rotate_",
    "rotate_latent",
    "search_width",
    "slice_linear",
]
