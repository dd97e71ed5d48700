"""`damrep fit-recommender`: real files, real fits, and what is refused before any."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from damrep.cli import fit_recommender
from damrep.masking.report import FitReport
from damrep.recommend import settings
from damrep.recommend.explicit import DAMExplicitMF
from damrep.recommend.implicit import DAMImplicitMF
from damrep.recommend.interactions import DUPLICATES
from tests.cli.conftest import SAMPLE, Run, call, tree
from tests.cli.test_bad_input import _refused

RATINGS = SAMPLE / "ratings.csv"
QUICK = ("--max-dims", "8", "--threads", "1", "--device", "cpu")
Fitted = tuple[Path, Result]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """An output folder not to be changed, and what was said."""
    out = tmp_path_factory.mktemp("ratings") / "out"
    result = call("fit-recommender", RATINGS, "--out", out, *QUICK)
    assert result.exit_code == 0, result.stderr
    return out, result


def test_the_choices_and_defaults_are_those_of_the_estimators() -> None:
    ours = fit_recommender
    assert ours.EXPLICIT_PRICE == DAMExplicitMF().price
    assert ours.IMPLICIT_PRICE == DAMImplicitMF().price
    assert ours.MAX_DIMS == DAMExplicitMF().max_components == DAMImplicitMF().max_components
    assert set(ours.STRATEGIES) == set(settings.STRATEGIES)
    assert set(ours.SOLVERS) == set(settings.SOLVERS)
    assert set(ours.EXPLICIT_LOSSES) == set(settings.EXPLICIT_LOSSES)
    assert set(ours.IMPLICIT_LOSSES) == set(settings.IMPLICIT_LOSSES)
    assert set(ours.DUPLICATES) == set(DUPLICATES)


def test_what_is_written(fitted: Fitted) -> None:
    out, _ = fitted
    assert sorted(path.name for path in out.iterdir()) == [
        "items.parquet", "model", "report.html", "report.json", "users.parquet",
    ]  # fmt: skip
    model = DAMExplicitMF.load(out / "model")
    for side, factors in (("user", model.user_factors_), ("item", model.item_factors_)):
        table = pd.read_parquet(out / f"{side}s.parquet")
        dims = [f"dim_{i}" for i in range(model.n_components_)]
        assert list(table.columns) == [side, "bias", *dims]
        assert table[side].tolist() == getattr(model, f"{side}_ids_").tolist()
        assert np.array_equal(table[dims].to_numpy(), factors)
        assert np.array_equal(table["bias"].to_numpy(), getattr(model, f"{side}_bias_"))
    assert pq.read_schema(out / "items.parquet").field("bias").type == pa.float32()


def test_the_report(fitted: Fitted) -> None:
    out, result = fitted
    report = FitReport.load(out / "report.json")
    assert (report.learned_dims, report.initial_dims) == (1, 8)
    assert [row["name"] for row in report.measures] == ["learned", "biases alone"]
    assert report.measures[0]["rmse"] < 0.7 < report.measures[1]["rmse"]
    data = report.details["data"]
    assert (data["name"], data["users"], data["items"], data["ratings"]) == ("ratings", 60, 30, 940)
    assert report.details["dimensions"]["used"] == 1
    assert report.details["provenance"]["command"].startswith("damrep fit-recommender ")
    lines = result.stdout.splitlines()
    assert (
        lines[0] == f"learned 1 of 8 dimensions, 1 to 2 as good (price {DAMExplicitMF().price:g})"
    )
    assert result.stderr == ""
    again = call("report", out)
    assert (again.exit_code, again.stdout) == (0, result.stdout)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "items lie where along it" in page and "biases alone" in page


@pytest.mark.parametrize("ending", ["tsv", "parquet"])
def test_every_format_gives_the_same_factors(
    ending: str, run: Run, fitted: Fitted, tmp_path: Path
) -> None:
    source = SAMPLE / f"ratings.{ending}"
    result = run("fit-recommender", source, "--out", "out", "--evaluate", "none", *QUICK)
    assert result.exit_code == 0, result.stderr
    for name in ("users.parquet", "items.parquet"):
        expected, got = (pd.read_parquet(folder / name) for folder in (fitted[0], tmp_path / "out"))
        pd.testing.assert_frame_equal(got, expected)
    assert FitReport.load(tmp_path / "out" / "report.json").measures == []


def test_exactly_so_many_dimensions_as_vectors(run: Run, tmp_path: Path) -> None:
    table = pd.read_csv(RATINGS).set_axis(["reader", "book", "stars"], axis=1)
    table.to_csv(tmp_path / "r.csv", index=False)
    words = ["fit-recommender", "r.csv", "--user", "reader", "--item", "book", "--rating", "stars"]
    result = run(*words, "--dims", 2, "--vectors", "--evaluate", "none", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].endswith(" dimensions, as asked for")
    schema = pq.read_schema(tmp_path / "damrep-r" / "items.parquet")
    assert schema.names == ["item", "bias", "embedding"]
    assert schema.field("embedding").type == pa.list_(pa.float32(), 2)
    again = run(*words, "--dims", 2, "--evaluate", "none", *QUICK)
    assert again.exit_code == 0, "our own output may be replaced"


def test_too_high_a_price_still_leaves_a_folder(run: Run, tmp_path: Path) -> None:
    result = run(
        "fit-recommender", RATINGS, "--price", 9, "--vectors", "--evaluate", "none", "--out", "o",
        *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == "learned 0 of 8 dimensions (price 9)"
    assert "note: no dimension earns" in result.stdout
    assert list(pd.read_parquet(tmp_path / "o" / "users.parquet")) == ["user", "bias"]
    assert (tmp_path / "o" / "report.html").stat().st_size > 1000


def test_implicit(run: Run, tmp_path: Path) -> None:
    table = pd.read_csv(RATINGS).query("rating > 3")[["user", "item"]]
    table.to_csv(tmp_path / "r.csv", index=False)
    result = run("fit-recommender", "r.csv", "--implicit", "--out", "out", *QUICK)
    assert result.exit_code == 0, result.stderr
    report = FitReport.load(tmp_path / "out" / "report.json")
    assert [row["name"] for row in report.measures] == ["learned", "popularity"]
    assert report.measures[0]["ndcg_at_10"] > report.measures[1]["ndcg_at_10"]
    DAMImplicitMF.load(tmp_path / "out" / "model")


def test_a_table_that_the_model_loses_has_a_note(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = np.argwhere(rng.random((60, 40)) < 0.4)
    table = pd.DataFrame(pairs, columns=["user", "item"])
    table.assign(rating=rng.integers(1, 6, len(pairs))).to_csv(tmp_path / "r.csv", index=False)
    result = run("fit-recommender", "r.csv", "--dims", 4, "--reg", 1e-3, "--out", "out", *QUICK)
    assert result.exit_code == 0, result.stderr
    learned, plain = FitReport.load(tmp_path / "out" / "report.json").measures
    assert plain["rmse"] < learned["rmse"]
    assert (
        f"note: biases alone (0 dims): RMSE {plain['rmse']:.3f} is lower than the learned model's "
        f"{learned['rmse']:.3f} (4 dims)" in result.stdout.splitlines()
    )


def test_a_split_of_a_data_set(run: Run, data_root: Path, tmp_path: Path) -> None:
    if not (data_root / "monti" / "flixster").is_dir():
        pytest.skip("flixster is not there")
    result = run(
        "fit-recommender", "flixster", "--split", "monti", "--data-root", data_root,
        "--sweeps", 2, "--out", "out", *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    report = FitReport.load(tmp_path / "out" / "report.json")
    assert report.details["data"]["ratings"] == 23556
    assert report.details["evaluation"] == {"on": "the test part of monti"}
    assert report.measures[0]["rmse"] < 1.2


# -- what is refused, before anything is computed


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(self: object, *_: object, **__: object) -> None:
        raise AssertionError("the training was reached")

    monkeypatch.setattr(DAMExplicitMF, "fit", fit)
    monkeypatch.setattr(DAMImplicitMF, "fit", fit)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.csv"], ["gone.csv: no such file"]),
        (["gowala"], ["neither a file nor a known data set", "did you mean gowalla?"]),
        (["cora", "--data-root", "."], ["cora is a graph, expected ratings"]),
        (["ml-100k", "--data-root", "."], ["ml-100k: no u.data", "grouplens"]),
        (["ml-100k", "--user", "u"], ["--user, --item and --rating are for files"]),
        (["r.csv", "--split", "u1"], ["r.csv is a file; --split is for data sets"]),
        (["r.csv", "--user", "who"], ["no column 'who' for --user", "'user', 'item', 'rating'"]),
        (["two.csv"], ["no column is known as that of the ratings", "--rating"]),
        (["odd.csv"], ["odd.csv", "'rating'", "line 3", "'good'"]),
        (["r.csv", "--loss", "bpr"], ["--loss bpr is for implicit feedback"]),
        (["r.csv", "--implicit", "--loss", "squared"], ["--loss squared is for ratings"]),
        (["r.csv", "--dims", "9", "--max-dims", "8"], ["--dims", "between 1 and 8"]),
        (["r.csv", "--dims", "2", "--price", "0.1"], ["--dims or --price, not both"]),
        (["r.csv", "--price", "-1"], ["--price", "must be a finite number >= 0"]),
        (["r.csv", "--out", "mine"], ["mine exists", "not written by damrep"]),
        (["r.csv", "-v", "-q"], ["--verbose or --quiet, not both"]),
        (["r.csv", "--strategy", "als"], ["--strategy", "mask"]),
    ],
)
def test_what_is_refused(
    words: list[str], said: list[str], run: Run, no_training: None, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_bytes(RATINGS.read_bytes())
    (tmp_path / "two.csv").write_text("user,item\n1,2\n")
    (tmp_path / "odd.csv").write_text("user,item,rating\n1,2,3\n1,3,good\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    before = tree(tmp_path)
    _refused(run("fit-recommender", *words), *said)
    assert tree(tmp_path) == before


def test_what_the_estimator_refuses_is_one_line_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("user,item,rating\n1,2,3\n1,2,4\n")
    _refused(run("fit-recommender", "r.csv", *QUICK), "user 1 and item 2 comes more than once")
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_somebodys_file_among_ours_is_left_alone(run: Run, fitted: Fitted, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text(
        json.dumps(json.loads((fitted[0] / "report.json").read_text()))
    )
    (tmp_path / "out" / "users.csv").write_text("mine")
    _refused(run("fit-recommender", RATINGS, "--out", "out"), "also holds users.csv")
