"""What cannot be removed exactly stays, by name and with the reason; the rest goes on."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from damrep.pruning import ChannelPruner
from damrep.pruning.flow import tensors_in
from tests.pruning.samples import settled

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Around(nn.Module):
    """conv, something, conv, conv, mean: the first convolution's channels pass the something."""

    def __init__(self, what: nn.Module, out: int = 6) -> None:
        super().__init__()
        self.first, self.what = nn.Conv2d(3, 6, 3, padding=1), what
        self.second, self.third = nn.Conv2d(out, 5, 3), nn.Conv2d(5, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.third(torch.relu(self.second(self.what(self.first(x))))).mean(dim=(2, 3))


class Do(nn.Module):
    """Any function as a module."""

    def __init__(self, function: object, *modules: nn.Module) -> None:
        super().__init__()
        self.function, self.inner = function, nn.ModuleList(modules)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.inner)  # type: ignore[operator]


class OnChannels(nn.Module):
    """LayerNorm over the channel axis."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class Bare(nn.Module):
    """A convolution by function, on a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(6, 6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel)


IMAGE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
MIXED = "mixes it with others|not known|normalises over it"


def exact(model: nn.Module, pruner: ChannelPruner, *x: Tensor) -> nn.Module:
    for mask in pruner.gates.values():
        mask.set_width(max(1, mask.num_features // 2))
    model.eval()
    compact = pruner.compact()
    with torch.no_grad():
        for got, wanted in zip(tensors_in(compact(*x)), tensors_in(model(*x)), strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)
    return compact


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (Do(lambda x: x.softmax(dim=1)), MIXED),
        (Do(lambda x: x - x.mean(dim=1, keepdim=True)), MIXED),
        (Do(lambda x: x.sort(dim=1).values), MIXED),
        (OnChannels(), MIXED),
        (nn.GroupNorm(1, 6), "coupled into one"),
        (nn.LocalResponseNorm(3), MIXED),
        (Bare(), MIXED),
        (Do(lambda x: x.roll(1, 1)), MIXED),
        (Do(lambda x: x[:, [0, 2, 1, 3, 5, 4]]), MIXED),
        (Do(lambda x: x + torch.arange(6.0).view(6, 1, 1).to(x)), "not pruned"),
        (Do(lambda x: x.view(2, 6, 64).view(2, 6, 8, 8)), "does not run"),
        (Do(lambda x: torch.cat([x[:, :2], x[:, 2:]], 1)), MIXED),
    ],
    ids=(
        "softmax centred sorted layernorm groupnorm lrn functional roll index constant numbers "
        "unequal"
    ).split(),
)
def test_only_what_mixes_channels_stays(what: nn.Module, reason: str) -> None:
    model = settled(Around(what))
    pruner = ChannelPruner(model, IMAGE)
    assert set(pruner.gates) == {"second"}
    import re

    assert re.search(reason, pruner.left_whole["first"]), pruner.left_whole["first"]
    assert exact(model, pruner, IMAGE).second.out_channels == 2


@pytest.mark.parametrize(
    "what",
    [
        Do(lambda x: x.softmax(dim=-1)),
        nn.Sigmoid(),
        nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
        nn.GroupNorm(3, 6),
        nn.BatchNorm2d(6, affine=False),
        nn.PReLU(6),
        nn.Dropout2d(0.5),
        Do(lambda x: x.flip(1).flip(1)),
        Do(lambda x: x.reshape(x.shape[0], x.shape[1], -1).view(x.shape)),
        Do(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)),
        Do(lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear")),
        Do(lambda x: x * (x.amax(dim=(2, 3), keepdim=True) > 0)),
        Do(lambda x: F.pad(x, (1, 1, 2, 0), mode="reflect")),
        Do(lambda x: torch.stack([x, x], 2).flatten(2, 3)[:, :, ::2]),
    ],
)
def test_what_keeps_channels_apart_does_not_stop_them(what: nn.Module) -> None:
    model = settled(Around(what))
    pruner = ChannelPruner(model, IMAGE)
    assert set(pruner.gates) == {"first", "second"}
    assert exact(model, pruner, IMAGE).first.out_channels < 6


@pytest.mark.parametrize(
    ("wrap", "reason"),
    [
        (parametrizations.weight_norm, "parametrised already"),
        (parametrizations.spectral_norm, "parametrised already"),
    ],
)
def test_weights_that_are_computed_stay(wrap: object, reason: str) -> None:
    model = Around(nn.Identity())
    wrap(model.second)  # type: ignore[operator]
    settled(model)
    pruner = ChannelPruner(model, IMAGE)
    # What it reads cannot go either.
    assert not pruner.gates
    assert reason in pruner.left_whole["second"] and reason in pruner.left_whole["first"]
    assert pruner.penalty() == 0
    assert torch.equal(pruner.compact()(IMAGE), model(IMAGE))


def test_layers_that_share_a_parameter_stay() -> None:
    model = Around(nn.Conv2d(6, 6, 1))
    model.other = nn.Conv2d(6, 6, 1)
    model.other.weight = model.what.weight
    pruner = ChannelPruner(settled(model), IMAGE)
    assert "shares a parameter with" in pruner.left_whole["what"]
    assert "not reach" in pruner.left_whole["other"]


def test_channels_added_to_the_input_stay() -> None:
    class Denoise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
            self.c = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(x + self.b(torch.relu(self.a(x))))

    model = settled(Denoise())
    pruner = ChannelPruner(model, IMAGE)
    assert set(pruner.gates) == {"a"} and "not pruned" in pruner.left_whole["b"]
    exact(model, pruner, IMAGE)


def test_a_shortcut_padded_with_zero_channels() -> None:
    """Option A of the first residual networks: what is padded in has numbers of its own."""

    class OptionA(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 3, stride=2, padding=1)
            self.last = nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.stem(x))
            return self.last(self.conv(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))

    model = settled(OptionA())
    pruner = ChannelPruner(model, IMAGE)
    assert pruner.groups["stem"].n_units == 4
    assert pruner.groups["stem"].producers == ("stem", "conv")
    exact(model, pruner, IMAGE)


def test_several_inputs_and_outputs_by_name() -> None:
    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(3, 6, 3, padding=1), nn.Conv1d(2, 6, 3, padding=1)
            self.head, self.side = nn.Linear(6, 4), nn.Linear(4, 1)

        def forward(self, image: Tensor, signal: Tensor) -> dict[str, object]:
            both = torch.relu(self.left(image)).mean((2, 3)) * self.right(signal).amax(2)
            hidden = torch.tanh(self.head(both))
            return {"both": both.sum(1), "value": [self.side(hidden)]}

    model = settled(Towers())
    x = (IMAGE, torch.randn(2, 2, 9))
    pruner = ChannelPruner(model, x)
    assert set(pruner.gates) == {"head"}  # the product is an output, summed over its channels
    exact(model, pruner, *x)


def test_tokens_as_inputs() -> None:
    class TextNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(7, 4)
            self.conv, self.inner = nn.Conv1d(4, 6, 3, padding=1), nn.Conv1d(6, 5, 1)
            self.outer, self.fc = nn.Conv1d(5, 6, 1), nn.Linear(6, 2)

        def forward(self, tokens: Tensor) -> Tensor:
            x = torch.relu(self.conv(self.embed(tokens).transpose(1, 2)))
            return self.fc((x + self.outer(torch.relu(self.inner(x)))).amax(2))

    model = settled(TextNet())
    tokens = torch.tensor([[0, 1, 2, 3, 4], [5, 6, 0, 1, 3]])
    pruner = ChannelPruner(model, tokens)
    assert {n: g.closable for n, g in pruner.groups.items()} == {"conv": False, "inner": True}
    exact(model, pruner, tokens)


def test_reasons_for_what_is_not_reached() -> None:
    model = Around(nn.Identity())
    model.unused = nn.Conv2d(1, 1, 1)
    pruner = ChannelPruner(settled(model), IMAGE)
    assert pruner.left_whole == {
        "third": "an output of the model",
        "unused": "the example inputs do not reach it as a layer",
    }
