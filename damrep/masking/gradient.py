"""The paper's single-stage strategy: weights and masks are trained together, by gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from damrep.masking.price import masks_in, price_to_lambda, weights_beside
from damrep.masking.validation import InputError, check_price

__all__ = ["GradientWidth"]

# A mask counts as moving while beta drifts by this share of its span. The number of open units will
# not do: in a wide mask it flickers with the optimiser's noise, in a narrow one it stands still for
# long while beta is on its way.
_DRIFT = 0.02


class GradientWidth:
    """Learn the number of open units of every mask in a model by gradient descent on beta.

    The objective is normalised task loss + `priced_penalty` (arXiv 2110.00684, eq. 3, with each
    mask's lambda set by the price). The hooks are called by `damrep.training.train`, or by a loop
    of your own: `parameter_groups` once; `start_epoch`; per batch `extra_loss` added to the loss,
    `before_step` between backward and step, `after_step` after it; `end_epoch`.

    A closed unit gets no gradient, so a mask that has gone too far comes back only by chance; the
    larger the learning rate of beta, the further past its mark Adam carries it. Use a small one,
    and a little weight decay on the weights, which makes the problem well-posed: without it the
    weights can make up for any gate, and nothing but noise holds beta where it is.

    Parameters
    ----------
    model
        A module with at least one `DAM` in it.
    price
        Share of the normalised loss one dimension must earn to be kept.

    Attributes
    ----------
    trajectory : list of dict
        A row an epoch: n_active, and beta and n_active of each mask ("beta.<name>",
        "n_active.<name>").

    Raises
    ------
    InputError
        If the model has no mask, or the price is negative or not finite.

    Examples
    --------
    >>> from damrep.masking.dam import DAM
    >>> model = nn.Sequential(nn.Linear(4, 8), DAM(8), nn.Linear(8, 4))
    >>> strategy = GradientWidth(model, price=0.01)
    >>> [len(g["params"]) for g in strategy.parameter_groups(lr=1e-3, weight_decay=1e-4)]
    [4, 1]
    """

    def __init__(self, model: nn.Module, price: float) -> None:
        self.model = model
        self.price = check_price(price)
        self.masks = masks_in(model)
        if not self.masks:
            raise InputError(
                f"the model ({type(model).__name__}) has no DAM in it, nothing to learn"
            )
        # Once, not every step: a search through the modules costs more than the penalty itself.
        self._lambdas = [
            (mask, price_to_lambda(self.price, mask.num_features, mask.span))
            for mask in self.masks.values()
        ]
        self.trajectory: list[dict[str, Any]] = []
        self._cold = False
        self._anchors = self._betas()
        self._settled = False

    @property
    def settled(self) -> bool:
        """Whether beta, free to move, is still where it was when it last had moved."""
        return self._settled

    def parameter_groups(
        self, lr: float, weight_decay: float = 0.0, beta_lr: float | None = None
    ) -> list[dict[str, Any]]:
        """Optimiser groups: the weights, and the betas with their own rate and no weight decay.

        Weight decay on beta would rest it at a value set by the decay and not by the price.
        """
        betas = [mask.beta for mask in self.masks.values()]
        weights = weights_beside(self.model, self.masks.values())
        groups: list[dict[str, Any]] = [
            {"params": betas, "lr": lr if beta_lr is None else beta_lr, "weight_decay": 0.0}
        ]
        if weights:
            groups.insert(0, {"params": weights, "lr": lr, "weight_decay": weight_decay})
        return groups

    def start_epoch(self, epoch: int, cold_start_epochs: int = 0) -> None:
        """Hold beta during the first `cold_start_epochs` epochs (the paper's cold start)."""
        self._cold = epoch < cold_start_epochs

    def extra_loss(self) -> Tensor:
        """The penalty to add to the normalised task loss: `priced_penalty` of the model."""
        terms = [lam * mask.penalty() for mask, lam in self._lambdas]
        return terms[0] if len(terms) == 1 else torch.stack(terms).sum()

    def before_step(self) -> None:
        """Drop beta's gradient while it is held; optimisers skip a parameter without one."""
        if self._cold:
            for mask in self.masks.values():
                mask.beta.grad = None

    def after_step(self) -> None:
        """Keep every mask's minimum of units open."""
        for mask in self.masks.values():
            mask.keep_minimum()

    def end_epoch(self) -> dict[str, Any]:
        """Record where the masks are; returns the row."""
        betas = self._betas()
        moved = any(
            abs(betas[name] - self._anchors[name]) > _DRIFT * mask.span
            for name, mask in self.masks.items()
        )
        if moved:
            self._anchors = betas
        self._settled = not (moved or self._cold)
        widths = {name: mask.n_active for name, mask in self.masks.items()}
        row: dict[str, Any] = {"n_active": sum(widths.values())}
        for name in self.masks:
            row[f"beta.{name}"] = betas[name]
            row[f"n_active.{name}"] = widths[name]
        self.trajectory.append(row)
        return dict(row)

    def _betas(self) -> dict[str, float]:
        return {name: float(mask.beta.detach()) for name, mask in self.masks.items()}
