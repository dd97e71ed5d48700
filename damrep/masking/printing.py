"""Text for a terminal: nothing in it that moves the cursor, and tables that stay in line.

It imports nothing, as the command line says most of its errors before torch is needed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

__all__ = ["counted", "escaped", "text_table"]

# Control characters (an escape sequence can rewrite what is on the screen), format characters
# (bidirectional overrides turn text around, others cannot be seen), halves of a surrogate pair
# (no encoding has them), and the two separators that Unicode has beside the line feed.
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # needed to write Persian, Hindi, and families of emoji


def escaped(text: str, *, lines: bool = False) -> str:
    r"""A text with everything that steers a terminal written out, as `repr` does.

    Parameters
    ----------
    text
        Perhaps from a file that somebody else wrote.
    lines
        Leave line feeds and tabs as they are.

    Examples
    --------
    >>> escaped("a\x1b[2Jb\u202ec\n"), escaped("Zoë  李", lines=True)
    ('a\\x1b[2Jb\\u202ec\\n', 'Zoë  李')
    """
    if text.isprintable():
        return text
    kept = _JOINERS + ("\n\t" if lines else "")
    return "".join(
        letter
        if letter.isprintable() or letter in kept or unicodedata.category(letter) not in _HIDDEN
        else letter.encode("unicode_escape", "backslashreplace").decode("ascii")
        for letter in text
    )


def text_table(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Rows of cells with the columns in line.

    Parameters
    ----------
    rows
        Of equal length.
    left
        Columns that begin in line; the others end so.

    Examples
    --------
    >>> print(text_table([["", "dims"], ["learned", "14"]]))
             dims
    learned    14
    """
    cells = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def counted(count: int, noun: str, mark: str = ",") -> str:
    """A number of things, its thousands apart by a mark or by none.

    Examples
    --------
    >>> counted(1, "dimension"), counted(2708, "node"), counted(7, "class")
    ('1 dimension', '2,708 nodes', '7 classes')
    """
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:{mark}} {noun}{ending}"
