"""Networks of the paper behind its mask, trained as its authors trained them, and by damrep.

The settings are those of the authors' code (github.com/jayroxis/dam-pytorch): a squared error in
the data's own units and lambda times beta, weights and beta together by Adam at a constant rate,
gates of steepness 1, nothing drawn. damrep's strategy trains the same network from the same
weights: rows at widths drawn anew, a price that falls, beta by what rows held out lose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.comparators import Array, Model
from damrep.autoencoder.goal import Price
from damrep.masking import DAM, GradientWidth, MaskStrategy, lambda_to_price, step_alpha
from damrep.masking.moments import roots, second_moment
from damrep.training import TrainingOptions, local_seed, torch_generator, train

__all__ = [
    "PUBLISHED",
    "LINEAR",
    "MLP",
    "MNIST",
    "QUADRATIC",
    "Recipe",
    "train_by_strategy",
    "train_literally",
]

PUBLISHED = {17: 0.049, 15: 0.052, 12: 0.060, 10: 0.072, 8: 0.083, 4: 0.129}
"""Dimensions -> test MSE, pixels from -1 to 1, read off the paper's figure."""
_NOTHING = 1e-4  # of what all units carry: units below it are empty
_LOOKED_AT = 512  # rows held out that the widths are compared on
_FIRST_SHARE = 0.01  # of the loss that counts at damrep's first price


@dataclass(frozen=True)
class Recipe:
    """A network of the paper, and how it was trained.

    Attributes
    ----------
    encoder, decoder : sequence of int
        Widths of the hidden layers; the codes stand between.
    width : int
        Codes before any is cut.
    activation : type of Module
    output : str
        Of the decoder: ``linear``, ``tanh``, or ``quadratic``, h (Z W2') + h + b with h = Z W1'.
    bias : bool
        Whether linear layers have one.
    start : float or None
        Where beta starts; None for where the shape of the gate asks for it.
    gate : str
        One of `damrep.masking.gate.GATES`.
    lr, weight_decay : float
    batch_size, steps : int
    cold : float
        Share of the epochs in which beta is held at first.
    """

    encoder: Sequence[int] = ()
    decoder: Sequence[int] = ()
    width: int = 50
    activation: type[nn.Module] = nn.ReLU
    output: str = "linear"
    bias: bool = True
    start: float | None = None
    gate: str = "relu_tanh"
    lr: float = 1e-2
    weight_decay: float = 1e-6
    batch_size: int = 5000
    steps: int = 2000
    cold: float = 0.0


# Rows of a batch are all 5,000 in the authors' code; 512 of them take a seventh of the time.
LINEAR = Recipe(bias=False)
QUADRATIC = Recipe(
    (256, 256), (), activation=nn.LeakyReLU, output="quadratic", start=5.0, batch_size=512,
    steps=5000,
)  # fmt: skip
MLP = Recipe(
    (256, 256), (128,), activation=nn.ELU, lr=1e-3, weight_decay=0.0, batch_size=512, steps=10_000
)
MNIST = Recipe(
    (128, 64, 32), (32, 64, 128), output="tanh", lr=1e-3, weight_decay=0.0, batch_size=512,
    steps=11_800,
)  # fmt: skip


class _Quadratic(nn.Module):
    """h (Z W2') + h + b with h = Z W1', which can tell a quadratic table exactly."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x) - self.first.bias
        out: Tensor = h * self.second(x) + self.first(x)
        return out

    def maps(self) -> list[Tensor]:
        """What the codes are multiplied by."""
        return [self.first.weight, self.second.weight]


class _Masked(nn.Module):
    """An autoencoder with a mask over its codes."""

    def __init__(self, columns: int, recipe: Recipe, alpha: float = 1.0) -> None:
        super().__init__()
        ends = [columns, *recipe.encoder, recipe.width], [recipe.width, *recipe.decoder, columns]
        self.encoder = _layers(ends[0], recipe)
        self.decoder = _layers(ends[1], recipe)
        if recipe.output == "quadratic":
            self.decoder[-1] = _Quadratic(*ends[1][-2:])
        elif recipe.output == "tanh":
            self.decoder.append(nn.Tanh())
        self.mask = DAM(recipe.width, gate=recipe.gate, alpha=alpha)
        if recipe.start is not None:
            nn.init.constant_(self.mask.beta, recipe.start)

    def codes(self, x: Tensor) -> Tensor:
        """All codes, gated."""
        gated: Tensor = self.mask(self.encoder(x))
        return gated

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.codes(x))
        return out

    def carrying(self, x: Tensor) -> int:
        """Dimensions of what the decoder reads: an open gate may have nothing behind it."""
        codes = self.codes(x).double()
        root = roots(second_moment(codes - codes.mean(dim=0)) / len(codes))[0]
        first = self.decoder[0]
        assert isinstance(first, _Quadratic | nn.Linear)
        read = first.maps() if isinstance(first, _Quadratic) else [first.weight]
        weight = torch.cat([one.detach().double() for one in read])
        carried = torch.linalg.svdvals(weight @ root).square()
        return max(1, int((carried > _NOTHING * carried.sum()).sum()))


def _layers(widths: Sequence[int], recipe: Recipe) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(inputs, outputs, bias=recipe.bias), recipe.activation()]
    return nn.Sequential(*layers[:-1])


class _Task:
    """Reconstruct rows, a loss of `unit` counting as 1."""

    def __init__(self, module: _Masked, rows: Tensor, size: int, unit: float) -> None:
        self.module = module
        self._rows, self._size, self._unit = rows, size, unit

    def num_batches(self) -> int:
        """Batches of an epoch, the last of them of what is left."""
        return -(-len(self._rows) // self._size)

    def batches(self, generator: torch.Generator) -> Iterable[Tensor]:
        """All rows in random order."""
        if self._size >= len(self._rows):
            return [self._rows]
        order = torch.randperm(len(self._rows), generator=generator)
        return (self._rows[places] for places in order.split(self._size))

    def loss(self, batch: Tensor) -> Tensor:
        """Of a batch."""
        return (self.module(batch) - batch).square().mean() / self._unit


def train_literally(x: Array, lam: float, recipe: Recipe, seed: int) -> Model:
    """Train by the paper's loss, beta by its gradient.

    One unit is always kept open, as a mask without any has no gradient.

    Parameters
    ----------
    x : ndarray, shape (n, columns)
        Nothing is held out.
    lam : float
        The paper's lambda.
    recipe : Recipe
    seed : int
        Of the weights and the order of the rows.

    Returns
    -------
    Model
        ``dims``: open gates, as the paper counts them; ``details["carrying"]``: dimensions of what
        the decoder reads of them.

    Examples
    --------
    >>> small = replace(LINEAR, width=4, steps=3)
    >>> train_literally(torch.ones(6, 5).numpy(), 0.01, small, seed=0).dims
    4
    """
    rows = torch.as_tensor(x, dtype=torch.float32)
    with local_seed(seed):
        module = _Masked(rows.shape[1], recipe)
    task = _Task(module, rows, recipe.batch_size, 1.0)
    strategy = GradientWidth(module, lambda_to_price(lam, recipe.width))
    return _trained(task, recipe, strategy, seed, recipe.cold, "constant")


def train_by_strategy(
    x: Array, held_out: Array, price: float, recipe: Recipe, seed: int, falls: bool = True
) -> Model:
    """Train the same network by damrep's strategy, at damrep's rate along a cosine.

    Parameters
    ----------
    x, held_out : ndarray, shape (n, columns)
        Rows to fit, and those by which the mask moves.
    price : float
        Share of the variance that a dimension must explain.
    recipe : Recipe
        Its rate, its weight decay and its start are not looked at. The gate is as steep as its
        shape has a step at; ``linear`` has none, and keeps the paper's steepness.
    seed : int
    falls : bool
        Whether the price falls from a hundred times what it is to be, which keeps the mask nearly
        closed at first; else it counts from the first step.
    """
    rows, held = (torch.as_tensor(part, dtype=torch.float32) for part in (x, held_out))
    unit = float(rows.double().var(dim=0, correction=0).mean())
    alpha = 1.0 if recipe.gate == "linear" else step_alpha(recipe.width)
    with local_seed(seed):
        module = _Masked(rows.shape[1], replace(recipe, start=None), alpha)
    module.mask.set_width(recipe.width)
    task = _Task(module, rows, recipe.batch_size, unit)

    @torch.no_grad()
    def losses(widths: Sequence[int], last: bool) -> list[float]:
        asked = held if last else held[:_LOOKED_AT]
        beta, training = module.mask.beta.clone(), module.training
        module.eval()
        found = []
        for width in widths:
            module.mask.set_width(width)
            found.append(float((module(asked) - asked).square().mean()) / unit)
        module.mask.beta.copy_(beta)
        module.train(training)
        return found

    epochs = max(1, round(recipe.steps / task.num_batches()))
    strategy = MaskStrategy(
        module, module.mask, epochs * task.num_batches(), losses, Price(price).costs,
        torch_generator(seed), slack=price / 2, first_share=_FIRST_SHARE if falls else 1.0,
    )  # fmt: skip
    return _trained(task, replace(recipe, lr=2e-3, weight_decay=0.0), strategy, seed, 0.0, "cosine")


def _trained(
    task: _Task, recipe: Recipe, strategy: Any, seed: int, cold: float, schedule: str
) -> Model:
    epochs = max(1, round(recipe.steps / task.num_batches()))
    options = TrainingOptions(
        epochs, recipe.lr, recipe.weight_decay, device="cpu", schedule=schedule, seed=seed,
        cold_start_epochs=round(cold * epochs),
    )  # fmt: skip
    history = train(task, options, strategy).to_dict()
    module = task.module.eval().requires_grad_(False)
    kept = module.mask.active
    betas = [key for key in history if key.startswith("beta")]
    return Model(
        module.mask.n_active,
        epochs * task.num_batches(),
        lambda rows: module.codes(torch.as_tensor(rows, dtype=torch.float32))[:, kept].numpy(),
        lambda rows: module(torch.as_tensor(rows, dtype=torch.float32)).numpy(),
        {
            "carrying": module.carrying(next(iter(task.batches(torch_generator(seed))))),
            "beta": history[betas[0]],
        },
    )
