"""The pruning benchmark: its networks, its data, its peers, its tasks in short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import pruning
from benchmarks.pruning_data import Batches, augmented, image_split
from benchmarks.pruning_latency import served
from benchmarks.pruning_networks import NETWORKS, build
from benchmarks.pruning_peers import PEERS, cut_to, slimming_penalty
from benchmarks.pruning_rows import METHODS, Run
from benchmarks.pruning_training import Recipe, accuracy, fit, flops, parameters


@pytest.mark.parametrize(
    ("name", "expected"),
    [("preresnet20", 272_282), ("preresnet56", 855_578), ("preresnet164", 1_703_258)],
)
def test_residual_networks_have_the_size_they_are_known_for(name: str, expected: int) -> None:
    assert parameters(build(name, 3, 10, seed=0)) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"preresnet56", "preresnet164", "vgg19"}))
def test_every_network_gives_logits_and_learns(name: str) -> None:
    model = build(name, 1, 7, seed=0)
    loss = model(torch.randn(2, 1, 16, 16)).square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model(torch.zeros(2, 1, 16, 16)).shape == (2, 7)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    one, two = build("digits-net", 1, 10, 3), build("digits-net", 1, 10, 3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_parts_are_disjoint_and_normalised_by_the_training_part() -> None:
    split = image_split("digits", None, seed=1, rows=400)
    assert len(split.train[0]) == 360 and len(split.valid[0]) == 40
    assert len(split.test[0]) == 360
    assert abs(float(split.train[0].mean())) < 1e-5
    assert float(split.train[0].std()) == pytest.approx(1, abs=1e-3)
    rows = {tuple(row.flatten().tolist()) for row in split.train[0]}
    assert not rows & {tuple(row.flatten().tolist()) for row in split.valid[0]}


def test_augmentation_shifts_and_mirrors_and_nothing_else() -> None:
    x = torch.arange(1.0, 65).reshape(1, 1, 8, 8).expand(200, 1, 8, 8)
    out = augmented(x, torch.Generator().manual_seed(0), pad=1)
    allowed = []
    padded = nn.functional.pad(x[:1], (1, 1, 1, 1))
    for down in range(3):
        for across in range(3):
            window = padded[0, 0, down : down + 8, across : across + 8]
            flipped = nn.functional.pad(x[:1].flip(3), (1, 1, 1, 1))
            allowed += [window, flipped[0, 0, down : down + 8, across : across + 8]]
    assert all(any(torch.equal(row[0], one) for one in allowed) for row in out)
    assert len({tuple(row.flatten().tolist()) for row in out}) == 18


def test_batches_are_the_seeds_and_every_image_comes_once() -> None:
    x, y = torch.arange(20.0).reshape(20, 1, 1, 1), torch.arange(20)
    first = [labels.tolist() for _, labels in Batches(x, y, 5, seed=3)]
    assert first == [labels.tolist() for _, labels in Batches(x, y, 5, seed=3)]
    assert sorted(sum(first, [])) == list(range(20))
    shuffled = Batches(x, y, 5, seed=3)
    assert [b.tolist() for _, b in shuffled] != [b.tolist() for _, b in shuffled]
    assert len(Batches(x, y, 8, seed=0)) == 2 and len(Batches(x, y, 8)) == 3


@pytest.mark.parametrize("peer", PEERS)
def test_peers_are_cut_to_the_flops_they_are_asked_for(peer: str) -> None:
    model = build("digits-net", 1, 10, seed=0).eval()
    example = torch.zeros(1, 1, 8, 8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    if peer == "network slimming":  # fresh scales are all the same
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.weight.copy_(torch.rand_like(module.weight))
        before = {name: value.clone() for name, value in model.state_dict().items()}
    small = cut_to(model, example, peer, 0.5)
    assert flops(small, example) / flops(model, example) == pytest.approx(0.5, abs=0.06)
    assert small(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_slimming_pulls_the_scales_of_normalisation_to_zero() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    model[1].weight.data = torch.tensor([1.0, -1.0, 2.0, 0.0])
    model(torch.zeros(3, 1, 2, 2)).sum().mul(0).backward()
    slimming_penalty(0.5)(model)
    assert model[1].weight.grad.tolist() == [0.5, -0.5, 0.5, 0.0]


def test_training_learns() -> None:
    split = image_split("digits", None, seed=0, rows=300)
    model = build("digits-net", 1, 10, seed=0)
    fit(model, Batches(*split.train, 32, seed=0), Recipe(6, batch=32))
    assert accuracy(model, split.test) > 0.5


def test_a_peer_waits_for_the_share_it_is_cut_to() -> None:
    split = image_split("digits", None, seed=0, rows=100)
    run = Run(split, "digits-net", 0, Recipe(1), Recipe(1), {"flops": 0.5})
    with pytest.raises(ValueError, match="damrep has to be measured first"):
        run.measure("magnitude")


@pytest.mark.slow
def test_all_tasks_in_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--dataset", "digits", "--quick", "--out", str(tmp_path), "--rounds", "1"]
    assert pruning.main([*asked, "--task", "accuracy,budget,overhead"]) == 0
    rows = json.loads((tmp_path / "pruning-digits.json").read_text())["rows"]
    assert [row["method"] for row in rows] == list(METHODS)
    ours = next(row for row in rows if row["method"] == "damrep")
    assert ours["params"]["mean"] == pytest.approx(0.295, rel=0.03)
    # damrep's own rows go by the target, which is of parameters, the peers by its FLOPs.
    for row in rows:
        if row["method"].startswith("damrep"):
            assert row["params"]["mean"] == pytest.approx(0.295, rel=0.03)
        elif not row["method"].startswith("unpruned"):
            assert row["flops"]["mean"] == pytest.approx(ours["flops"]["mean"], abs=0.05)
    budget = json.loads((tmp_path / "pruning-budget-digits.json").read_text())["rows"]
    assert all(row["off"] < 0.02 for row in budget)
    assert (tmp_path / "pruning-digits.png").stat().st_size > 1000
    # A finished row is not measured again.
    capsys.readouterr()
    assert pruning.main([*asked, "--task", "accuracy"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_latency_is_measured_in_torch_and_in_a_runtime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    asked = ["--dataset", "digits", "--quick", "--out", str(tmp_path)]
    assert pruning.main([*asked, "--task", "latency"]) == 0
    (row,) = json.loads((tmp_path / "pruning-latency-digits.json").read_text())["rows"]
    assert row["network"] == "digits-net"
    for where in ("torch", "runtime"):
        times, share = row[where]["mean"], row[f"{where}_share"]["mean"]
        assert share == pytest.approx(times * row["flops"]["mean"]) and times > 0


def test_a_runtime_computes_what_the_network_does() -> None:
    pytest.importorskip("onnxruntime")
    model, batch = build("digits-net", 1, 10, seed=0), torch.randn(32, 1, 8, 8)
    (found,) = served(model, batch)()  # type: ignore[misc, attr-defined]
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(found), model.eval()(batch), atol=1e-4)


def test_one_row_is_measured_again_beside_those_that_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--dataset", "digits", "--quick", "--out", str(tmp_path), "--methods"]
    assert pruning.main([*asked, "damrep;random"]) == 0
    capsys.readouterr()
    assert pruning.main([*asked, "random", "--again"]) == 0
    assert "seed 0: random" in (said := capsys.readouterr().err) and "damrep" not in said


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--task", "speed"], "unknown tasks speed"),
        (["--methods", "damrep;taylor"], "unknown methods taylor"),
        (["--target", "flops"], "is not like flops=0.5"),
    ],
)
def test_bad_arguments_end_in_one_line(
    asked: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        pruning.main(["--dataset", "digits", *asked])
    assert message in capsys.readouterr().err


def test_data_that_are_not_there_end_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--dataset", "mnist", "--data-root", str(tmp_path), "--out", str(tmp_path)]
    assert pruning.main(asked) == 2
    assert "mnist: cannot be read" in capsys.readouterr().err
