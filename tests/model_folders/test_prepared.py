"""An autoencoder within a folder belongs to it, and to no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from damrep.autoencoder.prepared_storage import load_prepared
from damrep.masking.validation import InputError
from tests.model_folders.editing import edit_config
from tests.model_folders.samples import SAMPLES


def test_another_one_inside_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model"
    SAMPLES["autoencoder-standardized"].save(path)
    load_prepared(path)
    inside = path / "autoencoder"
    edit_config(inside, lambda whole: whole["config"].update(scale=2.0))  # a sound one
    with pytest.raises(InputError, match="is another one's"):
        load_prepared(path)


def test_one_that_lies_elsewhere_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "model"
    SAMPLES["autoencoder-standardized"].save(path)
    shutil.move(path / "autoencoder", tmp_path / "elsewhere")
    (path / "autoencoder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of its folder"):
        load_prepared(path)
