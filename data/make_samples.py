"""Write one little graph in every format damrep reads: python data/make_samples.py [FOLDER].

60 nodes in three groups, weighted edges, six features, the group as label; the last node has no
edge. Node ids are 0 .. 59 so that formats without ids name the same nodes.
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


def write(folder: Path) -> None:
    """Write every file of the sample into a folder."""
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
