"""What columns are called by custom, in lower case, letters and digits only."""

from __future__ import annotations

__all__ = [
    "ITEM_NAMES",
    "RATING_NAMES",
    "TIME_NAMES",
    "USER_NAMES",
    "is_id_name",
    "plain_name",
]

# A first column of this name names the rows; the empty name is what pandas gives a written index.
_ID_NAMES = ("", "id", "ids", "rowid", "node", "nodes", "nodeid", "name", "names", "index", "key")


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


USER_NAMES = (
    "user", "userid", "uid", "users", "username", "userindex", "useridx", "reviewerid", "reviewer",
    "customer", "customerid", "member", "memberid", "account", "accountid", "visitor", "visitorid",
    "reader", "readerid", "listener", "player", "playerid", "client", "clientid", "person",
    "personid", "session", "sessionid",
)  # fmt: skip
ITEM_NAMES = (
    "item", "itemid", "iid", "items", "movieid", "movie", "film", "filmid", "productid", "product",
    "artistid", "artist", "trackid", "track", "songid", "song", "bookid", "book", "isbn", "asin",
    "jokeid", "joke", "business", "businessid", "article", "articleid", "game", "gameid", "sku",
    "show", "showid", "anime", "animeid", "recipe", "recipeid", "url", "page", "place", "placeid",
    "location", "locationid",
)  # fmt: skip
RATING_NAMES = (
    "rating", "ratings", "score", "stars", "overall", "grade", "weight", "count", "plays",
    "playcount", "listens", "clicks", "views", "purchases", "quantity", "value",
)  # fmt: skip
TIME_NAMES = (
    "timestamp", "time", "date", "datetime", "ts", "created", "createdat", "year", "when",
)  # fmt: skip
