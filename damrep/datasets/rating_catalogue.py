"""The registry's entries of ratings. Digests are sha256, as in `catalogue`."""

from __future__ import annotations

from collections.abc import Mapping

from damrep.datasets.catalogue import Dataset
from damrep.datasets.ratings import (
    read_item_lists,
    read_ml_100k,
    read_ml_latest_small,
    read_monti,
)

__all__ = ["RATING_ENTRIES"]

_GROUPLENS = "GroupLens: research use, see its README"
_MONTI = "https://github.com/muhanzhang/IGMC (its ratings as .npz)"
_LIGHTGCNPP = "https://github.com/geon0325/LightGCNpp"


def _monti(title: str, summary: str, digest: str) -> Dataset:
    name = title.lower()
    return Dataset(
        name,
        summary,
        _MONTI,
        "MIT (IGMC); split by Monti, Bronstein and Bresson (2017)",
        lambda folder: read_monti(folder / "ratings.npz", name),
        f"monti/{name}",
        {"ratings.npz": digest},
        kind="ratings",
    )


def _lists(
    name: str,
    summary: str,
    digests: Mapping[str, str],
    folder: str | None = None,
    source: str = _LIGHTGCNPP,
    licence: str = "not stated",
) -> Dataset:
    return Dataset(
        name,
        summary,
        source,
        licence,
        lambda place: read_item_lists(place, name),
        f"implicit/{folder or name}",
        {f"{part}.txt": digest for part, digest in digests.items()},
        kind="ratings",
    )


RATING_ENTRIES = (
    Dataset(
        "ml-100k",
        "943 users, 1,682 films, 100,000 ratings 1 to 5, seven splits",
        "https://grouplens.org/datasets/movielens/100k/",
        f"{_GROUPLENS}; not to be passed on",
        read_ml_100k,
        "ml-100k",
        {
            "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
            "u1.base": "ce253ec86c448b44fb3ba9a30d12dcfc2e9210cbde71efada3730c22e9ac212a",
            "u1.test": "18c6014a4b2c7324f250a63f8904a7b16b2b19f911129e346141507b0cbac950",
            "u2.base": "6c06f0b5df4b256da1a994f3ac66edc8da4d3f09bc9282df6b14d893366d703e",
            "u2.test": "4de658d1e04ed9104629509a2e2528fce833ac8e048280183f1df167632038c3",
            "u3.base": "afdc155c291c6edc41c0407e39d7462eb98d341e064f0b0a12175b80b3c4af5d",
            "u3.test": "0f548b51c78327de4c156461d3e430b7e5579fe2b5681586a59416e48fd35f6d",
            "u4.base": "219f0f4d40dfe9c5141d425f53fa91ee23ed275f14e280bbf1b50117afb064ca",
            "u4.test": "7c02ad0a1e7ab1083c8b9d4b627203a051dd7b5eab46d99fa44de33470de8db9",
            "u5.base": "a9574e59ce961eec2121627760b6e9b0974ce1637b3fe69ac32cb14a4bfab485",
            "u5.test": "351cc52e0d15b6c721466276fc24671d40936899e3d01fadeaf312915b8c5634",
            "ua.base": "67b5bcdb380c29f85d56a012ecd88612ae020f30a6730d117a334ee8203b91f2",
            "ua.test": "d0497e202417720f57a184ec8c66be2d1afa4ff41bb53787c57b28d6bf79bc42",
            "ub.base": "237254d253b6ad7de84f919d041055428646254f34ed8f562703c899430cd881",
            "ub.test": "d54a72d05730d5892062734b2bec73e976f9b713d18c828a18b968d6cce442da",
        },
        kind="ratings",
    ),
    Dataset(
        "ml-latest-small",
        "671 users, 9,066 films, 100,004 ratings 0.5 to 5",
        "https://grouplens.org/datasets/movielens/latest/ (the version of 2016)",
        _GROUPLENS,
        read_ml_latest_small,
        "ml-latest-small",
        {"ratings.csv": "b4239649fbf90ebf405c56c3ae1d929d9e7c86fc1a3a80cbef1c884df593ef73"},
        kind="ratings",
    ),
    _monti(
        "Flixster",
        "2,341 users, 2,956 films, 26,173 ratings, graphs of both",
        "05db4ddac12dd3223b23cd1f34af0416d21b01f33bb609e60d1a8e3342363207",
    ),
    _monti(
        "Douban",
        "2,999 users, 3,000 items, 136,891 ratings, a graph of users",
        "7864fc7c9d805c31c56d383a2fe6b2f86bc298bc53a818ee281c780ee87eb4a1",
    ),
    _lists(
        "gowalla",
        "29,858 users, 40,981 places, 1,027,370 check-ins",
        {
            "train": "d47e01d060624f389956c0b2f89a1ed8c453ea158631cd2b5320c241f3e1a073",
            "valid": "ddc22c1cd9a7d14fd5cd0c98b1473b614f4323038fef74ae0d28cc9c92a08ba2",
            "test": "099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
        },
    ),
    _lists(
        "yelp-social",
        "17,235 users, 37,378 places, 207,945 visits, links of users",
        {
            "train": "c203fa83c1cbee1f872029a24c76b71fab9d240dc32655fcc73a5a80499e2979",
            "valid": "d74b3fbf793c8f68dc0825a15c1b1028a567542ceb620c87f5284ea761b599a7",
            "test": "dfbeb37b91828a8b3484822297a1cacf0082ff94bdf0ac76861fe859fd48d7a7",
            "links": "4fc9c3f86a504949da7c18b058aca05791d763149f95137c3810f13fef41350f",
        },
        "yelp_social",
        "https://github.com/maenzhier/grecx_datasets",
        "MIT (grecx_datasets)",
    ),
    _lists(
        "lastfm",
        "1,885 users, 17,388 artists, 91,779 interactions",
        {
            "train": "1845769cb1a9834692d3cf884de523d23aa126fa6b58eb5f49e9628e8c317705",
            "valid": "9ae3440becfcbba19d5a5a8298b7933126f89424a468de5765bf1c6f08a9e3eb",
            "test": "0f0a15e3de2f868554ee1e32190c51db3e0ad0c4138e1428c66ba6de86102755",
        },
    ),
    _lists(
        "citeulike",
        "5,551 users, 16,980 papers, 210,504 bookmarks",
        {
            "train": "ef1144411b6fa299717a2c380e4daabbaf28301b7da0e0ff15feffd17160d6f0",
            "valid": "f45c0c1c70394cad9d024f7e8e65878315faf5d0037df060fdfe59c9d943e883",
            "test": "c097563af7efc1b24dc841b7d49f630f8605331b2778b86db364e9eff908e501",
        },
    ),
    _lists(
        "amazon-beauty",
        "52,204 users, 57,289 products, 394,908 reviews",
        {
            "train": "f17c2bb02e37bdb81d0f158e47600ada8a15971be7b6d60a6db39a06e7d8e29d",
            "valid": "c7b56c2d4d87ca5c90be5829e14f8cc031d65b204c149004fbef5ab63e59da06",
            "test": "b75c4c7613ba51666748ea1e50e8d950c6133398e5c6eaacd55f794caa98aec5",
        },
    ),
)
