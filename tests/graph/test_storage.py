"""A graph model on disk: plain numbers, and every node id whatever it holds."""

from __future__ import annotations

import json
import os
import pickletools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from damrep.graph.data.graph import Graph
from damrep.graph.encoding.encoders import ENCODERS
from damrep.graph.estimator import DAMGraphEmbedding
from damrep.graph.storage import FORMAT, KIND, load_model
from damrep.masking.validation import InputError
from damrep.training import load_folder
from damrep.training.stored_tensors import layout_of
from tests.graph.samples import communities, without_features
from tests.model_folders.editing import edit_config

ODD_IDS = [
    "plain", 'with "quotes"', "it's", "new\nline", "tab\t", "back\\slash", "null\x00byte",
    "ünïcödé", "日本語", "🙂", " leading", "trailing ", "[1, 2]", "true", "null", "1e5", "-0",
    "007", "\u2028", "a,b", "../../etc/passwd", "%s{0}", "nan",
]  # fmt: skip


def fit(graph: Graph, **changes: Any) -> DAMGraphEmbedding:
    arguments = {"max_components": 12, "max_epochs": 2, "random_state": 0, "device": "cpu"}
    return DAMGraphEmbedding(**{**arguments, **changes}).fit(graph)


def round_trip(model: DAMGraphEmbedding, graph: Graph, path: Path) -> DAMGraphEmbedding:
    model.save(path)
    loaded = DAMGraphEmbedding.load(path)
    np.testing.assert_array_equal(loaded.transform(graph), model.transform(graph))
    return loaded


@pytest.mark.parametrize(
    "changes",
    [
        *({"encoder": name} for name in ENCODERS),
        {"hidden": (7, 5)},
        {"objective": "svd"},
        {"spectral_weight": 0.0},
        {"smoothing": 0, "spectral_steps": 3},
        {"objective": "supervised", "hidden": [6]},
        {"n_components": 3},
        {"price": np.float64(0.02), "max_components": np.int64(9)},
    ],
    ids=str,
)
@pytest.mark.parametrize("bare", [False, True])
def test_every_kind_of_model(changes: dict[str, Any], bare: bool, tmp_path: Path) -> None:
    graph = communities()
    graph = without_features(graph) if bare else graph
    round_trip(fit(graph, **changes), graph, tmp_path / "model")


def test_standardised_features(tmp_path: Path) -> None:
    graph = communities().with_features(np.random.default_rng(0).normal(5, 3, size=(40, 4)))
    loaded = round_trip(fit(graph), graph, tmp_path / "model")
    assert loaded.n_features_in_ == 4


def test_names_of_columns_of_any_spelling(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, len(ODD_IDS)))
    graph = communities().with_features(x, ODD_IDS)
    loaded = round_trip(fit(graph), graph, tmp_path / "model")
    assert loaded.feature_names_in_.tolist() == ODD_IDS
    swapped = graph.with_features(x[:, ::-1], ODD_IDS[::-1])
    np.testing.assert_array_equal(loaded.transform(swapped), loaded.transform(graph))
    bare = round_trip(fit(communities()), communities(), tmp_path / "model")
    assert not hasattr(bare, "feature_names_in_")


def rewritten(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Change tensors of a saved model, what its config says of them, and the checksums."""
    tensors = load_file(path / "weights.safetensors")
    change(tensors)
    save_file(tensors, path / "weights.safetensors")
    edit_config(path, lambda whole: whole.update({"tensors": layout_of(tensors)}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("graph.edges.indices", lambda t: t + 1000),
        ("graph.edges.indices", lambda t: t - 50),
        ("graph.edges.indptr", lambda t: t * 7),
        ("graph.edges.shape", lambda t: t * 0 + 10**9),
        ("graph.edges.data", lambda t: -t),
        ("graph.edges.data", lambda t: t * torch.nan),
        ("graph.features", lambda t: t[:, :3].contiguous()),
        ("graph.features", lambda t: t[:7].contiguous()),
        ("graph.features", lambda t: t * torch.inf),
        ("graph.node_ids", lambda t: t[:7].contiguous()),
        ("graph.node_ids", lambda t: t * 0),
        ("features.names", lambda t: torch.tensor(list(b'["a"]'), dtype=torch.uint8)),
        ("features.names", lambda t: torch.tensor(list(b"not JSON"), dtype=torch.uint8)),
    ],
)
def test_a_kept_graph_that_was_changed_is_damage(
    name: str, value: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path
) -> None:
    graph = communities().with_features(communities().features, [f"f{i}" for i in range(12)])
    fit(graph).save(tmp_path / "model")
    rewritten(tmp_path / "model", lambda held: held.update({name: value(held[name])}))
    with pytest.raises(InputError, match=r"model.*damaged") as caught:
        DAMGraphEmbedding.load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_a_folder_of_before_ids_and_graphs_were_saved(tmp_path: Path) -> None:
    graph = communities()
    fit(graph, objective="svd").save(tmp_path / "model")

    def as_before(held: dict[str, torch.Tensor]) -> None:
        for name in [name for name in held if name.startswith("graph.")]:
            del held[name]

    rewritten(tmp_path / "model", as_before)
    loaded = DAMGraphEmbedding.load(tmp_path / "model")
    assert loaded.graph_ is None and len(loaded.node_ids_) == 0
    before = fit(graph, objective="svd").transform(graph)
    np.testing.assert_array_equal(loaded.transform(graph), before)


@pytest.mark.parametrize("output", ["pandas", "default"])
def test_the_kind_of_output_comes_back(output: str, tmp_path: Path) -> None:
    fit(communities()).set_output(transform=output).save(tmp_path / "model")
    z = DAMGraphEmbedding.load(tmp_path / "model").transform(communities())
    assert isinstance(z, np.ndarray) == (output == "default")
    edit_config(tmp_path / "model", lambda whole: whole["config"].update({"output_transform": 3}))
    with pytest.raises(InputError, match="damaged"):
        DAMGraphEmbedding.load(tmp_path / "model")


@pytest.mark.parametrize("name", ["graph.edges.data", "graph.edges.shape", "graph.node_ids"])
def test_a_part_of_the_kept_graph_that_is_gone_is_damage(name: str, tmp_path: Path) -> None:
    fit(communities()).save(tmp_path / "model")
    rewritten(tmp_path / "model", lambda held: held.__delitem__(name))
    with pytest.raises(InputError, match=r"model.*damaged"):
        DAMGraphEmbedding.load(tmp_path / "model")


def test_a_graph_that_is_not_kept_leaves_nothing_but_ids(tmp_path: Path) -> None:
    fit(communities(), keep_graph=False).save(tmp_path / "model")
    _, tensors = load_folder(tmp_path / "model", FORMAT)
    assert [name for name in tensors if name.startswith("graph.")] == ["graph.node_ids"]


def test_ids_of_any_spelling(tmp_path: Path) -> None:
    graph = without_features(communities(n=len(ODD_IDS), ids=ODD_IDS))
    loaded = round_trip(fit(graph), graph, tmp_path / "model")
    order = np.random.default_rng(0).permutation(len(ODD_IDS))
    np.testing.assert_allclose(
        loaded.transform(graph.subgraph(order)), loaded.transform(graph)[order], atol=1e-5
    )
    preparation, *_ = load_model(tmp_path / "model")
    assert preparation.structure is not None
    assert preparation.structure.node_ids.tolist() == ODD_IDS


def test_integer_ids_stay_integers(tmp_path: Path) -> None:
    ids = np.arange(40) * 10**15 - 3
    graph = without_features(communities(ids=ids))
    round_trip(fit(graph), graph, tmp_path / "model")
    preparation, *_ = load_model(tmp_path / "model")
    assert preparation.structure is not None
    np.testing.assert_array_equal(preparation.structure.node_ids, ids)


def test_the_config_is_data_and_the_rest_are_tensors(tmp_path: Path) -> None:
    fit(communities(), hidden=(7,)).save(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["kind"] == KIND

    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(item) for key, item in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return value is None or isinstance(value, bool | int | float | str)

    assert plain(config)
    encoder = config["config"]["encoder"]
    assert encoder["name"] in ENCODERS, "a name to look up, not something to import"
    words = (tmp_path / "model" / "config.json").read_text()
    assert "damrep.graph" not in words and "torch" not in words and "__" not in words
    data = (tmp_path / "model" / "weights.safetensors").read_bytes()
    with pytest.raises(ValueError):
        list(pickletools.genops(data))
    with safe_open(tmp_path / "model" / "weights.safetensors", framework="pt") as stored:
        names = set(stored.keys())
        assert names == set(config["tensors"])
    assert any(name.startswith("encoder.") for name in names)


def test_only_what_the_small_model_needs_is_stored(tmp_path: Path) -> None:
    graph = communities()
    model = fit(graph, n_components=2)
    model.save(tmp_path / "model")
    _, tensors = load_folder(tmp_path / "model", FORMAT)
    assert tensors["bias"].shape == (2,) and tensors["axes"].shape == (12, 2)
    assert tensors["head"].shape[0] == 2
    assert not any("mask" in name or "beta" in name for name in tensors)


def test_a_name_nobody_knows_is_not_imported(tmp_path: Path) -> None:
    fit(communities()).save(tmp_path / "model")
    for name in ("os.system", "torch.nn.Linear", "GCNEncoder", None, 3):
        named = {"name": name, "widths": [6]}
        edit_config(tmp_path / "model", lambda whole, to=named: whole["config"].update(encoder=to))
        with pytest.raises(InputError, match="damaged"):
            DAMGraphEmbedding.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("key", "value"),
    [("input_width", 5), ("input_width", "12"), ("encoder", []), ("report", {}), ("params", 3),
     ("encoder", {"name": "gcn", "widths": [3]}), ("smoothing", 10**9), ("smoothing", True),
     ("steps", "8"), ("steps", -1), ("steps", 0), ("encoder", None), ("num_features", 0),
     ("classes", ["a", "b"]), ("input_width", 10**9)],
)  # fmt: skip
def test_a_config_that_does_not_fit_its_weights(key: str, value: Any, tmp_path: Path) -> None:
    fit(communities()).save(tmp_path / "model")
    edit_config(tmp_path / "model", lambda whole: whole["config"].update({key: value}))
    with pytest.raises(InputError, match=r"model.*damaged") as caught:
        DAMGraphEmbedding.load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_steps_that_would_never_end_are_refused_at_the_fit_too() -> None:
    for name in ("smoothing", "spectral_steps"):
        with pytest.raises(InputError, match=f"{name} must be between"):
            fit(communities(), **{name: 10**9})


def test_arguments_of_a_newer_version_are_passed_over(tmp_path: Path) -> None:
    model = fit(communities())
    model.save(tmp_path / "model")
    edit_config(tmp_path / "model", lambda whole: whole["config"]["params"].update(heads=4))
    loaded = DAMGraphEmbedding.load(tmp_path / "model")
    assert "heads" not in loaded.get_params()


def test_the_weights_are_float32_on_the_cpu(tmp_path: Path) -> None:
    fit(communities(), precision="64-true").save(tmp_path / "model")
    _, tensors = load_folder(tmp_path / "model", FORMAT)
    kinds = {name: t.dtype for name, t in tensors.items() if not name.startswith("graph.")}
    assert set(kinds.values()) == {torch.float32}, kinds
    assert {tensor.device.type for tensor in tensors.values()} == {"cpu"}


def test_a_model_loads_in_a_process_of_its_own_that_sees_no_gpu(tmp_path: Path) -> None:
    graph = communities()
    model = fit(graph)
    model.save(tmp_path / "model")
    np.savez(tmp_path / "graph.npz", adjacency=graph.adjacency.toarray(), features=graph.features)
    code = (
        "import numpy as np\n"
        "from damrep.graph.data.graph import build_graph\n"
        "from damrep.graph.estimator import DAMGraphEmbedding as E\n"
        "g = np.load('graph.npz')\n"
        "z = E.load('model').transform(build_graph(g['adjacency'], g['features']))\n"
        "np.save('z.npy', z)\n"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), model.transform(graph), atol=1e-6)


def test_loading_leaves_the_global_generator_alone(
    tmp_path: Path, global_rng_untouched: None
) -> None:
    graph = communities(classes=3)
    round_trip(fit(graph, objective="supervised", hidden=(5,)), graph, tmp_path / "model")
