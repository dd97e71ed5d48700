from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import arguments
from benchmarks.graph_price import PRICES, broken, main, never_increasing, price_row
from benchmarks.results import read_result


def test_the_grid_goes_from_nothing_to_all_of_the_variance() -> None:
    assert len(PRICES) == 8
    assert (PRICES[0], PRICES[-1]) == (0.0, 1.0)
    assert list(PRICES) == sorted(set(PRICES))


def test_never_increasing_looks_at_neighbours() -> None:
    assert never_increasing([3, 3, 1])
    assert not never_increasing([3, 1, 2])


def test_one_seed_that_rises_is_enough() -> None:
    good, bad = [9, 8, 7, 6, 5, 4, 3, 2], [9, 8, 7, 6, 5, 4, 5, 0]
    row = price_row({0: good, 4: bad}, dataset="karate", strategy="search")
    assert row["price_0.3"].values == (3.0, 5.0)
    assert (row["never_increasing"], row["least"], row["seeds"]) == (False, 0, [0, 4])
    assert broken([row]) == [
        "karate, search: a higher price gave more dimensions",
        "karate, search: a width below 1",
    ]
    assert broken([price_row({0: good}, dataset="karate", strategy="search")]) == []


def test_a_grid_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 8 widths a seed, got 2"):
        price_row({0: [2, 1]})


def test_karate_holds_at_every_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    words = ["--quick", "--datasets", "karate", "--out", str(tmp_path)]
    assert main(words) == 0
    (row,) = read_result("graph-price", tmp_path)["rows"]
    assert row["never_increasing"] and row["least"] >= 1
    assert row["price_0"]["mean"] >= row["price_1"]["mean"]
