"""Folders saved before there were checksums, on commit 840c23e, load and give what they gave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.model_folders.samples import SAMPLES

FORMAT_1 = Path(__file__).parent / "format_1"
EXPECTED = json.loads((FORMAT_1 / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_folder_of_before(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    model = sample.load(FORMAT_1 / name)
    numbers = [output for output in sample.outputs(model) if output.dtype.kind == "f"]
    for given, expected in zip(numbers, EXPECTED[name], strict=True):
        # They were computed on another processor, and rounded to six places.
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["graph", "autoencoder", "explicit", "igmc"])
def test_it_is_saved_in_the_new_format(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    shutil.copytree(FORMAT_1 / name, tmp_path / "model")
    before = sample.load(tmp_path / "model")
    before.save(tmp_path / "model")
    whole = json.loads((tmp_path / "model" / "config.json").read_text())
    assert whole["format_version"] == 2 and set(whole["checksums"]) == {"config", "weights"}
    for a, b in zip(
        sample.outputs(before), sample.outputs(sample.load(tmp_path / "model")), strict=True
    ):
        np.testing.assert_array_equal(a, b)
