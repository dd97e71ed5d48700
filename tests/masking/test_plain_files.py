"""JSON that nobody wrote well: refused with a reason, at once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damrep.masking import plain_files
from damrep.masking.plain_files import open_regular, parse_json, read_json
from damrep.masking.validation import InputError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN, st.booleans())
def test_what_json_writes_is_read(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which UTF-8 does not have
        return
    assert json.dumps(parse_json(data)) == json.dumps(json.loads(text))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a": 1} {', "Extra data"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'"\xff"', "can't decode"),
        (b"NaN", "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not"),
        (b"1e999", "too large a number"),
        (b"-1e999", "too large a number"),
        (b"1" * 5000, "4300 digits"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' comes more than once"),
        (b"[" * 101 + b"]" * 101, "nested deeper than 100"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "nested deeper than 100"),
        (b"[" * 10_000_000, "nested deeper than 100"),
        (b"[" + b"0," * 5_000_000 + b"0]", "more than 4,000,000 values"),
        (b'"' + b'\\"' * 1_000_000, "Unterminated string"),
    ],
)
def test_what_is_no_json_of_ours(data: bytes, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=said):
        parse_json(data)
    assert time.monotonic() - began < 10


def test_brackets_in_strings_do_not_count() -> None:
    whole = {"a" * 5: "[" * 1000, "\\": '"[[' * 200, "é[": ["}"] * 99}
    assert parse_json(json.dumps(whole).encode()) == whole
    assert parse_json(json.dumps(whole, ensure_ascii=False).encode()) == whole
    assert parse_json(b"[" * 100 + b"]" * 100)


def test_how_many_values_is_for_the_caller_to_say() -> None:
    assert parse_json(b"[1,2,3]", most_values=None) == [1, 2, 3] == parse_json(b"[1,2,3]", 2)
    with pytest.raises(ValueError, match="more than 1 values"):
        parse_json(b"[1,2,3]", 1)


def test_a_file_is_not_larger_than_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_files, "LARGEST_JSON", 10)
    (tmp_path / "a.json").write_text('"12345678"')
    assert read_json(tmp_path / "a.json") == "12345678"
    (tmp_path / "a.json").write_text('"123456789"')
    with pytest.raises(InputError, match=r"a\.json is too large"):
        read_json(tmp_path / "a.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path / "gone" / "too"):
        with pytest.raises(FileNotFoundError):
            open_regular(path)
    (tmp_path / "dangling").symlink_to("gone")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "dangling", within=tmp_path)


def test_a_file_below_a_folder_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.json").write_text("1")
    (tmp_path / "ab.json").write_text("2")
    monkeypatch.chdir(tmp_path)
    assert read_json(Path("a/b/c.json"), within=Path("a")) == 1
    assert read_json(Path("a/b/../b/c.json"), within=Path("a/b/..")) == 1
    for path in ("ab.json", "a/../ab.json"):
        with pytest.raises(InputError, match="leads out of its folder"):
            read_json(Path(path), within=Path("a"))
