"""What both factor models promise beside the contract of every estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from damrep.recommend import recommending
from damrep.recommend.new_users import NewUsers
from damrep.training import limited_threads
from tests.contract import ModelContract
from tests.recommend.samples import as_frame


class FactorContract(ModelContract):
    """Inherit beside the data; a matrix of ratings is what `fit` takes."""

    fewest = 0

    @classmethod
    def outputs(cls, model: Any) -> list[np.ndarray]:
        return [
            model.user_factors_,
            model.item_factors_,
            model.user_bias_,
            model.item_bias_,
            model.user_ids_,
            model.item_ids_,
            model.user_items_.data,
            *model.recommend(None, 5),
        ]

    @classmethod
    def calls(cls, folder: Path) -> dict[str, tuple[Any, ...]]:
        return {
            **super().calls(folder),
            "predict": ([0], [0]),
            "recommend": ([0],),
            "similar_items": ([0],),
            "similar_users": ([0],),
            "fold_in": (cls.training_data()[0],),
        }

    @classmethod
    def open_gates(cls, report: FitReport) -> int:
        dimensions = report.details["dimensions"]
        assert dimensions["used"] == report.learned_dims
        return dimensions["open gates"]

    @classmethod
    def named(cls) -> pd.DataFrame:
        """The training data with names for ids, whose order is that of the places."""
        table = as_frame(cls.training_data()[0])
        user, item = (table[name].map(f"{{:0{4}d}}".format) for name in ("user", "item"))
        return table.assign(user="u" + user, item="i" + item)

    @pytest.fixture(scope="class")
    @classmethod
    def by_name(cls) -> Any:
        """A model fitted on a frame with strings for ids, not to be changed."""
        return cls.make().fit(cls.named())

    def test_components_curve(self, model: Any) -> None:
        """Columns that carry nothing are cut while training, so it may end before the start."""
        dims, losses = model.components_curve_.T
        assert (np.diff(dims) > 0).all() and dims[-1] <= model.report_.initial_dims
        assert np.isfinite(losses).all() and (losses >= 0).all()
        assert model.n_components_ in dims and 0 in dims
        assert [list(row) for row in model.components_curve_] == model.report_.curve

    def test_a_small_table_takes_one_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model, (matrix, *_), seen = self.make(), self.training_data(), list[int]()
        trained = model._trained

        def watched(*arguments: Any) -> Any:
            seen.append(torch.get_num_threads())
            return trained(*arguments)

        monkeypatch.setattr(model, "_trained", watched)
        with limited_threads(2):
            for entries in (matrix.nnz, matrix.nnz - 1):
                monkeypatch.setattr(model, "on_one_thread", entries)
                model.fit(matrix)
            assert torch.get_num_threads() == 2
        assert seen == [1, 2]

    # -- frames and matrices

    def test_a_frame_gives_the_model_of_the_matrix(self, model: Any) -> None:
        self.same(self.make().fit(as_frame(self.training_data()[0])), model)

    def test_names_give_the_model_of_places(self, model: Any, by_name: Any) -> None:
        assert np.array_equal(by_name.user_factors_, model.user_factors_)
        assert np.array_equal(by_name.item_factors_, model.item_factors_)
        ids, scores = by_name.recommend(["u0003", "u0001"], 4)
        places, same = model.recommend([3, 1], 4)
        assert ids.tolist() == [[f"i{place:04d}" for place in row] for row in places]
        assert np.array_equal(scores, same)
        assert ids.dtype == object and by_name.user_ids_[3] == "u0003"

    def test_large_ids_survive_saving(self, model: Any, by_name: Any, tmp_path: Path) -> None:
        wide = as_frame(self.training_data()[0])
        wide = wide.assign(user=wide["user"] + 2**62, item=-wide["item"] - 1)
        fitted = self.make().fit(wide)
        fitted.save(tmp_path / "wide")
        by_name.save(tmp_path / "named")
        for name, one in (("wide", fitted), ("named", by_name)):
            loaded = self.estimator.load(tmp_path / name)
            assert loaded.user_ids_.tolist() == one.user_ids_.tolist()
            assert loaded.item_ids_.tolist() == one.item_ids_.tolist()
            asked = one.user_ids_[2]
            assert loaded.recommend(asked, 3)[0].tolist() == one.recommend(asked, 3)[0].tolist()

    # -- predict

    def test_predictions_of_pairs(self, model: Any) -> None:
        users, items = np.array([5, 0, 5]), np.array([1, 2, 1])
        scores = model.predict(users, items)
        assert scores.shape == (3,) and scores.dtype == np.float32 and scores[0] == scores[2]
        raw = (
            model.mean_
            + model.user_bias_[users]
            + model.item_bias_[items]
            + (model.user_factors_[users] * model.item_factors_[items]).sum(axis=1)
        )
        kept = np.clip(raw, *self.bounds(model))
        np.testing.assert_allclose(scores, kept, rtol=1e-4, atol=1e-4)
        one = model.predict(5, np.array([1, 2]))
        assert one.shape == (2,) and one[0] == scores[0]
        assert model.predict(5, 1).tolist() == [scores[0]]
        assert model.predict(np.array([5, 0]), 1)[0] == scores[0]

    @classmethod
    def bounds(cls, model: Any) -> tuple[float, float]:
        """Where predictions are cut off."""
        return -np.inf, np.inf

    def test_unknown_ids(self, model: Any, by_name: Any) -> None:
        count = len(model.user_ids_)
        for call in (
            lambda: model.predict([0, count], [0, 0]),
            lambda: model.recommend([count]),
            lambda: model.similar_users(count),
        ):
            with pytest.raises(InputError, match=f"users: unknown id {count}; .*fold_in") as caught:
                call()
            assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match="items: unknown id -1"):
            model.predict([0], [-1])
        with pytest.raises(InputError, match="items: unknown id 'x' and 1 more of 3"):
            by_name.recommend(["u0000"], items=["x", "y", "i0000"])
        with pytest.raises(InputError, match=r"users: unknown id 0; known are .* such as 'u0000'"):
            by_name.predict([0], ["i0000"])
        with pytest.raises(InputError, match="users: ids must be integers or strings, got floats"):
            model.predict([0.0], [0])

    def test_pairs_that_do_not_match(self, model: Any) -> None:
        with pytest.raises(InputError, match="as many, got 2 and 3; .*recommend ranks"):
            model.predict([0, 1], [0, 1, 2])

    # -- recommend

    def test_recommendations_are_the_best_unseen(self, model: Any) -> None:
        ids, scores = model.recommend(None, 6)
        everything = (
            model.mean_ + model.user_bias_[:, None] + model.item_bias_
            + model.user_factors_ @ model.item_factors_.T
        )  # fmt: skip
        seen = model.user_items_.toarray() != 0
        everything[seen] = -np.inf
        best = -np.sort(-everything, axis=1)[:, :6]
        np.testing.assert_allclose(scores, best, rtol=1e-3, atol=1e-4)
        assert not seen[np.arange(len(ids))[:, None], ids][scores > -np.inf].any()
        assert (np.diff(np.where(np.isinf(scores), -1e9, scores), axis=1) <= 0).all()

    def test_one_user_is_a_row_of_many(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        many, scores = model.recommend(None, 5)
        for user in (0, 7, 13):
            one, of_one = model.recommend(user, 5)
            assert one.shape == of_one.shape == (5,)
            assert one.tolist() == many[user].tolist()
            np.testing.assert_allclose(of_one, scores[user], rtol=1e-5)
        monkeypatch.setattr(recommending, "_BLOCK_BYTES", 4 * len(model.item_ids_) * 3)
        blocks, of_blocks = model.recommend(None, 5)
        assert np.array_equal(blocks, many)
        np.testing.assert_allclose(of_blocks, scores, rtol=1e-5)

    def test_what_was_seen_only_if_asked_for(self, model: Any) -> None:
        count = len(model.item_ids_)
        all_of_them, _ = model.recommend(0, count, filter_seen=False)
        assert sorted(all_of_them) == list(range(count))
        unseen, _ = model.recommend(0, count)
        seen = model.user_items_[0].indices
        assert sorted([*unseen, *seen]) == list(range(count))

    def test_some_items_alone(self, model: Any) -> None:
        some = [9, 2, 5, 2]
        ids, scores = model.recommend([0, 1], 4, filter_seen=False, items=some)
        assert set(ids[0]) == set(ids[1]) == {2, 5, 9, -1}
        assert (ids[:, 3] == -1).all() and (scores[:, 3] == -np.inf).all()
        order = sorted({2, 5, 9}, key=lambda item: -self.raw(model, 1, item))
        assert ids[1, :3].tolist() == order

    @staticmethod
    def raw(model: Any, user: int, item: int) -> float:
        product = model.user_factors_[user] @ model.item_factors_[item]
        return float(product + model.item_bias_[item])

    def test_the_number_of_items(self, model: Any) -> None:
        assert model.recommend([0], 1)[0].shape == (1, 1)
        assert model.recommend([], 3)[0].shape == (0, 3)
        for n, error in ((0, InputError), (-1, InputError), (2.0, TypeError)):
            with pytest.raises(error, match="n must be"):
                model.recommend([0], n)

    # -- neighbours

    def test_neighbours(self, model: Any) -> None:
        for method, factors in (("items", model.item_factors_), ("users", model.user_factors_)):
            ids, cosines = getattr(model, f"similar_{method}")([0, 1], 4)
            assert ids.shape == cosines.shape == (2, 4)
            assert 0 not in ids[0] and 1 not in ids[1]
            unit = factors / np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), 1e-30)
            expected = np.delete(unit @ unit[0], 0)
            np.testing.assert_allclose(cosines[0], -np.sort(-expected)[:4], atol=1e-5)
            one, _ = getattr(model, f"similar_{method}")(0, 4)
            assert one.tolist() == ids[0].tolist()

    # -- new users

    def test_folding_in_the_users_of_the_fit_gives_about_what_they_have(self, model: Any) -> None:
        again = model.fold_in(self.training_data()[0])
        assert isinstance(again, NewUsers) and len(again) == len(model.user_ids_)
        assert again.factors.shape == model.user_factors_.shape
        known = model.user_factors_ @ model.item_factors_.T + model.user_bias_[:, None]
        folded = again.factors @ model.item_factors_.T + again.bias[:, None]
        assert np.corrcoef(known.ravel(), folded.ravel())[0, 1] > 0.9

    def test_frames_and_matrices_fold_in_alike(self, model: Any, by_name: Any) -> None:
        rows = self.training_data()[0][:3]
        before = [output.copy() for output in self.outputs(model)]
        plain, named = model.fold_in(rows), by_name.fold_in(self.named().query("user < 'u0003'"))
        assert named.ids.tolist() == ["u0000", "u0001", "u0002"]
        assert plain.ids.tolist() == [0, 1, 2]
        np.testing.assert_allclose(plain.factors, named.factors, rtol=1e-5, atol=1e-6)
        for left, right in zip(before, self.outputs(model), strict=True):
            assert np.array_equal(left, right), "the model has changed"

    def test_recommending_to_new_users(self, model: Any) -> None:
        new = model.fold_in(self.training_data()[0][:2])
        ids, scores = model.recommend(new, 6)
        assert ids.shape == (2, 6)
        for row, found in enumerate(ids):
            assert not set(found) & set(new.seen[row].indices)
        everything, _ = model.recommend(new, len(model.item_ids_), filter_seen=False)
        assert (everything >= 0).all()
        first = model.predict(new, ids[:, 0])
        np.testing.assert_allclose(
            first, np.clip(scores[:, 0], *self.bounds(model)), rtol=1e-4, atol=1e-4
        )

    def test_a_new_user_of_whom_nothing_is_known(self, model: Any) -> None:
        new = model.fold_in(sp.csr_matrix((1, len(model.item_ids_))))
        ids, scores = model.recommend(new, 3)
        assert np.isfinite(scores).all() and len(set(ids[0])) == 3

    def test_what_cannot_be_folded_in(self, model: Any, by_name: Any) -> None:
        matrix = self.training_data()[0]
        with pytest.raises(InputError, match=r"got \(50, 2\); it looks transposed"):
            model.fold_in(sp.csr_matrix(matrix[:2].T))
        with pytest.raises(InputError, match=r"\(new users, 50 items\), got \(1, 7\)"):
            model.fold_in(matrix[:1, :7])
        with pytest.raises(InputError, match="column 'item': unknown id 'new'"):
            by_name.fold_in(pd.DataFrame({"user": ["a"], "item": ["new"], "rating": [1.0]}))
        with pytest.raises(TypeError, match="got ndarray"):
            model.fold_in(matrix[:1].toarray())
        other = self.make().fit(*self.other_data())
        with pytest.raises(InputError, match="folded into another model"):
            model.recommend(other.fold_in(self.other_data()[0][:1]))

    # -- users and items without ratings

    def test_users_and_items_without_ratings_work(self) -> None:
        matrix = self.training_data()[0].tolil()
        matrix[4], matrix[:, 6] = 0, 0
        matrix = sp.csr_matrix(matrix)
        matrix.eliminate_zeros()
        model = self.make().fit(matrix)
        assert np.isfinite(model.predict([4, 0, 4], [0, 6, 6])).all()
        ids, scores = model.recommend(4, 50)
        assert len(ids) == 50 and np.isfinite(scores).all()
        assert model.report_.details["data"]["users without ratings"] == 1
        assert model.report_.details["data"]["items without ratings"] == 1

    def test_bad_ratings_leave_no_fit(self) -> None:
        for bad, error, said in (
            (np.ones((3, 3)), TypeError, "sparse"),
            (sp.csr_matrix((3, 3)), InputError, "no ratings"),
            (sp.csr_matrix([[np.nan, 1.0], [1.0, 2.0]]), InputError, "finite"),
            (pd.DataFrame({"user": [1], "item": [1]}), InputError, "no column 'rating'"),
        ):
            model = self.make()
            with pytest.raises(error, match=said) as caught:
                model.fit(bad)
            assert "\n" not in str(caught.value)
            assert not [name for name in vars(model) if name.endswith("_")]

    # -- the price

    def test_too_high_a_price_leaves_a_model_without_factors(self, tmp_path: Path) -> None:
        model = self.make(price=10.0).fit(*self.training_data())
        assert model.n_components_ == 0 and model.user_factors_.shape == (70, 0)
        assert any("no dimension earns" in note for note in model.report_.warnings)
        ids, scores = model.recommend(None, 5)
        assert np.isfinite(scores).all() and (ids >= 0).all()
        with pytest.raises(InputError, match="no dimensions"):
            model.similar_items(0)
        model.save(tmp_path / "model")
        self.same(self.estimator.load(tmp_path / "model"), model)
        assert model.get_feature_names_out().tolist() == []
