"""One small file in every format that is read, as bytes, with the readers that take it."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import scipy.io
import scipy.sparse as sp

from damrep.autoencoder.tables import column_names, read_table
from damrep.graph.data.files import read_features, read_graph, read_labels
from damrep.reading.files import TEXT_ENDINGS, file_ending
from damrep.recommend.files import read_ratings

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"

Reader = Callable[..., Any]
TABLE_READERS: tuple[Reader, ...] = (
    read_graph, read_features, read_labels, read_table, column_names, read_ratings,
)  # fmt: skip
ARRAY_READERS: tuple[Reader, ...] = (read_features, read_labels, read_table, column_names)


class Sample(NamedTuple):
    """A file that is in order."""

    name: str
    content: bytes
    readers: tuple[Reader, ...]

    @property
    def is_text(self) -> bool:
        """Whether a dialect can be given with it."""
        return file_ending(Path(self.name)) in TEXT_ENDINGS


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


@functools.cache
def samples() -> tuple[Sample, ...]:
    """The sample of the project and what it does not have."""
    files = {path.name: path.read_bytes() for path in sorted(SAMPLE.iterdir())}
    files |= _texts() | _networks() | _typed() | _arrays()
    return tuple(Sample(name, content, _readers(name)) for name, content in files.items())


def _readers(name: str) -> tuple[Reader, ...]:
    ending = file_ending(Path(name))
    if ending in (".npy", ".npz"):
        return (*ARRAY_READERS, read_graph) if ending == ".npz" else ARRAY_READERS
    if ending in (".graphml", ".gml", ".gexf", ".json", ".mtx", ".pt"):
        return (read_graph,)
    return TABLE_READERS


def _texts() -> dict[str, bytes]:
    edges = (SAMPLE / "graph.csv").read_bytes()
    people = "id;Größe;weight;note\n" + "".join(
        f'p{i};{i},{i % 7};{10 * i}.5;"said ""{i}"";\nand left"\n' for i in range(40)
    )
    rated = [f"{i % 20 + 1}::{i % 13 + 1}::{i % 5 + 1}::97830{i:04d}\n" for i in range(120)]
    return {
        "graph.edgelist": "".join(f"{i} {i * 7 % 40} {{'weight': {i}.5}}\n" for i in range(60))
        .encode(),
        "graph.edges": b"% sym unweighted\n% 60 30 30\n" + b"".join(
            b"%d %d\n" % (i % 30, i * 7 % 29) for i in range(60)
        ),
        "graph.csv.bz2": bz2.compress(edges),
        "graph.csv.xz": lzma.compress(edges),
        "people.csv": people.encode("latin-1"),
        "people16.csv": people.encode("utf-16"),
        "people8.csv": b"\xef\xbb\xbf" + people.encode(),
        "ratings.dat": "".join(rated).encode(),
        "u.data": "".join(rated).replace("::", "\t").encode(),
        "books.csv": b'"User-ID";"ISBN";"Book-Rating"\r\n' + b"".join(
            b'"%d";"03%08dX";"%d"\r\n' % (i % 30, i % 17, i % 11) for i in range(90)
        ),
        "excel.csv": b"sep=,\r\nname,2019,2020\r\nx,1,2\r\ny,3,4\r\n,,\r\n",
    }  # fmt: skip


def _networks() -> dict[str, bytes]:
    graph = nx.karate_club_graph()
    named = nx.DiGraph([("Ann", "Bob"), ("Bob", "Cy"), ("Cy", "Ann")])
    nx.set_node_attributes(named, {"Ann": "x", "Bob": "y", "Cy": "x"}, "y")
    links = nx.node_link_data(named, edges="links")
    matrix = sp.coo_array(nx.to_scipy_sparse_array(graph))
    return {
        "karate.mtx": _written(lambda s: scipy.io.mmwrite(s, matrix)),
        "dense.mtx": _written(lambda s: scipy.io.mmwrite(s, matrix.toarray()[:9, :9])),
        "karate.gml": "\n".join(nx.generate_gml(graph)).encode(),
        "karate.gexf": "\n".join(nx.generate_gexf(graph)).encode(),
        "named.gexf": "\n".join(nx.generate_gexf(named)).encode(),
        "karate.json": json.dumps(nx.node_link_data(graph, edges="edges")).encode(),
        "named.json": json.dumps(links).encode(),
        "named.graphml": _written(lambda s: nx.write_graphml(named, s)),
    }


def _typed() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "source": [f"n{i}" for i in range(30)],
            "target": pd.Categorical([f"n{i * 7 % 30}" for i in range(30)]),
            "weight": rng.random(30).round(2),
        }
    )
    rows = pd.DataFrame({"user": np.arange(40) % 9, "item": np.arange(40) % 7, "rating": 3.5})
    vectors = pa.table(
        {
            "id": [f"r{i}" for i in range(20)],
            "emb": pa.FixedSizeListArray.from_arrays(pa.array(rng.random(80), pa.float32()), 4),
            "when": pa.array(np.arange(20), pa.timestamp("us")),
        }
    )
    lines = "".join(f'{{"id": "x{i}", "v": [{i}.5, 2, 3]}}\n' for i in range(20)).encode()
    edges = pa.Table.from_pandas(frame)

    def stream(sink: io.BytesIO) -> None:
        with pa.ipc.new_stream(sink, edges.schema) as writer:
            writer.write_table(edges)

    return {
        "edges.feather": _written(lambda s: pyarrow.feather.write_feather(frame, s)),
        "edges.arrow": _written(stream),
        "ratings.jsonl": rows.to_json(orient="records", lines=True).encode(),
        "vectors.jsonl": lines,
        "vectors.jsonl.gz": gzip.compress(lines, mtime=0),
        "vectors.parquet": _written(lambda s: pq.write_table(vectors, s, compression="zstd")),
        "plain.parquet": _written(
            lambda s: pq.write_table(
                pa.Table.from_pandas(rows), s, compression="none", use_dictionary=False
            )
        ),
    }  # fmt: skip


def _arrays() -> dict[str, bytes]:
    ends = np.array([[0, 1], [1, 2], [2, 3]])
    matrix = sp.csr_array(np.diag([1.0, 2, 3], k=1))
    masks = np.eye(4, dtype=bool)[:2]
    coo = sp.coo_array(matrix)
    return {
        "edges.npz": _written(
            lambda s: np.savez(
                s, edges=ends, features=np.eye(4), labels=[0, 1, 0, 1], train_masks=masks,
                num_nodes=4,
            )
        ),
        "groups.npz": _written(
            lambda s: np.savez_compressed(
                s, edges=ends, label_node=[0, 0, 3], label_group=[0, 1, 1], num_nodes=4,
                num_groups=2,
            )
        ),
        "adj.npz": _written(
            lambda s: np.savez(
                s, adj_data=matrix.data, adj_indices=matrix.indices, adj_indptr=matrix.indptr,
                adj_shape=matrix.shape, attr_data=matrix.data, attr_indices=matrix.indices,
                attr_indptr=matrix.indptr, attr_shape=matrix.shape, labels=np.arange(4) % 2,
            )
        ),
        "coo.npz": _written(lambda s: sp.save_npz(s, coo)),
        "dia.npz": _written(lambda s: sp.save_npz(s, sp.dia_array(matrix))),
        "bsr.npz": _written(lambda s: sp.save_npz(s, sp.bsr_array(matrix))),
        "whole.npy": _written(lambda s: np.save(s, np.arange(24).reshape(6, 4))),
        "table.npz": _written(lambda s: np.savez(s, X=np.eye(5), names=list("abcde"))),
    }  # fmt: skip
