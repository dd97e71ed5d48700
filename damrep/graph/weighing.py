"""How much the spectral coordinates should count beside the encoder's output, told from the edges.

Which of the two says more about a graph differs: an encoder is far better on some, an SVD of the
smoothed features on others. Labels would tell, but are not to be used. The graph's own edges do,
one way: where neighbours are clearly nearer to each other the more the SVD counts, the encoder has
missed something that the SVD knows. Less than the usual weight is never given, however near that
brings neighbours: an embedding can be made of little but who is whose neighbour, and then knows
less of what the nodes are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from damrep.graph.inputs import GraphInputs
from damrep.graph.links import link_prediction
from damrep.masking.moments import eigen, second_moment

__all__ = ["SPECTRAL_WEIGHTS", "choose_spectral_weight"]

SPECTRAL_WEIGHTS = (1.5, 2.0, 3.0, 5.0, 10.0)
# Narrow, as the embedding will be: in all the dimensions both blocks have room.
_DIMS = 24
_EDGES = 20_000
# What is taken unless the edges clearly ask for another: by this much of the area. On CiteSeer all
# weights from 1 up are within .001 of each other, and the best of them is not the best for labels.
_CLEARLY = 0.002


def choose_spectral_weight(z: Tensor, spectral: int, inputs: GraphInputs, seed: int) -> float:
    """The weight of the spectral block, 1.5 unless edges are clearly better told with another.

    For each of `SPECTRAL_WEIGHTS` the representation is rotated as it will be, cut to its strongest
    dimensions, and judged by how well the cosine of their ends tells edges from random pairs: the
    area under the ROC curve. Of those within .002 of the best the smallest is taken.

    Parameters
    ----------
    z
        Representation (n, width) with both blocks at the same size, the spectral one last.
    spectral
        Width of the spectral block.
    inputs
        Of the graph.
    seed
        Of the edges and pairs compared.

    Returns
    -------
    float
        One of `SPECTRAL_WEIGHTS`; 1.5 for a graph without edges.

    Examples
    --------
    >>> from damrep.graph.data import build_graph
    >>> from damrep.graph.inputs import fit_preparation
    >>> ring = np.roll(np.eye(40), 1, axis=1)
    >>> graph = build_graph(ring + ring.T, np.eye(40))
    >>> inputs = fit_preparation(graph, rank=4, seed=0).prepare(graph)
    >>> angle = torch.arange(40) * (2 * torch.pi / 40)
    >>> ordered = torch.stack([angle.cos(), angle.sin()], dim=1)
    >>> noise = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    >>> choose_spectral_weight(torch.cat([noise, ordered], dim=1), 2, inputs, seed=0)
    10.0
    >>> choose_spectral_weight(torch.cat([ordered, noise], dim=1), 2, inputs, seed=0)
    1.5
    """
    pairs = _pairs(inputs, np.random.default_rng(seed))
    if not len(pairs):
        return min(SPECTRAL_WEIGHTS)
    centred = z.double() - z.mean(dim=0, dtype=torch.float64)
    cross = second_moment(centred, inputs.operator("gcn") @ centred)
    shared = (cross + cross.T) / 2
    areas = []
    for weight in SPECTRAL_WEIGHTS:
        scale = torch.ones(z.shape[1], dtype=torch.float64)
        scale[-spectral:] = weight
        # What a node shares with its neighbours, strongest direction first.
        _, axes = eigen(scale[:, None] * shared * scale, of="the representation")
        narrow = centred @ (scale[:, None] * axes[:, :_DIMS])
        areas.append(link_prediction(narrow.numpy(), pairs)[0])
    good = [
        w for w, area in zip(SPECTRAL_WEIGHTS, areas, strict=True) if area >= max(areas) - _CLEARLY
    ]
    return min(good)


def _pairs(inputs: GraphInputs, rng: np.random.Generator) -> np.ndarray:
    """As many random pairs of nodes as edges, behind them."""
    edges = inputs.edges()
    edges = edges[rng.permutation(len(edges))[:_EDGES]]
    return np.concatenate([edges, rng.integers(0, inputs.num_nodes, size=edges.shape)])
