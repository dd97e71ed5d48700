"""The mask itself: a layer that learns how many units of what passes through are needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from damrep.masking.gate import GATES, beta_for_width, offsets
from damrep.masking.validation import (
    InputError,
    check_choice,
    check_count,
    check_number,
    check_width,
)

__all__ = ["DAM"]


@dataclass(frozen=True)
class _Window:
    """Units that an offset is moved by at least and at most, and the draw that is in use."""

    low: float
    high: float
    generator: torch.Generator
    drawn: Tensor | None = None

    def draw(self, count: int) -> Tensor:
        """Moves, spread evenly over the window, in random order."""
        return self.low + (self.high - self.low) * _spread(count, self.generator)


class DAM(nn.Module):
    """Discriminative masking: multiply each unit by a gate; one learned offset moves all gates.

    y = g * x along one axis, with g_j = ReLU(tanh(alpha * (span * j / n + beta))) for the default
    shape. Pushing beta down closes units one after another, index 0 first; index n - 1 stays open
    longest. Source: Bu, Daw, Maruf, Karpatne, "Learning Compact Representations of Neural Networks
    using DiscriminAtive Masking (DAM)", NeurIPS 2021, arXiv 2110.00684, eq. 1.

    With `jitter` every row of a batch gets an offset of its own while the mask is in training mode,
    so that all widths that come into question are trained at once, and a closed unit that is drawn
    now and then goes on learning.

    A closed unit gets no gradient, so a mask that has closed everything stays closed for good:
    call `keep_minimum` after each optimiser step (the gradient strategy does). Give beta its own
    optimiser group without weight decay.

    Parameters
    ----------
    num_features
        Number of units n, the size of the masked axis.
    dim
        The axis that is masked, -1 for (..., n), 1 for (N, n, H, W).
    gate
        "relu_tanh" (the paper's; beta starts at 1), "linear" or "piecewise_linear" (beta starts at
        0.1).
    span
        Spread of the offsets, the paper's k.
    min_active
        Number of units `keep_minimum` keeps open.
    alpha
        Steepness: 1 is the paper's, with a ramp over many units; at `step_alpha` a gate is open or
        closed.

    Attributes
    ----------
    beta : Parameter
        The learned offset, a scalar.

    Raises
    ------
    InputError
        If an argument is out of range.

    Notes
    -----
    In half precision beta itself is rounded: with bfloat16 weights, `set_width` is exact up to
    about a hundred units only. Under autocast, where parameters stay float32, it is exact.

    Shapes: input of any layout with size n along `dim`, any floating dtype; output the same.

    Examples
    --------
    >>> import torch
    >>> mask = DAM(5)
    >>> mask.set_width(2)
    >>> mask.active.tolist()
    [False, False, False, True, True]
    >>> mask(torch.ones(1, 5)).shape
    torch.Size([1, 5])
    """

    mu: Tensor

    def __init__(
        self,
        num_features: int,
        dim: int = -1,
        gate: str = "relu_tanh",
        span: float = 5.0,
        min_active: int = 1,
        alpha: float = 1.0,
    ) -> None:
        super().__init__()
        self.num_features = check_count("num_features", num_features, minimum=1)
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise TypeError(f"dim must be an integer, got {dim!r}")
        self.dim = dim
        self.gate_name = check_choice("gate", gate, GATES)
        self.span = check_number("span", span, low=0.0, low_open=True)
        self.alpha = check_number("alpha", alpha, low=0.0, low_open=True)
        self.min_active = check_width(min_active, self.num_features, "min_active", minimum=0)
        self._lowest_beta = beta_for_width(self.min_active, self.num_features, self.span)
        self.beta = nn.Parameter(torch.tensor(GATES[self.gate_name].start))
        # Follows from the arguments, so it moves with the module but is not saved with it.
        self.register_buffer("mu", offsets(self.num_features, self.span), persistent=False)
        self._draw: tuple[Tensor, torch.Generator] | None = None
        self._window: _Window | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x by the gate along `dim`.

        Raises
        ------
        TypeError
            If x is not a floating-point tensor.
        InputError
            If x has no axis `dim`, or its size there is not `num_features`.
        """
        if not x.is_floating_point():
            raise TypeError(f"DAM needs a floating-point tensor, got {x.dtype}")
        if not -x.dim() <= self.dim < x.dim():
            raise InputError(
                f"DAM masks axis {self.dim}, got an input of shape {tuple(x.shape)} without it"
            )
        if x.shape[self.dim] != self.num_features:
            raise InputError(
                f"DAM expects {self.num_features} units along axis {self.dim}, got "
                f"{x.shape[self.dim]} (input of shape {tuple(x.shape)})"
            )
        axis = self.dim % x.dim()
        trailing = (1,) * (x.dim() - 1 - axis)
        if self.training and self._draw is not None and axis > 0:
            gate = self._drawn_gates(len(x)).to(x)
        else:
            gate = self.training_gate(len(x) if axis > 0 else None).to(x.dtype)
        if gate.dim() == 2:
            return x * gate.view(len(x), *(1,) * (axis - 1), self.num_features, *trailing)
        return x * (gate.view(-1, *trailing) if trailing else gate)

    def jitter(self, chances: Tensor | None, generator: torch.Generator | None = None) -> None:
        """Draw an offset for each row, in training mode, in place of beta; None to stop it.

        Rows are along axis 0, which may not be the masked one. Among any few rows of a batch the
        widths come as often as their chances say, or nearly so.

        Parameters
        ----------
        chances
            How likely it is that exactly the m units that stay open longest are open, m = 1 .. n,
            shape (n,); any positive sum.
        generator
            Of the draws, on the CPU.

        Raises
        ------
        InputError
            If the chances are of another number, negative, not finite or all 0.
        """
        if chances is None:
            self._draw = None
            return
        found = chances.detach().double().cpu()
        if tuple(found.shape) != (self.num_features,):
            raise InputError(
                f"chances must be one for each of {self.num_features} widths, got shape "
                f"{tuple(found.shape)}"
            )
        if not (torch.isfinite(found).all() and (found >= 0).all() and found.sum() > 0):
            raise InputError("chances must be finite, none negative and not all 0")
        generator = torch.default_generator if generator is None else generator
        self._draw = (found / found.sum()).cumsum(0), generator

    def _drawn_gates(self, rows: int) -> Tensor:
        """Gates of each row (rows, n) for a width of its own."""
        assert self._draw is not None
        edges, generator = self._draw
        place = _spread(rows, generator)
        width = (torch.searchsorted(edges, place) + 1).clamp(max=self.num_features)
        beta = -self.span * (self.num_features - width - 0.5) / self.num_features
        shifted = self.mu + beta.to(self.mu)[:, None]
        return GATES[self.gate_name].function(self.alpha * shifted)

    def shift(
        self,
        window: tuple[float, float] | None,
        generator: torch.Generator | None = None,
        by_row: bool = False,
    ) -> None:
        """Draw the offset from a window around beta, in training mode; None to stop it.

        Beta stays in the graph: the mean of its gradient over the draws is the difference of the
        loss between the two ends of the window, over the window's length. That is what units at the
        edge are worth, open or closed.

        Parameters
        ----------
        window
            Units that the offset is moved by at least and at most; one unit is span / n.
        generator
            Of the draws, on the CPU.
        by_row
            Whether each row of a batch (along axis 0, which may not be the masked one) is given an
            offset of its own, anew each time; else all are given the one that is drawn now.

        Raises
        ------
        InputError
            If the window is not two finite numbers in order.
        """
        if window is None:
            self._window = None
            return
        low, high = (check_number("window", end) for end in window)
        if low > high:
            raise InputError(
                f"a window goes from the lower end to the upper, got {low:g}, {high:g}"
            )
        made = _Window(low, high, torch.default_generator if generator is None else generator)
        self._window = made if by_row else replace(made, drawn=made.draw(1))

    def training_gate(self, rows: int | None = None) -> Tensor:
        """`gate`, in training mode at the offset drawn last; or (rows, n), each at one of its own.

        With `rows`, offsets are drawn anew if `shift` was asked for one a row.
        """
        window = self._window
        if not self.training or window is None:
            return self.gate()
        if window.drawn is not None or rows is None:
            by = window.drawn if window.drawn is not None else window.draw(1)
            return self._moved_gate(by)
        return self._moved_gate(window.draw(rows)[:, None])

    def _moved_gate(self, units: Tensor) -> Tensor:
        by = units.to(self.mu) * (self.span / self.num_features)
        return GATES[self.gate_name].function(self.alpha * (self.mu + self.beta + by))

    def gate(self) -> Tensor:
        """Gate values, shape (n,), in index order; differentiable in beta."""
        return GATES[self.gate_name].function(self.alpha * (self.mu + self.beta))

    @property
    def active(self) -> Tensor:
        """Which units are open: a bool tensor of shape (n,), True where the gate is above zero."""
        return self.gate().detach() > 0

    @property
    def n_active(self) -> int:
        """Number of open units."""
        return int(self.active.sum())

    def set_width(self, m: int) -> None:
        """Open exactly the m units that stay open longest.

        Raises
        ------
        InputError
            If m is below `min_active` or above the number of units.
        """
        m = check_width(m, self.num_features, minimum=self.min_active)
        with torch.no_grad():
            self.beta.fill_(beta_for_width(m, self.num_features, self.span))

    def penalty(self) -> Tensor:
        """The paper's penalty on this mask: beta, but no less than -span, where all is closed."""
        return torch.clamp(self.beta, min=-self.span)

    def keep_minimum(self) -> None:
        """Raise beta, if it has to be, so that at least `min_active` units are open.

        Without it a mask can end with no open unit, and from there no gradient brings it back.
        """
        if self.min_active:
            with torch.no_grad():
                self.beta.clamp_(min=self._lowest_beta)

    def extra_repr(self) -> str:
        """Arguments, for `repr`."""
        return (
            f"{self.num_features}, dim={self.dim}, gate={self.gate_name!r}, span={self.span:g}, "
            f"min_active={self.min_active}, alpha={self.alpha:g}"
        )


def _spread(count: int, generator: torch.Generator) -> Tensor:
    """Numbers between 0 and 1, one from each of as many equal parts, in random order."""
    place = torch.randperm(count, generator=generator, dtype=torch.float64)
    return (place + torch.rand(count, generator=generator, dtype=torch.float64)) / count
