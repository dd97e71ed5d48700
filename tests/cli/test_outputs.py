"""What the commands write can be read by others, and is known again for ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from damrep.cli.outputs import check_file, write_embeddings
from damrep.masking.validation import InputError

Z = np.random.default_rng(0).normal(size=(20, 3))
IDS = np.array([f"r{i}" for i in range(20)], dtype=object)


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    write_embeddings(tmp_path / "v.parquet", IDS, Z, id_name="id", vectors=True)
    return tmp_path / "v.parquet"


def test_one_column_of_vectors_as_arrow_has_them(vectors: Path) -> None:
    table = pq.read_table(vectors)
    assert table.schema.names == ["id", "embedding"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 3)
    assert table["id"].to_pylist() == IDS.tolist()
    # As faiss and hnswlib take them, without a copy.
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=True)
    np.testing.assert_array_equal(flat.reshape(20, -1), Z.astype(np.float32))


def test_pandas_reads_a_vector_a_row(vectors: Path) -> None:
    frame = pd.read_parquet(vectors).set_index("id")
    np.testing.assert_array_equal(frame.loc["r7", "embedding"], Z[7].astype(np.float32))


def test_duckdb_searches_them(vectors: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the test extra is not installed")
    with duckdb.connect() as connection:
        found = connection.execute(
            f"""
            WITH rows AS (SELECT id, embedding::FLOAT[3] AS e FROM '{vectors}')
            SELECT b.id FROM rows a, rows b WHERE a.id = 'r7' AND b.id <> 'r7'
            ORDER BY array_cosine_similarity(a.e, b.e) DESC LIMIT 5
            """
        ).fetchall()
    unit = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[7]), kind="stable")
    assert [name for (name,) in found] == IDS[order[order != 7][:5]].tolist()


def test_faiss_takes_them(vectors: Path) -> None:
    faiss = pytest.importorskip("faiss", reason="not part of the test extra")
    rows = pq.read_table(vectors)["embedding"].combine_chunks().flatten().to_numpy()
    rows = rows.reshape(20, -1).copy()
    faiss.normalize_L2(rows)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    scores, found = index.search(rows, 2)
    assert found[:, 0].tolist() == list(range(20))
    np.testing.assert_allclose(scores[:, 0], 1, atol=1e-5)


def test_hnswlib_takes_them(vectors: Path) -> None:
    hnswlib = pytest.importorskip("hnswlib", reason="not part of the test extra")
    rows = pq.read_table(vectors)["embedding"].combine_chunks().flatten().to_numpy()
    index = hnswlib.Index(space="cosine", dim=3)
    index.init_index(max_elements=20)
    index.add_items(rows.reshape(20, 3), np.arange(20))
    found, distances = index.knn_query(rows.reshape(20, 3), k=1)
    assert found[:, 0].tolist() == list(range(20))
    np.testing.assert_allclose(distances, 0, atol=1e-5)


def test_lancedb_takes_them(vectors: Path, tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb", reason="not part of the test extra")
    table = lancedb.connect(tmp_path / "lance").create_table("nodes", pq.read_table(vectors))
    query = table.search(Z[7].astype(np.float32), vector_column_name="embedding")
    (best,) = query.distance_type("cosine").limit(1).to_list()
    assert best["id"] == "r7"


def test_rows_of_length_one(tmp_path: Path) -> None:
    z = np.array([[3.0, 4.0], [0.0, 0.0], [1e30, 0.0]])
    for vectors in (False, True):
        write_embeddings(tmp_path / "z.parquet", IDS[:3], z, vectors=vectors, unit=True)
        frame = pd.read_parquet(tmp_path / "z.parquet")
        found = np.stack(frame["embedding"]) if vectors else frame.iloc[:, 1:].to_numpy()
        np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)


def test_rows_without_names_are_counted(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "z.parquet", None, Z, id_name="id")
    assert pd.read_parquet(tmp_path / "z.parquet")["id"].tolist() == list(range(20))


@pytest.mark.parametrize("id_name", ["node", "id"])
@pytest.mark.parametrize("ending", ["parquet", "csv", "npy"])
@pytest.mark.parametrize("vectors", [False, True])
def test_ours_may_be_replaced(id_name: str, ending: str, vectors: bool, tmp_path: Path) -> None:
    path = tmp_path / f"z.{ending}"
    write_embeddings(path, IDS, Z, id_name=id_name, vectors=vectors)
    check_file(path, [])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "columns", [{"id": [1], "price": [2.0]}, {"key": [1], "dim_0": [2.0]}, {"id": [1]}]
)
def test_another_table_may_not(columns: dict[str, list[float]], tmp_path: Path) -> None:
    pd.DataFrame(columns).to_parquet(tmp_path / "z.parquet")
    pd.DataFrame(columns).to_csv(tmp_path / "z.csv", index=False)
    for name in ("z.parquet", "z.csv"):
        with pytest.raises(InputError, match="holds no embedding"):
            check_file(tmp_path / name, [])
