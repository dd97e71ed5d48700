"""Write one little graph and one little table of ratings in every format damrep reads.

python data/make_samples.py [FOLDER]

The graph: 60 nodes in three groups, weighted edges, six features, the group as label; the last
node has no edge. Node ids are 0 .. 59 so that formats without ids name the same nodes.

The ratings: 60 readers of 30 books, 1 to 5. Every reader is for one of two camps of books and
against the other, so that one factor tells nearly all.
"""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import networkx
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch_geometric.data import Data

NODES, GROUPS, SEED = 60, 3, 0
READERS, BOOKS = 60, 30


def make() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Edges (source, target, weight), features (60, 6) and labels (60,) of the sample."""
    rng = np.random.default_rng(SEED)
    group = np.arange(NODES) % GROUPS
    u, v = np.triu_indices(NODES - 1, k=1)
    chance = np.where(group[u] == group[v], 0.35, 0.03)
    keep = rng.random(len(u)) < chance
    edges = pd.DataFrame({"source": u[keep], "target": v[keep]})
    edges["weight"] = rng.integers(1, 5, size=len(edges)) / 2
    centres = rng.normal(size=(GROUPS, 6))
    features = (centres[group] + 0.5 * rng.normal(size=(NODES, 6))).round(3).astype(np.float32)
    return edges, features, group


def make_ratings() -> pd.DataFrame:
    """The table user, item, rating."""
    rng = np.random.default_rng(SEED)
    taste = np.where(np.arange(READERS)[:, None] % 2 == np.arange(BOOKS) % 2, 1.2, -1.2)
    liking = 3 + taste + 0.4 * rng.normal(size=taste.shape)
    reader, book = np.nonzero(rng.random(taste.shape) < 0.5)
    return pd.DataFrame(
        {
            "user": [f"reader_{i:02d}" for i in reader],
            "item": [f"{'crime' if i % 2 else 'poems'}_{i:02d}" for i in book],
            "rating": np.clip(liking[reader, book].round(), 1, 5).astype(int),
        }
    )


def write_ratings(folder: Path) -> None:
    """Write the ratings into a folder."""
    ratings = make_ratings()
    ratings.to_csv(folder / "ratings.csv", index=False, lineterminator="\n")
    ratings.to_csv(folder / "ratings.tsv", index=False, sep="\t", lineterminator="\n")
    ratings.to_parquet(folder / "ratings.parquet", index=False)


def write(folder: Path) -> None:
    """Write every file of the sample into a folder."""
    write_graph(folder)
    write_ratings(folder)


def write_graph(folder: Path) -> None:
    """Write the graph into a folder."""
    edges, features, labels = make()
    folder.mkdir(parents=True, exist_ok=True)
    ends = edges[["source", "target"]].to_numpy()
    weight = edges["weight"].to_numpy(dtype=np.float32)

    edges.to_csv(folder / "graph.csv", index=False, lineterminator="\n")
    edges.to_csv(folder / "graph.tsv", index=False, sep="\t", lineterminator="\n")
    text = io.StringIO("")
    text.write("# source target weight\n")
    edges.to_csv(text, index=False, header=False, sep=" ", lineterminator="\n")
    (folder / "graph.txt").write_text(text.getvalue())
    packed = gzip.compress((folder / "graph.csv").read_bytes(), mtime=0)
    (folder / "graph.csv.gz").write_bytes(packed)
    edges.to_parquet(folder / "graph.parquet", index=False)

    half = sp.coo_array((weight, (ends[:, 0], ends[:, 1])), shape=(NODES, NODES))
    adjacency = sp.csr_array(half + half.T)
    sp.save_npz(folder / "graph.npz", adjacency)

    graph = networkx.Graph()
    graph.add_nodes_from((node, {"y": int(labels[node])}) for node in range(NODES))
    graph.add_weighted_edges_from(
        (int(u), int(v), float(w)) for (u, v), w in zip(ends, weight, strict=True)
    )
    networkx.write_graphml(graph, folder / "graph.graphml")

    both = adjacency.tocoo()
    data = Data(
        x=torch.from_numpy(features),
        edge_index=torch.from_numpy(np.stack([both.row, both.col]).astype(np.int64)),
        edge_weight=torch.from_numpy(both.data),
        y=torch.from_numpy(labels),
    )
    torch.save(data, folder / "graph.pt")

    table = pd.DataFrame(features, columns=[f"f{i}" for i in range(features.shape[1])])
    table.insert(0, "id", np.arange(NODES))
    table.to_csv(folder / "features.csv", index=False, lineterminator="\n")
    table.to_parquet(folder / "features.parquet", index=False)
    np.save(folder / "features.npy", features)
    sp.save_npz(folder / "features.npz", sp.csr_array(features))

    names = pd.DataFrame({"id": np.arange(NODES), "label": [f"group_{g}" for g in labels]})
    names.to_csv(folder / "labels.csv", index=False, lineterminator="\n")
    (folder / "labels.txt").write_text("\n".join(names["label"]) + "\n")
    np.save(folder / "labels.npy", labels)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "sample")
