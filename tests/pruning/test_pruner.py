"""ChannelPruner: what it gates, that it leaves no trace, what it gives back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from damrep.masking import DAM
from damrep.pruning import ChannelPruner
from damrep.training.seeding import local_seed
from tests.pruning.samples import Chain, Stream, settled


def image(channels: int = 1) -> Tensor:
    return torch.randn(2, channels, 8, 8, generator=torch.Generator().manual_seed(1))


def test_a_chain_has_one_gate_a_convolution() -> None:
    pruner = ChannelPruner(settled(Chain()), image())
    assert {name: gate.num_features for name, gate in pruner.gates.items()} == {
        "conv1": 6,
        "conv2": 8,
    }
    assert pruner.groups["conv1"].readers == ("conv2",)
    assert pruner.groups["conv1"].norms == ("bn1",)
    assert pruner.groups["conv2"].readers == ("fc",)
    assert pruner.left_whole == {"fc": "an output of the model"}


def test_a_stream_has_one_gate_for_all_that_write_it() -> None:
    pruner = ChannelPruner(settled(Stream()), image(3))
    stream = pruner.groups["stem"]
    assert stream.producers == ("stem", "blocks.0.conv2", "blocks.1.conv2")
    assert stream.readers == ("blocks.0.conv1", "blocks.1.conv1", "fc")
    assert not stream.closable and pruner.groups["blocks.0.conv1"].closable


def test_closing_and_folding_by_hand() -> None:
    """What the compact weights must be: the reader's weight times the gate, closed columns gone."""
    model = settled(Chain())
    pruner = ChannelPruner(model, image())
    pruner.widths = {"conv1": 2, "conv2": 3}
    gate = pruner.gates["conv1"].gate().detach()
    assert (gate > 0).tolist() == [False, False, False, False, True, True]
    compact = pruner.compact()
    pruner.detach()
    assert torch.equal(compact.conv1.weight, model.conv1.weight[4:])
    wanted = (model.conv2.weight * gate[None, :, None, None])[5:, 4:]
    assert torch.allclose(compact.conv2.weight, wanted, atol=1e-7)
    assert torch.equal(compact.conv2.bias, model.conv2.bias[5:])
    assert torch.equal(compact.bn2.running_var, model.bn2.running_var[5:])
    assert compact.fc.in_features == 3 * 16
    assert type(compact.conv2) is nn.Conv2d and not list(
        m for m in compact.modules() if isinstance(m, DAM)
    )


@pytest.mark.usefixtures("global_rng_untouched")
def test_analysis_and_compaction_leave_the_model_as_it_is() -> None:
    with local_seed(0):
        model = Stream(last_norm=True).train()
    model.fc.eval()
    before = copy.deepcopy(model.state_dict())
    kept = list(model.parameters())
    pruner = ChannelPruner(model, image(3), attach=False)
    pruner.widths = {"stem": 3, "blocks.0.conv1": 0}
    compact = pruner.compact(latency=True, batch=2)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(a is b for a, b in zip(kept, model.parameters(), strict=True))
    assert model.training and not model.fc.training
    assert compact.training and not compact.fc.training


def test_detach_gives_the_very_parameters_back() -> None:
    model = Stream(last_norm=True)
    names, kept = list(model.state_dict()), dict(model.named_parameters())
    x = image(3)
    wanted = settled(model)(x)
    pruner = ChannelPruner(model, x)
    twin = copy.deepcopy(model)
    assert pruner.attached and not torch.equal(model(x), wanted)
    assert pruner.detach() is model and not pruner.attached
    assert list(model.state_dict()) == names
    assert all(dict(model.named_parameters())[name] is p for name, p in kept.items())
    assert torch.equal(model(x), wanted)
    # A copy made while the gates were on keeps its own.
    assert not torch.equal(twin(x), wanted)
    pruner.attach()
    assert torch.equal(model(x), twin(x))


def test_as_a_context_the_gates_go_at_the_end() -> None:
    model = settled(Chain())
    with ChannelPruner(model, image(), attach=False) as pruner:
        assert pruner.attached
    assert not any(hasattr(m, "parametrizations") for m in model.modules())


def test_compact_is_the_same_with_gates_on_or_off() -> None:
    pruner = ChannelPruner(settled(Chain()), image())
    pruner.widths = {"conv1": 3}
    on = pruner.compact()
    pruner.detach()
    off = pruner.compact()
    assert all(torch.equal(a, b) for a, b in zip(on.parameters(), off.parameters(), strict=True))


def test_frozen_parameters_are_found_and_stay_frozen() -> None:
    model = settled(Chain())
    model.conv2.requires_grad_(False)
    pruner = ChannelPruner(model, image())
    pruner.widths = {"conv1": 3, "conv2": 4}
    compact = pruner.compact()
    assert not compact.conv2.weight.requires_grad and not compact.conv2.bias.requires_grad
    assert compact.conv1.weight.requires_grad and compact.fc.weight.requires_grad


def test_the_compact_model_trains() -> None:
    pruner = ChannelPruner(settled(Stream()), image(3))
    pruner.widths = {"stem": 5, "blocks.0.conv1": 0}
    compact = pruner.compact().train()
    compact(image(3)).square().sum().backward()
    assert all(p.grad is not None for p in compact.parameters())


def test_ignored_layers_keep_their_channels() -> None:
    pruner = ChannelPruner(settled(Stream()), image(3), ignore=["blocks.0"])
    assert set(pruner.gates) == {"blocks.1.conv1"}
    assert pruner.left_whole["blocks.0.conv1"] == "ignored, as asked"
    # The stream is written by a layer in there as well.
    assert pruner.left_whole["stem"] == "ignored, as asked"


def test_gates_before_normalisation_for_reproduction() -> None:
    model, x = settled(Chain()), image()
    plain = copy.deepcopy(model)
    pruner = ChannelPruner(model, x, gate_order="conv")
    gate = pruner.gates["conv1"].gate()
    assert torch.equal(model.conv1.weight, plain.conv1.weight * gate[:, None, None, None])
    assert set(dict(model.named_parameters())) >= {"conv2.parametrizations.bias.original"}
    pruner.widths = {"conv1": 2}
    pruner.compact()
    assert pruner.report_.difference > 1e-3  # relu(BN(0)) is not zero
    assert list(pruner.detach().state_dict()) == list(plain.state_dict())


def test_any_choice_of_units_can_be_cut_for_comparison() -> None:
    model = settled(Chain())
    pruner = ChannelPruner(model, image())
    keep = torch.tensor([True, False, True, False, False, False])
    small = pruner.cut({"conv1": keep})
    pruner.detach()
    assert torch.equal(small.conv1.weight, model.conv1.weight[[0, 2]])
    assert torch.equal(small.conv2.weight, model.conv2.weight[:, [0, 2]])


def test_saved_optimiser_groups_leave_beta_without_decay() -> None:
    pruner = ChannelPruner(Chain(), image())
    weights, betas = pruner.parameter_groups(lr=0.1, weight_decay=5e-4, beta_lr=0.01)
    assert (weights["weight_decay"], betas["weight_decay"], betas["lr"]) == (5e-4, 0.0, 0.01)
    assert {id(p) for p in betas["params"]} == {id(g.beta) for g in pruner.gates.values()}
    assert len(weights["params"]) == len(list(Chain().parameters()))


def test_three_lines_in_a_loop_close_channels_that_do_not_pay() -> None:
    with local_seed(0):  # from some weights, one layer keeps six channels
        model = Chain()
    x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = (x.mean(dim=(1, 2, 3)) > 0).long()
    pruner = ChannelPruner(model, x[:2], price=0.05, reference_loss=0.7)
    optimizer = torch.optim.Adam(pruner.parameter_groups(lr=0.02, beta_lr=0.1))
    for step in range(60):
        pruner.start_epoch(step, cold_start_epochs=10)
        if step == 9:
            assert pruner.widths == {"conv1": 6, "conv2": 8} and float(pruner.penalty()) == 0.0
        optimizer.zero_grad()
        (nn.functional.cross_entropy(model(x), y) + pruner.penalty()).backward()
        optimizer.step()
        pruner.step()
    assert all(1 <= width < 6 for width in pruner.widths.values())
    model.eval()
    wanted = model(x)
    compact = pruner.compact()
    assert torch.allclose(compact(x), wanted, atol=1e-5)
    assert compact.conv1.out_channels == pruner.widths["conv1"]
