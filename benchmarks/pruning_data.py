"""Images as the pruning benchmark splits and feeds them: normalised, shuffled, augmented."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from damrep.datasets.images import Images, load_images

__all__ = ["Batches", "ImageSplit", "augmented", "image_split"]


@dataclass(frozen=True)
class ImageSplit:
    """What is trained on, what is chosen by, what is reported.

    Attributes
    ----------
    name : str
    train, valid, test : tuple of Tensor
        Normalised images (N, channels, height, width), float32, and labels (N,).
    classes : int
    """

    name: str
    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    classes: int

    @property
    def example(self) -> Tensor:
        """Two images, to trace a network with."""
        return self.train[0][:2]


def augmented(x: Tensor, generator: torch.Generator, pad: int = 4) -> Tensor:
    """Images moved by up to `pad` pixels each way and mirrored by chance, each in its own way.

    Parameters
    ----------
    x : Tensor, shape (N, C, H, W)
    generator : torch.Generator
    pad : int

    Examples
    --------
    >>> augmented(torch.ones(5, 3, 8, 8), torch.Generator().manual_seed(0)).shape
    torch.Size([5, 3, 8, 8])
    """
    n, _, height, width = x.shape
    padded = functional.pad(x, (pad,) * 4)
    down, across = torch.randint(0, 2 * pad + 1, (2, n), generator=generator)
    mirrored = torch.rand(n, generator=generator) < 0.5
    columns = torch.arange(width).expand(n, width)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns) + across[:, None]
    rows = torch.arange(height) + down[:, None]
    which = torch.arange(n)[:, None, None]
    # Advanced indices either side of a slice come first: (N, H, W, C).
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


class Batches:
    """Batches of one epoch after another, as a ``DataLoader`` would give them, from memory.

    Parameters
    ----------
    x, y : Tensor
        Images and labels.
    size : int
        Images of a batch.
    seed : int, optional
        Of order and augmentation; without one the order stays and nothing is left out.
    augment : bool
    """

    def __init__(
        self, x: Tensor, y: Tensor, size: int = 128, seed: int | None = None, augment: bool = False
    ) -> None:
        self.x, self.y, self.size, self.augment = x, y, size, augment
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        # A last batch of a few images would disturb BatchNorm, so training leaves it out.
        whole, rest = divmod(len(self.x), self.size)
        return whole if self.generator is not None and whole else whole + (rest > 0)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.arange(len(self.x))
        if self.generator is not None:
            order = torch.randperm(len(self.x), generator=self.generator)
        for part in order.split(self.size)[: len(self)]:
            x = self.x[part]
            if self.augment and self.generator is not None:
                x = augmented(x, self.generator)
            yield x, self.y[part]


def image_split(
    name: str, data_root: Path | None, seed: int, rows: int | None = None, valid: float = 0.1
) -> ImageSplit:
    """Training, validation and test images, normalised by the training images' mean and deviation.

    Parameters
    ----------
    name : str
        A key of ``damrep.datasets.images.IMAGES``.
    data_root : Path or None
    seed : int
        Of the choice of rows and of the validation part.
    rows : int, optional
        Images of the training part used, validation among them; all by default. The test part
        stays whole.
    valid : float
        Share of those that is held out to choose by.

    Raises
    ------
    InputError
        If the data are not there.

    Examples
    --------
    >>> split = image_split("digits", None, seed=0)
    >>> len(split.train[0]), len(split.valid[0]), len(split.test[0])
    (1293, 144, 360)
    """
    images: Images = load_images(name, data_root)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images.train), generator=generator)[:rows]
    cut = round(len(order) * valid)
    held, kept = order[:cut], order[cut:]
    x = images.train[kept].float() / images.top
    mean, std = x.mean(dim=(0, 2, 3), keepdim=True), x.std(dim=(0, 2, 3), keepdim=True)

    def normal(part: Tensor) -> Tensor:
        return (part.float() / images.top - mean) / std

    return ImageSplit(
        name,
        ((x - mean) / std, images.train_labels[kept]),
        (normal(images.train[held]), images.train_labels[held]),
        (normal(images.test), images.test_labels),
        len(images.classes),
    )
