"""Numbers as people write them, and what is said of those that may mean two things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damrep.autoencoder.tables import read_table
from damrep.masking.validation import InputError
from damrep.reading.dialect import Dialect
from damrep.reading.written_numbers import COMMA, POINT, is_number, parse_numbers


def table(folder: Path, cells: list[str], mark: str = ";", **said: Any) -> Any:
    quoted = [f'"{cell}"' if mark in cell else cell for cell in cells]
    rows = "".join(f"r{chr(97 + i)}{mark}{cell}\n" for i, cell in enumerate(quoted))
    (folder / "t.csv").write_text(f"name{mark}x\n{rows}", encoding="utf-8")
    return read_table(folder / "t.csv", dialect=Dialect(**said))


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1.234,5", "2"], [1234.5, 2]),
        (["1.234,5", "2.000"], [1234.5, 2000]),
        (["0,5", "1.234"], [0.5, 1234]),
        (["1.234.567", "2.000"], [1234567, 2000]),
        (["1,234.5", "2"], [1234.5, 2]),
        (["1,234,567", "2,345"], [1234567, 2345]),
        (["0.5", "1,234"], [0.5, 1234]),
        (["1'234.5", "2’345"], [1234.5, 2345]),
        (["1 234,5", "2\u00a0345", "1\u202f000"], [1234.5, 2345, 1000]),
        (["12,5 %", "3%", "100 %"], [0.125, 0.03, 1]),
        (["-1,5", "\u22122,5", "+3"], [-1.5, -2.5, 3]),
        (["1,5E+03", "2e-2"], [1500, 0.02]),
        (["TRUE", "false"], [1, 0]),
        ([".5", "5."], [0.5, 5]),
    ],
)
@pytest.mark.parametrize("mark", [";", ",", "\t"])
def test_numbers(tmp_path: Path, cells: list[str], numbers: list[float], mark: str) -> None:
    assert table(tmp_path, cells, mark).values.ravel().tolist() == numbers


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1,234", "2,345"], "is '1,234' a thousand or a decimal comma"),
        (["1", "2,345"], "is '2,345' a thousand or a decimal comma"),
        (["1.5", "2,5"], "is '2,5'; expected a number"),
        (["12,5 %", "3"], "is '12,5 %'; expected a number"),
        (["1.2.3", "4"], "is '1.2.3'; expected a number"),
        (["1.23,4", "0,5"], "is '1.23,4'; expected a number"),
        (["0.123,5", "0,5"], "is '0.123,5'; expected a number"),
        (["1_000", "2"], "is '1_000'; expected a number"),
        (["0x1f", "2"], "is '0x1f'; expected a number"),
        (["٣", "2"], "is '٣'; expected a number"),
    ],
)
def test_what_is_no_number(tmp_path: Path, cells: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(tmp_path, cells)


def test_a_told_decimal_mark_settles_it(tmp_path: Path) -> None:
    assert table(tmp_path, ["1,234", "2,345"], decimal=",").values.ravel().tolist() == [
        1.234,
        2.345,
    ]
    read = table(tmp_path, ["1,234", "2,345"], decimal=".")
    assert read.values.ravel().tolist() == [1234, 2345]
    assert "column 'x': '1,234' was read as 1234" in read.notes
    # Not told: a point before decimals, and this is said where a comma could have been expected.
    read = table(tmp_path, ["1.234", "2.345"])
    assert read.values.ravel().tolist() == [1.234, 2.345]
    assert "1.234 was read with a decimal point, not as a thousand" in read.notes
    assert table(tmp_path, ["1.234", "2.345"], decimal=",").values.ravel().tolist() == [1234, 2345]


def test_a_point_below_the_first_rows_does_not_become_a_comma(tmp_path: Path) -> None:
    cells = ["0,5"] * 5_000 + ["1.5"]
    with pytest.raises(InputError, match="is '1.5'; expected a number"):
        table_of = "".join(f"{cell};1\n" for cell in cells)
        (tmp_path / "t.csv").write_text("a;b\n" + table_of)
        read_table(tmp_path / "t.csv")


marks = st.sampled_from([(POINT, ".", ","), (COMMA, ",", ".")])
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=9), marks, st.booleans())
def test_every_float_comes_back(numbers: list[float], how: Any, grouped: bool) -> None:
    convention, decimal, grouping = how
    cells = []
    for number in numbers:
        text = f"{number:,.6f}" if grouped and abs(number) < 1e12 else repr(number)
        cells.append(text.replace(",", "\0").replace(".", decimal).replace("\0", grouping))
        assert is_number(cells[-1], convention)
    values, bad, _ = parse_numbers(pa.chunked_array([cells]), convention)
    expected = [
        float(f"{number:.6f}") if grouped and abs(number) < 1e12 else number for number in numbers
    ]
    assert not bad.any() and values.tolist() == expected


@given(st.text(max_size=12))
def test_a_cell_is_a_number_to_both_or_to_none(cell: str) -> None:
    """The one of the first rows and the one of whole columns agree."""
    for convention in (POINT, COMMA):
        values, bad, _ = parse_numbers(pa.chunked_array([[cell, "x"]]), convention)
        gap = not bad[0] and np.isnan(values[0])
        word = cell.strip().lower() in ("true", "false")
        assert gap or word or is_number(cell.strip(), convention) == (not bad[0]) or "%" in cell
