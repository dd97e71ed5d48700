"""A factor model on disk: the same bits again, and one line for what is damaged."""

from __future__ import annotations

import json
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
from damrep.recommend.storage import load_factors, pack_ids, save_factors, unpack_ids

REPORT = {"gate": [1.0, 0.0], "curve": [[0, 1.0], [2, 0.5]], "history": {"sweep": [0, 1]}}


def parts(users: pd.Index, items: pd.Index) -> tuple[FactorFit, Interactions]:
    rng = np.random.default_rng(0)
    shapes = ((len(users), 2), (len(items), 2), (len(users),), (len(items),))
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    matrix = sp.random(len(users), len(items), 0.5, format="csr", random_state=0, dtype=np.float32)
    fit = FactorFit(
        *arrays, 3.25, 2, 1, REPORT["gate"], REPORT["curve"], 0.1 + 0.2, 0.9,
        history=REPORT["history"], details={"reg": 0.1},
        penalty={"prior": rng.normal(size=(2, 2)).astype(np.float32)},
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
    save_factors(tmp_path / "m", "k", fit, ratings, {"report": REPORT, "params": {"price": 1}})
    again, read, config = load_factors(tmp_path / "m", "k")
    for name in ("user_factors", "item_factors", "user_bias", "item_bias"):
        assert getattr(again, name).tobytes() == getattr(fit, name).tobytes()
    assert (again.penalty["prior"] == fit.penalty["prior"]).all()
    for name in ("mean", "initial", "open_gates", "loss", "gates", "curve", "history", "details"):
        assert getattr(again, name) == getattr(fit, name), name
    assert read.user_ids.tolist() == users.tolist() and read.item_ids.tolist() == items.tolist()
    assert isinstance(read.user_ids, pd.RangeIndex) == isinstance(users, pd.RangeIndex)
    assert (read.matrix != ratings.matrix).nnz == 0
    assert config["params"] == {"price": 1}


@given(st.lists(st.text(st.characters(exclude_categories=())), unique=True, max_size=8))
def test_any_string_is_an_id(texts: list[str]) -> None:
    index = pd.Index(np.array([*texts, "x" * 99], dtype=object), dtype=object)
    kind, tensors = pack_ids(index)
    arrays = {f"ids.{name}": tensor.numpy() for name, tensor in tensors.items()}
    assert unpack_ids(kind, arrays, "ids", len(index)).tolist() == index.tolist()


def change(folder: Path, name: str, value: object) -> None:
    whole = json.loads((folder / "config.json").read_text())
    whole["config"]["ids"][name] = value
    (folder / "config.json").write_text(json.dumps(whole))


@pytest.mark.parametrize("value", ["range", "integers", "tuples", None, 3])
def test_ids_that_do_not_fit(value: object, tmp_path: Path) -> None:
    save_factors(tmp_path / "m", "k", *parts(NAMES, pd.RangeIndex(3)), {"report": REPORT})
    if value == "range":
        change(tmp_path / "m", "user_ids", value)
        assert load_factors(tmp_path / "m", "k")[1].user_ids.tolist() == [0, 1, 2, 3]
        return
    change(tmp_path / "m", "user_ids", value)
    with pytest.raises(InputError, match="the model is damaged") as caught:
        load_factors(tmp_path / "m", "k")
    assert "\n" not in str(caught.value)


def test_parts_that_do_not_fit_each_other(tmp_path: Path) -> None:
    fit, ratings = parts(pd.RangeIndex(5), pd.RangeIndex(3))
    wrong = {
        "user_bias": fit.user_bias[:2],
        "item_factors": fit.item_factors[:, :1],
    }
    for name, value in wrong.items():
        broken = FactorFit(**{**vars(fit), name: value})
        save_factors(tmp_path / name, "k", broken, ratings, {"report": REPORT})
        with pytest.raises(InputError, match="do not fit each other"):
            load_factors(tmp_path / name, "k")
    ratings.matrix.indices[0] = 9
    save_factors(tmp_path / "m", "k", fit, ratings, {"report": REPORT})
    with pytest.raises(InputError, match="damaged"):
        load_factors(tmp_path / "m", "k")
