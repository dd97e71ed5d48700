"""Dimensionality reduction of tables that says how many dimensions it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from damrep.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from damrep.autoencoder.estimator import DAMAutoencoder

__all__ = ["DAMAutoencoder"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "DAMAutoencoder": "damrep.autoencoder.estimator",
    },
)
