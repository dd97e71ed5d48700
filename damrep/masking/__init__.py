"""The mask: a layer that learns its own width, what a unit costs, how to cut the closed ones.

Source: Bu, Daw, Maruf, Karpatne, "Learning Compact Representations of Neural Networks using
DiscriminAtive Masking (DAM)", NeurIPS 2021, arXiv 2110.00684.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from damrep.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from damrep.masking.compaction import ChannelScale, compact_sequential, slice_linear
    from damrep.masking.dam import DAM
    from damrep.masking.gate import GATES, beta_for_width, offsets, step_alpha
    from damrep.masking.gradient import GradientWidth
    from damrep.masking.offset import OffsetStrategy, edge_alpha
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
    from damrep.masking.strategy import MaskStrategy
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
    "MaskStrategy",
    "OffsetStrategy",
    "WidthSearch",
    "beta_for_width",
    "column_mean_loss",
    "compact_sequential",
    "edge_alpha",
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
    "step_alpha",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ChannelScale": "damrep.masking.compaction",
        "DAM": "damrep.masking.dam",
        "DimensionsReport": "damrep.masking.report",
        "FitReport": "damrep.masking.report",
        "GATES": "damrep.masking.gate",
        "GradientWidth": "damrep.masking.gradient",
        "InputError": "damrep.masking.validation",
        "LatentRotation": "damrep.masking.rotation",
        "MaskStrategy": "damrep.masking.strategy",
        "OffsetStrategy": "damrep.masking.offset",
        "WidthSearch": "damrep.masking.search",
        "beta_for_width": "damrep.masking.gate",
        "column_mean_loss": "damrep.masking.price",
        "compact_sequential": "damrep.masking.compaction",
        "edge_alpha": "damrep.masking.offset",
        "exact_width": "damrep.masking.search",
        "lambda_to_price": "damrep.masking.price",
        "learned_dimensions": "damrep.masking.report",
        "masks_in": "damrep.masking.price",
        "normalised_loss": "damrep.masking.price",
        "offsets": "damrep.masking.gate",
        "penalty": "damrep.masking.price",
        "price_to_lambda": "damrep.masking.price",
        "priced_penalty": "damrep.masking.price",
        "rotate_": "damrep.masking.rotation",
        "rotate_latent": "damrep.masking.rotation",
        "search_width": "damrep.masking.search",
        "slice_linear": "damrep.masking.compaction",
        "step_alpha": "damrep.masking.gate",
    },
)
