"""Random convolutional networks: every way of joining channels, in random order and sizes."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor, nn

from damrep.training.seeding import local_seed

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE_NORM = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
MAX_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVG_POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
GLOBAL_POOL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
ACTIVATIONS: list[Callable[[], nn.Module]] = [
    nn.ReLU,
    lambda: nn.ReLU(inplace=True),
    nn.ReLU6,
    nn.SiLU,
    nn.GELU,
    nn.Sigmoid,
    nn.Softplus,
    nn.Hardswish,
    nn.LeakyReLU,
    nn.ELU,
    nn.Identity,
]


class Maker:
    """Draws layers; all randomness comes from the seed."""

    def __init__(self, seed: int, dims: int) -> None:
        self.draw = random.Random(seed)
        self.dims = dims

    def width(self) -> int:
        return self.draw.choice([4, 6, 8, 12])

    def conv(self, inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> nn.Module:
        return CONV[self.dims](
            inputs,
            outputs,
            kernel,
            padding=kernel // 2,
            groups=groups,
            bias=self.draw.random() < 0.5,
        )

    def norm(self, channels: int) -> nn.Module:
        kind = self.draw.random()
        if kind < 0.6:
            return BATCH_NORM[self.dims](channels, affine=self.draw.random() < 0.85)
        if kind < 0.7:
            return nn.GroupNorm(channels // 2, channels)
        if kind < 0.8:
            affine, tracked = self.draw.random() < 0.5, self.draw.random() < 0.5
            return INSTANCE_NORM[self.dims](channels, affine=affine, track_running_stats=tracked)
        return nn.Identity()

    def activation(self, channels: int) -> nn.Module:
        if self.draw.random() < 0.1:
            return nn.PReLU(self.draw.choice([1, channels]))
        return self.draw.choice(ACTIVATIONS)()

    def unit(self, inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> nn.Sequential:
        return nn.Sequential(
            self.conv(inputs, outputs, kernel, groups),
            self.norm(outputs),
            self.activation(outputs),
        )


class Residual(nn.Module):
    """x + branch(x), then perhaps an activation."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut, self.after = branch, shortcut, after

    def forward(self, x: Tensor) -> Tensor:
        out = self.branch(x)
        out += self.shortcut(x)
        return self.after(out)


class Scaled(nn.Module):
    """A bare parameter a channel."""

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels, *(1,) * dims) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * x


class Concat(nn.Module):
    """Branches side by side, and perhaps the input with them."""

    def __init__(self, branches: list[nn.Module], with_input: bool) -> None:
        super().__init__()
        self.branches, self.with_input = nn.ModuleList(branches), with_input

    def forward(self, x: Tensor) -> Tensor:
        outs = [branch(x) for branch in self.branches]
        return torch.cat([x, *outs] if self.with_input else outs, dim=1)


class Dense(nn.Module):
    """Each layer reads all that came before it."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Squeeze(nn.Module):
    """Squeeze and excitation: a channel's mean decides how much of it passes."""

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        self.down = CONV[dims](channels, 4, 1)
        self.up = CONV[dims](4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=tuple(range(2, x.dim())), keepdim=True)
        return x * torch.sigmoid(self.up(torch.relu(self.down(mean))))


class Shuffle(nn.Module):
    """Channel shuffle between groups."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        n, c, *places = x.shape
        return x.view(n, self.groups, c // self.groups, *places).transpose(1, 2).reshape(x.shape)


class Twice(nn.Module):
    """One module used two times."""

    def __init__(self, shared: nn.Module, between: nn.Module) -> None:
        super().__init__()
        self.shared, self.between = shared, between

    def forward(self, x: Tensor) -> Tensor:
        return self.shared(self.between(self.shared(x)))


class Halves(nn.Module):
    """One half of the channels passes through a branch."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        return torch.cat([first, self.branch(second)], dim=1)


class RandomNet(nn.Module):
    """Stages one after the other, a head, perhaps a second output from half way."""

    def __init__(self, stages: list[nn.Module], head: nn.Module, aux: nn.Module | None) -> None:
        super().__init__()
        self.stages, self.head, self.aux = nn.ModuleList(stages), head, aux

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        middle: Tensor | None = None
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if self.aux is not None and index == len(self.stages) // 2:
                middle = self.aux(x)
        out = self.head(x)
        return out if middle is None else (out, middle)


def _shortcut(make: Maker, inputs: int, outputs: int) -> nn.Module:
    if inputs == outputs and make.draw.random() < 0.8:
        return nn.Identity()
    return nn.Sequential(make.conv(inputs, outputs, 1), make.norm(outputs))


def _post(make: Maker, c: int) -> tuple[nn.Module, int]:
    out, inner = make.draw.choice([c, c, make.width()]), make.width()
    branch = nn.Sequential(*make.unit(c, inner), make.conv(inner, out), make.norm(out))
    return Residual(branch, _shortcut(make, c, out), make.activation(out)), out


def _pre(make: Maker, c: int) -> tuple[nn.Module, int]:
    inner = make.width()
    branch = nn.Sequential(
        make.norm(c),
        nn.SiLU(),
        make.conv(c, inner),
        make.norm(inner),
        make.activation(inner),
        make.conv(inner, c),
    )
    return Residual(branch, nn.Identity(), nn.Identity()), c


def _bottleneck(make: Maker, c: int) -> tuple[nn.Module, int]:
    inner = make.width()
    branch = nn.Sequential(
        *make.unit(c, inner, 1), *make.unit(inner, inner), make.conv(inner, c, 1), make.norm(c)
    )
    return Residual(branch, nn.Identity(), make.activation(c)), c


def _grouped(make: Maker, c: int) -> tuple[nn.Module, int]:
    inner, groups = make.draw.choice([(8, 2), (8, 4), (12, 3), (12, 6)])
    branch = nn.Sequential(
        *make.unit(c, inner, 1), *make.unit(inner, inner, 3, groups), make.conv(inner, c, 1)
    )
    return Residual(branch, nn.Identity(), make.activation(c)), c


def _depthwise(make: Maker, c: int) -> tuple[nn.Module, int]:
    inner, times = make.width(), make.draw.choice([1, 1, 2])
    branch = [*make.unit(c, inner, 1), *make.unit(inner, inner * times, 3, inner)]
    if make.draw.random() < 0.4:
        branch.append(Squeeze(inner * times, make.dims))
    branch += [make.conv(inner * times, c, 1), make.norm(c)]
    if make.draw.random() < 0.3:
        branch.append(Scaled(c, make.dims))
    return Residual(nn.Sequential(*branch), nn.Identity(), nn.Identity()), c


def _dense(make: Maker, c: int) -> tuple[nn.Module, int]:
    layers: list[nn.Module] = []
    for _ in range(make.draw.choice([1, 2, 3])):
        growth = make.draw.choice([2, 4])
        layers.append(nn.Sequential(make.norm(c), nn.ReLU(), make.conv(c, growth)))
        c += growth
    return Dense(layers), c


def _inception(make: Maker, c: int) -> tuple[nn.Module, int]:
    widths = [make.width() for _ in range(make.draw.choice([1, 2]))]
    branches: list[nn.Module] = [make.unit(c, w, make.draw.choice([1, 3])) for w in widths]
    own = make.draw.random() < 0.5
    return Concat(branches, own), sum(widths) + (c if own else 0)


def _plain(make: Maker, c: int) -> tuple[nn.Module, int]:
    out = make.width()
    return make.unit(c, out), out


def _down(make: Maker, c: int) -> tuple[nn.Module, int]:
    out = make.width()
    pool = make.draw.choice([MAX_POOL, AVG_POOL])[make.dims](2)
    return nn.Sequential(make.unit(c, out), pool), out


def _up(make: Maker, c: int) -> tuple[nn.Module, int]:
    groups = make.draw.choice([1, 1, 2])
    out = make.draw.choice([4, 8])
    c_in = c if c % groups == 0 else None
    conv = TRANSPOSED[make.dims](c, out, 2, stride=2, groups=groups if c_in else 1)
    down = AVG_POOL[make.dims](2)
    return nn.Sequential(conv, make.norm(out), make.activation(out), down), out


def _twice(make: Maker, c: int) -> tuple[nn.Module, int]:
    return Twice(make.unit(c, c), make.activation(c)), c


def _halves(make: Maker, c: int) -> tuple[nn.Module, int]:
    if c % 2:
        return _plain(make, c)
    inner = make.width()
    branch = nn.Sequential(make.unit(c // 2, inner), make.conv(inner, c // 2))
    return nn.Sequential(make.unit(c, c, 1), Halves(branch)), c


def _shuffled(make: Maker, c: int) -> tuple[nn.Module, int]:
    conv = make.unit(c, 8, 1)
    return nn.Sequential(conv, Shuffle(2), make.unit(8, 8, 3, 2)), 8


def _scaled(make: Maker, c: int) -> tuple[nn.Module, int]:
    return nn.Sequential(make.unit(c, c), Scaled(c, make.dims), Squeeze(c, make.dims)), c


STAGES = {
    "post": _post,
    "pre": _pre,
    "bottleneck": _bottleneck,
    "grouped": _grouped,
    "depthwise": _depthwise,
    "dense": _dense,
    "inception": _inception,
    "plain": _plain,
    "down": _down,
    "up": _up,
    "twice": _twice,
    "halves": _halves,
    "shuffled": _shuffled,
    "scaled": _scaled,
}


def _head(make: Maker, c: int, size: int) -> nn.Module:
    kind = make.draw.random()
    if kind < 0.4:
        return nn.Sequential(GLOBAL_POOL[make.dims](1), nn.Flatten(), nn.Linear(c, 3))
    if kind < 0.7:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(c * size**make.dims, 6), nn.ReLU(), nn.Linear(6, 3)
        )
    return make.conv(c, 3, 1)


def random_network(seed: int) -> tuple[nn.Module, Tensor, list[str]]:
    """A network in eval mode with uneven statistics, an input for it, and its kinds of stages."""
    draw = random.Random(seed)
    dims = draw.choice([2, 2, 2, 2, 1, 3])
    make = Maker(draw.randrange(2**31), dims)
    size = 4 if dims == 3 else 8
    with local_seed(draw.randrange(2**31)):
        channels = make.width()
        stages: list[nn.Module] = [make.unit(3, channels)]
        kinds: list[str] = []
        downs = 0
        for _ in range(draw.choice([1, 2, 3, 4])):
            kind = draw.choice(list(STAGES))
            if kind == "down" and downs == 1:
                kind = "plain"
            downs += kind == "down"
            stage, channels = STAGES[kind](make, channels)
            stages.append(stage)
            kinds.append(kind)
        head = _head(make, channels, size >> downs)
        model = RandomNet(stages, head, None)
        x = torch.randn(2, 3, *(size,) * dims)
        for module in model.modules():
            if getattr(module, "running_mean", None) is not None:
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
            if getattr(module, "affine", False):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
        if draw.random() < 0.3:  # a second output, from half way
            with torch.no_grad():
                middle = x
                for stage in stages[: len(stages) // 2 + 1]:
                    middle = stage(middle)
            model.aux = nn.Sequential(
                GLOBAL_POOL[dims](1), nn.Flatten(), nn.Linear(middle.shape[1], 2)
            )
    return model.eval(), x, kinds
