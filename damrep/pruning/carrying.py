"""Training on with the network that is left: an optimiser taken from the whole one to it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from damrep.pruning.storage import CUTS_ATTRIBUTE
from damrep.pruning.surgery import Cuts, apply_cuts

__all__ = ["carry_over", "entries_kept"]


@torch.no_grad()
def entries_kept(whole: nn.Module, cuts: Cuts) -> dict[str, Tensor]:
    """Where the entries of a cut model's parameters were before.

    Parameters
    ----------
    whole
        The model as it was, without gates.
    cuts
        What was kept of it.

    Returns
    -------
    dict of str to Tensor
        By parameter of the cut model, of its shape: positions in the flattened parameter of the
        same name.

    Examples
    --------
    >>> entries_kept(nn.Linear(3, 2), Cuts({"": {"in": [0, 2]}}))["weight"].tolist()
    [[0, 2], [3, 5]]
    """
    numbered = copy.deepcopy(whole).double()  # which counts to 2 ** 53 without a gap
    for parameter in numbered.parameters():
        parameter.copy_(torch.arange(parameter.numel()).view(parameter.shape))
    apply_cuts(numbered, cuts)
    return {name: p.detach().round().long() for name, p in numbered.named_parameters()}


@torch.no_grad()
def carry_over(optimizer: torch.optim.Optimizer, whole: nn.Module, compact: nn.Module) -> None:
    """Let an optimiser of a model go on with the compact one, in place.

    Its parameters are replaced by those of the compact model, and momenta and the like are cut as
    the weights were, so that the next step is the one it would have made. Learning rates and
    schedulers go on as they are.

    Parameters
    ----------
    optimizer
        Of `whole`. Parameters that are not of this model stay in it.
    whole
        Without gates on it.
    compact
        What `ChannelPruner.compact` made of it.

    Examples
    --------
    >>> from damrep.pruning import ChannelPruner
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> pruner = ChannelPruner(model, torch.zeros(1, 1, 2, 2))
    >>> pruner.widths = {"0": 2}
    >>> small = pruner.compact(latency=False)
    >>> carry_over(sgd, pruner.detach(), small)
    >>> [tuple(p.shape) for p in sgd.param_groups[0]["params"]]
    [(2, 1, 1, 1), (2,), (1, 2, 1, 1), (1,)]
    """
    kept = entries_kept(whole, Cuts.from_dict(getattr(compact, CUTS_ATTRIBUTE)))
    now = dict(compact.named_parameters())
    names = {id(parameter): name for name, parameter in whole.named_parameters()}
    for group in optimizer.param_groups:
        staying: list[Tensor] = []
        for old in group["params"]:
            name = names.get(id(old))
            if name is None:
                staying.append(old)
                continue
            state = optimizer.state.pop(old, {})
            if name not in now:  # its layer is gone
                continue
            staying.append(now[name])
            if state:
                optimizer.state[now[name]] = {
                    key: _cut(value, old, kept[name]) for key, value in state.items()
                }
        group["params"] = staying


def _cut(value: Any, like: Tensor, entries: Tensor) -> Any:
    """A momentum of the shape of its parameter cut; anything else, a count of steps, as it is."""
    if not isinstance(value, Tensor) or value.shape != like.shape or not value.dim():
        return value
    return value.reshape(-1)[entries.to(value.device)]
