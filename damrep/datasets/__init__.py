"""Named data sets: small ones that come with the package, and public ones read from disk.

Examples
--------
>>> from damrep import datasets
>>> datasets.load("karate")
Graph('karate': 34 nodes, 78 edges, no features, 2 classes)
"""

from __future__ import annotations

from damrep.datasets.ratings import Ratings
from damrep.datasets.registry import Dataset, describe, load, load_ratings, names

__all__ = ["Dataset", "Ratings", "describe", "load", "load_ratings", "names"]
