"""What is printed steers no terminal, and stays readable."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from damrep.masking.printing import escaped, text_table

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)


@given(ANY_TEXT, st.booleans())
def test_nothing_is_left_that_steers(text: str, lines: bool) -> None:
    shown = escaped(text, lines=lines)
    kept = "\u200c\u200d" + ("\n\t" if lines else "")
    assert all(
        unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or c in kept for c in shown
    )
    shown.encode("utf-8")
    assert escaped(shown, lines=lines) == shown


@given(st.text(st.characters(categories=("L", "M", "N", "P", "S", "Zs"))))
def test_letters_of_any_script_stay(text: str) -> None:
    assert escaped(text) == text


def test_what_is_shown() -> None:
    assert escaped("a\tb\r\n") == r"a\tb\r\n"
    assert escaped("a\tb\r\n", lines=True) == "a\tb\\r\n"
    assert escaped("\x1b[31m\x9b\x7f") == r"\x1b[31m\x9b\x7f"
    assert escaped("\u202e\u2066\u200b\ufeff\u2028") == r"\u202e\u2066\u200b\ufeff\u2028"
    assert escaped("\ud800") == r"\ud800"
    assert escaped("👨‍👩‍👧 می‌خواهم") == "👨‍👩‍👧 می‌خواهم"
    assert escaped("\U000e0041") == r"\U000e0041"


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT, ANY_TEXT), min_size=1))
def test_a_row_is_a_line(rows: list[tuple[str, str, str]]) -> None:
    assert len(text_table(rows).split("\n")) == len(rows)


def test_columns_are_in_line() -> None:
    rows = [("", "n"), ("long name", "1"), ("x\n", "1,000")]
    assert text_table(rows).split("\n") == [
        "               n",
        "long name      1",
        r"x\n        1,000",
    ]
    assert text_table([("a", "b"), ("cc", "dd")], left=(0, 1)) == "a   b\ncc  dd"


def test_it_needs_nothing() -> None:
    program = "import sys, damrep.masking.printing; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
