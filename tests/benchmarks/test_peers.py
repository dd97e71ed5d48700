from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.peers import (
    PEERS,
    PeerMissingError,
    node2vec_embedding,
    pycleora_embedding,
    undirected,
)

INSTALLED = {"pycleora": find_spec("pycleora"), "node2vec": find_spec("pecanpy")}


def two_groups(size: int = 12) -> sp.csr_matrix:
    """Two cliques joined by one edge, numbered alternately, and one node without an edge."""
    group = np.arange(2 * size) % 2
    dense = (group[:, None] == group[None, :]).astype(np.float32)
    dense[0, 1] = dense[1, 0] = 1.0
    np.fill_diagonal(dense, 0.0)
    whole = np.zeros((2 * size + 1, 2 * size + 1), dtype=np.float32)
    whole[: 2 * size, : 2 * size] = dense
    return sp.csr_matrix(whole)


@pytest.fixture(params=sorted(PEERS))
def peer(request: pytest.FixtureRequest) -> str:
    if INSTALLED[request.param] is None:
        pytest.skip(f"{request.param} needs the extra: pip install 'damrep[bench]'")
    return str(request.param)


def test_rows_are_in_the_order_of_the_nodes(peer: str, global_rng_untouched: None) -> None:
    rows = PEERS[peer](two_groups(), 4, 0)
    assert rows.shape == (25, 4)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    # Nodes of a clique lie closer to their own centre than to the other's.
    nodes, group = rows[:24], np.arange(24) % 2
    centres = np.stack([nodes[group == side].mean(axis=0) for side in (0, 1)])
    distance = ((nodes[:, None, :] - centres[None]) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == group).mean() > 0.9


def test_a_seed_gives_one_embedding_and_another_seed_another(peer: str) -> None:
    first, again, other = (PEERS[peer](two_groups(), 4, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_nodes_without_an_edge_are_unknown_to_cleora() -> None:
    pytest.importorskip("pycleora", reason="pycleora needs the extra: pip install 'damrep[bench]'")
    assert not pycleora_embedding(two_groups(), 4, 0)[24].any()
    assert not pycleora_embedding(sp.csr_matrix((3, 3)), 2, 0).any()


def test_the_graph_is_taken_as_undirected_without_loops() -> None:
    dense = np.array([[7.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert undirected(sp.coo_matrix(dense)).toarray().tolist() == [
        [0.0, 3.0, 0.0],
        [3.0, 0.0, 1.0],
        [0.0, 1.0, 0.0],
    ]


@pytest.mark.parametrize("embedding", [pycleora_embedding, node2vec_embedding])
def test_what_cannot_be_embedded_is_refused(embedding: object) -> None:
    assert callable(embedding)
    with pytest.raises(ValueError, match="dims must be >= 1, got 0"):
        embedding(two_groups(), 0, 0)
    with pytest.raises(ValueError, match="seed must be >= 0, got -1"):
        embedding(two_groups(), 2, -1)
    with pytest.raises(ValueError, match=r"square, got shape \(2, 3\)"):
        embedding(sp.csr_matrix((2, 3)), 2, 0)
    with pytest.raises(ValueError, match="finite weights >= 0"):
        embedding(sp.csr_matrix([[0.0, -1.0], [-1.0, 0.0]]), 2, 0)


@pytest.mark.parametrize(
    ("embedding", "module", "package"),
    [
        (pycleora_embedding, "pycleora", "pycleora"),
        (node2vec_embedding, "pecanpy.pecanpy", "pecanpy"),
    ],
)
def test_a_missing_peer_says_how_to_get_it(
    embedding: object, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(embedding)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PeerMissingError, match=rf"{package} is not installed.*damrep\[bench\]"):
        embedding(two_groups(), 2, 0)
    assert not hasattr(np, "bool8"), "names lent to numpy were not taken back"
