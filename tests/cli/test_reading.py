"""Files as a stranger types them, through the command line: read right, and said how."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest

from tests.cli.conftest import QUICK, Run

EDGES = list(nx.planted_partition_graph(3, 30, 0.35, 0.02, seed=1).edges)
FIT = (*QUICK, "--evaluate", "none")


def said(result: object) -> str:
    lines = [line for line in result.stdout.splitlines() if line.startswith("read: ")]  # type: ignore[attr-defined]
    assert len(lines) == 1, result
    return lines[0].removeprefix("read: ")


def products(folder: Path) -> None:
    rows = "".join(f"p{u:02d},p{v:02d}\n" for u, v in EDGES)
    (folder / "sold.csv").write_text("from product,to product\n" + rows)
    table = "".join(f"p{u:02d},{u % 7},{u / 2}\n" for u in range(90))
    (folder / "products.csv").write_text("product,stock,price\n" + table)


def test_products_need_no_option(run: Run, tmp_path: Path) -> None:
    products(tmp_path)
    result = run("fit-embedding", "sold.csv", "--features", "products.csv", *FIT)
    assert result.exit_code == 0, result.stderr
    assert said(result) == (
        "90 nodes, 492 edges, 2 features: line 1 names the columns: 'from product' and 'to "
        "product' are the ends of an edge; products.csv: 2 features of 90 nodes, ids in 'product'"
    )
    kept = pd.read_parquet(tmp_path / "damrep-sold" / "embeddings.parquet")
    assert kept["node"].tolist() == [f"p{u:02d}" for u in range(90)]


def test_what_was_read_is_said_without_a_terminal_and_not_when_quiet(
    run: Run, tmp_path: Path
) -> None:
    products(tmp_path)
    assert run("fit-embedding", "sold.csv", *FIT, "--quiet").stdout == ""
    (tmp_path / "t.csv").write_text("a;b\n" + "".join(f"{i % 7},5;{i % 5},25\n" for i in range(40)))
    table = run("fit-autoencoder", "t.csv", "--epochs", 2, "--evaluate", "none")
    assert said(table) == "40 rows of 2 columns: numbers were read with a decimal comma"
    rows = "".join(f"{u}::{i}::{(u * i) % 5 + 1}::978300760\n" for u in range(20) for i in range(9))
    (tmp_path / "ratings.dat").write_text(rows)
    ratings = run("fit-recommender", "ratings.dat", "--max-dims", 4, "--evaluate", "none")
    assert said(ratings).startswith("180 ratings: no row names the columns")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--source", "caller"), "--source and --target, or neither"),
        ((), "which columns are the ends of an edge? it has 'date', 'caller', 'callee'; name them"),
        (("--separator", "xx"), "separator must be one mark"),
        (("--decimal", ";"), "decimal mark must be"),
        (("--source", "caller", "--target", "who"), "no column 'who' for target"),
    ],
)
def test_what_is_refused(run: Run, tmp_path: Path, words: tuple[str, ...], wanted: str) -> None:
    rows = "".join(f"2024-01-01,{u},{v}\n" for u, v in EDGES)
    (tmp_path / "calls.csv").write_text("date,caller,callee\n" + rows)
    result = run("fit-embedding", "calls.csv", *words, *FIT)
    assert (result.exit_code, result.stdout) == (2, "")
    assert wanted in result.stderr and result.stderr.count("\n") == 1


def test_columns_and_marks_that_are_named(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"2024-01-01 {u} {v}\n" for u, v in EDGES)
    (tmp_path / "calls.log").write_text("! exported\ndate caller callee\n" + rows)
    words = ("--separator", "space", "--comment", "!", "--source", "caller", "--target", "callee")
    result = run("fit-embedding", "calls.log", *words, *FIT)
    assert result.exit_code == 0, result.stderr
    assert said(result) == (
        "90 nodes, 492 edges, no features: 1 line was passed over as comments; line 1 names the "
        "columns: 'caller' and 'callee' are the ends of an edge; not used: 'date'"
    )


def test_standard_input(tmp_path: Path) -> None:
    products(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "damrep", "fit-embedding", "-", *FIT],
        input=(tmp_path / "sold.csv").read_text(),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "90 nodes, 492 edges" in said(done)
    assert (tmp_path / "damrep-graph" / "embeddings.parquet").is_file()


def test_an_error_on_standard_input_is_one_line(tmp_path: Path) -> None:
    # Threads of pyarrow that outlived the interpreter aborted every third of these.
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-m", "damrep", "fit-autoencoder", "-"],
            input="a;b\n", capture_output=True, text=True, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (2, "damrep: error: -: a header and no rows\n")
