"""The recommenders' benchmark: its splits, its choice of settings, its tasks in short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks import recommenders
from benchmarks.recommender_data import held_out_part, synthetic
from benchmarks.recommender_peers import Peer, ease
from benchmarks.recommender_quality import implicit_methods, tuned
from benchmarks.recommender_speed import adam_epochs, explicit_sweep, implicit_sweep


def test_parts_are_disjoint_and_whole() -> None:
    whole = sp.random(30, 20, 0.3, "csr", rng=np.random.default_rng(0))
    rest, part = held_out_part(whole, seed=1, share=0.25)
    assert part.nnz == round(0.25 * whole.nnz)
    assert rest.multiply(part).nnz == 0
    np.testing.assert_allclose((rest + part).toarray(), whole.toarray())


def test_a_part_is_the_seeds() -> None:
    whole = synthetic("implicit", 3, seed=0)
    again = held_out_part(whole, seed=4)[1]
    assert (held_out_part(whole, seed=4)[1] != again).nnz == 0
    assert (held_out_part(whole, seed=5)[1] != again).nnz > 0


@pytest.mark.parametrize("rank", [3, 8])
def test_synthetic_ratings_have_their_rank(rank: int) -> None:
    ratings = synthetic("explicit", rank, seed=0)
    assert ratings.nnz == 300_000
    # The signal has variance 1 and the noise a hundredth of that.
    assert 0.8 < float(ratings.data.std()) < 1.3


def test_settings_are_chosen_on_a_part_of_what_may_be_fitted() -> None:
    seen: list[int] = []

    def fit(matrix: sp.csr_matrix, seed: int, reg: float) -> float:
        seen.append(matrix.nnz)
        return reg

    whole = sp.csr_matrix(np.ones((10, 10)))
    model, chosen = tuned(
        Peer(fit, {"reg": (3.0, 1.0, 2.0)}, None), whole, 0, lambda reg, part: abs(reg - 1.2)
    )
    assert (model, chosen) == (1.0, {"reg": 1.0})
    assert seen == [90, 90, 90, 100]


def test_a_budget_has_methods_of_its_own() -> None:
    usual, wide = implicit_methods(), implicit_methods(512)
    assert [name.replace("128", "512") for name in usual] == [*wide]
    assert "damrep, 512 without a mask" in wide


def test_ease_by_hand() -> None:
    """Of two items always had together, each tells the other."""
    matrix = sp.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32))
    scores = ease(matrix, 0, reg=0.5)(np.array([3]))[0]
    gram = (matrix.T @ matrix).toarray() + 0.5 * np.eye(3)
    inverse = np.linalg.inv(gram)
    assert scores[0] == 0
    assert scores[1] == pytest.approx(-inverse[0, 1] / inverse[1, 1], rel=1e-5)


@pytest.mark.parametrize("make", [explicit_sweep, adam_epochs, implicit_sweep])
def test_what_is_timed_runs(make: Any) -> None:
    ratings = synthetic("explicit", 3, seed=0)[:100, :80]
    assert ratings.nnz > 100
    make(ratings, 4)()


def test_known_ranks_are_written(tmp_path: Path) -> None:
    assert recommenders.main(["--task", "rank", "--quick", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "recommenders-rank.json").read_text())["rows"]
    assert [(row["kind"], row["rank"], row["exact"]) for row in rows] == [
        ("explicit", 3, "1/1"),
        ("implicit", 3, "1/1"),
    ]


def test_data_that_are_not_there_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--task", "explicit,implicit,igmc,memory", "--out", str(tmp_path)]
    assert recommenders.main([*words, "--data-root", str(tmp_path)]) == 0
    assert capsys.readouterr().err.count("left out") == 3 + 5 + 2 + 1
    assert not [*tmp_path.glob("*.json")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--task", "magic"], "unknown tasks magic; known are explicit"),
        (["--datasets", "cora"], "unknown datasets cora; known are ml-100k"),
        (["--rounds", "0"], "not a number of rounds"),
        (["--methods", "damrep, 512 without a mask"], "unknown methods damrep, 512 without a mask"),
        (["--budget", "0"], "not a number of dimensions"),
    ],
)
def test_bad_options_are_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        recommenders.main(words)
    assert told in capsys.readouterr().err
