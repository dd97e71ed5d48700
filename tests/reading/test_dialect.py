"""How a text file is written: found out, or told."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.reading.opening import open_table


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cells(path: Path, at_least: int = 1, **said: Any) -> list[list[Any]]:
    table = open_table(path, Dialect(**said), at_least=at_least)
    columns = [column.to_pylist() for column in table.columns(range(table.width))]
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b\nc,d\n", [["a", "b"], ["c", "d"]]),
        ("a;b,c\nd;e\n", [["a", "b,c"], ["d", "e"]]),
        ("a\tb c\nd\te\n", [["a", "b c"], ["d", "e"]]),
        ("a|b\nc|d\n", [["a", "b"], ["c", "d"]]),
        ("a::b:c\nd::e\n", [["a", "b:c"], ["d", "e"]]),
        ('"a,b",c\n"d\ne",f\n', [["a,b", "c"], ["d\ne", "f"]]),
        ("a , b\nc, d \n", [["a", "b"], ["c", "d"]]),
        ("one name\nanother name\n", [["one name"], ["another name"]]),
        ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        ("a,b\rc,d\r", [["a", "b"], ["c", "d"]]),
        ("\n\na,b\n\nc,d", [["a", "b"], ["c", "d"]]),
        ("sep=|\na|b\nc|d\n", [["a", "b"], ["c", "d"]]),
        ("﻿a,b\nc,d\n", [["a", "b"], ["c", "d"]]),
        ("a,b\nc,d\n".encode("utf-16"), [["a", "b"], ["c", "d"]]),
    ],
)
def test_what_stands_between_cells(tmp_path: Path, content: str | bytes, rows: Any) -> None:
    assert cells(put(tmp_path, "t.csv", content)) == rows


def test_blanks_separate_where_more_than_one_column_is_wanted(tmp_path: Path) -> None:
    assert cells(put(tmp_path, "t.csv", "a b\nc  d\n"), at_least=2) == [["a", "b"], ["c", "d"]]
    assert cells(put(tmp_path, "t.txt", " a\tb \nc  d\n"), separator="space") == [
        ["a", "b"], ["c", "d"],
    ]  # fmt: skip


def test_a_told_separator_counts_whatever_the_ending(tmp_path: Path) -> None:
    path = put(tmp_path, "u1.base", "1,2\t3\n4\t5\n")
    assert cells(path, separator="tab") == [["1,2", "3"], ["4", "5"]]


def test_encodings(tmp_path: Path) -> None:
    path = put(tmp_path, "t.csv", "né,b\nc,d\n".encode("latin-1"))
    assert cells(path, encoding="latin-1")[0] == ["né", "b"]
    with pytest.raises(InputError, match="line 1 has the byte 0xe9.; name its encoding"):
        cells(path)
    with pytest.raises(InputError, match="not ascii text"):
        cells(put(tmp_path, "u.csv", "né,b\n"), encoding="ascii")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"separator": "ab"}, "separator must be one mark"),
        ({"separator": '"'}, "separator must be one mark"),
        ({"separator": "x"}, "separator must be one mark"),
        ({"decimal": ";"}, "the decimal mark must be . or ,"),
        ({"decimal": ",", "separator": ","}, "both the separator and the decimal mark"),
        ({"comment": " "}, "comment must be how such a line starts"),
        ({"encoding": "klingon"}, "unknown encoding 'klingon'"),
    ],
)
def test_what_cannot_be(said: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Dialect(**said)


@pytest.mark.parametrize(
    ("content", "numbers", "noted"),
    [
        ("0,5;1\n-1,25;2\n", [[0.5, 1], [-1.25, 2]], True),
        ("0,5;1\n1,5e3;2\n", [[0.5, 1], [1500, 2]], True),
        ("0.5;1\n1;2\n", [[0.5, 1], [1, 2]], False),
    ],
)
def test_a_decimal_comma(tmp_path: Path, content: str, numbers: Any, noted: bool) -> None:
    table = open_table(put(tmp_path, "t.csv", content))
    assert table.numbers([0, 1]).tolist() == numbers
    assert (table.notes == ["numbers were read with a decimal comma"]) is noted


def test_a_thousand_is_no_decimal(tmp_path: Path) -> None:
    path = put(tmp_path, "t.csv", "a;b\n1,234;2\n5,678;3\n")
    with pytest.raises(InputError, match="is '1,234' a thousand or a decimal comma"):
        open_table(path, Dialect(header=True)).numbers([0])
    table = open_table(path, Dialect(decimal=",", header=True))
    assert table.numbers([0]).tolist() == [[1.234], [5.678]]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.bz2", "t.csv.xz"])
def test_packed_text(tmp_path: Path, name: str) -> None:
    import bz2
    import gzip
    import lzma

    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[name.split(".")[-1]]
    assert cells(put(tmp_path, name, pack(b"a,b\nc,d\n"))) == [["a", "b"], ["c", "d"]]
    with pytest.raises(InputError, match="not a readable"):
        cells(put(tmp_path, name, b"no such thing"))
    with pytest.raises(InputError, match="not a readable"):
        cells(put(tmp_path, name, pack(b"a,b\n" * 999)[:-9]))


def test_a_row_is_named_by_its_line(tmp_path: Path) -> None:
    table = open_table(put(tmp_path, "t.csv", '# c\n\na,b\n"x\ny",1\n# d\nz,q\n'))
    assert [table.row_name(row) for row in range(3)] == ["line 3", "line 5", "line 7"]


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from damrep.reading import files

    class Piped:
        buffer = io.BytesIO(b"a;b\n1;2\n")

    monkeypatch.setattr(files.sys, "stdin", Piped())
    files._stdin_bytes.cache_clear()
    try:
        assert files.require_file(Path("-"), [".csv"], "a table") == ".txt"
        assert cells(Path("-")) == [["a", "b"], ["1", "2"]]
        assert cells(Path("-")) == [["a", "b"], ["1", "2"]]  # read once, looked at twice
    finally:
        files._stdin_bytes.cache_clear()
