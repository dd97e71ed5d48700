from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import arguments, narrowing
from benchmarks.results import read_result


def test_both_ways_are_timed_and_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arguments, "set_threads", lambda n: None)
    monkeypatch.setattr(narrowing, "WIDTH", 12)
    monkeypatch.setattr(narrowing, "_IMAGES", Path("nowhere"))
    assert narrowing.main(["--quick", "--data-root", str(tmp_path), "--out", str(tmp_path)]) == 0
    slow, fast = read_result("narrowing", tmp_path)["rows"]
    assert slow["dims"] == fast["dims"] >= 1
    assert slow["loss"] == pytest.approx(fast["loss"], rel=1e-3)
    assert fast["speedup"] == slow["ratio"] > 0
    assert "random rows instead" in capsys.readouterr().err


def test_rows_are_centred_and_of_unit_variance_on_average() -> None:
    x, where = narrowing.images(None, 50)
    assert x.shape == (50, 784) and "Random rows" in where
    assert torch.allclose(x.mean(dim=0), torch.zeros(784), atol=1e-5)
    assert float(x.square().mean()) == pytest.approx(1.0, rel=1e-4)
