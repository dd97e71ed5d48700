"""Make a masked chain of linear layers smaller: fold the gates, cut the closed units away.

The result computes what the masked chain does, without any mask in it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from damrep.masking.dam import DAM
from damrep.masking.validation import InputError

__all__ = ["ChannelScale", "compact_sequential", "is_linear", "slice_linear"]

# Positively homogeneous, f(g * x) = g * f(x) for g > 0, so that a gate can pass through.
_HOMOGENEOUS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU)
_ELEMENTWISE = (
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.Hardshrink,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.LogSigmoid,
    nn.Mish,
    nn.ReLU6,
    nn.SELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softshrink,
    nn.Softsign,
    nn.Tanh,
    nn.Tanhshrink,
)
# They treat units alike and keep zeros; Dropout scales, which commutes with a gate.
_PASSING = (nn.Identity, nn.Dropout)


class ChannelScale(nn.Module):
    """Multiply the last axis by fixed values: a mask whose gates fit into no weight.

    Parameters
    ----------
    scale
        Values, shape (n,).

    Examples
    --------
    >>> ChannelScale(torch.tensor([1.0, 2.0]))(torch.ones(1, 2))
    tensor([[1., 2.]])
    """

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return x * self.scale

    def extra_repr(self) -> str:
        """Size, for `repr`."""
        return f"{self.scale.numel()}"


def is_linear(module: nn.Module) -> bool:
    """Whether a module is a plain linear layer: torch's, or torch_geometric's of the same form."""
    return isinstance(module, nn.Linear) or (
        type(module).__name__ == "Linear"
        and isinstance(getattr(module, "weight", None), Tensor)
        and hasattr(module, "bias")
    )


def slice_linear(
    linear: nn.Module,
    rows: Tensor | None = None,
    cols: Tensor | None = None,
    row_scale: Tensor | None = None,
    col_scale: Tensor | None = None,
) -> nn.Linear:
    """A new linear layer from some rows (outputs) and columns (inputs) of another, scaled.

    Parameters
    ----------
    linear
        `torch.nn.Linear` or `torch_geometric.nn.dense.Linear`; it is left as it is.
    rows, cols
        Indices to keep, in the order they shall have; None keeps all.
    row_scale, col_scale
        Factors of the kept rows (the bias is scaled along) and columns.

    Raises
    ------
    InputError
        If it is not a linear layer, its weight has no size yet, or a scale does not fit.

    Examples
    --------
    >>> small = slice_linear(nn.Linear(5, 4), rows=torch.tensor([0, 3]), cols=torch.tensor([1]))
    >>> small
    Linear(in_features=1, out_features=2, bias=True)
    """
    if not is_linear(linear):
        raise InputError(f"expected a linear layer, got {type(linear).__name__}")
    if isinstance(linear.weight, nn.parameter.UninitializedParameter):
        raise InputError("the linear layer has no weights yet: run one batch through it first")
    assert isinstance(linear.weight, Tensor)
    weight = linear.weight.detach()
    bias: Tensor | None = linear.bias.detach() if isinstance(linear.bias, Tensor) else None
    if rows is not None:
        weight = weight[rows]
        bias = None if bias is None else bias[rows]
    if cols is not None:
        weight = weight[:, cols]
    for name, scale, size in (
        ("row", row_scale, weight.shape[0]),
        ("col", col_scale, weight.shape[1]),
    ):
        if scale is not None and tuple(scale.shape) != (size,):
            raise InputError(f"{name}_scale must have shape ({size},), got {tuple(scale.shape)}")
    if row_scale is not None:
        weight = weight * row_scale.to(weight)[:, None]
        bias = None if bias is None else bias * row_scale.to(weight)
    if col_scale is not None:
        weight = weight * col_scale.to(weight)
    # Uninitialised, since drawing initial weights would advance the global random state.
    made: nn.Linear = nn.utils.skip_init(
        nn.Linear,
        weight.shape[1],
        weight.shape[0],
        bias=bias is not None,
        device=weight.device,
        dtype=weight.dtype,
    )
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(bias)
    return made.train(linear.training)


def compact_sequential(model: nn.Sequential) -> nn.Sequential:
    """A smaller model without masks that computes what a masked chain of linear layers does.

    The chain may hold linear layers, elementwise activations, dropout, identities, masks on the
    last axis, and other modules as long as none stands between a mask and the linear layers next
    to it. Closed units are cut out of the linear layers on both sides. The surviving gates are
    folded into the layer before if nothing but positively homogeneous activations (ReLU and its
    leaky kin) stands between, else into the layer after, and else stay as a `ChannelScale`.

    After a mask with no linear layer behind it the output has only the open units, in index order.
    A mask with no linear layer before it (on the model's input) cuts nothing, since the input
    stays what it is.

    Parameters
    ----------
    model
        Left as it is; nested Sequentials are flattened in the result.

    Returns
    -------
    nn.Sequential
        New modules throughout; training mode, dtype and device as in `model`.

    Raises
    ------
    InputError
        If something stands beside a mask that cannot be cut through, or a mask is closed
        altogether.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), DAM(8), nn.Linear(8, 2)).eval()
    >>> model[2].set_width(3)
    >>> small = compact_sequential(model)
    >>> small[0].out_features, small[-1].in_features
    (3, 3)
    >>> x = torch.randn(4, 6)
    >>> bool(torch.allclose(small(x), model(x), atol=1e-6))
    True
    """
    chain = [copy.deepcopy(module) for module in _flatten(model)]
    for module in chain:
        if not isinstance(module, DAM) and any(isinstance(m, DAM) for m in module.modules()):
            raise InputError(
                f"{type(module).__name__} holds a mask inside; only nested Sequentials can be "
                "compacted"
            )
    linears = [i for i, module in enumerate(chain) if is_linear(module)]
    compacted = list(chain)
    # A segment is what stands between two linear layers, or one of them and an end of the chain.
    for start, stop in zip([-1, *linears], [*linears, len(chain)], strict=True):
        segment = chain[start + 1 : stop]
        if not any(isinstance(module, DAM) for module in segment):
            continue
        _check_segment(segment, start + 1)
        done = _compact_segment(
            compacted[start] if start >= 0 else None,
            segment,
            compacted[stop] if stop < len(chain) else None,
        )
        if done.producer is not None:
            compacted[start] = done.producer
        if done.consumer is not None:
            compacted[stop] = done.consumer
        compacted[start + 1 : stop] = done.modules
    kept = [module for module in compacted if not isinstance(module, _Folded)]
    return nn.Sequential(*kept).train(model.training)


class _Folded(nn.Identity):
    """Stands where a gate was until the chain is put together, so that positions stay."""


@dataclass(frozen=True)
class _Segment:
    producer: nn.Module | None
    modules: list[nn.Module]
    consumer: nn.Module | None


def _flatten(model: nn.Sequential) -> list[nn.Module]:
    found: list[nn.Module] = []
    for module in model:
        found += _flatten(module) if isinstance(module, nn.Sequential) else [module]
    return found


def _check_segment(segment: list[nn.Module], position: int) -> None:
    """Refuse what cannot be cut through; `position` is where the segment begins."""
    for i, module in enumerate(segment, start=position):
        if isinstance(module, DAM):
            if module.dim != -1:
                raise InputError(
                    f"a mask between linear layers must have dim=-1, got dim={module.dim} "
                    f"at position {i}"
                )
        elif not isinstance(module, (*_HOMOGENEOUS, *_ELEMENTWISE, *_PASSING, ChannelScale)):
            raise InputError(
                f"cannot cut through {type(module).__name__} at position {i}: expected only "
                "elementwise activations and dropout between a mask and the linear layers by it"
            )


def _compact_segment(
    producer: nn.Module | None, segment: list[nn.Module], consumer: nn.Module | None
) -> _Segment:
    """Cut the closed units of a segment out of it and out of the linear layers at its ends."""
    # Every module here treats units one by one, so a unit is closed if any gate on its way is zero.
    modules: list[nn.Module] = [
        ChannelScale(module.gate()) if isinstance(module, DAM) else module for module in segment
    ]
    scales = torch.stack([m.scale.cpu().double() for m in modules if isinstance(m, ChannelScale)])
    is_open = (scales != 0).all(dim=0)
    if not is_open.any():
        raise InputError("a mask has no open unit, so there is nothing to keep")
    if producer is None:
        # The input of the model keeps its width; closed inputs get weight zero.
        is_open = torch.ones_like(is_open)
    keep = is_open.nonzero().flatten()

    if consumer is not None:
        consumer = _with_constants(slice_linear(consumer, cols=keep), consumer, modules, ~is_open)
    if producer is not None:
        producer = slice_linear(producer, rows=keep)
    modules = [_slice_units(module, keep, len(is_open)) for module in modules]

    for i, module in enumerate(modules):
        if not isinstance(module, ChannelScale):
            continue
        if producer is not None and _homogeneous(modules[:i]):
            producer = slice_linear(producer, row_scale=module.scale)
        elif consumer is not None and _homogeneous(modules[i + 1 :]):
            consumer = slice_linear(consumer, col_scale=module.scale)
        else:
            continue
        modules[i] = _Folded()
    return _Segment(producer, modules, consumer)


def _homogeneous(modules: list[nn.Module]) -> bool:
    return all(isinstance(m, (*_HOMOGENEOUS, *_PASSING, ChannelScale)) for m in modules)


def _slice_units(module: nn.Module, keep: Tensor, n: int) -> nn.Module:
    """An elementwise module for the kept units only, where it has a value per unit."""
    if isinstance(module, ChannelScale):
        return ChannelScale(module.scale[keep])
    if isinstance(module, nn.PReLU) and module.num_parameters == n and n > 1:
        module.weight = nn.Parameter(module.weight.detach()[keep].clone())
        module.num_parameters = len(keep)
    return module


def _with_constants(
    linear: nn.Linear, whole: nn.Module, modules: list[nn.Module], closed: Tensor
) -> nn.Linear:
    """Move into the bias what closed units still send on where an activation makes 0 non-zero.

    Zeros going in give the right values at the closed units: whatever goes in there is zeroed by a
    gate.
    """
    assert isinstance(whole.weight, Tensor)
    weight = whole.weight.detach()
    closed = closed.to(weight.device)
    value = weight.new_zeros(1, len(closed))
    with torch.no_grad():
        for module in modules:
            value = module(value) if not isinstance(module, nn.Dropout) else value
    sent = weight[:, closed] @ value[0, closed]
    if not bool((sent != 0).any()):
        return linear
    if linear.bias is None:
        linear.bias = nn.Parameter(torch.zeros_like(sent))
    with torch.no_grad():
        linear.bias.add_(sent)
    return linear
