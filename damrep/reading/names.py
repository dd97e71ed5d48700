"""What columns of users, items, ratings and times are called by custom."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable

from damrep.masking.validation import InputError
from damrep.reading.ids import shown

__all__ = [
    "ITEM_NAMES",
    "RATING_NAMES",
    "TIME_NAMES",
    "USER_NAMES",
    "ends_in_id",
    "is_id_name",
    "known_column",
    "plain_name",
]

# A first column of this name names the rows; the empty name is what pandas gives a written index,
# which is "Unnamed: 0" once it was read and written again.
_ID_NAMES = ("", "id", "ids", "rowid", "node", "nodes", "nodeid", "name", "names", "index", "key",
             "unnamed0")  # fmt: skip

# Nouns, in lower case, letters and digits only. The first group that has one counts: what is called
# by its role's own name needs no guess, and a title or a session is only taken for want of better.
_NOUNS = {
    "user": (
        "user",
        "account buyer client consumer customer listener member patron person player profile rater "
        "reader reviewer shopper student subscriber uid viewer visitor",
        "session",
    ),
    "item": (
        "item",
        "ad album anime app article artist asin beer book business clip course dish drink episode "
        "film game hotel iid isbn job joke movie news offer paper photo podcast poi post product "
        "recipe restaurant series show sku song stockcode track video wine",
        "location page place station title url venue",
    ),
    "rating": (
        "rating",
        "bookrating click count freq frequency grade hour interaction listen listencount "
        "movierating overall play playcount playtime point preference purchase qty quantity "
        "ratingscore ratingvalue reviewrating reviewscore score star starrating userrating value "
        "view viewcount visit weight",
    ),
}
# How a name says that it is an id, or what the id is called; the first that is there counts, so
# that of movieId and movieTitle one is taken.
_FORMS = (
    ("{}id", "{}ids", "id{}", "{}uuid", "{}key", "{}code", "{}no", "{}number", "{}idx", "{}index"),
    ("{}", "{}s"),
    ("{}name", "{}title"),
)


def _forms(role: str) -> tuple[tuple[str, ...], ...]:
    return _FORMS[1:2] if role == "rating" else _FORMS


def _every(role: str) -> tuple[str, ...]:
    return tuple(
        form.format(noun)
        for group in _NOUNS[role]
        for noun in group.split()
        for forms in _forms(role)
        for form in forms
    )


USER_NAMES, ITEM_NAMES, RATING_NAMES = (_every(role) for role in ("user", "item", "rating"))
TIME_NAMES = (
    "timestamp", "time", "date", "datetime", "ts", "created", "createdat", "year", "when",
)  # fmt: skip


def plain_name(name: str) -> str:
    """A column's name in lower case, letters and digits only.

    Examples
    --------
    >>> plain_name("from product"), plain_name("User_ID")
    ('fromproduct', 'userid')
    """
    return "".join(c for c in str(name).lower() if c.isalnum())


def is_id_name(name: str) -> bool:
    """Whether a first column of this name holds the names of the rows.

    Examples
    --------
    >>> is_id_name("node_id"), is_id_name(""), is_id_name("age")
    (True, True, False)
    """
    return plain_name(name) in _ID_NAMES


def ends_in_id(name: str) -> bool:
    """Whether a column's name says that it holds ids, and not that something is paid or valid.

    Examples
    --------
    >>> [ends_in_id(name) for name in ("customer_id", "sampleID", "userid", "ID", "paid", "humid")]
    [True, True, True, True, False, False]
    """
    parted = re.search(r"(?:^|[\W_]|\d)ids?$", name, re.IGNORECASE)
    humped = re.search(r"[a-z0-9]I[dD]s?$", name)
    plain = plain_name(name)
    known = plain.endswith(("id", "ids")) and plain in (*USER_NAMES, *ITEM_NAMES, *_ID_NAMES)
    return bool(parted or humped or known)


def known_column(names: Iterable[Hashable], role: str, where: str, option: str) -> Hashable | None:
    """The column that holds the users, the items or the ratings, to judge by its name.

    Parameters
    ----------
    names
        Of the columns there are; what is no string has no name to go by.
    role : {"user", "item", "rating"}
    where, option : str
        What holds the columns, and what names one of them, for the message.

    Returns
    -------
    Hashable, or None
        None where no name is known.

    Raises
    ------
    InputError
        If more than one could be it.

    Examples
    --------
    >>> known_column(["userId", "movieId", "rating"], "item", "films.csv", "--item")
    'movieId'
    >>> known_column(["user", "artist", "plays"], "rating", "plays.csv", "--rating")
    'plays'
    >>> known_column(["user", "artist", "track"], "item", "plays.csv", "--item")
    Traceback (most recent call last):
    damrep.masking.validation.InputError: plays.csv: columns 'artist' and 'track' may both be ...
    """
    # Some write the type behind a colon.
    plain = [(name, plain_name(name.partition(":")[0])) for name in names if isinstance(name, str)]
    for group in _NOUNS[role]:
        found = [name for noun in group.split() for name in _called(noun, plain, role)]
        if len(found) > 1:
            *others, last = (shown(name) for name in found[:4])
            listed = f"{', '.join(others)} and {last}"
            either = "both" if len(found) == 2 else "each"
            raise InputError(
                f"{where}: columns {listed} may {either} be the {role}s; name one with {option}"
            )
        if found:
            return found[0]
    return None


def _called(noun: str, plain: list[tuple[str, str]], role: str) -> list[str]:
    """Columns called by a noun, in the one form that comes first."""
    for forms in _forms(role):
        wanted = {form.format(noun) for form in forms}
        found = [name for name, word in plain if word in wanted]
        if found:
            return found
    return []
