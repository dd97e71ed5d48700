"""`damrep fit-embedding` and `damrep report` on input that is as it should be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from click.testing import Result

from damrep.cli import fit_embedding
from damrep.cli import options as shared
from damrep.graph.comparison import EVALUATIONS
from damrep.graph.encoding.encoders import ENCODERS
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.purposes import PRICES, PURPOSES
from damrep.graph.settings import OBJECTIVE_NAMES, STRATEGIES
from damrep.masking.report import FitReport
from tests.cli.conftest import QUICK, Run, call

Fitted = tuple[Path, Result]


def test_the_choices_are_those_of_the_estimator() -> None:
    assert set(fit_embedding.ENCODERS) == set(ENCODERS)
    assert set(fit_embedding.OBJECTIVES) == set(OBJECTIVE_NAMES)
    assert shared.STRATEGIES == STRATEGIES
    assert set(fit_embedding.EVALUATIONS) == set(EVALUATIONS)
    assert set(fit_embedding.PURPOSES) == set(PURPOSES)


def test_the_help_has_the_price_of_each_purpose(run: Run) -> None:
    told = " ".join(run("fit-embedding", "--help").stdout.split())
    others = ", ".join(f"{name} {PRICES[name]:g}" for name in ("links", "features", "labels"))
    assert f"[default: {PRICES['all']:g}; {others}" in told.replace("default: (", "default: ")


def test_the_defaults_are_those_of_the_estimator() -> None:
    names = {"dims": "n_components", "max_dims": "max_components", "epochs": "max_epochs"}
    # A command gives the same result twice; in Python a seed is asked for.
    ours = {**DAMGraphEmbedding().get_params(), "random_state": 0}
    same = ["encoder", "objective", "price", "strategy", "hidden", "device"]
    for option in fit_embedding.fit_embedding_command.params:
        name = names.get(option.name or "", option.name)
        if name in same or option.name in names:
            default = None if option.name == "dims" else option.default
            assert (default or None) == (ours[str(name)] or None), option.name


def test_what_is_written(fitted: Fitted) -> None:
    out, _ = fitted
    assert sorted(path.name for path in out.iterdir()) == [
        "embeddings.parquet", "model", "report.html", "report.json",
    ]  # fmt: skip
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_embeddings_have_the_node_first_and_then_one_float32_column_a_dimension(
    fitted: Fitted, sample: Path
) -> None:
    out, _ = fitted
    report = FitReport.load(out / "report.json")
    schema = pq.read_schema(out / "embeddings.parquet")
    assert schema.names == ["node", *(f"dim_{i}" for i in range(report.learned_dims))]
    assert {str(schema.field(name).type) for name in schema.names[1:]} == {"float"}
    frame = pd.read_parquet(out / "embeddings.parquet")
    nodes = pd.read_csv(sample / "features.csv").iloc[:, 0]
    assert frame["node"].tolist() == nodes.tolist()
    assert np.isfinite(frame.iloc[:, 1:].to_numpy()).all()


def test_the_most_important_dimension_is_first(fitted: Fitted) -> None:
    out, _ = fitted
    spread = pd.read_parquet(out / "embeddings.parquet").iloc[:, 1:].var().to_numpy()
    assert len(spread) > 1
    half = len(spread) // 2
    assert spread[:half].mean() > spread[half:].mean()


def test_report_json_is_strict_and_tells_the_whole_story(fitted: Fitted) -> None:
    out, _ = fitted

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    data = json.loads((out / "report.json").read_text(), parse_constant=refuse)
    report = FitReport.from_dict(data)
    assert (report.price, report.seed) == (PRICES["all"], 0)
    assert report.initial_dims <= 16
    assert [row["name"] for row in report.measures][:2] == ["learned", "full width"]
    assert report.details["data"]["nodes"] == 60
    assert report.details["data"]["classes"] == 3
    made = report.details["provenance"]
    assert made["command"].startswith("damrep fit-embedding ")
    assert "--max-dims 16" in made["command"]
    assert made["threads"] == 1
    assert made["versions"]["torch"]


def test_the_table_on_stdout(fitted: Fitted) -> None:
    out, result = fitted
    report = FitReport.load(out / "report.json")
    lines = result.stdout.splitlines()
    full = report.initial_dims
    assert lines[0].startswith(f"learned {report.learned_dims} of {full} dimensions")
    assert lines[0].endswith(f"(price {PRICES['all']:g})")
    for purpose in ("links", "features", "labels", "all"):
        assert f"for {purpose} " in lines[1]
    assert lines[1].endswith("; cut for all")
    lines = lines[1:]
    assert lines[2].split()[:2] == ["dims", "accuracy"]
    accuracy = report.measures[0]["accuracy"]
    spread = report.measures[0]["accuracy_spread"]
    told = ["learned", str(report.learned_dims), f"{accuracy:.3f}", "±", f"{spread:.3f}"]
    assert lines[3].split() == told
    assert lines[4].split()[:3] == ["full", "width", str(full)]
    assert any(line.endswith(f" s of processor), in {out}") for line in lines)
    notes = [line for line in lines if line.startswith("note: ")]
    assert len(notes) == len(report.warnings)
    assert result.stderr == ""


def test_the_whole_time_is_told_and_its_parts(fitted: Fitted) -> None:
    out, result = fitted
    report = FitReport.load(out / "report.json")
    seconds = report.details["seconds"]
    parts = ["reading", "fit", "evaluation", "start and writing"]
    assert list(seconds) == [*parts, "whole"]
    assert seconds["fit"] == report.seconds
    assert all(value > 0 for value in seconds.values())
    assert sum(seconds[name] for name in parts) == pytest.approx(seconds["whole"])
    told = ", ".join(f"{name} {seconds[name]:.1f}" for name in parts)
    assert f"{seconds['whole']:.1f} s ({told}; fit: " in result.stdout


def test_how_it_was_measured_is_told_under_the_table(fitted: Fitted) -> None:
    out, result = fitted
    how = (
        "accuracy is of a linear probe, mean ± standard deviation over 10 random splits: 6 nodes "
        "to learn from, 6 to choose the penalty on, 48 to be told"
    )
    assert how in result.stdout.splitlines()
    assert how in (out / "report.html").read_text(encoding="utf-8")


def test_report_prints_the_same_again(fitted: Fitted) -> None:
    out, result = fitted
    again = call("report", out)
    assert (again.exit_code, again.stdout, again.stderr) == (0, result.stdout, "")


def test_the_page_stands_alone(fitted: Fitted) -> None:
    out, _ = fitted
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg") == 4
    assert "damrep fit-embedding" in page


def test_the_model_gives_the_embedding_again(fitted: Fitted, sample: Path) -> None:
    from damrep.graph.data.files import read_graph

    out, _ = fitted
    model = DAMGraphEmbedding.load(out / "model")
    graph = read_graph(sample / "graph.csv", features=sample / "features.csv")
    kept = pd.read_parquet(out / "embeddings.parquet").iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(model.transform(graph), kept, atol=1e-5)


def test_a_named_data_set_and_the_default_folder(run: Run, tmp_path: Path) -> None:
    result = run("fit-embedding", "karate", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith(("note: ", "read: "))
    assert [path.name for path in tmp_path.iterdir()] == ["damrep-karate"]
    assert len(pd.read_parquet(tmp_path / "damrep-karate" / "embeddings.parquet")) == 34


def test_a_file_comes_before_a_data_set_of_its_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "karate").mkdir()  # a folder is no graph
    assert run("fit-embedding", "karate", "--out", "club", *QUICK).exit_code == 0
    (tmp_path / "karate").rmdir()
    (tmp_path / "karate").write_text("a,b\n")
    refused = run("fit-embedding", "karate", "--out", "file", *QUICK)
    assert (refused.exit_code, "unknown ending" in refused.stderr) == (2, True)


def test_the_same_seed_gives_the_same_embedding_and_another_another(
    run: Run, sample: Path, tmp_path: Path
) -> None:
    words = ["fit-embedding", sample / "graph.csv", "--features", sample / "features.csv", *QUICK]
    frames = []
    for place, seed in enumerate((3, 3, 4)):
        result = run(*words, "--dims", 4, "--evaluate", "none", "--seed", seed, "--out", place)
        assert result.exit_code == 0, result.stderr
        frames.append(pd.read_parquet(tmp_path / str(place) / "embeddings.parquet"))
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)
    assert not np.allclose(frames[0].iloc[:, 1:], frames[2].iloc[:, 1:])


@pytest.mark.parametrize("name", ["graph.tsv", "graph.txt", "graph.csv.gz", "graph.parquet"])
def test_every_table_gives_the_same_embedding(
    name: str, run: Run, sample: Path, tmp_path: Path, fitted: Fitted
) -> None:
    result = run(
        "fit-embedding", sample / name, "--features", sample / "features.parquet",
        "--labels", sample / "labels.csv", "--out", "out", *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out" / "embeddings.parquet"),
        pd.read_parquet(fitted[0] / "embeddings.parquet"),
        atol=1e-5,
    )


def test_no_more_dimensions_than_there_are(run: Run, tmp_path: Path) -> None:
    """The club has 34 members: 128 dimensions of it are not there to be written."""
    result = run("fit-embedding", "karate", "--dims", 128, "--max-dims", 512, *QUICK[:2],
                 *QUICK[4:], "--evaluate", "none", "--out", "out")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    frame = pd.read_parquet(tmp_path / "out" / "embeddings.parquet")
    assert 2 < frame.shape[1] - 1 < 34
    first = result.stdout.splitlines()[0]
    assert first == f"{frame.shape[1] - 1} of 512 dimensions, 128 were asked for"
    assert (
        f"note: 34 nodes have only {frame.shape[1] - 1} dimensions here, 128 were" in result.stdout
    )


def test_a_start_of_any_size(run: Run, tmp_path: Path) -> None:
    result = run("fit-embedding", "karate", "--max-dims", 100_000_000, *QUICK[:2], *QUICK[4:],
                 "--evaluate", "none", "--out", "out")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "note: started from 512 dimensions in place of 100,000,000" in result.stdout
    assert FitReport.load(tmp_path / "out" / "report.json").initial_dims == 512


def test_direction_is_used_where_it_is_asked_for_and_else_it_is_said(run: Run) -> None:
    arcs = np.random.default_rng(0).integers(0, 30, (150, 2))
    matrix = sp.coo_array((np.ones(150), arcs.T), shape=(30, 30))
    sp.save_npz("arcs.npz", sp.csr_array(matrix))
    words = ("fit-embedding", "arcs.npz", "--evaluate", "none", "--dims", 3, *QUICK)
    said = "direction is not used (directed=True, --directed): each of "
    assert said in run(*words, "--out", "a").stdout
    used = run(*words, "--directed", "--out", "b")
    assert used.exit_code == 0 and "direction" not in used.stdout
    assert "direction" not in run(*words, "--undirected", "--out", "c").stdout
    a, b, c = (pd.read_parquet(f"{name}/embeddings.parquet").iloc[:, 1:] for name in "abc")
    pd.testing.assert_frame_equal(a, c)
    assert a.shape != b.shape or np.abs(a - b).to_numpy().max() > 0.01
    help_text = " ".join(run("fit-embedding", "--help").stdout.split())
    assert "tell apart whom a node points to and who points to it" in help_text


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (lambda i: "a", "all 59 labelled nodes are of one class, 'a'"),
        (lambda i: f"x{i}", "each of the 59 labelled nodes has a label of its own"),
        (lambda i: i + 0.37, "they are 59 different numbers of 59 nodes, a quantity to predict"),
    ],
    ids=["one class", "all different", "floats"],
)
def test_labels_that_are_no_classes(
    label: Callable[[int], object], said: str, run: Run, sample: Path
) -> None:
    ids = pd.read_csv(sample / "features.csv").iloc[:, 0]
    pd.DataFrame({"id": ids, "label": [label(i) for i in ids]}).to_csv("labels.csv", index=False)
    words = ("fit-embedding", sample / "graph.csv", "--labels", "labels.csv", *QUICK)
    result = run(*words, "--out", "out")
    assert result.exit_code == 0, result.stderr
    notes = [line for line in result.stdout.splitlines() if "probed" in line]
    assert len(notes) == 1 and notes[0].startswith(f"note: the labels were not probed: {said}")
    assert "AUC" in result.stdout and "accuracy" not in result.stdout
    refused = run(*words, "--evaluate", "probe", "--out", "probed")
    assert refused.exit_code == 2 and said in refused.stderr


def test_the_graph_goes_with_the_model_unless_it_may_not(run: Run, tmp_path: Path) -> None:
    sizes = []
    for option in ((), ("--keep-graph",), ("--no-keep-graph",)):
        words = ("fit-embedding", "karate", *option, "--evaluate", "none", "--out", "out", *QUICK)
        assert run(*words).exit_code == 0
        sizes.append((tmp_path / "out" / "model" / "weights.safetensors").stat().st_size)
        data = FitReport.load(tmp_path / "out" / "report.json").details["data"]
        kept = data["kept with the model"]
        assert kept == ("ids" if option == ("--no-keep-graph",) else "ids, edges (0.0 MB)")
    assert sizes[0] == sizes[1] > sizes[2]


def test_exactly_so_many_dimensions(run: Run, tmp_path: Path) -> None:
    result = run("fit-embedding", "karate", "--dims", 3, "--out", "three", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].startswith("3 of ")
    assert result.stdout.splitlines()[0].endswith(" dimensions, as asked for")
    frame = pd.read_parquet(tmp_path / "three" / "embeddings.parquet")
    assert list(frame.columns) == ["node", "dim_0", "dim_1", "dim_2"]
    assert FitReport.load(tmp_path / "three" / "report.json").price is None


@pytest.mark.parametrize("dims", [1, 2])
def test_one_or_two_dimensions_still_make_a_page(dims: int, run: Run, tmp_path: Path) -> None:
    assert run("fit-embedding", "karate", "--dims", dims, "--out", "few", *QUICK).exit_code == 0
    page = (tmp_path / "few" / "report.html").read_text(encoding="utf-8")
    assert ("has one dimension" if dims == 1 else "The two dimensions") in page


def test_structure_only(run: Run, sample: Path, tmp_path: Path) -> None:
    result = run("fit-embedding", "digits", "--no-features", "--evaluate", "none", *QUICK)
    assert result.exit_code == 0, result.stderr
    report = FitReport.load(tmp_path / "damrep-digits" / "report.json")
    assert report.details["data"]["features"] == 0
    assert report.measures == []


def test_columns_by_name_and_direction(run: Run, tmp_path: Path) -> None:
    rows = [f"{i % 3},n{i:02},n{(i * 7 + 1) % 30:02},{1 + i % 2}" for i in range(30)]
    (tmp_path / "links.csv").write_text("kind,cites,cited,strength\n" + "\n".join(rows) + "\n")
    result = run(
        "fit-embedding", "links.csv", "--source", "cites", "--target", "cited",
        "--weight", "strength", "--directed", "--evaluate", "none", "--out", "out", *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert FitReport.load(tmp_path / "out" / "report.json").details["data"]["directed"] is True
    assert pd.read_parquet(tmp_path / "out" / "embeddings.parquet")["node"][0] == "n00"


def test_a_supervised_encoder_with_a_hidden_layer(run: Run, sample: Path, tmp_path: Path) -> None:
    result = run(
        "fit-embedding", sample / "graph.csv", "--features", sample / "features.csv", "--labels",
        sample / "labels.csv", "--objective", "supervised", "--encoder", "sage", "--hidden", "8,8",
        "--out", "out", *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert FitReport.load(tmp_path / "out" / "report.json").objective == "supervised"


def test_what_the_readers_warn_of_is_a_note(run: Run, sample: Path, tmp_path: Path) -> None:
    labels = (sample / "labels.csv").read_text() + "999999,a\n"
    (tmp_path / "labels.csv").write_text(labels)
    result = run(
        "fit-embedding", sample / "graph.csv", "--features", sample / "features.csv", "--labels",
        "labels.csv", "--evaluate", "none", "--out", "out", *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "note: labels.csv: 1 of " in result.stdout
    report = FitReport.load(tmp_path / "out" / "report.json")
    assert "999999" in report.warnings[0]


def test_an_earlier_output_is_replaced_whole(run: Run, fitted: Fitted, tmp_path: Path) -> None:
    shutil.copytree(fitted[0], tmp_path / "out")
    result = run("fit-embedding", "karate", "--out", "out", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert len(pd.read_parquet(tmp_path / "out" / "embeddings.parquet")) == 34
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_quiet_and_verbose(run: Run, tmp_path: Path) -> None:
    quiet = run("fit-embedding", "karate", "--out", "q", "-q", *QUICK)
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")
    loud = run("fit-embedding", "karate", "--out", "v", "-v", *QUICK)
    assert loud.exit_code == 0
    assert "reading karate" in loud.stderr and "writing v" in loud.stderr
    assert "learned" not in loud.stderr and "reading karate" not in loud.stdout


def test_every_extreme_of_the_price(run: Run, tmp_path: Path) -> None:
    widths = []
    for place, price in enumerate((0, 0.01, 0.2, 1)):
        result = run("fit-embedding", "karate", "--price", price, "--out", place, *QUICK)
        assert result.exit_code == 0, result.stderr
        widths.append(FitReport.load(tmp_path / str(place) / "report.json").learned_dims)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] >= 1


def test_data_root(run: Run, data_root: Path, tmp_path: Path) -> None:
    result = run(
        "fit-embedding", "cora", "--data-root", data_root, "--objective", "svd",
        "--evaluate", "none", "--dims", 4, *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "damrep-cora" / "report.html").read_text(encoding="utf-8")
    assert "Neural_Networks" in page
