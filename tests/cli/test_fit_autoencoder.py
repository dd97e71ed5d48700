"""`damrep fit-autoencoder`, and `damrep embed` with what it wrote: real files, real fits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from click.testing import Result

from damrep.autoencoder.estimator import DAMAutoencoder
from damrep.autoencoder.prepared_storage import load_prepared
from damrep.autoencoder.settings import METRICS, STRATEGIES
from damrep.cli import fit_autoencoder
from damrep.cli import options as shared
from damrep.masking.report import FitReport
from tests.cli.conftest import Run, call, tree
from tests.cli.test_bad_input import _refused
from tests.cli.test_interrupt import PROGRAM

RANK, COLUMNS = 3, 8
QUICK = ("--hidden", "linear", "--threads", "1", "--device", "cpu")
Fitted = tuple[Path, Result]


def frame(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Rows of rank 3 in 8 columns, with an id and the class that the first factor decides."""
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(99).normal(size=(RANK, COLUMNS))
    codes = rng.normal(size=(rows, RANK)) * [3.0, 2.0, 1.0]
    table = pd.DataFrame(codes @ axes, columns=[f"c{i}" for i in range(COLUMNS)])
    table.insert(0, "id", [f"row-{i}" for i in range(rows)])
    return table.assign(kind=np.where(codes[:, 0] > 0, "up", "down"))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """An output folder not to be changed, and what was said."""
    folder = tmp_path_factory.mktemp("table")
    frame().to_csv(folder / "t.csv", index=False)
    out = folder / "out"
    result = call("fit-autoencoder", folder / "t.csv", "--labels", "kind", "--out", out, *QUICK)
    assert result.exit_code == 0, result.stderr
    return out, result


@pytest.fixture
def table(tmp_path: Path) -> Path:
    frame().to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


def embedding(folder: Path) -> np.ndarray:
    return pd.read_parquet(folder / "embeddings.parquet").filter(like="dim_").to_numpy()


def test_the_choices_and_defaults_are_those_of_the_estimator() -> None:
    assert set(fit_autoencoder.METRICS) == set(METRICS)
    assert shared.STRATEGIES == STRATEGIES
    names = {"dims": "n_components", "max_dims": "max_components", "epochs": "max_epochs"}
    # A command gives the same result twice; in Python a seed is asked for.
    ours = {**DAMAutoencoder().get_params(), "random_state": 0}
    same = ["price", "strategy", "hidden", "metric", "device"]
    options = {option.name: option for option in fit_autoencoder.fit_autoencoder_command.params}
    for name in (*same, *names):
        default = options[name].to_info_dict()["default"]
        assert default == ours[names.get(name, name)], name


@pytest.mark.parametrize(
    ("words", "dims"), [(("--dims", "0.95"), 2), (("--dims", "0.999"), 3), (("--dims", "2"), 2)]
)
def test_dimensions_by_number_or_by_share(words: tuple[str, ...], dims: int, table: Path) -> None:
    result = call(
        "fit-autoencoder", table / "t.csv", "--drop", "kind", *words, *QUICK, "--out", table / "o"
    )
    assert result.exit_code == 0, result.stderr
    assert FitReport.load(table / "o" / "report.json").learned_dims == dims


def test_a_cosine_map_is_as_wide_as_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.random.default_rng(0).normal(size=(400, 768)))
    result = call(
        "fit-autoencoder", tmp_path / "t.npy", "--metric", "cosine", "--dims", "256",
        "--epochs", "1", "--evaluate", "none", "--out", tmp_path / "o", *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert embedding(tmp_path / "o").shape == (400, 256)


@pytest.mark.parametrize("dims", ["0", "0.0", "1.5", "-1", "nan", "x", ""])
def test_dims_that_are_neither_a_number_nor_a_share(dims: str, run: Run) -> None:
    result = run("fit-autoencoder", "t.csv", "--dims", dims)
    assert result.exit_code == 2
    assert f"an integer >= 1, or a share of the variance between 0 and 1, got {dims}" in (
        result.stderr
    )


def test_a_share_of_the_variance_is_for_tables_by_values(run: Run) -> None:
    for words in (("fit-embedding", "karate"), ("fit-recommender", "r.csv")):
        result = run(*words, "--dims", "0.9")
        assert result.exit_code == 2 and "must be an integer >= 1, got 0.9" in result.stderr
    result = run("fit-autoencoder", "t.csv", "--dims", "0.9", "--metric", "cosine")
    assert result.exit_code == 2 and "--metric cosine does not look at" in result.stderr


def test_what_a_fit_warns_of_is_said_once(tmp_path: Path) -> None:
    frame(12).drop(columns="kind").to_csv(tmp_path / "t.csv", index=False)
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "damrep", "fit-autoencoder", "t.csv", *QUICK],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.count("note: 12 rows are too few to hold some out") == 1
    assert done.stdout.count("its quality was not measured") == 1
    assert "DamrepWarning" not in done.stderr and "too few" not in done.stderr


def test_what_is_written(fitted: Fitted) -> None:
    out, _ = fitted
    assert sorted(path.name for path in out.iterdir()) == [
        "embeddings.parquet", "model", "report.html", "report.json",
    ]  # fmt: skip
    schema = pq.read_schema(out / "embeddings.parquet")
    assert schema.names == ["id", *(f"dim_{i}" for i in range(RANK))]
    assert {str(schema.field(name).type) for name in schema.names[1:]} == {"float"}
    assert pd.read_parquet(out / "embeddings.parquet")["id"].tolist() == frame()["id"].tolist()
    spread = embedding(out).var(axis=0)
    assert (np.diff(spread) <= 0).all(), "most important first"


def test_the_report(fitted: Fitted) -> None:
    out, result = fitted
    report = FitReport.load(out / "report.json")
    assert (report.learned_dims, report.initial_dims) == (RANK, COLUMNS)
    assert [row["name"] for row in report.measures] == ["learned", "pca", "full width"]
    assert report.measures[0]["loss"] < 1e-6 and report.measures[0]["knn_accuracy"] > 0.7
    data = report.details["data"]
    assert (data["name"], data["rows"], data["columns"], data["classes"]) == ("t", 60, 8, 2)
    assert data["column_names"] == [f"c{i}" for i in range(COLUMNS)]
    assert report.details["provenance"]["command"].startswith("damrep fit-autoencoder ")
    lines = result.stdout.splitlines()
    assert lines[0] == "learned 3 of 8 dimensions (price 0.001)"
    assert lines[2].split() == ["dims", "held-out", "loss", "kNN", "accuracy"]
    said = "60 rows of 8 columns, names in 'id', 2 classes"
    assert f"read: {said}: column 'id' was taken for the names of the rows" in lines
    assert result.stderr == ""
    again = call("report", out)
    assert (again.exit_code, again.stdout) == (0, result.stdout)


def test_the_page_speaks_of_rows(fitted: Fitted) -> None:
    page = (fitted[0] / "report.html").read_text(encoding="utf-8")
    assert "60 rows, 8 columns, 2 classes" in page
    assert "the rows spread the most" in page and "node" not in page
    assert "kNN accuracy" in page and "principal components, as many" in page


def test_the_model_gives_the_embedding_again(fitted: Fitted) -> None:
    model = DAMAutoencoder.load(fitted[0] / "model")
    values = frame().filter(like="c").filter(regex=r"^c\d").to_numpy()
    np.testing.assert_allclose(model.transform(values), embedding(fitted[0]), atol=1e-4)


@pytest.mark.parametrize("name", ["t.tsv", "t.csv.gz", "t.parquet", "t.npy", "t.npz", "s.npz"])
def test_every_format_gives_the_same_embedding(
    name: str, run: Run, fitted: Fitted, tmp_path: Path
) -> None:
    table = frame()
    values = table.filter(regex=r"^c\d").to_numpy()
    words: list[str] = []
    if name in ("t.tsv", "t.csv.gz", "t.parquet"):
        if name.endswith("parquet"):
            table.to_parquet(tmp_path / name)
        else:
            table.to_csv(tmp_path / name, index=False, sep="\t" if ".tsv" in name else ",")
        words = ["--labels", "kind"]
    elif name == "t.npy":
        np.save(tmp_path / name, values)
    elif name == "t.npz":
        np.savez(tmp_path / name, values)
    else:
        sp.save_npz(tmp_path / name, sp.csr_array(values))
    result = run("fit-autoencoder", name, "--out", "out", "--evaluate", "none", *words, *QUICK)
    assert result.exit_code == 0, result.stderr
    np.testing.assert_allclose(embedding(tmp_path / "out"), embedding(fitted[0]), atol=1e-3)
    ids = pd.read_parquet(tmp_path / "out" / "embeddings.parquet")["id"].tolist()
    assert ids == (table["id"].tolist() if words else list(range(60)))


def test_vectors_in_and_vectors_out(run: Run, tmp_path: Path) -> None:
    values = frame().filter(regex=r"^c\d").to_numpy().astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), COLUMNS)
    pq.write_table(pa.table({"text": frame()["id"].tolist(), "v": column}), tmp_path / "t.parquet")
    result = run(
        "fit-autoencoder", "t.parquet", "--id", "text", "--vectors", "--evaluate", "none", *QUICK
    )
    assert result.exit_code == 0, result.stderr
    path = tmp_path / "damrep-t" / "embeddings.parquet"
    schema = pq.read_schema(path)
    assert schema.names == ["id", "embedding"]
    assert schema.field("embedding").type == pa.list_(pa.float32(), RANK)
    written = np.stack(pd.read_parquet(path)["embedding"].to_numpy())
    assert written.shape == (60, RANK)
    # Our own vectors are a table too, and an embedding that may be written over.
    again = run("embed", "damrep-t", "t.parquet", "--vectors", "--out", "v.parquet")
    assert again.exit_code == 0, again.stderr
    back = pq.read_table(tmp_path / "v.parquet")
    assert back["id"].to_pylist() == frame()["id"].tolist()
    np.testing.assert_allclose(np.stack(back["embedding"].to_numpy()), written, atol=1e-4)
    assert run("embed", "damrep-t", "t.parquet", "--out", "v.parquet").exit_code == 0
    assert pq.read_schema(tmp_path / "v.parquet").names == ["id", "dim_0", "dim_1", "dim_2"]


def test_exactly_so_many_dimensions_of_some_columns(run: Run, table: Path) -> None:
    result = run(
        "fit-autoencoder", "t.csv", "--columns", "c0,c2,c4", "--dims", 2, "--out", "two", *QUICK
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].endswith(" dimensions, as asked for")
    report = FitReport.load(table / "two" / "report.json")
    assert (report.price, report.learned_dims) == (None, 2)
    assert report.details["data"]["column_names"] == ["c0", "c2", "c4"]


def test_a_network(run: Run, table: Path) -> None:
    result = run(
        "fit-autoencoder", "t.csv", "--labels", "kind", "--hidden", "16,8", "--epochs", 2,
        "--max-dims", 4, "--evaluate", "none", "--out", "out", "--threads", 1, "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    report = FitReport.load(table / "out" / "report.json")
    assert report.initial_dims == 4 and report.measures == []


def test_cosine(run: Run, table: Path) -> None:
    result = run(
        "fit-autoencoder", "t.csv", "--labels", "kind", "--metric", "cosine", "--out", "out", *QUICK
    )
    assert result.exit_code == 0, result.stderr
    (row, *_) = FitReport.load(table / "out" / "report.json").measures
    assert row["recall_at_10"] is not None and "recall@10" in result.stdout


def test_columns_of_very_different_scale(run: Run, tmp_path: Path) -> None:
    table = frame()
    table["c1"] *= 1e4
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ["fit-autoencoder", "t.csv", "--labels", "kind", *QUICK]
    raw = run(*words, "--out", "raw")
    assert raw.exit_code == 0, raw.stderr
    assert "note: columns differ in scale: the range of 'c1'" in raw.stdout
    assert "--standardize" in raw.stdout
    assert FitReport.load(tmp_path / "raw" / "report.json").learned_dims == 1

    even = run(*words, "--standardize", "--out", "even")
    assert even.exit_code == 0, even.stderr
    assert "differ in scale" not in even.stdout
    report = FitReport.load(tmp_path / "even" / "report.json")
    assert report.learned_dims == RANK and report.details["data"]["standardized"] is True

    # What divides the columns is part of the model, and cannot be forgotten.
    refused = pytest.raises(ValueError, match="prepared-autoencoder")
    with refused:
        DAMAutoencoder.load(tmp_path / "even" / "model")
    values = table.filter(regex=r"^c\d").to_numpy()
    whole = load_prepared(tmp_path / "even" / "model")
    np.testing.assert_allclose(whole.transform(values), embedding(tmp_path / "even"), atol=1e-4)
    result = run("embed", "even", "t.csv", "--out", "z.npy")
    assert result.exit_code == 0, result.stderr
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), embedding(tmp_path / "even"), atol=1e-4)


# -- embed


def test_embed_takes_the_columns_of_the_fit_by_name(
    run: Run, fitted: Fitted, tmp_path: Path
) -> None:
    new = frame(rows=5, seed=1)
    shuffled = new[["kind", *[f"c{i}" for i in reversed(range(COLUMNS))], "id"]]
    shuffled.assign(more=1).to_csv(tmp_path / "new.csv", index=False)
    result = run("embed", fitted[0], "new.csv", "--out", "z.csv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("5 rows, 3 dimensions, in z.csv\nread: 5 rows of 8 columns")
    read = pd.read_csv(tmp_path / "z.csv")
    assert read["id"].tolist() == new["id"].tolist()
    model = DAMAutoencoder.load(fitted[0] / "model")
    expected = model.transform(new.filter(regex=r"^c\d").to_numpy())
    np.testing.assert_allclose(read.filter(like="dim_").to_numpy(), expected, atol=1e-4)


def test_embed_an_array(run: Run, fitted: Fitted, tmp_path: Path) -> None:
    np.save(tmp_path / "new.npy", frame(4).filter(regex=r"^c\d").to_numpy())
    result = run("embed", fitted[0] / "model", "new.npy")
    assert result.exit_code == 0, result.stderr
    assert pd.read_parquet(tmp_path / "damrep-new.parquet")["id"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed", "OUT", "few.csv"], ["few.csv", "no column 'c2' and 5 more", "fitted on"]),
        (["embed", "OUT", "few.csv", "--columns", "c0,c1"], ["2 columns", "fitted on 8"]),
        (["embed", "OUT", "t.csv", "--features", "t.csv"], ["--features is not for this kind"]),
        (["embed", "OUT", "t.csv", "--directed"], ["--directed is not for this kind"]),
        (["embed", "OUT", "t.csv", "--vectors", "--out", "z.csv"], ["--vectors", ".parquet"]),
        (["embed", "OUT", "t.csv", "--out", "t.csv"], ["is read by this command"]),
        (["embed", "OUT", "gone.csv"], ["gone.csv", "no such file"]),
    ],
)
def test_what_embed_refuses(
    words: list[str], said: list[str], run: Run, fitted: Fitted, table: Path
) -> None:
    frame(4)[["c0", "c1"]].to_csv(table / "few.csv", index=False)
    before = tree(table)
    _refused(run(*(fitted[0] if word == "OUT" else word for word in words)), *said)
    assert tree(table) == before


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
        ([], ["column 'kind', line 2", "--labels"]),
        (["--labels", "sort"], ["no column 'sort' for --labels"]),
        (["--id", "key"], ["no column 'key' for --id"]),
        (["--columns", "c0,c9"], ["no column 'c9' for --columns"]),
        (["--columns", ""], ["--columns", "a,b,c"]),
        (["--columns", "c0,,c1"], ["--columns", "a,b,c"]),
        (["--columns", "c0,c1", "--dims", "3"], ["--dims must be between 1 and 2"]),
        (["--price", "-1"], ["--price", "-1"]),
        (["--dims", "2", "--price", "0.1"], ["--dims", "--price"]),
        (["--dims", "5", "--max-dims", "4"], ["4 (--max-dims)"]),
        (["--hidden", "deep"], ["--hidden", "auto, linear"]),
        (["--hidden", ""], ["--hidden"]),
        (["--hidden", "8,0"], ["--hidden"]),
        (["--metric", "hamming"], ["--metric", "cosine"]),
        (["--strategy", "none"], ["--strategy", "search"]),
        (["--epochs", "0"], ["--epochs"]),
        (["--seed", "-1"], ["--seed"]),
        (["--device", "abacus"], ["--device"]),
        (["-v", "-q"], ["--verbose", "--quiet"]),
    ],
)
def test_options(words: list[str], said: list[str], run: Run, table: Path) -> None:
    before = tree(table)
    _refused(run("fit-autoencoder", "t.csv", "--out", "out", *QUICK, *words), *said)
    assert tree(table) == before


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "a,b\n1,2\n", ["t.csv", "at least 2 rows", "got 1"]),
        ("t.csv", "a,b\n1,2\n3,nan\n", ["t.csv: column 'b', line 3 is 'nan'"]),
        ("t.csv", "", ["t.csv: the file is empty"]),
        ("t.npy", "no array", ["t.npy: not a readable .npy file"]),
        ("t.parquet", "no table", ["t.parquet: not a readable parquet file"]),
        ("t.xls", "x", ["t.xls", "unknown ending", ".parquet"]),
        ("t.csv/", "", ["is a directory"]),
        ("", "", ["no such file"]),
    ],
)
def test_files(name: str, content: str, said: list[str], run: Run, tmp_path: Path) -> None:
    if name.endswith("/"):
        (tmp_path / name).mkdir()
    elif name:
        (tmp_path / name).write_text(content)
    before = tree(tmp_path)
    _refused(run("fit-autoencoder", name.rstrip("/") or "gone.csv", "--out", "out", *QUICK), *said)
    assert tree(tmp_path) == before


@pytest.mark.usefixtures("no_training")
def test_an_output_folder_of_somebody_else(run: Run, table: Path) -> None:
    (table / "out").mkdir()
    (table / "out" / "thesis.tex").write_text("years of work")
    before = tree(table)
    _refused(run("fit-autoencoder", "t.csv", "--out", "out", *QUICK), "not written by damrep")
    assert tree(table) == before


def test_an_output_of_a_graph_may_be_replaced(run: Run, table: Path, fitted: Fitted) -> None:
    shutil.copytree(fitted[0], table / "out")
    words = ["--epochs", "2", "--max-dims", "8", "--evaluate", "none", "--threads", "1"]
    assert run("fit-embedding", "karate", "--out", "out", *words).exit_code == 0
    result = run("fit-autoencoder", "t.csv", "--labels", "kind", "--out", "out", *QUICK)
    assert result.exit_code == 0, result.stderr
    report = json.loads((table / "out" / "report.json").read_text())
    assert report["estimator"] == "DAMAutoencoder"


def test_ctrl_c_while_writing_leaves_nothing_behind(table: Path) -> None:
    before = tree(table)
    words = ["fit-autoencoder", "t.csv", "--labels", "kind", "--evaluate", "none", "--out", "out"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "damrep.reporting.page:render_page", *words, *QUICK],
        cwd=table,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        assert any(name.endswith("embeddings.parquet") for name in tree(table))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, err) == (130, "damrep: interrupted\n")
    assert tree(table) == before
