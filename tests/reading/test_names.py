"""Columns of ratings by what they are called."""

from __future__ import annotations

import pytest

from damrep.masking.validation import InputError
from damrep.reading.names import known_column

ROLES = ("user", "item", "rating")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("user,item,rating", "user,item,rating"),
        ("userId,movieId,rating,timestamp", "userId,movieId,rating"),
        ("user,joke,rating", "user,joke,rating"),
        ("user,artist,plays", "user,artist,plays"),
        ("userID,artistID,weight", "userID,artistID,weight"),
        ("User-ID,ISBN,Book-Rating", "User-ID,ISBN,Book-Rating"),
        ("reviewerID,asin,reviewerName,helpful,overall", "reviewerID,asin,overall"),
        ("rating,title,asin,parent_asin,user_id,timestamp", "user_id,asin,rating"),
        ("user_id:token,item_id:token,rating:float,timestamp:float",
         "user_id:token,item_id:token,rating:float"),
        ("review_id,user_id,business_id,stars,useful,date", "user_id,business_id,stars"),
        ("user,song,play_count", "user,song,play_count"),
        ("customer_id,product_id,star_rating", "customer_id,product_id,star_rating"),
        ("user_id,anime_id,my_score,score", "user_id,anime_id,score"),
        ("CustomerID,StockCode,Quantity,Country", "CustomerID,StockCode,Quantity"),
        ("uid,iid,value", "uid,iid,value"),
        ("userId,movieId,title,rating", "userId,movieId,rating"),
        ("user,title,score", "user,title,score"),
        ("user,movie,movie_id,rating", "user,movie_id,rating"),
        ("user,item,rating,weight,isbn", "user,item,rating"),
        ("reader,book,stars", "reader,book,stars"),
        ("user,film,listens", "user,film,listens"),
        (" USER , Track ,playcount", " USER , Track ,playcount"),
    ],
)  # fmt: skip
def test_names_by_custom(header: str, expected: str) -> None:
    names = header.split(",")
    found = [known_column(names, role, "f.csv", f"--{role}") for role in ROLES]
    assert found == expected.split(",")


@pytest.mark.parametrize(
    ("header", "role", "said"),
    [
        ("user,artist,track,plays", "item", "f.csv: columns 'artist' and 'track' may both be the "
         "items; name one with --item"),
        ("user,item,score,weight", "rating", "'score' and 'weight' may both be the ratings"),
        ("user,book,movie,song", "item", "'book', 'movie' and 'song' may each be"),
        ("userId,user_id,item", "user", "'userId' and 'user_id' may both be"),
        ("user,user,item", "user", "'user' and 'user' may both be"),
    ],
)  # fmt: skip
def test_what_may_be_either_is_refused(header: str, role: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        known_column(header.split(","), role, "f.csv", f"--{role}")


@pytest.mark.parametrize(
    "names", [[], ["a", "b"], [0, 1], ["timestamp", "avg_rating", "username2", None], ["", "_"]]
)
def test_names_that_say_nothing(names: list[object]) -> None:
    assert [known_column(names, role, "f.csv", "") for role in ROLES] == [None] * 3
