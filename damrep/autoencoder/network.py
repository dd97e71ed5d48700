"""The autoencoder itself: two mirrored networks with a linear path beside them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from damrep.autoencoder.completion import Completion
from damrep.masking import slice_linear

__all__ = ["ACTIVATIONS", "AutoencoderNetwork"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class AutoencoderNetwork(nn.Module):
    """x -> codes -> x, with codes in order: any first few of them can be used alone.

    With hidden layers, a linear path runs beside encoder and decoder, as in a residual network.
    Set to the principal axes (`start_linear`) it makes the network begin as PCA, and learn only
    what PCA leaves over.

    Parameters
    ----------
    columns
        Width d of the rows.
    hidden
        Widths of the encoder's hidden layers, mirrored in the decoder; none for a linear one.
    width
        Number of codes n.
    activation
        A name in `ACTIVATIONS`.
    linear_path
        False for a plain multilayer autoencoder.

    Attributes
    ----------
    encoder, decoder : nn.Sequential
        The encoder ends, and the decoder begins, with a linear layer at the codes.
    linear_encoder, linear_decoder : nn.Linear or None
        The linear path, d -> n and n -> d.
    completion : Completion or None
        What guesses the codes that a prefix lacks.

    Examples
    --------
    >>> network = AutoencoderNetwork(6, (8,), 3)
    >>> network.encode(torch.zeros(2, 6), width=2).shape
    torch.Size([2, 2])
    >>> network(torch.zeros(2, 6)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self,
        columns: int,
        hidden: Sequence[int],
        width: int,
        activation: str = "elu",
        linear_path: bool = True,
    ) -> None:
        super().__init__()
        widths = [columns, *hidden, width]
        self.activation = activation
        self.encoder = _layers(widths, ACTIVATIONS[activation])
        self.decoder = _layers(widths[::-1], ACTIVATIONS[activation])
        beside = linear_path and len(hidden) > 0
        self.linear_encoder = nn.Linear(columns, width, bias=False) if beside else None
        self.linear_decoder = nn.Linear(width, columns, bias=False) if beside else None
        self.completion: Completion | None = None

    @property
    def columns(self) -> int:
        """Width d of the rows."""
        return int(_linear(self.encoder[0]).in_features)

    @property
    def hidden(self) -> list[int]:
        """Widths of the encoder's hidden layers."""
        return [
            layer.out_features for layer in list(self.encoder)[:-1] if isinstance(layer, nn.Linear)
        ]

    @property
    def width(self) -> int:
        """Number of codes n."""
        return int(_linear(self.encoder[-1]).out_features)

    def encode(self, x: Tensor, width: int | None = None) -> Tensor:
        """The first `width` codes of rows x (..., d); all by default."""
        m = self.width if width is None else width
        head = _linear(self.encoder[-1])
        codes = functional.linear(self.encoder[:-1](x), head.weight[:m], head.bias[:m])
        if self.linear_encoder is not None:
            codes = codes + functional.linear(x, self.linear_encoder.weight[:m])
        return codes

    def decode(self, codes: Tensor, gain: Tensor | None = None) -> Tensor:
        """Rows from the first few codes (..., m); without a `completion` the others count as 0.

        With a `gain`, the decoder's first layer is so many times as large, the linear path aside.
        """
        if self.completion is not None and codes.shape[-1] < self.width:
            told = self.completion.told[codes.shape[-1] - 1]
            if not told:
                return codes.new_zeros((*codes.shape[:-1], self.columns))
            codes = self.completion(codes[..., :told])
        m = codes.shape[-1]
        first = _linear(self.decoder[0])
        inner = functional.linear(codes, first.weight[:, :m], first.bias)
        out: Tensor = self.decoder[1:](inner if gain is None else gain * inner)
        if self.linear_decoder is not None:
            out = out + functional.linear(codes, self.linear_decoder.weight[:, :m])
        return out

    def forward(self, x: Tensor, width: int | None = None) -> Tensor:
        """Reconstruction of x from its first `width` codes."""
        return self.decode(self.encode(x, width))

    def start_linear(self, axes: Tensor) -> None:
        """Begin as the projection on some axes.

        Parameters
        ----------
        axes
            Orthonormal rows (k, d), k <= n; codes beyond them begin at 0 and may yet be learned.
        """
        with torch.no_grad():
            ahead, back = self.linear_encoder, self.linear_decoder
            for end in (_linear(self.encoder[-1]), _linear(self.decoder[-1])):
                end.weight.zero_()
                end.bias.zero_()
            if ahead is None or back is None:
                if self.hidden:
                    raise ValueError("start_linear needs a linear path")
                ahead, back = _linear(self.encoder[-1]), _linear(self.decoder[0])
            ahead.weight.zero_()
            back.weight.zero_()
            ahead.weight[: len(axes)] = axes.to(ahead.weight)
            back.weight[:, : len(axes)] = axes.T.to(back.weight)

    def axes(self) -> Tensor:
        """Of a network without hidden layers, what codes are products with, (n, d)."""
        return _linear(self.encoder[0]).weight.detach()

    def offset(self) -> Tensor:
        """Of a network without hidden layers, what is added to these products, (n,)."""
        return _linear(self.encoder[0]).bias.detach()

    @torch.no_grad()
    def scale_decoder(self, factor: float) -> None:
        """Make the decoder's first layer so many times as large, the linear path aside."""
        first = _linear(self.decoder[0])
        first.weight.mul_(factor)
        first.bias.mul_(factor)

    @torch.no_grad()
    def rotate(self, rotation: Tensor) -> None:
        """Multiply the codes by an orthogonal matrix (n, n), and undo it in the decoder."""
        head, first, turn = _linear(self.encoder[-1]), _linear(self.decoder[0]), rotation.double()
        into = [head.weight, head.bias]
        out = [first.weight]
        if self.linear_encoder is not None and self.linear_decoder is not None:
            into.append(self.linear_encoder.weight)
            out.append(self.linear_decoder.weight)
        for rows in into:
            rows.copy_(turn @ rows.double())
        for columns in out:
            columns.copy_(columns.double() @ turn.T)

    @torch.no_grad()
    def set_linear(self, since: int, into: Tensor, out: Tensor) -> None:
        """Have the codes from `since` on only in the linear path.

        Parameters
        ----------
        since
            Codes before it stay as they are.
        into, out
            Of these codes, (k, d) and (d, k), k <= n - since; those beyond are nothing.
        """
        ahead, back = self.linear_encoder, self.linear_decoder
        assert ahead is not None and back is not None
        head, first = _linear(self.encoder[-1]), _linear(self.decoder[0])
        for rows in (head.weight, head.bias, ahead.weight):
            rows[since:] = 0
        for columns in (first.weight, back.weight):
            columns[:, since:] = 0
        ahead.weight[since : since + len(into)] = into.to(ahead.weight)
        back.weight[:, since : since + len(into)] = out.to(back.weight)

    def cut(self, width: int) -> AutoencoderNetwork:
        """A network of the first `width` codes alone, a copy without `completion`."""
        small = copy.deepcopy(self)
        small.completion = None
        keep = torch.arange(width)
        small.encoder[-1] = slice_linear(_linear(self.encoder[-1]), rows=keep)
        small.decoder[0] = slice_linear(_linear(self.decoder[0]), cols=keep)
        if self.linear_encoder is not None and self.linear_decoder is not None:
            small.linear_encoder = slice_linear(self.linear_encoder, rows=keep)
            small.linear_decoder = slice_linear(self.linear_decoder, cols=keep)
        return small


def _layers(widths: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def _linear(layer: nn.Module) -> nn.Linear:
    assert isinstance(layer, nn.Linear)
    return layer
