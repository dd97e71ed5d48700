"""A factor model on disk: the same bits again, and one line for what is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from damrep.masking.validation import InputError
from damrep.recommend.factors import FactorFit
from damrep.recommend.interactions import Interactions
from damrep.recommend.storage import load_factors, save_factors
from damrep.recommend.stored_ratings import pack_ids, unpack_ids
from tests.model_folders.editing import edit_config

KIND = "explicit-factors"
REPORT = {
    "estimator": "DAMExplicitMF", "initial_dims": 2, "learned_dims": 2, "strategy": "adam",
    "gate": [1.0, 0.0], "curve": [[0, 1.0], [2, 0.5]], "history": {"sweep": [0, 1]},
}  # fmt: skip
META = {
    "report": REPORT,
    "params": {
        "price": 1, "random_state": 0, "duplicates": "last", "user": "u", "item": 3, "rating": None,
    },
}  # fmt: skip


def parts(users: pd.Index, items: pd.Index) -> tuple[FactorFit, Interactions]:
    rng = np.random.default_rng(0)
    shapes = ((len(users), 2), (len(items), 2), (len(users),), (len(items),))
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    matrix = sp.random(len(users), len(items), 0.5, format="csr", random_state=0, dtype=np.float32)
    fit = FactorFit(
        *arrays, 3.25, 2, 1, REPORT["gate"], REPORT["curve"], 0.1 + 0.2, 0.9,
        history=REPORT["history"], details={"reg": 0.1},
        penalty={name: np.ones(1, np.float32) for name in ("reg", "noise", "scale")},
    )  # fmt: skip
    return fit, Interactions(matrix, users, items)


NAMES = pd.Index(np.array(["a", "", "Zoë", "李\n"], dtype=object), dtype=object)


@pytest.mark.parametrize(
    ("users", "items"),
    [
        (pd.RangeIndex(5), pd.RangeIndex(3)),
        (NAMES, pd.Index([-(2**63), 0, 2**63 - 1])),
    ],
)
def test_what_is_saved_comes_back(users: pd.Index, items: pd.Index, tmp_path: Path) -> None:
    fit, ratings = parts(users, items)
    save_factors(tmp_path / "m", KIND, fit, ratings, META)
    again, read, config = load_factors(tmp_path / "m", KIND)
    for name in ("user_factors", "item_factors", "user_bias", "item_bias"):
        assert getattr(again, name).tobytes() == getattr(fit, name).tobytes()
    assert again.penalty == fit.penalty
    for name in ("mean", "initial", "open_gates", "loss", "gates", "curve", "history", "details"):
        assert getattr(again, name) == getattr(fit, name), name
    assert read.user_ids.tolist() == users.tolist() and read.item_ids.tolist() == items.tolist()
    assert isinstance(read.user_ids, pd.RangeIndex) == isinstance(users, pd.RangeIndex)
    assert (read.matrix != ratings.matrix).nnz == 0
    assert config["params"] == META["params"]


@given(st.lists(st.text(st.characters(exclude_categories=())), unique=True, max_size=8))
def test_any_string_is_an_id(texts: list[str]) -> None:
    index = pd.Index(np.array([*texts, "x" * 99], dtype=object), dtype=object)
    kind, tensors = pack_ids(index)
    arrays = {f"ids.{name}": tensor.numpy() for name, tensor in tensors.items()}
    assert unpack_ids(kind, arrays, "ids", len(index)).tolist() == index.tolist()


@pytest.mark.parametrize("value", ["range", "integers", "tuples", None, 3])
def test_ids_that_do_not_fit(value: object, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    save_factors(folder, KIND, *parts(NAMES, pd.RangeIndex(3)), META)
    edit_config(folder, lambda whole: whole["config"]["ids"].update(user_ids=value))
    with pytest.raises(InputError, match="the model is damaged") as caught:
        load_factors(folder, KIND)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "user_bias",
            np.zeros(2, np.float32),
            r"user_factors has shape \[5, 2\], expected \[2, 2\]",
        ),
        ("item_factors", np.zeros((3, 1), np.float32), r"item_factors .* expected \[3, 2\]"),
        ("user_factors", np.zeros((5, 2)), "user_factors is float64, expected float32"),
        ("item_bias", np.full(3, np.nan, np.float32), "item_bias holds values that are not finite"),
        ("penalty", {"reg": np.zeros(1, np.float32)}, r"penalty\.noise is missing"),
        ("mean", "high", "fit.mean: expected a finite number, got 'high'"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_not_saved(
    name: str, value: object, said: str, tmp_path: Path
) -> None:
    fit, ratings = parts(pd.RangeIndex(5), pd.RangeIndex(3))
    broken = FactorFit(**{**vars(fit), name: value})
    with pytest.raises(InputError, match=f"the model cannot be saved: .*{said}"):
        save_factors(tmp_path / name, KIND, broken, ratings, META)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["places", "order", "ends", "scale", "ids"])
def test_values_that_do_not_fit_each_other_are_not_loaded(what: str, tmp_path: Path) -> None:
    fit, ratings = parts(NAMES, pd.RangeIndex(3))
    matrix = ratings.matrix
    if what == "places":
        matrix.indices[0] = 9
    elif what == "order":
        matrix.indices[:2] = 2, 0
        matrix.indptr[1:] = np.maximum(matrix.indptr[1:], 2)
        matrix.has_sorted_indices = False
    elif what == "ends":
        matrix.indptr[-1] -= 1
    elif what == "scale":
        fit.penalty["scale"][:] = 0
    else:
        ratings = Interactions(
            matrix, pd.Index(["a", "a", "b", "c"], dtype=object), ratings.item_ids
        )
    save_factors(tmp_path / "m", KIND, fit, ratings, META)
    with pytest.raises(InputError, match="the model is damaged"):
        load_factors(tmp_path / "m", KIND)
