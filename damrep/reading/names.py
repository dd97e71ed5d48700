"""What columns are called by custom, in lower case, letters and digits only."""

from __future__ import annotations

__all__ = ["ITEM_NAMES", "RATING_NAMES", "TIME_NAMES", "USER_NAMES"]

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
