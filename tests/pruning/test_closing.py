"""Branches that close altogether."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from damrep.pruning import ChannelPruner
from damrep.pruning.closing import ConstantOutput
from tests.pruning.samples import Chain, Stream, settled

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def closed(model: nn.Module, *names: str) -> tuple[nn.Module, ChannelPruner]:
    """The model without these groups, checked against the gated one."""
    model = settled(model).double()
    pruner = ChannelPruner(model, X.double())
    pruner.widths = dict.fromkeys(names, 0)
    compact = pruner.compact()
    with torch.no_grad():
        assert float((compact(X.double()) - model(X.double())).abs().max()) <= 1e-12
    return compact, pruner


def test_a_block_without_channels_becomes_its_shortcut() -> None:
    compact, pruner = closed(Stream(), "blocks.0.conv1")
    assert type(compact.blocks[0]) is nn.Identity
    assert pruner.report_.plan.bypassed == ("blocks.0",)
    whole = sum(p.numel() for p in Stream().parameters())
    block = sum(p.numel() for p in Stream().blocks[0].parameters())
    assert sum(p.numel() for p in compact.parameters()) == whole - block


def test_what_a_closed_branch_still_adds_is_kept() -> None:
    compact, pruner = closed(Stream(last_norm=True), "blocks.1.conv1")
    block = compact.blocks[1]
    assert not list(block.parameters()) and pruner.report_.plan.bypassed == ()
    # bn2(conv2's bias), a number a channel, whatever goes in.
    assert isinstance(block.bn2, ConstantOutput) and block.bn2.value.numel() == 8
    other = torch.randn(3, 8, 5, 5).double()
    added = block(other) - other
    assert torch.allclose(added, added[:1, :, :1, :1].expand_as(added))


def test_a_constant_keeps_to_the_channels_the_stream_keeps() -> None:
    model = settled(Stream(last_norm=True)).double()
    pruner = ChannelPruner(model, X.double())
    pruner.widths = {"stem": 3, "blocks.0.conv1": 0, "blocks.1.conv1": 0}
    compact = pruner.compact()
    assert compact.blocks[0].bn2.value.numel() == 3
    assert torch.allclose(compact(X.double()), model(X.double()), atol=1e-12)


def test_a_chain_keeps_one_channel() -> None:
    model = settled(Chain())
    pruner = ChannelPruner(model, torch.zeros(1, 1, 8, 8))
    assert not any(group.closable for group in pruner.groups.values())
    with torch.no_grad():
        for mask in pruner.gates.values():
            mask.beta.fill_(-100.0)  # closed by hand, past the least
    compact = pruner.compact()
    assert compact.conv1.out_channels == 1 and compact.conv2.out_channels == 1
    x = torch.randn(2, 1, 8, 8)
    assert torch.allclose(compact(x), model(x), atol=1e-6)
    pruner.step()
    assert pruner.widths == {"conv1": 1, "conv2": 1}


def test_two_branches_of_which_one_must_stay() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.c, self.d = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(torch.relu(self.a(x))) + self.d(torch.relu(self.b(x)))

    pruner = ChannelPruner(settled(Fork()), X)
    assert sorted(group.closable for group in pruner.groups.values()) == [False, True]


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 beside the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)
        self.a, self.b, self.c = (
            nn.Conv2d(6, 4, 1),
            nn.Conv2d(4, 5, 3, padding=1),
            nn.Conv2d(5, 6, 1),
        )
        self.bn = nn.BatchNorm2d(5)
        self.last = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.last(x + self.c(torch.relu(self.bn(self.b(torch.relu(self.a(x)))))))


@pytest.mark.parametrize("name", ["a", "b"])
def test_either_width_of_a_bottleneck_closes_all_of_it(name: str) -> None:
    compact, pruner = closed(Bottleneck(), name)
    assert isinstance(compact.a, ConstantOutput) and isinstance(compact.b, ConstantOutput)
    assert isinstance(compact.c, ConstantOutput) and compact.c.value.numel() == 6
    assert {r.name: r.kept for r in pruner.report_.plan.layers} == {
        "stem": 6, "a": 0, "b": 0, "c": 0, "last": 2,
    }  # fmt: skip
    assert pruner.report_.plan.flops_kept == 2 * 64 * (3 * 6 + 6 * 2)
    assert float(pruner.cost.flops(pruner.widths)) == pruner.report_.plan.flops_kept


def test_a_linear_branch_with_channels_last() -> None:
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 6, 2, 2), nn.Conv2d(6, 2, 1)
            self.wide, self.back = nn.Linear(6, 9), nn.Linear(9, 6)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            inner = self.back(torch.sigmoid(self.wide(x.permute(0, 2, 3, 1))))
            return self.head(torch.relu(x + inner.permute(0, 3, 1, 2)))

    compact, _ = closed(Mixer(), "wide")
    assert isinstance(compact.back, ConstantOutput) and compact.back.value.numel() == 6


def test_padding_spreads_a_constant_unevenly() -> None:
    """A padded convolution on a constant has borders of their own: it stays."""

    class Padded(Bottleneck):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Conv2d(5, 6, 3, padding=1)

    compact, pruner = closed(Padded(), "a")
    assert isinstance(compact.c, nn.Conv2d) and isinstance(compact.a, ConstantOutput)
    assert isinstance(compact.bn, ConstantOutput)
    assert float(pruner.cost.flops(pruner.widths)) == pruner.report_.plan.flops_kept


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(2, 3, 3, stride=2, padding=1, dilation=2),
        nn.Conv2d(2, 3, (3, 5), stride=(1, 3), padding=(2, 0)),
        nn.Conv2d(2, 3, 4, padding="same"),
        nn.Conv2d(2, 3, 3, padding="valid"),
        nn.Conv3d(2, 3, 2, stride=2),
        nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1, dilation=2),
        nn.Linear(2, 3),
        nn.BatchNorm2d(2),
    ],
)
def test_a_constant_has_the_shape_of_the_layer_it_stands_for(layer: nn.Module) -> None:
    dims = {nn.Conv1d: 1, nn.Conv3d: 3, nn.Linear: 0}.get(type(layer), 2)
    x = torch.randn(2, 2, *(11, 12, 13)[:dims])
    wanted = layer(x)
    value = torch.arange(float(wanted.shape[1]))
    got = ConstantOutput(layer, value)(x)
    assert got.shape == wanted.shape
    assert torch.equal(got, value.view(1, -1, *(1,) * dims).expand_as(got))
    got.add_(1)  # what follows may write in place
    assert float(ConstantOutput(layer, value).value[0]) == 0
