from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import arguments, graph_run, graph_widths
from benchmarks.graph_methods import Fits
from benchmarks.graph_widths import NAME, embeddings, main, verdicts
from benchmarks.results import read_result
from damrep.datasets import load

QUICK = {"max_epochs": 2, "max_components": 24}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread counts set, no warm-up, and widths that a small graph has."""
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    monkeypatch.setattr(graph_run, "warm_up", lambda: None)
    monkeypatch.setattr(graph_widths, "WIDTHS", (2, 4, 8))


def test_the_cut_is_the_start_of_the_widest_fit() -> None:
    fits = Fits(load("karate"), 0, changes=QUICK)
    found = embeddings(fits, 4)
    assert list(found) == list(graph_widths.KINDS)
    assert all(values.shape == (34, 4) for values in found.values())
    assert np.array_equal(found["cut"], fits.model(n_components=8).embedding_[:, :4])
    assert np.array_equal(embeddings(fits, 8)["cut"], embeddings(fits, 8)["fit"])


def test_rows_are_written_one_by_one_and_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    row = graph_widths.row

    def recorded(name: str, dims: int, tasks: Any) -> dict[str, Any] | None:
        if dims == 8 and 8 not in asked:
            asked.append(8)
            raise KeyboardInterrupt
        asked.append(dims)
        return row(name, dims, tasks)

    monkeypatch.setattr(graph_widths, "row", recorded)
    words = ["--quick", "--datasets", "karate", "--out", str(tmp_path)]
    with pytest.raises(KeyboardInterrupt):
        main(words)
    assert [one["dims"] for one in read_result(NAME, tmp_path)["rows"]] == [2, 4]
    assert main(words) == 0
    assert main(words) == 0
    assert asked == [2, 4, 8, 8]
    result = read_result(NAME, tmp_path)
    for one in result["rows"]:
        assert one["dataset"] == "karate"
        assert all(0 <= one[f"{kind}_auc"]["mean"] <= 1 for kind in graph_widths.KINDS)
    assert result["rows"][2]["cut_accuracy"] == result["rows"][2]["fit_accuracy"]
    assert any(note.startswith("AUC of the cut beside PCA of full") for note in result["notes"])


def test_a_graph_without_that_many_dimensions_has_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_widths, "WIDTHS", (2, 64))
    with pytest.warns(UserWarning, match="would be empty"):
        assert main(["--quick", "--datasets", "karate", "--out", str(tmp_path)]) == 0
    assert [one["dims"] for one in read_result(NAME, tmp_path)["rows"]] == [2]


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    assert main(["--datasets", "nothing", "--out", str(tmp_path)]) == 1


def test_either_measure_may_be_higher_and_none_lower() -> None:
    one = {"dataset": "a", "cut_auc": 0.9, "pca_auc": 0.89, "cut_accuracy": 0.7}
    other = {"dataset": "a", "cut_auc": 0.9, "pca_auc": 0.91, "pca_accuracy": 0.7}
    joint = verdicts([{**one, "pca_accuracy": 0.7}, {**other, "cut_accuracy": 0.7}])[-1]
    assert joint == (
        "Accuracy or AUC of the cut beside PCA of full, the worst and the best of both: "
        "lower by .005 at most on 0 of 1, higher by .01 on 1; lower: a (-0.010)."
    )
