"""A table of customers with gaps, words and dates, from the command line and back."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from damrep.autoencoder import column_rules
from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.prepared_storage import KIND, STANDARDIZED, load_prepared
from damrep.autoencoder.preparing import TablePreparation
from damrep.cli import embed, preparing
from damrep.masking.report import FitReport
from tests.cli.conftest import Run, tree
from tests.cli.test_bad_input import _refused

QUICK = ("--hidden", "linear", "--threads", "1", "--device", "cpu", "--evaluate", "none")
FIT = ("fit-autoencoder", "customers.csv", "--out", "out", *QUICK)
RULES = ("--impute", "median", "--encode", "onehot", "--standardize")


def customers(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(rows, 2))
    since = pd.to_timedelta((500 + 90 * codes[:, 1]).round(), unit="D")
    table = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(rows)],
            "age": (40 + 9 * codes[:, 0]).round(),
            "city": np.array(["Oslo", "Paris", "Rome"])[np.digitize(codes[:, 0], [-0.5, 0.5])],
            "joined": (pd.Timestamp("2020-01-01") + since).strftime("%Y-%m-%d"),
            "income": (45000 + 7000 * codes[:, 1]).round(),
        }
    )
    table.loc[[1, 8], "age"] = None
    table.loc[2, "city"] = None
    table.loc[3, "joined"] = None
    return table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table = customers()
    income = table["income"].map("{:.0f}".format)
    income[[4, 5, 6]] = "NA"
    table.assign(income=income).to_csv(tmp_path / "customers.csv", index=False)
    return tmp_path


def test_what_is_written_out_is_what_is_meant() -> None:
    assert preparing.ALL_OTHERS == column_rules.ALL_OTHERS
    default = inspect.signature(TablePreparation).parameters["max_categories"].default
    assert preparing.MOST_CATEGORIES == default
    assert set(embed.TABLE_KINDS) == {"autoencoder", KIND, STANDARDIZED}
    helped = " ".join(option.to_info_dict()["help"] for option in _options())
    for word in (*column_rules.STRATEGIES, *column_rules.ENCODINGS):
        assert word in helped


def _options() -> list[object]:
    from damrep.cli.fit_autoencoder import fit_autoencoder_command

    names = ("impute", "encode")
    return [option for option in fit_autoencoder_command.params if option.name in names]


def test_fit_and_embed(run: Run, folder: Path) -> None:
    result = run(*FIT, *RULES)
    assert result.exit_code == 0, result.stderr
    (read,) = (line for line in result.stdout.splitlines() if line.startswith("read: "))
    assert read.startswith("read: 60 rows of 4 columns, 7 once encoded, names in 'customer_id': ")
    for said in (
        "'city' one-hot in 4 columns",
        "'joined' as days since 20",
        "empty cells taken for a word of their own: 1 in 'city'",
        "gaps filled: 2 in 'age' (median ",
        "1 in 'joined' (median 20",
        "3 in 'income' (median 4",
    ):
        assert said in read
    data = FitReport.load(folder / "out" / "report.json").details["data"]
    assert data["column_names"] == ["age", "city", "joined", "income"]
    assert data["feature_names"][:3] == ["age", "city_", "city_Oslo"]
    assert data["encoded"]["city"] == "one-hot in 4 columns"
    assert data["gaps_filled"]["age"].startswith("2, median ")
    assert (data["columns"], data["standardized"]) == (7, True)
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "one-hot in 4 columns" in page and "city_Oslo" in page

    # The same rows again, in another order of rows and columns, from another kind of file.
    again = pd.read_csv(folder / "customers.csv").sample(frac=1, random_state=0)
    again[["income", "customer_id", "joined", "city", "age"]].to_parquet(folder / "new.parquet")
    result = run("embed", "out", "new.parquet", "--out", "z.parquet")
    assert result.exit_code == 0, result.stderr
    first, second = (
        pd.read_parquet(folder / name).set_index("id").sort_index()
        for name in ("out/embeddings.parquet", "z.parquet")
    )
    np.testing.assert_allclose(second, first, atol=1e-5)

    # And in Python, straight from a frame.
    whole = load_prepared(folder / "out" / "model")
    codes = whole.transform(pd.read_csv(folder / "customers.csv"))
    np.testing.assert_allclose(
        codes, pd.read_parquet(folder / "out" / "embeddings.parquet").drop(columns="id"), atol=1e-5
    )


def test_new_rows_with_gaps_and_a_word_of_their_own(run: Run, folder: Path) -> None:
    assert run(*FIT, *RULES).exit_code == 0
    (folder / "new.csv").write_text(
        "customer_id,age,city,joined,income\nx1,30,Bergen,,50000\nx2,,Rome,2021-05-01,NA\n"
    )
    result = run("embed", "out", "new.csv", "--out", "z.csv")
    assert result.exit_code == 0, result.stderr
    assert "gaps filled: 1 in 'age' (median " in result.stdout
    assert "in 'city' 1 cell is none of the fit's 4 words" in result.stdout
    assert "('Bergen')" in result.stdout
    codes = pd.read_csv(folder / "z.csv").set_index("id")
    assert codes.index.tolist() == ["x1", "x2"] and np.isfinite(codes.to_numpy()).all()


def test_columns_of_other_names_in_their_place(run: Run, folder: Path) -> None:
    assert run(*FIT, *RULES).exit_code == 0
    text = "who,years,town,from,salary\nx1,30,Rome,2021-05-01,50000\n"
    (folder / "new.csv").write_text(text)
    same = "customer_id,age,city,joined,income\n" + text.split("\n", 1)[1]
    (folder / "same.csv").write_text(same)
    words = ["--columns", "years,town,from,salary", "--id", "who"]
    assert run("embed", "out", "new.csv", *words, "--out", "a.npy").exit_code == 0
    assert run("embed", "out", "same.csv", "--out", "b.npy").exit_code == 0
    np.testing.assert_array_equal(np.load(folder / "a.npy"), np.load(folder / "b.npy"))


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        ("customer_id,age,city,joined\nx,1,Rome,2021-01-01\n", [],
         ["no column 'income', which the model was fitted on"]),
        ("age,city,joined,income\n1,Rome,soon,5\n", [],
         ["column 'joined', line 2 is 'soon'; expected a date"]),
        ("age,city,joined,income\nold,Rome,2021-01-01,5\n", [],
         ["column 'age', line 2 is 'old'; expected a number"]),
        ("9,Rome,2021-01-01,5\n2,Oslo,2021-01-02,6\n", [], ["no column 'age' for the model"]),
        ("a,b\n1,2\n", ["--columns", "a,b"], ["2 columns, the model was fitted on 4"]),
    ],
)  # fmt: skip
def test_what_embed_refuses(
    content: str, words: list[str], said: list[str], run: Run, folder: Path
) -> None:
    assert run(*FIT, *RULES).exit_code == 0
    (folder / "new.csv").write_text(content)
    before = tree(folder)
    _refused(run("embed", "out", "new.csv", "--out", "z.csv", *words), *said)
    assert tree(folder) == before


def test_a_gap_the_model_has_nothing_for(run: Run, folder: Path) -> None:
    customers()[["age", "income"]].dropna().to_csv(folder / "t.csv", index=False)
    assert run("fit-autoencoder", "t.csv", "--out", "out", *QUICK).exit_code == 0
    (folder / "new.csv").write_text("age,income\n30,\n")
    _refused(
        run("embed", "out", "new.csv"),
        "column 'income', line 2 is empty; expected a number", "fit-autoencoder fills gaps with",
    )  # fmt: skip


def test_each_column_its_own_way(run: Run, folder: Path) -> None:
    table = customers().assign(
        size=["small", "medium", "large"] * 20,
        seen=pd.date_range("2023-12-25", periods=60).strftime("%d/%m/%Y"),
        zip=["0150", "0151"] * 30,
        note="?",
    )
    table.to_csv(folder / "customers.csv", index=False)
    result = run(
        *FIT, "--drop", "note,city", "--impute", "age=0", "--impute", "mean", "--encode", "days",
        "--encode", "size=small<medium<large", "--encode", "seen=%d/%m/%Y", "--encode",
        "zip=onehot",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    for said in (
        "left out: 'city', 'note'",
        "'size' as 0 to 2 for 'small', 'medium', 'large'",
        "'seen' as days since 2023-12-25",
        "'zip' one-hot in 2 columns",
        "2 in 'age' (0)",
    ):
        assert said in result.stdout
    data = FitReport.load(folder / "out" / "report.json").details["data"]
    assert data["left_out"] == ["note", "city"]
    assert data["feature_names"] == [
        "age", "joined", "income", "size", "seen", "zip_0150", "zip_0151",
    ]  # fmt: skip
    assert run("embed", "out", "customers.csv", "--out", "z.csv").exit_code == 0


def test_columns_left_out_alone(run: Run, folder: Path) -> None:
    customers().drop(columns="age").to_csv(folder / "customers.csv", index=False)
    result = run(*FIT, "--drop", "city,joined")
    assert result.exit_code == 0, result.stderr
    assert "left out: 'city', 'joined'" in result.stdout
    # Nothing stands before the model, so it is a plain one.
    assert DAMAutoencoder.load(folder / "out" / "model").n_features_in_ == 1


def test_an_array_with_gaps(run: Run, folder: Path) -> None:
    values = np.random.default_rng(0).normal(size=(40, 5))
    values[3, 2] = values[7, 2] = np.nan
    np.save(folder / "t.npy", values)
    words = ["fit-autoencoder", "t.npy", "--out", "out", *QUICK]
    _refused(run(*words), "row 4, column 3 is nan; expected a finite number", "--impute median")
    assert run(*words, "--impute", "median").exit_code == 0
    result = run("embed", "out", "t.npy", "--out", "z.npy")
    assert result.exit_code == 0, result.stderr
    assert "gaps filled: 2 in '3' (median " in result.stdout
    np.save(folder / "few.npy", values[:, :3])
    _refused(run("embed", "out", "few.npy"), "few.npy: 3 columns, the model was fitted on 5")


# -- what is refused, before anything is computed


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(self: object, *_: object, **__: object) -> None:
        raise AssertionError("the training was reached")

    monkeypatch.setattr(DAMAutoencoder, "fit", fit)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], ["column 'age', line 3 is empty", "--impute median", "--drop age", "'joined'"]),
        (["--impute", "median"], ["column 'city', line 2 is '", "--encode onehot", "--drop city"]),
        (["--impute", "median", "--drop", "city"], ["column 'joined'", "--encode days"]),
        (["--encode", "onehot"], ["column 'age', line 3 is empty", "--impute median"]),
        (["--impute", "constant"], ["most_frequent, or the number", "'constant'"]),
        (["--impute", "age="], ["--impute", "HOW or COLUMN=HOW, got 'age='"]),
        (["--impute", "=mean"], ["HOW or COLUMN=HOW"]),
        (["--impute", "mean", "--impute", "median"], ["--impute is given twice for all columns"]),
        (["--encode", "city=onehot", "--encode", "city=ordinal"], ["twice for 'city'"]),
        (["--encode", "dummy"], ["onehot, ordinal, days", "'dummy'"]),
        (["--encode", "low<high"], ["low<high is for one column"]),
        (["--encode", "town=onehot"], ["no column 'town' for --encode"]),
        (["--encode", "customer_id=onehot", "--impute", "0", "--drop", "city,joined"],
         ["column 'customer_id'", "--id", "--encode"]),
        (["--drop", "town"], ["no column 'town' for --drop"]),
        (["--drop", ""], ["--drop", "a,b,c"]),
        (["--drop", "city", "--columns", "city,age"], ["named by --columns and --drop"]),
        (["--max-categories", "1"], ["--max-categories"]),
        (["--impute", "median", "--encode", "onehot", "--max-categories", "3"],
         ["'city' holds 4 different words, more than --max-categories 3"]),
    ],
)  # fmt: skip
def test_rules(words: list[str], said: list[str], run: Run, folder: Path) -> None:
    before = tree(folder)
    if "customer_id=onehot" in words:
        words = [*words, "--id", "customer_id"]
        said = ["no column 'customer_id' for --encode among those to be fitted: 'age', 'income'"]
    _refused(run(*FIT, *words), *said)
    assert tree(folder) == before
