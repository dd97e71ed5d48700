"""Saving and loading compact models, and exporting them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from damrep.masking import InputError
from damrep.pruning import ChannelPruner, load_compact, save_compact
from tests.model_folders.editing import edit_config
from tests.pruning.architectures import random_network
from tests.pruning.samples import Chain, Stream, settled

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def compact_stream(last_norm: bool = True) -> nn.Module:
    pruner = ChannelPruner(settled(Stream(last_norm, blocks=3)), X)
    pruner.widths = {"stem": 5, "blocks.0.conv1": 0, "blocks.2.conv1": 2}
    return pruner.compact()


@pytest.mark.usefixtures("global_rng_untouched")
@pytest.mark.parametrize("last_norm", [True, False])
def test_a_compact_model_comes_back(tmp_path: Path, last_norm: bool) -> None:
    with torch.random.fork_rng():
        compact = compact_stream(last_norm)
    save_compact(compact, tmp_path / "small", extra={"note": 1})
    loaded = load_compact(tmp_path / "small", lambda: Stream(last_norm, blocks=3))
    assert torch.equal(loaded(X), compact(X)) and not loaded.training
    assert list(loaded.state_dict()) == list(compact.state_dict())
    save_compact(loaded, tmp_path / "again")  # it is a compact model itself
    assert torch.equal(
        load_compact(tmp_path / "again", lambda: Stream(last_norm, blocks=3))(X), compact(X)
    )


def test_random_networks_come_back_in_their_precision(tmp_path: Path) -> None:
    for seed in range(5, 11):
        model, x, _ = random_network(seed)
        model.double()
        pruner = ChannelPruner(model, x.double())
        pruner.widths = {name: max(g.min_active, 2) for name, g in pruner.gates.items()}
        compact = pruner.compact()
        save_compact(compact, tmp_path / "small")
        loaded = load_compact(tmp_path / "small", lambda seed=seed: random_network(seed)[0])
        state = compact.state_dict()
        assert all(torch.equal(state[k], v) for k, v in loaded.state_dict().items())
        assert next(loaded.parameters()).dtype == torch.float64


def test_the_files_are_plain(tmp_path: Path) -> None:
    save_compact(compact_stream(), tmp_path / "small")
    assert sorted(f.name for f in (tmp_path / "small").iterdir()) == [
        "config.json",
        "weights.safetensors",
    ]
    cuts = json.loads((tmp_path / "small" / "config.json").read_text())["config"]["cuts"]
    assert cuts["keep"]["stem"] == {"out": [3, 4, 5, 6, 7]}


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (Chain, "no layer 'blocks.0.bn2' to cut|no layer 'stem'|no layer 'blocks"),
        (lambda: Stream(False, blocks=3), "not fit what build makes"),
        (lambda: Stream(True, blocks=4), "not fit what build makes"),
    ],
)
def test_another_architecture(tmp_path: Path, build: object, said: str) -> None:
    save_compact(compact_stream(), tmp_path / "small")
    with pytest.raises(InputError, match=said) as error:
        load_compact(tmp_path / "small", build)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_a_damaged_record(tmp_path: Path) -> None:
    save_compact(compact_stream(), tmp_path / "small")
    for kept, said in (
        ("all", "cuts.keep.stem.out: expected a list"),
        ([3, 3, 4, 5, 6], "expected rising numbers"),
        ([3, 4, 5, 6, True], "expected an integer"),
        ([3, 4, 5, 6, 99], "'stem' has 8 channels"),
    ):
        edit_config(
            tmp_path / "small",
            lambda whole, to=kept: whole["config"]["cuts"]["keep"]["stem"].update(out=to),
        )
        with pytest.raises(InputError, match=said):
            load_compact(tmp_path / "small", lambda: Stream(True, blocks=3))
    with pytest.raises(TypeError, match="build must return a torch module"):
        load_compact(tmp_path / "small", lambda: None)  # type: ignore[arg-type, return-value]


def test_constants_of_a_size_nobody_has_allocate_nothing(tmp_path: Path) -> None:
    save_compact(compact_stream(), tmp_path / "small")
    edit_config(
        tmp_path / "small",
        lambda whole: whole["config"]["cuts"]["constants"].update(
            dict.fromkeys(whole["config"]["cuts"]["constants"], 10**13)
        ),
    )
    with pytest.raises(InputError, match="channels at most, the record 10000000000000"):
        load_compact(tmp_path / "small", lambda: Stream(True, blocks=3))


def test_a_model_that_diverged_is_not_saved(tmp_path: Path) -> None:
    compact = compact_stream()
    with torch.no_grad():
        next(compact.parameters()).fill_(torch.inf)
    with pytest.raises(InputError, match="not finite"):
        save_compact(compact, tmp_path / "small")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("last_norm", [True, False])
def test_torch_export_of_a_compact_model(last_norm: bool) -> None:
    compact = compact_stream(last_norm)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(compact, (X,), dynamic_shapes=({0: batch},))
    for n in (1, 5):
        x = torch.randn(n, 3, 8, 8)
        torch.testing.assert_close(program.module()(x), compact(x), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("last_norm", [True, False])
def test_onnx_of_a_compact_model_gives_the_same(tmp_path: Path, last_norm: bool) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    compact = compact_stream(last_norm)
    path = tmp_path / "small.onnx"
    torch.onnx.export(
        compact, (X,), path, dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n in (2, 5):
        x = torch.randn(n, 3, 8, 8)
        (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(got, compact(x).detach().numpy(), rtol=1e-4, atol=1e-5)
