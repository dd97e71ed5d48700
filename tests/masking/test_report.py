from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from damrep.masking.dam import DAM
from damrep.masking.plain import to_plain
from damrep.masking.report import FitReport, learned_dimensions
from damrep.masking.validation import InputError


def example() -> FitReport:
    return FitReport(
        "DAMGraphEmbedding",
        initial_dims=512,
        learned_dims=14,
        price=0.01,
        strategy="search",
        objective="ggd",
        curve=[[13, 0.30], [14, 0.25], [15, 0.245]],
        gate=[1.0, 0.5],
        history={"loss": [0.9, 0.25]},
        loss=0.25,
        reference_loss=2.0,
        seconds=3.2,
        cpu_seconds=2.9,
        seed=0,
        measures=[{"name": "ours", "dims": 14, "accuracy": 0.8312}, {"name": "full", "dims": 512}],
        warnings=["Two features are constant."],
    )


def test_learned_dimensions_of_several_masks() -> None:
    model = nn.ModuleDict({"one": nn.Sequential(DAM(8), DAM(4)), "two": DAM(6)})
    model["one"][0].set_width(3)
    found = learned_dimensions(model)
    assert [(m.name, m.initial, m.learned) for m in found.masks] == [
        ("one.0", 8, 3),
        ("one.1", 4, 4),
        ("two", 6, 6),
    ]
    assert (found.initial, found.learned) == (18, 13)
    assert found.to_dict()["one.0"]["beta"] == pytest.approx(model["one"][0].beta.item())
    lines = str(found).splitlines()
    assert lines[0].split() == ["mask", "initial", "learned", "beta"]
    assert lines[-1].split() == ["all", "18", "13"]
    with pytest.raises(InputError, match="no DAM"):
        learned_dimensions(nn.Linear(2, 2))


def test_the_report_goes_through_its_dict_and_its_file(tmp_path: Path) -> None:
    report = example()
    assert FitReport.from_dict(report.to_dict()) == report
    report.save(tmp_path / "report.json")
    assert FitReport.load(tmp_path / "report.json") == report
    assert os.listdir(tmp_path) == ["report.json"]


def test_the_file_is_strict_json_whatever_the_values(tmp_path: Path) -> None:
    report = example()
    report.loss = math.nan
    report.curve = [[np.int64(3), np.float32(0.5)], [4, math.inf]]
    report.details = {"shape": (3, 4), "mean": torch.tensor(1.5), "at": np.arange(2), "p": tmp_path}
    report.save(tmp_path / "r.json")

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not strict JSON")

    data = json.loads((tmp_path / "r.json").read_text(), parse_constant=refuse)
    assert data["loss"] is None
    assert data["curve"] == [[3, 0.5], [4, None]]
    assert data["details"] == {"shape": [3, 4], "mean": 1.5, "at": [0, 1], "p": str(tmp_path)}


def test_what_json_cannot_hold_leaves_no_file_behind(tmp_path: Path) -> None:
    report = example()
    report.details = {"model": object()}
    with pytest.raises(TypeError, match="object"):
        report.save(tmp_path / "r.json")
    assert os.listdir(tmp_path) == []


def test_files_that_are_no_report_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no report at"):
        FitReport.load(tmp_path / "none.json")
    (tmp_path / "short.json").write_text('{"estimator": "x", "initial')
    with pytest.raises(InputError, match="damaged or cut short"):
        FitReport.load(tmp_path / "short.json")
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="not a damrep report"):
        FitReport.load(tmp_path / "other.json")


def test_printed_it_says_what_was_learned_and_what_one_more_is_worth() -> None:
    text = str(example())
    assert "14 of 512" in text
    assert "one more earns  0.005 of the loss" in text
    assert "Note: Two features are constant." in text
    table = text.splitlines()
    header = next(line for line in table if "accuracy" in line)
    ours = next(line for line in table if line.startswith("ours"))
    assert header.index("accuracy") + len("accuracy") == len(ours)  # right-aligned under it
    assert next(line for line in table if line.startswith("full")).split() == ["full", "512", "-"]
    assert str(FitReport("X", 8, 3)).splitlines() == ["X", "  dimensions  3 of 8"]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([14, 14], ""),
        ([12, 19], ", 12 to 19 as good"),
        ([10, 18], ", 10 to 18 as good: the number hangs on chance"),
        (None, ""),
        (["12", "19"], ""),
    ],
)
def test_it_says_which_widths_are_as_good(found: Any, told: str) -> None:
    report = dataclasses.replace(example(), details={"as good": found})
    assert report.as_good == told
    assert f"14 of 512{told}\n" in str(report)


def test_to_plain_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="complex"):
        to_plain([1j])
    assert to_plain({1: {True}, "b": np.bool_(False)}) == {"1": [True], "b": False}
