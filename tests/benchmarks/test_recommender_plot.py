"""Plots of the recommenders' results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.recommender_plot import draw_recommenders, width_curve
from benchmarks.results import Column, write_result
from benchmarks.seeds import Spread


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    columns = (Column("dataset", "Ratings"), Column("method", "Method"), Column("rmse", "RMSE", 4))
    write_result("recommenders-explicit", rows, columns, title="Ratings", settings={}, out=out)


def _row(method: str, rmse: float, dims: float | None, **more: Spread) -> dict[str, Any]:
    row = {"dataset": "films", "method": method, "rmse": Spread((rmse,)), **more}
    return row if dims is None else {**row, "dims": Spread((dims,))}


def test_every_method_of_every_panel_is_drawn(tmp_path: Path) -> None:
    curve = {"at_width_4": Spread((0.95,)), "at_width_16": Spread((0.9,))}
    rows = [
        _row("damrep", 0.9, 8),
        _row("damrep, best width without a mask", 0.9, 16, **curve),
        _row("surprise SVD", 0.93, 64),
        _row("EASE", 0.91, None),
    ]
    _write(tmp_path, rows)
    path = draw_recommenders("recommenders-explicit", tmp_path)
    assert path is not None
    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or ()}
    for drawn in ((0, 114, 178), (230, 159, 0), (0, 158, 115)):
        assert drawn in colours


def test_without_a_result_nothing_is_drawn(tmp_path: Path) -> None:
    assert draw_recommenders("recommenders-implicit", tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_curve_is_in_order_of_width() -> None:
    row = {"at_width_128": {"mean": 3.0}, "at_width_16": {"mean": 2.0}, "rmse": {"mean": 1.0}}
    assert width_curve(row) == [(16, 2.0), (128, 3.0)]


@pytest.mark.parametrize("count", [1, 4])
def test_as_many_panels_as_data_sets(tmp_path: Path, count: int) -> None:
    rows = [{**_row("damrep", 0.9, 8), "dataset": f"set {i}"} for i in range(count)]
    _write(tmp_path, rows)
    path = draw_recommenders("recommenders-explicit", tmp_path)
    assert path is not None
    with Image.open(path) as picture:
        wide = picture.width
    assert wide > 1000 if count > 1 else wide < 600
