from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import arguments, cost
from benchmarks.cost import compare_compact
from benchmarks.cost_training import MaskLayersEncoder, make_task, training_step
from benchmarks.results import read_result
from damrep.datasets import load
from damrep.graph.encoding.inputs import GraphInputs, fit_preparation


@pytest.fixture(scope="module")
def inputs() -> GraphInputs:
    return fit_preparation(load("karate"), 8, 0).prepare(load("karate"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything at a size for tests."""
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    monkeypatch.setattr(cost, "WIDTHS", (12, 12))
    monkeypatch.setattr(cost, "CUT_TO", 3)
    monkeypatch.setattr(cost, "_cora", lambda root: (load("karate"), "Karate."))


def test_masks_as_layers_compute_the_same(inputs: GraphInputs) -> None:
    ours = make_task(inputs, True, 1, widths=(8, 6))
    theirs = make_task(inputs, True, 1, MaskLayersEncoder, widths=(8, 6))
    for _ in range(3):
        training_step(ours, True, 2)()
        training_step(theirs, True, 2)()
    (batch,) = ours.batches(torch.Generator().manual_seed(0))
    assert ours.loss(batch).item() == pytest.approx(theirs.loss(batch).item(), rel=1e-4)
    beta = [task.encoder.masks[0].beta.item() for task in (ours, theirs)]
    assert beta[0] == pytest.approx(beta[1], abs=1e-6) != 1.0


def test_a_step_without_masks_moves_the_weights(inputs: GraphInputs) -> None:
    task = make_task(inputs, False, 1, widths=(8, 6))
    before = task.encoder.layers[0].lin.weight.clone()
    training_step(task, False, 2)()
    assert not torch.equal(task.encoder.layers[0].lin.weight, before)


def test_cut_and_masked_are_compared_on_the_open_units(inputs: GraphInputs) -> None:
    encoder = make_task(inputs, True, 1, widths=(8, 6)).encoder.eval()
    encoder.masks[0].set_width(3)
    encoder.masks[1].set_width(2)
    x = inputs.tensor()
    masked, cut = compare_compact(encoder, x, inputs.operator("gcn"), rounds=2)
    assert (masked["name"], cut["name"]) == ("masked", "cut")
    assert cut["difference"] < 1e-5
    assert cut["speedup"] == masked["ratio"] > 0


def test_all_parts_write_their_results(tmp_path: Path, small: None) -> None:
    parts = ["--parts", "overhead,compaction", "--rounds", "1", "--out", str(tmp_path)]
    assert cost.main(parts) == 0
    overhead = read_result("cost-overhead", tmp_path)["rows"]
    assert [row["ratio"] for row in overhead][0] == 1.0 and len(overhead) == 3
    compaction = read_result("cost-compaction", tmp_path)["rows"]
    assert [(row["features"], row["name"]) for row in compaction] == [
        (kind, name) for kind in ("sparse", "dense") for name in ("masked", "cut")
    ]
    assert all(row["difference"] < 1e-5 for row in compaction[1::2])


def test_the_command_is_measured_and_where_it_fails_left_out(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_command(name: str, seed: int, folder: Path, root: Path | None) -> dict[str, float]:
        if name == "pubmed":
            raise RuntimeError("fit-embedding pubmed: no data")
        return {"cpu_s": 30.0 + 8 * seed, "wall_s": 1.0, "dims": 8.0}

    monkeypatch.setattr(cost, "run_command", run_command)
    words = ["--parts", "command", "--seeds", "3", "--out", str(tmp_path)]
    assert cost.main(words) == 0
    (row,) = read_result("cost-command", tmp_path)["rows"]
    assert row["command"] == "damrep fit-embedding cora"
    assert (row["cpu_s"]["mean"], row["target"], row["holds"]) == (38.0, 40.0, True)
    assert "pubmed: left out: fit-embedding pubmed: no data" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_itself(tmp_path: Path) -> None:
    found = cost.run_command("karate", 0, tmp_path)
    assert found["cpu_s"] > 0.5 and found["dims"] >= 1


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture[str], small: None) -> None:
    with pytest.raises(SystemExit):
        cost.main(["--parts", "speed"])
    assert "--parts takes overhead, compaction, command" in capsys.readouterr().err
