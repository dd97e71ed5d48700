"""What a network costs at given widths: multiplications and parameters, in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from damrep.masking.validation import InputError
from damrep.pruning.flows import Trace
from damrep.pruning.groups import ChannelGroup
from damrep.pruning.layers import coupled_whole_groups, is_convolution

__all__ = ["CostModel"]


class CostModel:
    """FLOPs and parameters of the model as functions of the number of open units of each group.

    A convolution costs (channels in) x (channels out): what a unit saves depends on how many
    others are open, and the model accounts for it. FLOPs are two a multiplication and addition of
    convolutions and linear layers, as `torch.utils.flop_counter` counts them, for one example. At
    whole widths the FLOPs are those of the compact model, closed groups included: what only feeds
    a closed branch, or only is fed by one, goes with it. So are the parameters, but for a few of
    normalisations next to a branch that closed.

    Parameters
    ----------
    model, trace, groups
        The model, a trace of it and the groups found.
    examples
        Number of examples in the traced pass.

    Attributes
    ----------
    names : tuple of str
        Groups, in the order of a width vector.
    full : Tensor
        float64, shape (groups,): all units of each.
    layers : tuple of str
        Convolutions and linear layers, in the order they run.
    positions : tuple of (str, float)
        Each layer, with how often an entry of its weight is used for one example.
    """

    def __init__(
        self, model: nn.Module, trace: Trace, groups: Sequence[ChannelGroup], examples: int
    ) -> None:
        self.names = tuple(group.name for group in groups)
        self.full = torch.tensor([float(group.n_units) for group in groups], dtype=torch.float64)
        modules = dict(model.named_modules())
        positions: dict[str, float] = {}
        for call in trace.calls:
            positions[call.layer] = positions.get(call.layer, 0.0) + call.positions / examples
        self.layers = tuple(positions)
        self.positions = tuple(positions.items())
        self._positions = torch.tensor(list(positions.values()), dtype=torch.float64)
        self._share = {
            side: torch.tensor(
                [[_per_unit(group, layer, side) for group in groups] for layer in self.layers],
                dtype=torch.float64,
            ).reshape(len(self.layers), len(groups))
            for side in ("in", "out")
        }
        self._fixed: dict[str, Tensor] = {}
        for side in ("in", "out"):
            sizes = torch.tensor(
                [float(_channels(modules[layer], side)) for layer in self.layers],
                dtype=torch.float64,
            )
            self._fixed[side] = sizes - self._share[side] @ self.full
        kernels, whole, own, bias = [], [], [], []
        for layer in self.layers:
            module = modules[layer]
            weight: Tensor = module.weight
            conv_groups = getattr(module, "groups", 1)
            own_in = _channels(module, "in") // conv_groups
            kernel = weight[0, 0].numel()
            whole.append(conv_groups > 1 and coupled_whole_groups(conv_groups, own_in))
            # Whole groups: a fixed number of inputs a row; else every group has its share of them.
            own.append(float(kernel * own_in))
            kernels.append(kernel / conv_groups)
            bias.append(float(module.bias is not None))
        self._kernel = torch.tensor(kernels, dtype=torch.float64)
        self._whole = torch.tensor(whole)
        self._own = torch.tensor(own, dtype=torch.float64)
        self._bias = torch.tensor(bias, dtype=torch.float64)
        self._norms = torch.tensor(
            [_norm_parameters(group, modules) for group in groups], dtype=torch.float64
        )
        total = sum(p.numel() for p in model.parameters())
        counted = self._weights(self.full) + self._bias * self._size("out", self.full)
        self._readers = [[self.layers.index(layer) for layer in g.readers] for g in groups]
        self._still_if = {
            self.layers.index(layer): [self.layers.index(other) for other in needed]
            for layer, needed in trace.still_if.items()
        }
        self._rest = total - float(counted.sum() + self._norms @ self.full)

    def vector(self, widths: Mapping[str, float] | Tensor) -> Tensor:
        """Widths as a float64 vector in the order of `names`; groups not named are whole.

        Raises
        ------
        InputError
            If a name is not that of a group.
        """
        if isinstance(widths, Tensor):
            return self._settled(widths.to(torch.float64))
        unknown = set(widths) - set(self.names)
        if unknown:
            raise InputError(f"widths name {sorted(unknown)[0]!r}, which is no channel group")
        full = dict(zip(self.names, self.full.tolist(), strict=True))
        given = [float(widths.get(name, full[name])) for name in self.names]
        return self._settled(torch.tensor(given, dtype=torch.float64))

    def _settled(self, vector: Tensor) -> Tensor:
        """The same widths, with zero for groups that only layers read which are gone."""
        if not bool((vector == 0).any()):
            return vector
        open_ = vector != 0
        while True:
            kept = vector * open_
            outs, ins = self._size("out", kept).tolist(), self._size("in", kept).tolist()
            gone = {at for at in range(len(outs)) if not outs[at] or not ins[at]}
            constant = {at for at in range(len(ins)) if not ins[at]}
            for at, needed in self._still_if.items():  # in the order the layers run
                if constant.issuperset(needed):
                    constant.add(at)
            gone |= constant
            idle = [bool(open_[g]) and gone.issuperset(r) for g, r in enumerate(self._readers)]
            if not any(idle):
                return kept
            open_ = open_ & ~torch.tensor(idle, device=open_.device)

    def layer_flops(self, widths: Mapping[str, float] | Tensor) -> Tensor:
        """FLOPs of each layer of `layers` for one example; differentiable in a width vector."""
        vector = self.vector(widths)
        device = vector.device
        return 2.0 * self._positions.to(device) * self._weights(vector)

    def flops(self, widths: Mapping[str, float] | Tensor) -> Tensor:
        """FLOPs for one example, a float64 scalar; differentiable in a width vector.

        Parameters
        ----------
        widths
            Open units by group name, or a vector in the order of `names`; fractions are fine.
        """
        return self.layer_flops(widths).sum()

    def params(self, widths: Mapping[str, float] | Tensor) -> Tensor:
        """Number of parameters, a float64 scalar; differentiable in a width vector."""
        vector = self.vector(widths)
        device = vector.device
        own = self._weights(vector) + self._bias.to(device) * self._size("out", vector)
        return own.sum() + self._norms.to(device) @ vector + self._rest

    def outputs(self, widths: Mapping[str, float] | Tensor) -> Tensor:
        """Numbers that the layers of `layers` give for one example, a float64 scalar.

        What follows a layer, as normalisation and activation, takes time by these.
        """
        vector = self.vector(widths)
        return self._positions.to(vector.device) @ self._size("out", vector)

    def cost(self, kind: str, widths: Mapping[str, float] | Tensor) -> Tensor:
        """`flops`, `params` or `outputs`, by name."""
        costs = {"flops": self.flops, "params": self.params, "outputs": self.outputs}
        return costs[kind](widths)

    def unit_costs(
        self, kind: str = "flops", widths: Mapping[str, float] | Tensor | None = None
    ) -> Tensor:
        """What one unit more of each group costs, all else at `widths` (default: whole).

        Returns
        -------
        Tensor
            float64, shape (groups,).
        """
        at = self.full if widths is None else self.vector(widths)
        at = at.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self.cost(kind, at), at)
        return gradient

    def _size(self, side: str, vector: Tensor) -> Tensor:
        device = vector.device
        return self._share[side].to(device) @ vector + self._fixed[side].to(device)

    def _weights(self, vector: Tensor) -> Tensor:
        """Entries of each layer's weight."""
        device = vector.device
        outs, ins = self._size("out", vector), self._size("in", vector)
        return torch.where(
            self._whole.to(device),
            outs * self._own.to(device),
            outs * ins * self._kernel.to(device),
        )


def _per_unit(group: ChannelGroup, layer: str, side: str) -> float:
    return len(group.members.get((layer, side), ())) / group.n_units


def _channels(module: nn.Module, side: str) -> int:
    kind = "channels" if is_convolution(module) else "features"
    return int(getattr(module, f"{side}_{kind}"))


def _norm_parameters(group: ChannelGroup, modules: Mapping[str, nn.Module]) -> float:
    """Parameters of normalisations, and bare ones, that go with one unit."""
    count = 0
    for (layer, side), pairs in group.members.items():
        if side == "norm":
            count += len(pairs) * sum(1 for _ in modules[layer].parameters(recurse=False))
        elif side == "vector":
            count += len(pairs)
    return count / group.n_units
