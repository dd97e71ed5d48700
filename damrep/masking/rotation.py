"""Rotate a latent between two linear maps so that its units are in order of what they carry.

A mask on arbitrary coordinates cuts signal that is spread over all of them. Between linear maps
the coordinates are free: with C = E[zz'] the second moment of the codes z and W the decoder's
weight, take the SVD W C^1/2 = P s V', and then u = s^1/2 V' C^-1/2 z with decoder weight P s^1/2
compute the same function. Unit k of u carries s_k^2 of the mean squared output, and keeping the
units that carry most is the best linear truncation there is (Eckart-Young).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from damrep.masking.moments import ROUNDING, roots, singular
from damrep.masking.validation import InputError

__all__ = ["LatentRotation", "rotate_", "rotate_latent"]


@dataclass(frozen=True)
class LatentRotation:
    """How to rotate a latent of n units.

    Parameters
    ----------
    transform
        Matrix T, shape (n, n): the new codes are u = T z. Apply it to the encoder's last linear
        map: weight T @ weight, bias T @ bias.
    decoder_weight
        The decoder's new weight, shape (d_out, n).
    variance
        Mean squared output each new unit carries, shape (n,).
    """

    transform: Tensor
    decoder_weight: Tensor
    variance: Tensor


def rotate_latent(
    decoder_weight: Tensor, second_moment: Tensor, ascending: bool = True
) -> LatentRotation:
    """Find the rotation that orders a latent by what its units carry.

    Computed in float64 on the CPU, given back in the dtype and on the device of `decoder_weight`.

    Parameters
    ----------
    decoder_weight
        Weight W of the linear map that reads the codes, shape (d_out, n).
    second_moment
        C = E[zz'] of the codes over the data, shape (n, n), symmetric positive semidefinite; of
        any rank.
    ascending
        True puts the strongest unit last, where a mask keeps it open longest; False puts it first.

    Returns
    -------
    LatentRotation
        The transform of the codes, the new decoder weight, the variance each unit carries.

    Raises
    ------
    InputError
        If the shapes do not fit, or a value is not finite.

    Examples
    --------
    >>> W = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    >>> found = rotate_latent(W, torch.eye(2), ascending=False)
    >>> found.variance
    tensor([9., 1.])
    >>> bool(torch.allclose(found.decoder_weight @ found.transform, W, atol=1e-6))
    True
    """
    if decoder_weight.dim() != 2:
        raise InputError(
            f"decoder_weight must be a matrix (d_out, n), got shape {tuple(decoder_weight.shape)}"
        )
    n = decoder_weight.shape[1]
    if tuple(second_moment.shape) != (n, n):
        raise InputError(
            f"second_moment must have shape ({n}, {n}) to fit the decoder's {n} inputs, got "
            f"{tuple(second_moment.shape)}"
        )
    weight = decoder_weight.detach().to("cpu", torch.float64)
    moment = second_moment.detach().to("cpu", torch.float64)
    if not (torch.isfinite(weight).all() and torch.isfinite(moment).all()):
        raise InputError(
            "decoder_weight and second_moment must be finite, got NaN or infinite values"
        )
    # Directions the codes do not use get a little of the largest variance. They are then kept, as
    # the weakest units: the function stays the same for inputs outside the training data too.
    root, inverse_root = roots(moment, floor=ROUNDING, of="the codes")
    left, strength, right = singular(weight @ root, of="the decoded codes")

    # Where the decoder has fewer outputs than inputs, the units beyond them carry nothing: zero
    # rows.
    transform = torch.zeros(n, n, dtype=torch.float64)
    rotated = torch.zeros_like(weight)
    k = strength.numel()
    half = strength.sqrt()
    transform[:k] = half[:, None] * (right @ inverse_root)
    rotated[:, :k] = left * half
    variance = ((transform @ moment) * transform).sum(dim=1) * rotated.square().sum(dim=0)
    variance = variance.clamp(min=0.0)
    if ascending:
        transform, rotated, variance = transform.flip(0), rotated.flip(1), variance.flip(0)
    like = decoder_weight.detach()
    return LatentRotation(transform.to(like), rotated.to(like), variance.to(like))


def rotate_(
    encoder: nn.Module,
    decoder: nn.Module,
    second_moment: Tensor,
    ascending: bool = True,
    mean: Tensor | None = None,
) -> Tensor:
    """Rotate the latent between two linear layers in place; decoder(encoder(x)) stays the same.

    Nothing may stand between the two but a mask, and a mask has to be taken account of by the
    caller: its gates act on the new units from now on.

    Parameters
    ----------
    encoder, decoder
        Linear layers: `weight` (out, in) and `bias` or None. The encoder's outputs are the
        decoder's inputs.
    second_moment
        C = E[zz'] of the encoder's outputs, shape (n, n).
    ascending
        True puts the strongest unit last, which is the order of a mask.
    mean
        E[z], shape (n,). If given, the codes are centred as well, their mean moving into the
        decoder's bias, so that no unit is spent on a constant. Both layers then need a bias.

    Returns
    -------
    Tensor
        Mean squared output each new unit carries, shape (n,).

    Raises
    ------
    InputError
        If the layers or shapes do not fit.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> encoder, decoder, x = nn.Linear(6, 4), nn.Linear(4, 5), torch.randn(50, 6)
    >>> z, before = encoder(x), decoder(encoder(x))
    >>> carried = rotate_(encoder, decoder, z.T @ z / len(z))
    >>> bool(torch.allclose(decoder(encoder(x)), before, atol=1e-5))
    True
    >>> bool((carried.diff() >= 0).all())
    True
    """
    weights = []
    for name, layer in (("encoder", encoder), ("decoder", decoder)):
        weight = getattr(layer, "weight", None)
        if not isinstance(weight, Tensor) or weight.dim() != 2:
            raise InputError(f"{name} must be a linear layer with a (out, in) weight, got {layer}")
        weights.append(weight)
    into, out = weights
    if into.shape[0] != out.shape[1]:
        raise InputError(
            f"the encoder's {into.shape[0]} outputs are not the decoder's {out.shape[1]} inputs"
        )
    into_bias, out_bias = getattr(encoder, "bias", None), getattr(decoder, "bias", None)
    moment = second_moment.detach().to("cpu", torch.float64)
    if mean is not None:
        if into_bias is None or out_bias is None:
            raise InputError("centring the codes needs a bias in both layers, and one has none")
        if tuple(mean.shape) != (into.shape[0],):
            raise InputError(f"mean must have shape ({into.shape[0]},), got {tuple(mean.shape)}")
        centre = mean.detach().to("cpu", torch.float64)
        moment = moment - torch.outer(centre, centre)
    # In float64 until the last step, so that the two roundings are all that changes the function.
    found = rotate_latent(out.detach().double(), moment, ascending)
    transform = found.transform
    with torch.no_grad():
        if into_bias is not None:
            bias = into_bias.double()
            if mean is not None and out_bias is not None:
                shift = mean.to(bias)
                bias = bias - shift
                out_bias.copy_(out_bias.double() + out.double() @ shift)
            into_bias.copy_(transform @ bias)
        into.copy_(transform @ into.double())
        out.copy_(found.decoder_weight)
    return found.variance.to(out.dtype)
