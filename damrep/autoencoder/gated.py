"""An autoencoder with a mask over its codes, which computes with the open units alone.

The mask closes units in the order of their index, so the closed ones are the first few of each
weight. The weights are kept a row a unit, in blocks of rows. A block of which every unit is closed
takes no part in the step: it gets no gradient, and Adam passes over a parameter without one. The
others are used from the first open unit on. The numbers are those of the whole network under the
same gates, and a unit that opens again finds its weights as they were.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from damrep.masking import DAM, InputError, slice_linear
from damrep.masking.moments import ROUNDING, eigen, roots, second_moment

__all__ = ["GatedNetwork"]

_BLOCK = 64
# A unit is scaled up by what its gate takes away, but not beyond this: the weights of a unit about
# to close would become so large that the next step of beta moves the loss by leaps.
_LEAST_GATE = 0.05
_SKETCHES = 8


class _UnitRows(nn.Module):
    """A weight with a row for each unit, in blocks."""

    def __init__(self, rows: Tensor, block: int) -> None:
        super().__init__()
        self.block = block
        self.blocks = nn.ParameterList(
            nn.Parameter(part.detach().clone()) for part in rows.split(block)
        )

    def since(self, first: int) -> Tensor:
        """The rows from `first` on."""
        at, within = divmod(first, self.block)
        head: Tensor = self.blocks[at]
        parts = [head[within:] if within else head, *list(self.blocks)[at + 1 :]]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    @torch.no_grad()
    def set_since(self, first: int, rows: Tensor) -> None:
        """Put rows in the place of those from `first` on."""
        at, within = divmod(first, self.block)
        for part in list(self.blocks)[at:]:
            size = len(part) - within
            part[within:] = rows[:size].to(part)
            rows, within = rows[size:], 0


class GatedNetwork(nn.Module):
    """A mask between the encoder and the decoder of an autoencoder.

    Parameters
    ----------
    network
        A module with `encoder` and `decoder`, Sequentials that end and begin with a linear layer at
        the n codes, most important first, and `linear_encoder` and `linear_decoder`, a linear path
        beside them or None (`AutoencoderNetwork`). It is copied and left as it is.
    narrow
        False computes with all units in every step, to compare with.

    Attributes
    ----------
    mask : DAM
        Over the codes, strongest last.
    first : int
        Units left out of the computation; all of them closed.

    Raises
    ------
    InputError
        If a linear layer at the codes, or the last of the decoder, has no bias.

    Examples
    --------
    >>> from damrep.autoencoder.network import AutoencoderNetwork
    >>> gated = GatedNetwork(AutoencoderNetwork(6, (), 4))
    >>> gated.mask.set_width(2)
    >>> gated.narrow_down()
    >>> gated.first, gated(torch.zeros(3, 6)).shape
    (2, torch.Size([3, 6]))
    >>> gated.to_network(2).width
    2
    """

    def __init__(self, network: nn.Module, narrow: bool = True) -> None:
        super().__init__()
        shell = copy.deepcopy(network)
        encoder, decoder = _sequential(shell.encoder), _sequential(shell.decoder)
        into, out, last = encoder[-1], decoder[0], decoder[-1]
        for layer in (into, out, last):
            if not isinstance(layer, nn.Linear) or layer.bias is None:
                raise InputError(
                    "the encoder has to end, and the decoder to begin and end, with a linear layer "
                    f"that has a bias, got {layer}"
                )
        assert isinstance(into, nn.Linear) and isinstance(out, nn.Linear)
        n = into.out_features
        # Kept for what surrounds the codes; its own layers there are made anew by `to_network`.
        # Not in a Module's attribute, or its weights at the codes would be trained for nothing.
        self._shell = [shell]
        self.before, self.after = encoder[:-1], decoder[1:]
        self.into = _UnitRows(into.weight.flip(0), _BLOCK)
        self.into_bias = nn.Parameter(into.bias.detach().flip(0).clone())
        self.out = _UnitRows(out.weight.T.flip(0), _BLOCK)
        self.out_bias = nn.Parameter(out.bias.detach().clone())
        ahead, back = shell.linear_encoder, shell.linear_decoder
        self.ahead = self.back = None
        if isinstance(ahead, nn.Linear) and isinstance(back, nn.Linear):
            self.ahead = _UnitRows(ahead.weight.flip(0), _BLOCK)
            self.back = _UnitRows(back.weight.T.flip(0), _BLOCK)
        self.mask = DAM(n)
        self.first = 0
        self._narrow = narrow

    @property
    def width(self) -> int:
        """Number of units n."""
        return self.mask.num_features

    @property
    def is_linear(self) -> bool:
        """Whether nothing but linear maps stands behind the codes."""
        return not list(self.after.children())

    def narrow_down(self) -> None:
        """Leave out the units that are closed now, and no others."""
        closed = self.width - self.mask.n_active if self._narrow else 0
        self.first = min(closed, self.width - 1)

    def codes(self, x: Tensor) -> Tensor:
        """Codes of x before the mask, from unit `first` on."""
        first = self.first
        z = functional.linear(self.before(x), self.into.since(first), self.into_bias[first:])
        return z if self.ahead is None else z + functional.linear(x, self.ahead.since(first))

    def decode(self, gated: Tensor) -> Tensor:
        """Rows from gated codes of the units from `first` on."""
        out: Tensor = self.after(torch.addmm(self.out_bias, gated, self.out.since(self.first)))
        return out if self.back is None else out + gated @ self.back.since(self.first)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction of rows x (N, d)."""
        return self.decode(self.codes(x) * self.mask.gate()[self.first :].to(x.dtype))

    def squares(self) -> Tensor:
        """Sum of the squared weights at the codes, over the units from `first` on."""
        sides = [self.into, self.out, self.ahead, self.back]
        return torch.stack(
            [side.since(self.first).square().sum() for side in sides if side is not None]
        ).sum()

    @torch.no_grad()
    def align(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Rotate the open units into the order of what they carry, the weakest on the lowest gate.

        The function stays the same, but for units whose gate is nearly closed. Each unit comes out
        with weights of equal size before and behind it.

        How much a unit carries is told by the second moments of the codes and of the decoder's
        derivative (the decoder itself, where it is linear), estimated along random directions.

        Parameters
        ----------
        x
            Rows (N, d) to measure on, a few times as many as there are units.
        generator
            Of the directions.

        Returns
        -------
        Tensor, float64, shape (open units,)
            Mean squared output each open unit carries, per column, weakest first.
        """
        kept_first = self.first
        self.first = self.width - max(1, self.mask.n_active)
        first = self.first
        gate = self.mask.gate()[first:].double().cpu()
        z = self.codes(x).double().cpu() * gate
        mean = z.mean(dim=0)
        moment = second_moment(z - mean) / len(z)
        metric = self._metric(x, generator)

        # A direction the codes do not use counts as a little of the most used one.
        root, inverse_root = roots(moment, floor=ROUNDING, of="the codes")
        # What the whitened codes' directions carry, the weakest first, as a mask has it.
        strength, axes = (
            part.flip(-1) for part in eigen(root @ metric @ root, of="the decoded codes")
        )
        transform, back = axes.T @ inverse_root, root @ axes
        # The sign is free: the one nearer to what the unit was leaves the optimiser's moments some
        # meaning.
        sign = torch.where(torch.diagonal(transform) < 0, -1.0, 1.0).double()
        transform, back = transform * sign[:, None], back * sign

        into = {
            name: transform @ (side.double().cpu() * gate[:, None]) for name, side in self._in()
        }
        bias = transform @ (self.into_bias[first:].double().cpu() * gate - mean)
        out = {name: back.T @ side.double().cpu() for name, side in self._out()}
        self._shift(mean)
        ahead = torch.cat(list(into.values()), dim=1).norm(dim=1).clamp(min=1e-6)
        behind = torch.cat(list(out.values()), dim=1).norm(dim=1).clamp(min=1e-6)
        even = (behind / ahead).sqrt()
        up = gate.clamp(min=_LEAST_GATE).rsqrt()
        for name, rows in into.items():
            getattr(self, name).set_since(first, rows * (even * up)[:, None])
        self.into_bias[first:] = (bias * even * up).to(self.into_bias)
        for name, rows in out.items():
            getattr(self, name).set_since(first, rows * (up / even)[:, None])
        self.first = min(kept_first, first) if self._narrow else 0
        return strength.clamp(min=0.0) / x.shape[1]

    def _in(self) -> list[tuple[str, Tensor]]:
        sides = {"into": self.into, "ahead": self.ahead}
        return [(name, s.since(self.first)) for name, s in sides.items() if s is not None]

    def _out(self) -> list[tuple[str, Tensor]]:
        sides = {"out": self.out, "back": self.back}
        return [(name, s.since(self.first)) for name, s in sides.items() if s is not None]

    def _shift(self, mean: Tensor) -> None:
        """Move the mean of the gated codes into the biases behind them."""
        self.out_bias.add_((mean @ self.out.since(self.first).double().cpu()).to(self.out_bias))
        if self.back is not None:
            last = list(self.after.children())[-1]
            assert isinstance(last, nn.Linear)
            last.bias.add_((mean @ self.back.since(self.first).double().cpu()).to(last.bias))

    def _metric(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """E[J J'] for the derivative J (units, d) of the output by the gated codes."""
        if self.is_linear:
            rows = self.out.since(self.first).double().cpu()
            return rows @ rows.T
        total = torch.zeros(self.width - self.first, self.width - self.first, dtype=torch.float64)
        gated = self.codes(x) * self.mask.gate()[self.first :].to(x.dtype)
        for _ in range(_SKETCHES):
            # From a generator on the CPU, so that every device sees the same directions.
            way = torch.randint(0, 2, tuple(x.shape), generator=generator).to(x) * 2 - 1
            with torch.enable_grad():
                at = gated.detach().requires_grad_()
                (slope,) = torch.autograd.grad((self.decode(at) * way).sum(), at)
            slope = slope.double().cpu()
            total += slope.T @ slope / len(slope)
        return total / _SKETCHES

    def to_network(self, width: int) -> nn.Module:
        """The network of the `width` strongest units, gates folded in, strongest first; a copy.

        Parameters
        ----------
        width
            Between 1 and n; gates of closed units are 0.
        """
        gate = self.mask.gate().detach()
        # Half of a gate on either side leaves the two of one size.
        half = gate.double().sqrt()
        made = copy.deepcopy(self._shell[0]).to(self.out_bias.device, self.out_bias.dtype)
        encoder, decoder = _sequential(made.encoder), _sequential(made.decoder)
        encoder[:-1].load_state_dict(self.before.state_dict())
        if not self.is_linear:
            decoder[1:].load_state_dict(self.after.state_dict())
        order = torch.arange(self.width - 1, self.width - 1 - width, -1)
        into, out = _linear(self.into.since(0)), _linear(self.out.since(0).T, self.out_bias)
        into.bias = nn.Parameter(self.into_bias.detach().clone())
        encoder[-1] = slice_linear(into, rows=order, row_scale=half[order])
        decoder[0] = slice_linear(out, cols=order, col_scale=half[order])
        if self.ahead is not None and self.back is not None:
            ahead, back = _linear(self.ahead.since(0)), _linear(self.back.since(0).T)
            made.linear_encoder = slice_linear(ahead, rows=order, row_scale=half[order])
            made.linear_decoder = slice_linear(back, cols=order, col_scale=half[order])
        return made


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    made: nn.Linear = nn.utils.skip_init(
        nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None, device=weight.device,
        dtype=weight.dtype,
    )  # fmt: skip
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(bias)
    return made


def _sequential(module: object) -> nn.Sequential:
    if not isinstance(module, nn.Sequential):
        raise InputError(f"expected a Sequential, got {type(module).__name__}")
    return module
