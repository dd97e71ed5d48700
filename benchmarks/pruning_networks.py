"""Reference networks of the pruning benchmark: written plainly, as their papers have them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from damrep.training.seeding import local_seed

__all__ = [
    "NETWORKS",
    "VGG",
    "DenseNet",
    "DigitsNet",
    "MobileNetV2",
    "PreResNet",
    "build",
]


def _conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )


class _PreBlock(nn.Module):
    """BN-ReLU-conv twice beside the stream; a 1 x 1 convolution where the stream changes shape."""

    growth = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _conv(inputs, width, stride=stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), _conv(width, width)
        same = stride == 1 and inputs == width
        self.shortcut = None if same else _conv(inputs, width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(x))
        beside = x if self.shortcut is None else self.shortcut(out)
        return beside + self.conv2(torch.relu(self.bn2(self.conv1(out))))


class _PreBottleneck(nn.Module):
    """The same with 1 x 1, 3 x 3, 1 x 1 convolutions; its output is four times as wide."""

    growth = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.growth
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _conv(inputs, width, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), _conv(width, width, stride=stride)
        self.bn3, self.conv3 = nn.BatchNorm2d(width), _conv(width, outputs, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else _conv(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(x))
        beside = x if self.shortcut is None else self.shortcut(out)
        out = self.conv2(torch.relu(self.bn2(self.conv1(out))))
        return beside + self.conv3(torch.relu(self.bn3(out)))


class PreResNet(nn.Module):
    """Residual network with pre-activation for 32 x 32 images (He et al. 2016, arXiv 1603.05027).

    Parameters
    ----------
    depth : int
        6 k + 2 with plain blocks (20, 56), or 9 k + 2 with bottlenecks (164).
    channels, classes : int
        Of the images.
    widths : tuple of int
        Channels of the three stages.

    Examples
    --------
    >>> PreResNet(20)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        depth: int = 20,
        channels: int = 3,
        classes: int = 10,
        widths: tuple[int, int, int] = (16, 32, 64),
    ) -> None:
        super().__init__()
        block: type[_PreBlock | _PreBottleneck] = _PreBottleneck if depth >= 110 else _PreBlock
        blocks = (depth - 2) // (9 if block is _PreBottleneck else 6)
        self.conv = _conv(channels, widths[0])
        stages: list[nn.Module] = []
        inputs = widths[0]
        for stage, width in enumerate(widths):
            for index in range(blocks):
                stages.append(block(inputs, width, 2 if stage > 0 and index == 0 else 1))
                inputs = width * block.growth
        self.blocks = nn.Sequential(*stages)
        self.bn = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (N, classes)."""
        out = torch.relu(self.bn(self.blocks(self.conv(x))))
        return self.fc(out.mean(dim=(2, 3)))


class VGG(nn.Module):
    """A chain of conv-BN-ReLU, halved in size between stages (Simonyan, Zisserman 2015).

    Parameters
    ----------
    widths : sequence of tuple of int
        Channels of the convolutions, stage by stage.
    channels, classes : int
        Of the images.

    Examples
    --------
    >>> VGG(((8, 8), (16,)), channels=1)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, widths: tuple[tuple[int, ...], ...], channels: int = 3, classes: int = 10
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, stage in enumerate(widths):
            if index:
                layers.append(nn.MaxPool2d(2))
            for width in stage:
                layers += [_conv(channels, width), nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (N, classes)."""
        return self.fc(self.features(x).mean(dim=(2, 3)))


class _Inverted(nn.Module):
    """1 x 1 wide, 3 x 3 depthwise, 1 x 1 narrow without activation; a stream where it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.body = nn.Sequential(
            _conv(inputs, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            _conv(hidden, hidden, stride=stride, groups=hidden),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            _conv(hidden, outputs, 1),
            nn.BatchNorm2d(outputs),
        )
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out = self.body(x)
        return x + out if self.same else out


class MobileNetV2(nn.Module):
    """Inverted residuals, sized for 32 x 32 images (Sandler et al. 2018, arXiv 1801.04381).

    Examples
    --------
    >>> MobileNetV2()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(channels, 16), nn.BatchNorm2d(16), nn.ReLU6()]
        inputs = 16
        for outputs, stride, repeats in (
            (16, 1, 1),
            (24, 1, 2),
            (32, 2, 3),
            (64, 2, 3),
            (96, 1, 2),
        ):
            for index in range(repeats):
                layers.append(_Inverted(inputs, outputs, stride if index == 0 else 1, 4))
                inputs = outputs
        layers += [_conv(inputs, 256, 1), nn.BatchNorm2d(256), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(256, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (N, classes)."""
        return self.fc(self.features(x).mean(dim=(2, 3)))


class _DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(inputs), _conv(inputs, growth)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(torch.relu(self.bn(x)))], dim=1)


class DenseNet(nn.Module):
    """Every layer reads all before it (Huang et al. 2017, arXiv 1608.06993), without bottlenecks.

    Parameters
    ----------
    depth : int
        3 k + 4.
    growth : int
        Channels a layer adds.
    channels, classes : int
        Of the images.

    Examples
    --------
    >>> DenseNet()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, depth: int = 22, growth: int = 12, channels: int = 3, classes: int = 10
    ) -> None:
        super().__init__()
        width = 2 * growth
        layers: list[nn.Module] = [_conv(channels, width)]
        for stage in range(3):
            for _ in range((depth - 4) // 3):
                layers.append(_DenseLayer(width, growth))
                width += growth
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            if stage < 2:
                layers += [_conv(width, width // 2, 1), nn.AvgPool2d(2)]
                width //= 2
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (N, classes)."""
        return self.fc(self.features(x).mean(dim=(2, 3)))


class _Residual(nn.Module):
    """Conv-BN-ReLU-conv-BN beside the stream, ReLU after the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = _conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                _conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + self.shortcut(x))


class DigitsNet(nn.Module):
    """A small residual network for 8 x 8 images: three residual blocks of 16, 32 and 32 channels.

    Examples
    --------
    >>> DigitsNet()(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(channels, 16), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(
            _Residual(16, 16, 1), _Residual(16, 32, 2), _Residual(32, 32, 1)
        )
        self.fc = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (N, classes)."""
        return self.fc(self.blocks(self.stem(x)).mean(dim=(2, 3)))


_VGG_19 = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
_SMALL_VGG = ((24, 24), (48, 48), (96, 96))

NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "digits-net": DigitsNet,
    "small-vgg": lambda channels, classes: VGG(_SMALL_VGG, channels, classes),
    "vgg19": lambda channels, classes: VGG(_VGG_19, channels, classes),
    "preresnet20": lambda channels, classes: PreResNet(20, channels, classes),
    "preresnet56": lambda channels, classes: PreResNet(56, channels, classes),
    "preresnet164": lambda channels, classes: PreResNet(164, channels, classes),
    "mobilenetv2": MobileNetV2,
    "densenet": lambda channels, classes: DenseNet(22, 12, channels, classes),
}
"""Name -> constructor, given the channels of an image and the number of classes."""


def build(name: str, channels: int, classes: int, seed: int) -> nn.Module:
    """A network with weights drawn by a seed; the global random state is left alone.

    Parameters
    ----------
    name : str
        A key of ``NETWORKS``.
    channels, classes : int
        Of the images.
    seed : int

    Examples
    --------
    >>> sum(p.numel() for p in build("preresnet20", 3, 10, seed=0).parameters())
    272282
    """
    with local_seed(seed):
        return NETWORKS[name](channels, classes)
