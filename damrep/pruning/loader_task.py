"""A network with loaders of batches as a task for the shared loop."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from damrep.masking.validation import InputError
from damrep.pruning.examples import mapped

__all__ = ["LoaderTask", "LossFunction", "ValidatedLoaderTask", "constant_loss", "split_batch"]

LossFunction = Callable[[Any, Any], Tensor]

_REFERENCE_BATCHES = 20
_REFERENCE_STEPS = 50


def split_batch(batch: Any) -> tuple[tuple[Any, ...], Any]:
    """Arguments of the model and the target: (x, y), (x1, x2, y), ((x1, x2), y)."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise InputError(
            "a loader must give batches (inputs, target), or (input, input, ..., target), got "
            f"{type(batch).__name__}"
            + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
        )
    *inputs, target = batch
    if len(inputs) == 1 and isinstance(inputs[0], (tuple, list)):
        inputs = list(inputs[0])
    return tuple(inputs), target


def constant_loss(outputs: Any, targets: Iterable[Any], loss_fn: LossFunction) -> float:
    """Loss of the best output that is the same for every example: the trivial predictor's.

    For cross-entropy it is the entropy of the classes, for squared error the variance of the
    targets. The constant is found by L-BFGS, as the loss function may be any.

    Parameters
    ----------
    outputs
        What the model gives for a batch, a tensor of shape (N, ...); its values do not matter.
    targets
        Targets of some batches, of any lengths.
    loss_fn
        A mean over the batch.

    Raises
    ------
    InputError
        If the model's output is not one tensor, or the loss is not a positive, finite number.

    Examples
    --------
    >>> y = torch.tensor([0, 1, 0, 1])
    >>> round(constant_loss(torch.zeros(4, 2), [y], nn.functional.cross_entropy), 4)
    0.6931
    """
    if not isinstance(outputs, Tensor) or outputs.dim() == 0:
        raise InputError(
            "the loss of the trivial predictor can be found for a model that gives one tensor, got "
            f"{type(outputs).__name__}; give reference_loss"
        )
    targets = list(targets)
    constant = torch.zeros_like(outputs[:1]).detach().requires_grad_(True)
    search = torch.optim.LBFGS([constant], max_iter=_REFERENCE_STEPS, line_search_fn="strong_wolfe")

    def whole() -> Tensor:
        losses = [loss_fn(constant.expand(len(y), *constant.shape[1:]), y) for y in targets]
        return torch.stack(losses).mean()

    def closure() -> float:
        search.zero_grad()
        loss = whole()
        loss.backward()
        return float(loss.detach())

    with torch.enable_grad():
        search.step(closure)
    found = float(whole().detach())
    if not 0 < found < float("inf"):
        raise InputError(
            f"the loss of the best constant output is {found:g}, so a price has nothing to be a "
            "share of; give reference_loss"
        )
    return found


class LoaderTask:
    """A network, its loss and loaders of batches (inputs, target).

    Parameters
    ----------
    module
        The network.
    train_loader
        Batches of one epoch, each time it is gone through: a ``DataLoader`` or any other iterable.
    loss_fn
        Of the model's output and the target, a mean over the batch.
    reference_loss
        Loss of the trivial predictor; found by `constant_loss` if None.

    Attributes
    ----------
    reference_loss : float
        What the loss is divided by.
    batch_size : int
        Examples in the last batch.

    Examples
    --------
    >>> x, y = torch.randn(8, 3), torch.tensor([0, 1] * 4)
    >>> task = LoaderTask(nn.Linear(3, 2), [(x, y)], nn.functional.cross_entropy)
    >>> round(task.reference_loss, 3), task.num_batches()
    (0.693, 1)
    """

    def __init__(
        self,
        module: nn.Module,
        train_loader: Iterable[Any],
        loss_fn: LossFunction,
        reference_loss: float | None = None,
    ) -> None:
        self.module = module
        self.train_loader = train_loader
        self.loss_fn = loss_fn
        self.batch_size = 1
        self._device = next(module.parameters()).device
        self.reference_loss = self._reference() if reference_loss is None else reference_loss

    def _reference(self) -> float:
        first = [
            split_batch(batch) for batch in itertools.islice(self.train_loader, _REFERENCE_BATCHES)
        ]
        if not first:
            raise InputError("train_loader gave no batches")
        was = self.module.training
        self.module.eval()  # so that statistics of normalisations stay as they are
        with torch.no_grad():
            outputs = self._run(first[0][0])
        self.module.train(was)
        return constant_loss(outputs, [self._here(y) for _, y in first], self.loss_fn)

    def _here(self, value: Any) -> Any:
        return mapped(value, lambda tensor: tensor.to(self._device))

    def _run(self, inputs: tuple[Any, ...]) -> Any:
        return self.module(*self._here(inputs))

    def place(self, device: torch.device) -> None:
        """The device that held-out batches are moved to."""
        self._device = device

    def batches(self, generator: torch.Generator) -> Iterable[Any]:
        """The loader's batches; its order is the loader's own."""
        return self.train_loader

    def num_batches(self) -> int:
        """Batches of an epoch.

        Raises
        ------
        InputError
            If the loader has no length.
        """
        try:
            return len(self.train_loader)  # type: ignore[arg-type]
        except TypeError:
            raise InputError("train_loader has no length; give one that has (__len__)") from None

    def loss(self, batch: Any) -> Tensor:
        """Loss of a batch as a share of the trivial predictor's."""
        inputs, target = split_batch(batch)
        self.batch_size = _length(target)
        return self.loss_fn(self.module(*inputs), target) / self.reference_loss


class ValidatedLoaderTask(LoaderTask):
    """The same with a held-out part.

    Parameters
    ----------
    module, train_loader, loss_fn, reference_loss
        See `LoaderTask`.
    val_loader
        Batches of the held-out part.
    """

    def __init__(
        self,
        module: nn.Module,
        train_loader: Iterable[Any],
        val_loader: Iterable[Any],
        loss_fn: LossFunction,
        reference_loss: float | None = None,
    ) -> None:
        super().__init__(module, train_loader, loss_fn, reference_loss)
        self.val_loader = val_loader

    def validation_loss(self) -> float:
        """Held-out loss as a share of the trivial predictor's."""
        total, count = 0.0, 0
        for batch in self.val_loader:
            inputs, target = split_batch(batch)
            size = _length(target)
            loss = self.loss_fn(self._run(inputs), self._here(target))
            total, count = total + float(loss) * size, count + size
        if not count:
            raise InputError("val_loader gave no batches")
        return total / count / self.reference_loss


def _length(target: Any) -> int:
    return len(target) if isinstance(target, Tensor) and target.dim() else 1
