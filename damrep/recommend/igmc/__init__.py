"""IGMC, the recommender of the paper: enclosing subgraphs, graph network, masked readout."""

from __future__ import annotations

from damrep.recommend.igmc.estimator import IGMC

__all__ = ["IGMC"]
