"""What is known of how a text file is written."""

from __future__ import annotations

import dataclasses

from damrep.masking.validation import InputError
from damrep.reading.ids import shown

__all__ = ["Dialect"]

_SPELLED = {"tab": "\t", "\\t": "\t", "space": " ", "blank": " ", "comma": ",", "semicolon": ";"}


@dataclasses.dataclass(frozen=True)
class Dialect:
    """What is known of how a text file is written; None is found out.

    Parameters
    ----------
    separator
        One character, "::", or one of the words tab, space, comma, semicolon. A space stands for
        any run of blanks and tabs.
    decimal
        "." or ",".
    header
        Whether the first row names the columns.
    comment
        How a line starts that is passed over.
    encoding
        Such as "latin-1"; UTF-8 (or UTF-16 with its mark) if None.

    Raises
    ------
    InputError
        If a part is none of these, or separator and decimal mark are the same.

    Examples
    --------
    >>> Dialect(separator="tab").separator
    '\\t'
    """

    separator: str | None = None
    decimal: str | None = None
    header: bool | None = None
    comment: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        separator = _SPELLED.get(self.separator or "", self.separator)
        object.__setattr__(self, "separator", separator)
        if separator is not None and separator != "::":
            plain = len(separator) == 1 and ord(separator) < 128 and not separator.isalnum()
            if not plain or separator in '"\r\n\0':
                raise InputError(
                    f'separator must be one mark, "::", tab or space, got {shown(separator)}'
                )
        if self.decimal not in (None, ".", ","):
            raise InputError(f"the decimal mark must be . or , got {shown(self.decimal)}")
        if self.decimal == "," == separator:
            raise InputError("a comma cannot be both the separator and the decimal mark")
        if self.comment is not None and not self.comment.strip():
            raise InputError("comment must be how such a line starts, got a blank")
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except (LookupError, UnicodeError, ValueError):
                raise InputError(
                    f"unknown encoding {shown(self.encoding)}; utf-8, latin-1, ..."
                ) from None

    @property
    def given(self) -> bool:
        """Whether anything was said."""
        return self != Dialect()
