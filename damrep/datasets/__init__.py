"""Named data sets: small ones that come with the package, and public ones read from disk.

Examples
--------
>>> from damrep import datasets
>>> datasets.load("karate")
Graph('karate': 34 nodes, 78 edges, no features, 2 classes)
"""

from __future__ import annotations

from damrep.datasets.registry import Dataset, describe, load, names

__all__ = ["Dataset", "describe", "load", "names"]
