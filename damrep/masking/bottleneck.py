"""The DAM bottleneck: an ordered, masked linear autoencoder on a representation.

A contrastive encoder cannot be masked on its own output: its loss has a tipping point beyond which
it falls to one dimension, or it standardises the mask away. The bottleneck leaves that loss whole.
It reads the finished representation z, rotates it (`damrep.masking.rotation`), masks the rotated
units in order of the variance they carry, and is charged for what it cannot reconstruct, as a share
of the variance of z. So a price means the same here as everywhere. For that loss alone the rotation
is the optimum at every width, so no mask has to act; `Bottleneck.strongest` is where a training on
another loss begins.

Where there are two views of every row (a node and its neighbours), only the variance the two share
is signal, and the rest noise: order and charge then go by the shared variance alone. That is what
sets the mask apart from principal components of z.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from damrep.masking.compaction import slice_linear
from damrep.masking.dam import DAM
from damrep.masking.gate import step_alpha
from damrep.masking.moments import inverse, nested_root, positive_part, second_moment
from damrep.masking.rotation import rotate_latent
from damrep.masking.search import exact_width
from damrep.masking.validation import InputError, check_width

__all__ = ["Bottleneck"]


class Bottleneck(nn.Module):
    """A masked linear autoencoder z -> codes -> z whose units are in order of what they carry.

    Parameters
    ----------
    num_features
        Width n of the representation z.
    gate, span
        Of the mask, see `DAM`.

    Attributes
    ----------
    encoder, decoder : nn.Linear
        n -> n maps either side of the mask; the identity until `fit_rotation`.
    mask : DAM
        Over the n units between them; the strongest unit is the last.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> z = torch.randn(200, 2, generator=generator) @ torch.randn(2, 6, generator=generator)
    >>> head = Bottleneck(6)
    >>> losses = head.fit_rotation(z, held_out=z[:50])
    >>> head.choose_width(losses, price=0.01)
    2
    >>> head.compact().weight.shape
    torch.Size([2, 6])
    """

    def __init__(self, num_features: int, gate: str = "relu_tanh", span: float = 5.0) -> None:
        super().__init__()
        self.encoder = _identity(num_features)
        self.mask = DAM(num_features, gate=gate, span=span)
        self.decoder = _identity(num_features)

    @property
    def num_features(self) -> int:
        """Width n of the representation."""
        return int(self.encoder.in_features)

    def forward(self, z: Tensor) -> Tensor:
        """Gated codes of z, shape (..., n), in mask order (strongest last)."""
        codes: Tensor = self.mask(self.encoder(z))
        return codes

    def reconstruct(self, z: Tensor) -> Tensor:
        """What the open units say z was, shape (..., n)."""
        out: Tensor = self.decoder(self(z))
        return out

    def fit_rotation(
        self,
        z: Tensor,
        held_out: Tensor | None = None,
        rotate: bool = True,
        partner: Tensor | None = None,
        held_out_partner: Tensor | None = None,
    ) -> list[float]:
        """Set encoder and decoder to the best linear map, and say what each width leaves over.

        Parameters
        ----------
        z
            Representation to fit, shape (N, n).
        held_out
            Rows to measure the loss on, shape (M, n); `z` itself if None or if they do not vary.
        rotate
            False keeps the coordinates of z as the units, in the order they have, and only fits
            the decoder: the mask as it was before rotation, kept for comparison.
        partner
            A second view of the rows of `z`, shape (N, n). Variance is then what the two views
            share, the positive part of their symmetrised cross-moment; where they share nothing,
            that of `z`.
        held_out_partner
            The same for `held_out`.

        Returns
        -------
        list of float
            Normalised loss with the strongest m units open, for m = 1 .. n: the share of the
            variance (about the mean of `z`) that is not reconstructed.

        Raises
        ------
        InputError
            If the shape does not fit or z is constant.
        """
        n = self.num_features
        if z.dim() != 2 or z.shape[1] != n:
            raise InputError(f"z must have shape (N, {n}), got {tuple(z.shape)}")
        mean = z.mean(dim=0, dtype=torch.float64)
        moment = _moment(z, mean, None)
        if not float(moment.trace()) > 0:
            raise InputError("the representation is constant: there is nothing to reduce")
        if partner is not None:
            shared = _moment(z, mean, partner)
            if _is_nothing(shared, beside=moment):
                partner = held_out_partner = None
            else:
                moment = shared
        trial = moment if held_out is None else _moment(held_out, mean, held_out_partner)
        if _is_nothing(trial, beside=moment):
            trial = moment
        if rotate:
            # The first decoder is the identity; its rotation is the principal axes of z.
            rotation = rotate_latent(torch.eye(n, dtype=torch.float64), moment)
            into, out = rotation.transform, rotation.decoder_weight
            # That rotation shares a unit's size between encoder and decoder. Here the codes are
            # the embedding, so they get all of it: a unit is as large as what it carries.
            size = out.norm(dim=0)
            size = torch.where(size > 0, size, torch.ones_like(size))
            into, out = into * size[:, None], out / size
        else:
            into, out = torch.eye(n, dtype=torch.float64), torch.eye(n, dtype=torch.float64)
        losses = _nested_losses(into, moment, trial)
        with torch.no_grad():
            self.encoder.weight.copy_(into)
            self.encoder.bias.copy_(-(into @ mean.cpu()))
            self.decoder.weight.copy_(out)
            self.decoder.bias.copy_(mean)
        self._moment, self._trial, self._centre = moment, trial, mean
        self._in_pairs = held_out_partner is not None
        return losses

    def take_axes(self, axes: Tensor, centre: Tensor) -> None:
        """Other units than those of `fit_rotation`, which has told what they are judged by.

        Parameters
        ----------
        axes
            Rows t, strongest first: a unit is t (z - centre), (n, n).
        centre
            Shape (n,).

        Raises
        ------
        InputError
            Before `fit_rotation`.
        """
        with torch.no_grad():
            self.encoder.weight.copy_(axes.flip(0))
            self.encoder.bias.copy_(-(axes.flip(0) @ centre.to(axes.dtype)))
        self.refit_decoder()

    def strongest(self, units: int) -> Bottleneck:
        """A copy of the strongest units, all open, behind a mask whose step is one unit.

        To be trained: what of the representation they then tell is `left_over`.

        Raises
        ------
        InputError
            If there are not so many units.
        """
        n = self.mask.num_features
        kept = torch.arange(n - check_width(units, n), n)
        made = copy.copy(self)
        made._modules = {
            "encoder": slice_linear(self.encoder, rows=kept),
            "mask": DAM(units, gate=self.mask.gate_name, alpha=step_alpha(units)),
            "decoder": slice_linear(self.decoder, cols=kept),
        }
        made.mask.set_width(units)
        return made

    def left_over(self) -> list[float]:
        """What `fit_rotation` returns, of the encoder as it is now and its best decoders."""
        return _nested_losses(
            self.encoder.weight.detach().double().cpu(), self._moment, self._trial
        )

    def rows_left_over(self, z: Tensor, partner: Tensor | None = None) -> Tensor:
        """What each row leaves over at each width, as in `left_over`, of the encoder as it is.

        Parameters
        ----------
        z, partner
            As `held_out` and `held_out_partner` in `fit_rotation`, shape (M, n).

        Returns
        -------
        Tensor of shape (M, units), float64
            Their mean is `left_over`: what two views share with the wrong sign, by chance, is
            taken from all of them alike.

        Raises
        ------
        InputError
            Before `fit_rotation`.
        """
        self._check_fitted("rows_left_over")
        one = other = z.double() - self._centre
        if partner is not None and self._in_pairs:
            other = partner.double() - partner.mean(dim=0, dtype=torch.float64)
        into = self.encoder.weight.detach().double().cpu()
        ortho, decoder = _nested_regression(into, self._moment)
        a, b = one @ ortho.T, other @ ortho.T
        crossed = a * (other @ decoder) + b * (one @ decoder)
        gram = decoder.T @ decoder
        squares = a * (b @ gram.tril().T) + b * (a @ gram.tril(-1).T)
        left = (one * other).sum(dim=1, keepdim=True) + (squares - crossed).cumsum(dim=1)
        left /= self._trial.trace()
        told = torch.tensor(_nested_losses(into, self._moment, self._trial), dtype=torch.float64)
        return left + (told - left.mean(dim=0))

    def choose_width(
        self, losses: Iterable[float], price: float | None = None, width: int | None = None
    ) -> int:
        """Open as many units as their price is worth, or exactly `width`, and fit the decoder.

        Parameters
        ----------
        losses
            From `fit_rotation`.
        price
            Share of the variance a unit must earn.
        width
            A budget; the price is then not looked at.

        Returns
        -------
        int
            The number of open units. For given losses it never rises with the price.

        Raises
        ------
        InputError
            If neither is given, or they are out of range.
        """
        if width is None:
            if price is None:
                raise InputError("choose_width needs a price or a width")
            width = exact_width(list(losses), price)
        check_width(width, self.num_features)
        self.mask.set_width(width)
        self.refit_decoder()
        return width

    def refit_decoder(self) -> None:
        """Least-squares decoder for the open units and their gates as they are.

        Raises
        ------
        InputError
            Before `fit_rotation`.
        """
        self._check_fitted("refit_decoder")
        with torch.no_grad():
            gate = self.mask.gate().double().cpu()
            into = self.encoder.weight.double().cpu() * gate[:, None]
            weight = _least_squares(into, self._moment)
            # The mean of z goes through the encoder to the zero code, so it stays the bias.
            self.decoder.weight.copy_(weight)

    def _check_fitted(self, name: str) -> None:
        if not hasattr(self, "_moment"):
            raise InputError(f"{name} needs fit_rotation first")

    def absorb_gates(self) -> None:
        """Scale the open units up by what their gates take away, and fit the decoder.

        The gated codes are then the rotated coordinates themselves, whatever the gate's shape: a
        unit just open would otherwise come out small for no reason but its place.
        """
        with torch.no_grad():
            gate = self.mask.gate()
            up = torch.where(gate > 0, 1.0 / gate.clamp(min=1e-12), torch.ones_like(gate))
            self.encoder.weight.mul_(up[:, None])
            self.encoder.bias.mul_(up)
        self.refit_decoder()

    def compact(self) -> nn.Linear:
        """The encoder cut to the open units, gates folded in, most important unit first.

        Returns
        -------
        nn.Linear
            n -> n_active; its outputs are the open units of `forward`, in reverse order.
        """
        order = torch.nonzero(self.mask.active).flatten().flip(0)
        return slice_linear(self.encoder, rows=order, row_scale=self.mask.gate().detach()[order])


def _identity(n: int) -> nn.Linear:
    """The identity, made without drawing weights: that would advance the global random state."""
    made: nn.Linear = nn.utils.skip_init(nn.Linear, n, n)
    nn.init.eye_(made.weight)
    nn.init.zeros_(made.bias)
    return made


def _moment(z: Tensor, mean: Tensor, partner: Tensor | None) -> Tensor:
    """E[z z'] about the mean; or the positive part of the shared moment of two views."""
    centred = z.double() - mean
    if partner is None:
        return second_moment(centred) / len(z)
    other = partner.double() - partner.mean(dim=0, dtype=torch.float64)
    return positive_part(second_moment(centred, other) / len(z), of="the representation")


def _is_nothing(moment: Tensor, beside: Tensor) -> bool:
    """Whether a moment is rounding, which must not be taken for variance."""
    return float(moment.trace()) <= 1e-9 * float(beside.trace())


def _nested_losses(into: Tensor, moment: Tensor, trial: Tensor) -> list[float]:
    """Share of `trial` left when it is predicted, by least squares, from the last m rows of T z."""
    ortho, decoder = _nested_regression(into, moment)
    # |z - sum_k d_k o_k z|^2 with nested k: cross terms and squares, accumulated.
    cross = torch.einsum("ik,ki->k", trial @ ortho.T, decoder.T)
    gram = (decoder.T @ decoder) * (ortho @ trial @ ortho.T)
    squares = torch.diagonal(torch.cumsum(torch.cumsum(gram, 0), 1))
    left = trial.trace() - 2 * torch.cumsum(cross, 0) + squares
    return [float(value) for value in (left / trial.trace()).clamp(min=0.0)]


def _nested_regression(into: Tensor, moment: Tensor) -> tuple[Tensor, Tensor]:
    """Directions o and columns d, so that the sum of d_k (o_k z) is the best told of z at any m.

    Gram-Schmidt over the units, strongest first, under the inner product of `moment`; each new
    direction takes its own part of the variance, so one pass gives every width.
    """
    flipped = into.flip(0)
    triangle, filled = nested_root(flipped @ moment @ flipped.T, of="the representation")
    ortho = torch.linalg.solve_triangular(triangle, flipped, upper=False)  # unit variance, nested
    ortho = ortho * filled[:, None]
    return ortho, moment @ ortho.T


def _least_squares(into: Tensor, moment: Tensor) -> Tensor:
    """W minimising E|z - W T z|^2 for E[zz'] = moment; T may have zero rows."""
    codes = into @ moment @ into.T
    return (moment @ into.T) @ inverse(codes, of="the codes")
