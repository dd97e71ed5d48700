"""What pandas or csv wrote, in whichever way, is read back as it was."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import assume, given
from hypothesis import strategies as st

from damrep.autoencoder.tables import read_table
from damrep.graph.data.files import read_features, read_graph
from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.recommend.files import read_ratings

PACK = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
NO_WORDS = ("nan", "na", "inf", "null", "none", "infinity", "true", "false")

# Letters only: digits and signs are what the rest of this file is about.
words = st.text(st.characters(codec="utf-8", categories=("L",)), min_size=2, max_size=6).filter(
    lambda word: (
        word.lower() not in ("nan", "na", "inf", "null", "none", "infinity", "true", "false")
    )
)
numbers = st.one_of(
    st.integers(-10_000, 10_000).map(float),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)),
    st.floats(allow_nan=False, allow_infinity=False),
)


@st.composite
def ways(draw: Any) -> dict[str, Any]:
    """How a file is written."""
    sep = draw(st.sampled_from([",", ";", "\t", "|"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    decimal = draw(st.sampled_from([".", ","]))
    assume(decimal != sep or quoting == csv.QUOTE_ALL)
    return {
        "sep": sep,
        "decimal": decimal,
        "quoting": quoting,
        "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])),
        "packing": draw(st.sampled_from(list(PACK))),
    }


def written(folder: str, frame: pd.DataFrame, way: dict[str, Any], **more: Any) -> Path:
    given = {**way, **more}
    packing, encoding = given.pop("packing"), given.pop("encoding")
    path = Path(folder) / f"t.csv{packing}"
    path.write_bytes(PACK[packing](frame.to_csv(**given).encode(encoding)))
    return path


def said_unclear(error: InputError, way: dict[str, Any]) -> bool:
    """Where every number may be one of thousands, nothing but a question is right."""
    return way["decimal"] == "," and "a thousand or a decimal comma" in str(error)


@st.composite
def tables(draw: Any) -> pd.DataFrame:
    width = draw(st.integers(1, 4))
    names = draw(st.lists(words, min_size=width, max_size=width, unique_by=str.lower))
    rows = draw(st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=2, max_size=8))
    return pd.DataFrame(rows, columns=names)


@given(tables(), ways(), st.booleans(), st.booleans())
def test_a_table_of_numbers(
    frame: pd.DataFrame, way: dict[str, Any], header: bool, named: bool
) -> None:
    # "0,5" alone in a line is two columns, to anybody.
    assume(named or way["decimal"] == "." or frame.shape[1] > 1 or way["quoting"] == csv.QUOTE_ALL)
    if named:
        frame = frame.set_axis([f"row {chr(97 + i)}" for i in range(len(frame))])
    dialect = None if header else Dialect(header=False)
    identity = "1" if named and not header else None
    with tempfile.TemporaryDirectory() as folder:
        path = written(folder, frame, way, header=header, index=named)
        try:
            table = read_table(path, dialect=dialect, id_column=identity)
        except InputError as error:
            assert said_unclear(error, way), error
            told = Dialect(decimal=",", header=header)
            table = read_table(path, dialect=told, id_column=identity)
    np.testing.assert_array_equal(table.values, frame.to_numpy())
    assert table.columns == (tuple(frame.columns) if header else table.columns)
    assert (table.row_ids is not None) == named
    if named:
        assert table.row_ids.tolist() == frame.index.tolist()  # type: ignore[union-attr]


@given(
    st.lists(st.tuples(words, words, st.floats(0, 1e6).map(lambda x: round(x, 3) + 0.0005)),
             min_size=3, max_size=8, unique_by=lambda row: frozenset(row[:2])),
    ways(), st.booleans(),
)  # fmt: skip
def test_weighted_edges(rows: list[Any], way: dict[str, Any], index: bool) -> None:
    frame = pd.DataFrame(rows, columns=["source", "target", "weight"])
    with tempfile.TemporaryDirectory() as folder:
        graph = read_graph(written(folder, frame, way, index=index), directed=True)
    assert sorted(graph.node_ids) == sorted({*frame.source, *frame.target})
    place = {node: i for i, node in enumerate(graph.node_ids)}
    dense = graph.adjacency.toarray()
    for u, v, weight in rows:
        assert dense[place[u], place[v]] == np.float32(weight)


@given(
    st.lists(st.tuples(st.integers(0, 10**12), words, st.integers(1, 10)), min_size=2, max_size=8),
    ways(), st.sampled_from(["user,item,rating", "userId,movieTitle,stars", "uid,product,score"]),
)  # fmt: skip
def test_ratings(rows: list[Any], way: dict[str, Any], names: str) -> None:
    frame = pd.DataFrame([(u, i, r / 2) for u, i, r in rows], columns=names.split(","))
    with tempfile.TemporaryDirectory() as folder:
        table = read_ratings(written(folder, frame, way, index=False)).table
    assert table.to_numpy().tolist() == frame.to_numpy().tolist()


@given(tables(), ways())
def test_features_of_nodes(frame: pd.DataFrame, way: dict[str, Any]) -> None:
    assume(np.isfinite(frame.to_numpy(dtype=np.float32)).all())
    frame = frame.set_axis([f"n{i}" for i in range(len(frame))]).rename_axis("node")
    with tempfile.TemporaryDirectory() as folder:
        path = written(folder, frame, way)
        try:
            features = read_features(path)
        except InputError as error:
            assert said_unclear(error, way), error
            features = read_features(path, Dialect(decimal=","))
    np.testing.assert_array_equal(features.values, frame.to_numpy(dtype=np.float32))
    assert features.ids is not None and features.ids.tolist() == frame.index.tolist()
    assert features.names == tuple(frame.columns)


@given(
    st.lists(st.tuples(st.text(max_size=8), st.integers(-9, 9), st.text(max_size=8)), min_size=2,
             max_size=8),
    st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
def test_any_text_beside_numbers(rows: list[Any], mark: str, end: str) -> None:
    """Quotation marks, separators and ends of lines in a cell stay within it."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=mark, lineterminator=end)
    writer.writerow(["before", "x", "after"])
    writer.writerows((a.replace("\0", ""), x, b.replace("\0", "")) for a, x, b in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(stream.getvalue().encode("utf-8", "replace"))
        try:
            table = read_table(path, columns=["x"], dialect=Dialect(separator=mark, header=True))
        except InputError as error:
            # A line of nothing but a cell between marks that is not closed, or a comment.
            assert "columns" in str(error) or "a header and no rows" in str(error)
            return
    assert table.values.ravel().tolist() == [x for _, x, _ in rows] or any(
        "comment" in note or "left out" in note for note in table.notes
    )
