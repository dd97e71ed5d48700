"""`damrep embed`: a saved model on the same graph and on others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from damrep.cli import main
from damrep.masking.report import FitReport
from tests.cli.conftest import QUICK, Run

Fitted = tuple[Path, Result]


@pytest.fixture
def words(sample: Path, fitted: Fitted) -> list[object]:
    return ["embed", fitted[0], sample / "graph.csv", "--features", sample / "features.csv"]


def test_the_graph_fitted_on_gives_the_same_embedding(
    run: Run, words: list[object], fitted: Fitted, tmp_path: Path
) -> None:
    result = run(*words)
    kept = pd.read_parquet(fitted[0] / "embeddings.parquet")
    assert result.exit_code == 0, result.stderr
    first, read = result.stdout.splitlines()
    assert first == f"60 nodes, {kept.shape[1] - 1} dimensions, in damrep-graph.parquet"
    assert read.startswith("read: 60 nodes, 227 edges, 6 features: line 1 names the columns")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "damrep-graph.parquet"), kept, atol=1e-5
    )


def test_the_model_folder_itself_can_be_named(
    run: Run, words: list[object], fitted: Fitted, tmp_path: Path
) -> None:
    assert run(*words, "--out", "a.npy").exit_code == 0
    assert run("embed", fitted[0] / "model", *words[2:], "--out", "b.npy").exit_code == 0
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_every_ending_holds_the_same_numbers(run: Run, words: list[object], tmp_path: Path) -> None:
    for ending in ("parquet", "csv", "npy"):
        assert run(*words, "--out", f"z.{ending}").exit_code == 0
    table = pd.read_parquet(tmp_path / "z.parquet")
    text = pd.read_csv(tmp_path / "z.csv")
    bare = np.load(tmp_path / "z.npy")
    assert list(text.columns) == list(table.columns)
    assert text["node"].tolist() == table["node"].tolist()
    np.testing.assert_array_equal(text.iloc[:, 1:].to_numpy(dtype=np.float32), bare)
    np.testing.assert_array_equal(table.iloc[:, 1:].to_numpy(), bare)
    assert bare.dtype == np.float32


@pytest.mark.parametrize("ending", ["parquet", "csv", "npy"])
def test_an_earlier_embedding_is_replaced(
    ending: str, run: Run, words: list[object], tmp_path: Path
) -> None:
    assert run(*words, "--out", f"z.{ending}").exit_code == 0
    before = (tmp_path / f"z.{ending}").read_bytes()
    again = run(*words, "--out", f"z.{ending}")
    assert again.exit_code == 0, again.stderr
    assert (tmp_path / f"z.{ending}").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_new_nodes(run: Run, fitted: Fitted, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("source,target\nx,y\ny,z\n")
    rows = "\n".join(f"{name},1,0,2,0,1,{i}" for i, name in enumerate("xyz"))
    (tmp_path / "features.csv").write_text(f"id,f0,f1,f2,f3,f4,f5\n{rows}\n")
    result = run("embed", fitted[0], "new.csv", "--features", "features.csv", "--out", "z.csv")
    assert result.exit_code == 0, result.stderr
    assert pd.read_csv(tmp_path / "z.csv")["node"].tolist() == ["x", "y", "z"]
    # Once, and not once by the reader and once by the model.
    assert [line for line in result.stdout.splitlines() if "note" in line] == [
        "note: none of the 3 nodes is in the graph fitted on, so they are described by their "
        "features alone"
    ]


# -- columns by name


@pytest.fixture
def columns(sample: Path) -> pd.DataFrame:
    return pd.read_csv(sample / "features.csv", index_col=0)


def test_columns_in_another_order_give_the_same_codes(
    run: Run, words: list[object], columns: pd.DataFrame, tmp_path: Path
) -> None:
    columns.iloc[:, ::-1].to_csv(tmp_path / "swapped.csv")
    assert run(*words, "--out", "a.npy").exit_code == 0
    result = run(*words[:3], "--features", "swapped.csv", "--out", "b.npy")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert "note" not in result.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.rename(columns={"f2": "size"}), "no column 'f2', which the model was fitted"),
        (lambda f: f.drop(columns=["f2", "f4"]), "no column 'f2' and 1 more"),
        (lambda f: f.assign(more=1), "column 'more' was not there when the model was fitted"),
    ],
)
def test_other_columns_are_refused_by_name(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    said: str,
    run: Run,
    words: list[object],
    columns: pd.DataFrame,
    tmp_path: Path,
) -> None:
    change(columns).to_csv(tmp_path / "other.csv")
    result = run(*words[:3], "--features", "other.csv", "--out", "z.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "z.csv").exists()


def test_columns_without_names_are_taken_as_they_come_and_it_is_said(
    run: Run, words: list[object], columns: pd.DataFrame, tmp_path: Path
) -> None:
    columns.to_csv(tmp_path / "bare.csv", header=False)
    assert run(*words, "--out", "a.npy").exit_code == 0
    result = run(*words[:3], "--features", "bare.csv", "--out", "b.npy")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert "note: features: these have no names, so they are taken in their order" in result.stdout


# -- new edges of the graph fitted on

NAMES = [f"u{i}" for i in range(30)]


def fit_ring(run: Run, out: str, *options: object, features: bool = False) -> pd.DataFrame:
    """A ring with chords, fitted; the embedding written, by node."""
    pairs = [(i, (i + step) % 30) for i in range(30) for step in (1, 4)]
    lines = "\n".join(f"{NAMES[u]},{NAMES[v]}" for u, v in pairs)
    Path("ring.csv").write_text(f"source,target\n{lines}\n")
    rows = "\n".join(f"{name},{i % 5},{i * i % 7},{i}" for i, name in enumerate(NAMES))
    Path("rows.csv").write_text(f"id,a,b,c\n{rows}\n")
    given = ("--features", "rows.csv") if features else ()
    words = ("fit-embedding", "ring.csv", *given, *options, "--evaluate", "none", "--dims", 4)
    result = run(*words, "--out", out, *QUICK)
    assert result.exit_code == 0, result.stderr
    return pd.read_parquet(Path(out) / "embeddings.parquet").set_index("node")


def codes(name: str) -> pd.DataFrame:
    return pd.read_csv(name).set_index("node")


@pytest.mark.parametrize("features", [False, True])
def test_new_edges_are_joined_to_the_graph_fitted_on(features: bool, run: Run) -> None:
    fit_ring(run, "out", features=features)
    Path("new.csv").write_text("source,target\nnew,u7\nnew,u8\n")
    Path("new_rows.csv").write_text("id,c,a,b\nnew,3,1,2\n")
    given = ("--features", "new_rows.csv") if features else ()
    result = run("embed", "out", "new.csv", *given, "--out", "z.csv")
    assert result.exit_code == 0, result.stderr
    read = result.stdout.splitlines()[1]
    assert read.startswith("read: 3 nodes, 2 edges, ")
    assert ("new_rows.csv: 3 features of 1 nodes, ids in 'id'" in read) == features
    assert result.stdout.splitlines()[2:] == [
        "note: joined to the 30 nodes and 60 edges fitted on: 1 new of 3 nodes (--alone takes the "
        "file by itself)"
    ]
    assert codes("z.csv").index.tolist() == ["new", "u7", "u8"]
    # As if all edges had been in one file.
    Path("all.csv").write_text(Path("ring.csv").read_text() + "new,u7\nnew,u8\n")
    Path("all_rows.csv").write_text(Path("rows.csv").read_text() + "new,1,2,3\n")
    given = ("--features", "all_rows.csv") if features else ()
    assert run("embed", "out", "all.csv", *given, "--out", "all_z.csv").exit_code == 0
    whole = codes("all_z.csv").loc[["new", "u7", "u8"]]
    np.testing.assert_allclose(codes("z.csv"), whole, atol=1e-5)


def test_an_edge_that_was_there_moves_nothing(run: Run) -> None:
    kept = fit_ring(run, "out")
    Path("old.csv").write_text("source,target\nu7,u8\nu20,u21\n")
    assert run("embed", "out", "old.csv", "--out", "z.csv").exit_code == 0
    np.testing.assert_allclose(codes("z.csv"), kept.loc[codes("z.csv").index], atol=1e-5)
    result = run("embed", "out", "old.csv", "--alone", "--out", "alone.csv")
    assert result.exit_code == 0, result.stderr
    assert (
        "note: 4 of the 4 nodes shared with the graph fitted on have fewer edges here than there"
    ) in result.stdout
    assert np.abs(codes("alone.csv") - codes("z.csv")).to_numpy().max() > 0.05


def test_a_graph_that_is_not_kept(run: Run) -> None:
    fit_ring(run, "out", "--no-keep-graph")
    Path("new.csv").write_text("source,target\nnew,u7\nnew,u8\n")
    result = run("embed", "out", "new.csv", "--out", "z.csv")
    assert result.exit_code == 0, result.stderr
    assert (
        "note: 2 of the 3 nodes are of the graph fitted on, which the model does not keep; they "
        "are embedded from these edges alone"
    ) in result.stdout
    refused = run("embed", "out", "new.csv", "--join", "--out", "z.csv")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "does not keep the graph it was fitted on" in refused.stderr
    report = FitReport.load(Path("out") / "report.json")
    assert report.details["data"]["kept with the model"] == "ids"


def test_a_file_of_half_the_nodes_is_a_graph_of_its_own(run: Run) -> None:
    fit_ring(run, "out")
    lines = Path("ring.csv").read_text().splitlines()
    Path("half.csv").write_text("\n".join(lines[:31]) + "\n")
    alone = run("embed", "out", "half.csv", "--out", "alone.csv")
    assert alone.exit_code == 0 and "have fewer edges here than there" in alone.stdout
    joined = run("embed", "out", "half.csv", "--join", "--out", "joined.csv")
    assert joined.exit_code == 0 and "0 new of" in joined.stdout
    assert not np.allclose(codes("alone.csv"), codes("joined.csv").loc[codes("alone.csv").index])
    same = run("embed", "out", "ring.csv", "--out", "same.csv")
    assert same.exit_code == 0 and "note" not in same.stdout


def test_ids_that_only_count_are_not_taken_for_names(run: Run, fitted: Fitted) -> None:
    Path("few.csv").write_text("source,target\n0,1\n1,2\n")
    rows = "\n".join(f"{i},1,0,2,0,1,{i}" for i in range(3))
    Path("few_rows.csv").write_text(f"id,f0,f1,f2,f3,f4,f5\n{rows}\n")
    words = ("embed", fitted[0], "few.csv", "--features", "few_rows.csv", "--out", "z.csv")
    result = run(*words)
    assert result.exit_code == 0, result.stderr
    assert (
        result.stdout.count("note: ids that only count 3 nodes: taken as a graph of its own") == 1
    )
    joined = run(*words, "--join")
    assert joined.exit_code == 0, joined.stderr
    assert "0 new of 3 nodes" in joined.stdout and "features: other ones than in" in joined.stdout


@pytest.mark.parametrize("join", [(), ("--join",), ("--alone",)])
def test_edges_between_unknown_nodes_only(join: tuple[str, ...], run: Run) -> None:
    fit_ring(run, "bare")
    fit_ring(run, "featured", features=True)
    Path("new.csv").write_text("source,target\nx,y\n")
    Path("new_rows.csv").write_text("id,a,b,c\nx,1,2,3\ny,3,2,1\n")
    refused = run("embed", "bare", "new.csv", *join, "--out", "z.csv")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "none of its " in refused.stderr and refused.stderr.count("\n") == 1
    result = run(
        "embed", "featured", "new.csv", "--features", "new_rows.csv", *join, "--out", "z.csv"
    )
    assert result.exit_code == 0, result.stderr
    assert "note: none of the 2 nodes is in the graph fitted on" in result.stdout


def test_a_new_node_needs_features_where_the_model_has_them(run: Run) -> None:
    fit_ring(run, "out", features=True)
    Path("new.csv").write_text("source,target\nnew,u7\n")
    refused = run("embed", "out", "new.csv", "--out", "z.csv")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "node 'new' is new and has no features" in refused.stderr


def test_new_edges_on_standard_input(run: Run) -> None:
    fit_ring(run, "bare")
    fit_ring(run, "featured", features=True)
    new = b"source,target\nnew,u7\nnew,u8\n"
    Path("new_rows.csv").write_text("id,a,b,c\nnew,1,2,3\n")
    for words, said in (
        (("embed", "bare", "-"), "1 new of 3 nodes (--alone"),
        (("embed", "featured", "-", "--features", "new_rows.csv", "--join"), "1 new of 3 nodes"),
    ):
        result = CliRunner().invoke(main, [*words, "--out", "z.csv"], input=new)
        assert result.exit_code == 0, result.stderr
        assert said in result.stdout


def test_joining_is_not_for_tables(run: Run, sample: Path) -> None:
    words = ("fit-autoencoder", sample / "features.csv", "--out", "table", "--max-dims", 2)
    assert run(*words, "--epochs", 1).exit_code == 0
    result = run("embed", "table", sample / "features.csv", "--join")
    assert result.exit_code == 2 and "--join is not for this kind of model" in result.stderr


@pytest.mark.parametrize("option", [["--id", "a"], ["--columns", "a,b"]])
def test_what_is_for_tables_is_refused(
    option: list[str], run: Run, words: list[object], tmp_path: Path
) -> None:
    result = run(*words, *option, "--out", "z.parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{option[0]} is not for this kind of model" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_one_of_each_is_said_as_one(run: Run) -> None:
    fit_ring(run, "out")
    Path("two.csv").write_text("source,target\nu0,u1\n")
    said = run("embed", "out", "two.csv", "--out", "z.csv").stdout
    assert "2 nodes, 1 edge, no features" in said and "1 edges" not in said
    words = ("fit-embedding", "ring.csv", "--dims", 1, "--evaluate", "none", "--out", "one", *QUICK)
    assert run(*words).exit_code == 0
    assert run("embed", "one", "ring.csv", "--out", "z.csv").stdout.startswith(
        "30 nodes, 1 dimension, in z.csv\n"
    )


# -- direction


def test_a_model_of_arcs_reads_arcs(run: Run) -> None:
    rng = np.random.default_rng(0)
    arcs = [(int(u), int(v)) for u, v in rng.integers(0, 40, (300, 2)) if u != v]
    Path("arcs.csv").write_text("".join(f"w{u},w{v}\n" for u, v in arcs))
    words = ("arcs.csv", "--no-header", "--dims", 4, "--evaluate", "none", *QUICK)
    result = run("fit-embedding", *words, "--directed", "--out", "out")
    assert result.exit_code == 0, result.stderr
    assert "arcs, no features" in result.stdout and "direction is not used" not in result.stdout
    assert run("embed", "out", "arcs.csv", "--no-header", "--out", "z.csv").exit_code == 0
    kept = pd.read_parquet("out/embeddings.parquet").set_index("node")
    np.testing.assert_allclose(codes("z.csv"), kept, atol=1e-5)
    Path("out.csv").write_text("new,w1\nnew,w2\n")
    Path("in.csv").write_text("w1,new\nw2,new\n")
    for name in ("out", "in"):
        joined = run("embed", "out", f"{name}.csv", "--no-header", "--out", f"{name}_z.csv")
        assert joined.exit_code == 0 and " arcs fitted on: 1 new of 3 nodes" in joined.stdout
    assert np.abs(codes("out_z.csv").loc["new"] - codes("in_z.csv").loc["new"]).max() > 0.01


def test_direction_where_there_is_none(run: Run) -> None:
    words = ("karate", "--directed", "--evaluate", "none", "--out", "out", *QUICK)
    result = run("fit-embedding", *words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("(--directed) changes nothing: every edge") == 1
    refused = run("fit-embedding", *words, "--objective", "supervised")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert 'goes with no objective="supervised"' in refused.stderr
    assert refused.stderr.count("\n") == 1


# -- for vector indexes


@pytest.mark.parametrize("unit", [(), ("--unit",)])
def test_vectors_of_nodes(unit: tuple[str, ...], run: Run) -> None:
    plain = fit_ring(run, "plain")
    fit_ring_words = ("ring.csv", "--evaluate", "none", "--dims", 4, *QUICK)
    result = run("fit-embedding", *fit_ring_words, "--vectors", *unit, "--out", "out")
    assert result.exit_code == 0, result.stderr
    result = run("embed", "out", "ring.csv", "--vectors", *unit, "--out", "z.parquet")
    assert result.exit_code == 0, result.stderr
    wanted = plain.to_numpy()
    if unit:
        wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    for path in ("out/embeddings.parquet", "z.parquet"):
        frame = pd.read_parquet(path)
        assert frame["node"].tolist() == plain.index.tolist()
        np.testing.assert_allclose(np.stack(frame["embedding"]), wanted, atol=1e-5)
        by_vectors = run("neighbours", path, "u3", "--json").stdout
        assert [one["id"] for one in json.loads(by_vectors)["neighbours"]] == [
            one["id"]
            for one in json.loads(run("neighbours", "plain", "u3", "--json").stdout)["neighbours"]
        ]
