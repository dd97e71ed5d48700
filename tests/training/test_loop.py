from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from damrep.masking.dam import DAM
from damrep.masking.gradient import GradientWidth
from damrep.masking.price import column_mean_loss, normalised_loss
from damrep.masking.rotation import rotate_
from damrep.masking.search import search_width
from damrep.masking.validation import InputError
from damrep.training.loop import DivergedError, resolve_device, train
from damrep.training.options import TrainingOptions
from damrep.training.seeding import local_seed, torch_generator


def low_rank(rank: int = 3, scale: float = 1.0, seed: int = 0) -> Tensor:
    generator = torch_generator(seed)
    mixing = torch.randn(rank, 20, generator=generator)
    return scale * torch.randn(512, rank, generator=generator) @ mixing


class Reconstruction:
    """A masked linear autoencoder on the rows of x, with dropout to draw global random numbers."""

    def __init__(self, x: Tensor, width: int = 16, dropout: float = 0.0, batch: int = 64) -> None:
        self.x, self.batch = x, batch
        self.reference = column_mean_loss(x)
        d = x.shape[1]
        with local_seed(1):
            self.module = nn.Sequential(
                nn.Dropout(dropout), nn.Linear(d, width), DAM(width), nn.Linear(width, d)
            )

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        order = torch.randperm(len(self.x), generator=generator)
        for start in range(0, len(order), self.batch):
            yield self.x[order[start : start + self.batch]]

    def loss(self, batch: Tensor) -> Tensor:
        return normalised_loss((self.module(batch) - batch).square().mean(), self.reference)


def options(**changes: Any) -> TrainingOptions:
    return TrainingOptions(**({"max_epochs": 3, "lr": 1e-2, "device": "cpu", "seed": 0} | changes))


class Scripted:
    """A task whose held-out losses are given beforehand."""

    def __init__(self, losses: list[float]) -> None:
        self.module = nn.Linear(2, 1)
        self.losses = losses
        self.calls = 0
        self.rows: list[dict[str, Any]] = []

    def batches(self, generator: torch.Generator) -> list[Tensor]:
        return [torch.ones(4, 2)]

    def loss(self, batch: Tensor) -> Tensor:
        return self.module(batch).square().mean()

    def validation_loss(self) -> float:
        assert not self.module.training
        assert not torch.is_grad_enabled()
        self.calls += 1
        return self.losses[self.calls - 1]

    def after_epoch(self, row: dict[str, Any]) -> None:
        row["seen"] = True
        self.rows.append(row)


def test_training_lowers_the_loss_and_records_every_epoch() -> None:
    task = Reconstruction(low_rank())
    history = train(task, options(max_epochs=20))
    assert history["epoch"] == list(range(20))
    assert history["loss"][-1] < 0.1 < history["loss"][0]
    assert history["seconds"] == sorted(history["seconds"])
    assert not history.stopped_early
    assert not task.module.training
    assert type(task.module) is nn.Sequential  # nothing of the loop is left on it


def test_without_a_strategy_masks_stay_where_they_are() -> None:
    task = Reconstruction(low_rank())
    task.module[2].set_width(5)
    before = task.module[2].beta.item()
    train(task, options(weight_decay=0.5))
    assert task.module[2].beta.item() == before


def test_early_stopping_looks_at_the_held_out_loss() -> None:
    task = Scripted([5.0, 4.0, 4.5, 4.5, 1.0])
    history = train(task, options(max_epochs=5, patience=2))
    assert history["validation_loss"] == [5.0, 4.0, 4.5, 4.5]
    assert history.stopped_early
    assert history["seen"] == [True] * 4


def test_it_stops_below_the_target_loss() -> None:
    history = train(Scripted([5.0, 4.0, 2.0, 1.0]), options(max_epochs=4, target_loss=2.5))
    assert history["validation_loss"] == [5.0, 4.0, 2.0]
    assert history.stopped_early


class Penalised:
    """A strategy that does nothing but add a penalty which falls forever."""

    def __init__(self, module: nn.Module, settled: bool = True) -> None:
        self.module, self.settled, self.epochs = module, settled, 0

    def parameter_groups(
        self, lr: float, weight_decay: float, beta_lr: float | None
    ) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "lr": lr}]

    def start_epoch(self, epoch: int, cold_start_epochs: int) -> None:
        self.epochs += 1

    def extra_loss(self) -> Tensor:
        return torch.tensor(-100.0 * self.epochs)

    def before_step(self) -> None: ...

    def after_step(self) -> None: ...

    def end_epoch(self) -> dict[str, Any]:
        return {"penalty": -100.0 * self.epochs}


class Flat:
    """A task without held-out data whose loss is always 1."""

    def __init__(self) -> None:
        self.module = nn.Linear(2, 1)

    def batches(self, generator: torch.Generator) -> list[Tensor]:
        return [torch.ones(4, 2)]

    def loss(self, batch: Tensor) -> Tensor:
        return self.module(batch).mean() * 0 + 1


def test_early_stopping_never_looks_at_the_penalty() -> None:
    task = Flat()
    history = train(task, options(max_epochs=9, patience=2), Penalised(task.module))
    assert history["loss"] == [1.0, 1.0, 1.0]
    assert history["penalty"] == [-100.0, -200.0, -300.0]


def test_it_waits_while_the_masks_are_moving() -> None:
    task = Scripted([1.0] * 9)
    history = train(task, options(max_epochs=9, patience=2), Penalised(task.module, settled=False))
    assert len(history) == 9


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def weights(seed: int) -> Tensor:
        task = Reconstruction(low_rank(), dropout=0.3)
        train(task, options(seed=seed), GradientWidth(task.module, 0.01))
        return torch.cat([p.detach().flatten() for p in task.module.parameters()])

    first = weights(0)
    torch.rand(7)  # what others draw makes no difference
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)


def test_global_random_state_is_untouched() -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    task = Reconstruction(low_rank(), dropout=0.3)
    train(task, options(), GradientWidth(task.module, 0.01))
    train(task, options(seed=None))
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


def test_a_diverging_loss_is_an_error_that_says_so() -> None:
    x = low_rank()
    task = Reconstruction(x)
    task.x = x.clone()
    task.x[0, 0] = torch.nan
    with pytest.raises(DivergedError, match="loss became nan in epoch 0.*smaller lr"):
        train(task, options())
    with pytest.raises(DivergedError, match="validation loss became inf in epoch 1"):
        train(Scripted([1.0, float("inf")]), options())


def test_an_interrupt_gets_out_and_the_random_state_back() -> None:
    class Interrupted(Scripted):
        def validation_loss(self) -> float:
            raise KeyboardInterrupt

    task = Interrupted([])
    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        train(task, options())
    assert torch.equal(torch.get_rng_state(), before)


def test_no_batches_no_weights_and_no_such_device_are_named() -> None:
    class Empty(Scripted):
        def batches(self, generator: torch.Generator) -> list[Tensor]:
            return []

    with pytest.raises(InputError, match="Empty.* no batches"):
        train(Empty([]), options())
    task = Scripted([])
    task.module = nn.Identity()  # type: ignore[assignment]
    with pytest.raises(InputError, match="no weights"):
        train(task, options())
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="device must be one .*cpu.* got 'cuda'"):
            train(Scripted([1.0]), options(device="cuda"))
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize(
    ("verbose", "terminal", "shown"),
    [(0, True, False), (1, False, False), (1, True, True), (2, False, True)],
)
def test_the_progress_bar_is_on_stderr_and_only_where_wanted(
    verbose: int,
    terminal: bool,
    shown: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with caplog.at_level(logging.INFO):
        train(Scripted([1.0] * 3), options(verbose=verbose, description="fitting"))
    written = capsys.readouterr()
    assert written.out == ""
    assert ("fitting" in written.err) == shown
    assert shown or written.err == ""
    assert caplog.records == []


def test_double_precision_trains_in_doubles() -> None:
    task = Reconstruction(low_rank())
    train(task, options(precision="64-true"))
    assert {p.dtype for p in task.module.parameters()} == {torch.float64}


def test_a_task_is_told_its_device_before_the_first_batch() -> None:
    class Holding(Scripted):
        def place(self, device: torch.device) -> None:
            self.device = device

        def batches(self, generator: torch.Generator) -> list[Tensor]:
            return [torch.ones(4, 2, device=self.device)]

    task = Holding([1.0] * 3)
    train(task, options())
    assert task.device == torch.device("cpu")


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_gradient_recovers_the_rank_at_any_scale(scale: float) -> None:
    task = Reconstruction(low_rank(3, scale))
    strategy = GradientWidth(task.module, price=0.01)
    history = train(task, options(max_epochs=200), strategy)
    assert history["n_active"][0] == 16
    assert history["n_active"][-1] == 3
    assert history["loss"][-1] < 0.01


def test_search_recovers_the_rank() -> None:
    x, held_out = low_rank(3)[:384], low_rank(3)[384:]
    task = Reconstruction(x)
    del task.module[2]  # searching cuts units itself, it needs no mask
    train(task, options(max_epochs=25))
    encoder, decoder = task.module[1], task.module[2]
    with torch.no_grad():
        z = encoder(x)
        rotate_(encoder, decoder, z.T @ z / len(z))

    def loss(m: int) -> float:
        with torch.no_grad():
            kept = encoder(held_out)[:, -m:] @ decoder.weight[:, -m:].T + decoder.bias
            return float((kept - held_out).square().mean()) / column_mean_loss(held_out)

    assert search_width(loss, 16, price=0.01).width == 3


class Lines:
    """A task that notes the learning rates it is trained with."""

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1)

    def num_batches(self) -> int:
        return 5

    def batches(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        yield from (torch.ones(2, 1) for _ in range(5))

    def loss(self, batch: torch.Tensor) -> torch.Tensor:
        return (self.module(batch) - 3).square().mean()


def test_a_cosine_rises_and_falls_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    step = torch.optim.AdamW.step

    def noted(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    train(Lines(), TrainingOptions(max_epochs=20, lr=0.1, schedule="cosine", device="cpu", seed=0))
    assert len(rates) == 100
    top = rates.index(max(rates))
    assert top == 9 and rates[0] == pytest.approx(0.01)
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[50] == pytest.approx(0.05) and rates[-1] < 1e-4


def test_a_schedule_needs_to_know_how_many_batches_there_are() -> None:
    task = SimpleNamespace(module=nn.Linear(1, 1), batches=lambda generator: [], loss=None)
    with pytest.raises(TypeError, match="num_batches"):
        train(task, TrainingOptions(max_epochs=1, schedule="cosine", device="cpu"))
