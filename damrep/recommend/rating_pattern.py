"""What the pattern of ratings says before any rating is read: who rated what, and how much.

People do not rate at random. A user's factors are expected to lie where a linear map of these
features puts them (Koren, KDD 2008, adds a factor per rated item for the same reason; here the
items' say is first reduced to the pattern's leading singular vectors, so that the map is small and
has a closed form).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from damrep.masking.moments import singular
from damrep.recommend.entries import Entries
from damrep.training.seeding import torch_generator

__all__ = ["PatternFeatures", "pattern_features"]

_ITERATIONS = 4
_SPARE = 8
_LARGEST = 4.0
# Singular values of products in single precision are nothing below this share of the largest.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class PatternFeatures:
    """How one side's features follow from its entries.

    Attributes
    ----------
    directions : Tensor of shape (columns, k)
        What a column adds to the features of a row that has it.
    log_count, centre, scale : Tensor
        Mean and spread of log(1 + entries), (2,); mean and spread of the k features, (k,) each.
    """

    directions: Tensor
    log_count: Tensor
    centre: Tensor
    scale: Tensor

    def of(self, entries: Entries) -> Tensor:
        """Features of rows, (rows, 2 + k): a constant, the log of the count, the pattern's."""
        counts = entries.counts
        volume = (torch.log1p(counts) - self.log_count[0]) / self.log_count[1]
        spectral = entries.sums(self.directions) / counts.clamp_min(1).sqrt()[:, None]
        spectral = ((spectral - self.centre) / self.scale).clamp(-_LARGEST, _LARGEST)
        spectral = torch.where(entries.rated[:, None], spectral, 0.0)
        return torch.cat([torch.ones(len(counts), 1), volume[:, None], spectral], 1)


def pattern_features(
    by_user: Entries, by_item: Entries, width: int, seed: int
) -> tuple[PatternFeatures, PatternFeatures]:
    """Features of users and of items from the leading singular vectors of the pattern.

    Of the pattern divided by the roots of both counts, as in spectral clustering; the first pair
    of vectors, which is the counts again, is left out.

    Parameters
    ----------
    by_user, by_item
        The same entries, by row and by column.
    width
        Singular vectors to use; 0 for the counts alone.
    seed
        Seed of the randomised SVD.
    """
    users, items = by_user.counts.clamp_min(1).rsqrt(), by_item.counts.clamp_min(1).rsqrt()
    width = max(0, min(width, min(int(by_user.rated.sum()), int(by_item.rated.sum())) - 2))
    left, right = torch.zeros(len(users), 0), torch.zeros(len(items), 0)
    if width:
        spare = min(width + 1 + _SPARE, *by_user.shape)
        right = torch.randn(len(items), spare, generator=torch_generator(seed))
        for _ in range(_ITERATIONS):  # QR only makes columns orthonormal, of any rank
            left = torch.linalg.qr(by_user.sums(right * items[:, None]) * users[:, None])[0]
            right = torch.linalg.qr(by_item.sums(left * users[:, None]) * items[:, None])[0]
        middle = by_user.sums(right * items[:, None]) * users[:, None]
        left, values, turn = singular(middle, of="the pattern of ratings")
        # What is rounding is no feature: divided by its size it would be as large as one.
        keep = slice(1, min(width, int((values > _ROUNDING * values[0]).sum()) - 1) + 1)
        values = values[keep]
        right = (right @ turn.T)[:, keep] * items[:, None] / values
        left = left[:, keep] * users[:, None] / values
    return _fitted(by_user, right), _fitted(by_item, left)


def _fitted(entries: Entries, directions: Tensor) -> PatternFeatures:
    def spread(values: Tensor) -> Tensor:
        return (values - values.mean(0)).square().mean(0).sqrt().clamp_min(1e-9)

    rated = entries.rated
    volume = torch.log1p(entries.counts[rated])
    raw = entries.sums(directions)[rated] / entries.counts[rated].sqrt()[:, None]
    return PatternFeatures(
        directions,
        torch.stack([volume.mean(), spread(volume).clamp_min(1e-3)]),
        raw.mean(0),
        spread(raw),
    )
