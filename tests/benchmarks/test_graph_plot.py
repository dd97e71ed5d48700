from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.graph_plot import average_curve, draw, main, point
from benchmarks.graph_rows import ALL, COLUMNS, METHODS, SVD_ALL
from benchmarks.results import write_result
from benchmarks.seeds import Spread

WIDTHS = [1, 2, 4, 8, 16]


def rows() -> list[dict[str, Any]]:
    """A made-up result of two seeds with every method in it."""
    rng = np.random.default_rng(0)
    made: list[dict[str, Any]] = [
        {
            "method": method,
            "dims": 8,
            "link_dims": 7,
            "accuracy": Spread(tuple(rng.random(2))),
            "auc": Spread(tuple(rng.random(2))),
            "seeds": [0, 1],
        }
        for method in METHODS
    ]
    made[0]["dims"] = Spread((7.0, 9.0))
    for row in made:
        if row["method"] in (ALL, SVD_ALL):
            row["curves"] = [
                {"dims": WIDTHS, "accuracy": rng.random(5).tolist(), "auc": rng.random(5).tolist()}
                for _ in (0, 1)
            ]
    return made


def write(rows: list[dict[str, Any]], out: Path) -> None:
    write_result(
        "graph-karate",
        rows,
        COLUMNS,
        title="t",
        settings={"dataset": "karate"},
        notes=["Accuracy: the share of test nodes right."],
        out=out,
    )


def test_mean_and_spread_of_curves_by_hand() -> None:
    curves = [{"dims": [1, 2], "accuracy": [0.2, 0.4]}, {"dims": [1, 2], "accuracy": [0.4, 0.8]}]
    dims, mean, std = average_curve(curves)
    assert dims == [1, 2]
    assert mean == pytest.approx([0.3, 0.6])
    assert std == pytest.approx([0.1 * 2**0.5, 0.2 * 2**0.5])
    assert average_curve(curves[:1])[2].tolist() == [0.0, 0.0]


def test_a_point_needs_an_accuracy() -> None:
    assert point({"dims": 8, "accuracy": None}) is None
    assert point({"dims": 8, "accuracy": 0.5}) == (8.0, 0.5, 0.0, 0.0)
    row = {"dims": 8, "auc": 0.25, "link_dims": 4}
    assert point(row, "auc", "link_dims") == (4.0, 0.25, 0.0, 0.0)
    spread = {"mean": 0.5, "std": None, "n": 1, "values": [0.5]}
    assert point({"dims": spread, "accuracy": spread}) == (0.5, 0.5, 0.0, 0.0)


def test_a_drawn_result_is_a_small_picture_and_the_same_every_time(tmp_path: Path) -> None:
    write(rows(), tmp_path)
    assert main(["--results", str(tmp_path)]) == 0
    path = tmp_path / "graph-karate.png"
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG")
    assert 5_000 < len(first) < 100_000
    assert main(["karate", "--results", str(tmp_path)]) == 0
    assert path.read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["graph-karate.json", path.name]


def test_single_methods_can_be_drawn_alone(tmp_path: Path) -> None:
    for row in rows():
        result = {"rows": [row], "notes": [], "settings": {"dataset": "karate"}}
        row["accuracy"], row["auc"], row["dims"] = 0.5, 0.75, 8
        assert draw(result, tmp_path / f"{len(row['method'])}.png")


def test_without_labels_links_are_drawn_alone(tmp_path: Path) -> None:
    made = [{**row, "accuracy": None, "auc": 0.5} for row in rows()]
    for row in made:
        for curve in row.get("curves", ()):
            curve["accuracy"] = [None] * 5
    result = {"rows": made, "notes": [], "settings": {"dataset": "karate"}}
    assert draw(result, tmp_path / "links.png")


def test_without_numbers_there_is_nothing_to_draw(tmp_path: Path) -> None:
    write([{"method": ALL, "dims": None, "accuracy": None, "reason": "too slow"}], tmp_path)
    assert main(["--results", str(tmp_path)]) == 0
    assert not list(tmp_path.glob("*.png"))


def test_a_missing_result_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cora", "--results", str(tmp_path)]) == 2
    assert "graph-cora.json: no such result" in capsys.readouterr().err
