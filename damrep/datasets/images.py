"""Named image data sets: scikit-learn's digits, MNIST and CIFAR-10, read in place.

The files are looked for under `data_root`, or else the environment variable DAMREP_DATA:
``mnist/MNIST/raw/*-ubyte.gz`` (the four idx files, gzipped) and ``cifar10/train.parquet`` and
``test.parquet`` (columns image, an encoded PNG or JPEG, and label). Digits need no files.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from damrep.masking.validation import InputError, check_choice

__all__ = ["IMAGES", "Images", "load_images"]

_CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Images:
    """Images with a class each, in a training and a test part.

    Attributes
    ----------
    name : str
    train, test : Tensor
        uint8, shape (N, channels, height, width).
    train_labels, test_labels : Tensor
        int64, shape (N,).
    classes : tuple of str
        By label.
    top : int
        The greatest value of a pixel: 16 in digits, 255 elsewhere.
    """

    name: str
    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    top: int = 255


def _idx(path: Path) -> np.ndarray[Any, Any]:
    """An array in the idx format: two zero bytes, type, dimensions, sizes, values."""
    with gzip.open(path) as stream:
        data = stream.read()
    dimensions = data[3] if len(data) > 3 else 0
    start = 4 + 4 * dimensions
    if data[:3] != b"\x00\x00\x08" or len(data) < start:
        raise ValueError(f"{path.name} is not an idx file of bytes")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, 4))
    values = np.frombuffer(data, np.uint8, offset=start)
    if values.size != int(np.prod(shape)):
        raise ValueError(f"{path.name} is cut short: {values.size} values for shape {shape}")
    return values.reshape(shape)


def _mnist(root: Path) -> Images:
    folder = root / "mnist" / "MNIST" / "raw"
    parts = []
    for part in ("train", "t10k"):
        parts.append(
            torch.from_numpy(_idx(folder / f"{part}-images-idx3-ubyte.gz").copy())[:, None]
        )
        labels = _idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(np.int64)
        parts.append(torch.from_numpy(labels))
    x, y, x_test, y_test = parts
    return Images("mnist", x, y, x_test, y_test, tuple("0123456789"))


def _encoded(path: Path) -> tuple[Tensor, Tensor]:
    import pandas as pd
    from PIL import Image

    table = pd.read_parquet(path, columns=["image", "label"])
    arrays = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in table["image"]]
    images = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(table["label"].to_numpy(np.int64))


def _cifar10(root: Path) -> Images:
    folder = root / "cifar10"
    train, test = (_encoded(folder / f"{part}.parquet") for part in ("train", "test"))
    return Images("cifar10", *train, *test, classes=_CIFAR10)


def _digits(root: Path) -> Images:
    """A fifth of every class, always the same, is the test part: digits bring no split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    x = torch.from_numpy(found.images.astype(np.uint8))[:, None]
    y = torch.from_numpy(found.target.astype(np.int64))
    train, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0, stratify=y)
    return Images("digits", x[train], y[train], x[test], y[test], tuple("0123456789"), top=16)


IMAGES: dict[str, Callable[[Path], Images]] = {
    "digits": _digits,
    "mnist": _mnist,
    "cifar10": _cifar10,
}
"""Name -> reader, given the folder of the data sets."""


def load_images(name: str, data_root: str | os.PathLike[str] | None = None) -> Images:
    """Read a set of images by name.

    Parameters
    ----------
    name : str
        A key of ``IMAGES``.
    data_root : path, optional
        Folder of the data sets; by default the environment variable DAMREP_DATA.

    Returns
    -------
    Images

    Raises
    ------
    InputError
        If the name is unknown, or its files are not there or cannot be read.

    Examples
    --------
    >>> images = load_images("digits")
    >>> images.train.shape, images.test.shape
    (torch.Size([1437, 1, 8, 8]), torch.Size([360, 1, 8, 8]))
    """
    check_choice("name", name, IMAGES)
    root = data_root if data_root is not None else os.environ.get("DAMREP_DATA")
    if root is None and name != "digits":
        raise InputError(f"{name}: no folder of data sets (data_root or DAMREP_DATA)")
    try:
        return IMAGES[name](Path(root or ""))
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise InputError(f"{name}: cannot be read: {error}") from error
