"""Named images, from files that look like the published ones."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from damrep.datasets.images import load_images
from damrep.masking.validation import InputError


def _write_idx(path: Path, values: np.ndarray) -> None:
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    folder = tmp_path / "mnist" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, n in (("train", 6), ("t10k", 3)):
        _write_idx(folder / f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (n, 28, 28)))
        _write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(n))
    return tmp_path


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def test_idx_files(mnist: Path) -> None:
    images = load_images("mnist", mnist)
    assert images.train.shape == (6, 1, 28, 28)
    assert images.test_labels.tolist() == [0, 1, 2]
    first = np.random.default_rng(0).integers(0, 256, (6, 28, 28))[0]
    assert (images.train[0, 0].numpy() == first).all()


def test_encoded_images_in_parquet(tmp_path: Path) -> None:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    for part in ("train", "test"):
        table = pd.DataFrame(
            {"image": [_png(p) for p in pixels], "label": np.array([3, 1, 0, 9], np.int8)}
        )
        table.to_parquet(folder / f"{part}.parquet")
    images = load_images("cifar10", tmp_path)
    assert images.train.shape == (4, 3, 32, 32)
    assert (images.test[2].permute(1, 2, 0).numpy() == pixels[2]).all()
    assert images.train_labels.tolist() == [3, 1, 0, 9]
    assert images.classes[3] == "cat"


def test_digits_need_no_files_and_are_always_split_alike() -> None:
    one, two = load_images("digits"), load_images("digits")
    assert (one.test == two.test).all()
    assert len(one.train) + len(one.test) == 1797
    assert int(one.train.max()) == one.top == 16


def test_what_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAMREP_DATA", raising=False)
    with pytest.raises(InputError, match="name must be one of digits, mnist, cifar10"):
        load_images("imagenet")
    with pytest.raises(InputError, match="no folder of data sets"):
        load_images("mnist")
    with pytest.raises(InputError, match="cifar10: cannot be read"):
        load_images("cifar10", tmp_path)


def test_files_that_are_cut_short_are_named(mnist: Path) -> None:
    path = mnist / "mnist" / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:-5]))
    with pytest.raises(InputError, match="cut short"):
        load_images("mnist", mnist)
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(InputError, match="mnist: cannot be read"):
        load_images("mnist", mnist)
