"""A file is checked once, the same way, before any reader opens it."""

from __future__ import annotations

from pathlib import Path

import pytest

from damrep.masking.validation import InputError
from damrep.reading.files import file_ending, require_file

KNOWN = (".csv", ".parquet")


@pytest.mark.parametrize(
    ("name", "ending"), [("a.csv", ".csv"), ("A.CSV.GZ", ".csv"), ("b.x.parquet", ".parquet")]
)
def test_the_ending_says_what_is_in_it(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    assert require_file(path, KNOWN, "a table") == file_ending(path) == ending


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", None, "no such file"),
        ("a.csv", b"", "the file is empty"),
        ("a.xls", b"x", r"unknown ending '\.xls' for a table; known are \.csv, \.parquet"),
        ("a.parquet.gz", b"x", r"unknown ending '\.gz' for a table"),
        ("a", b"x", "unknown ending 'none'"),
    ],
)
def test_what_cannot_be_read(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        require_file(path, KNOWN, "a table")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a directory; expected a table \(\.csv"):
        require_file(tmp_path, KNOWN, "a table")
