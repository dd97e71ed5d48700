"""Small networks whose channel groups can be told by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Chain(nn.Module):
    """Three convolutions, flattened into a linear layer."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 4 * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.max_pool2d(torch.relu(self.bn2(self.conv2(x))), 2)
        return self.fc(x.flatten(1))


class Block(nn.Module):
    """conv-BN-sigmoid-conv beside the stream; the last BN is there or not."""

    def __init__(self, channels: int, inner: int, last_norm: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 3, padding=1), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, channels, 3, padding=1, bias=last_norm)
        self.bn2 = nn.BatchNorm2d(channels) if last_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(torch.sigmoid(self.bn1(self.conv1(x)))))


class Stream(nn.Module):
    """A stem, residual blocks, a linear layer on the mean."""

    def __init__(self, last_norm: bool = False, blocks: int = 2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(8, 5, last_norm) for _ in range(blocks)))
        self.fc = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.blocks(self.stem(x))).mean(dim=(2, 3)))


def settled(model: nn.Module) -> nn.Module:
    """The model in eval mode with normalisations that do something."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                scaled = (module.weight, module.bias) if module.affine else ()
                for tensor in (*scaled, module.running_mean):
                    tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3 + 0.5)
                drawn = torch.rand(module.running_var.shape, generator=generator)
                module.running_var.copy_(drawn + 0.5)
    return model.eval()


def two_layers(first: int, second: int) -> nn.Sequential:
    """A network of two convolutions, seeded, with a linear layer for two classes."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, padding=1),
        nn.BatchNorm2d(second),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(second, 2),
    )


def bright_or_dark() -> tuple[torch.Tensor, torch.Tensor]:
    """Sixteen small images, always the same, and whether their mean is above zero."""
    x = torch.randn(16, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    return x, (x.mean(dim=(1, 2, 3)) > 0).long()
