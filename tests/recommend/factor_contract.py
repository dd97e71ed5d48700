"""What both factor models promise beside the contract of every estimator."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
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

    def same_by_name(self, first: Any, second: Any) -> None:
        """Both give the same, where ids are objects."""
        for a, b in zip(self.outputs(first), self.outputs(second), strict=True):
            assert a.dtype == b.dtype and a.tolist() == b.tolist()

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

    def test_a_callback_is_told_of_every_sweep(self, model: Any) -> None:
        rows: list[dict[str, Any]] = []
        again = self.make().fit(self.training_data()[0], callback=rows.append)
        self.same(again, model)
        history = again.report_.history
        assert len(rows) >= len(next(iter(history.values()))) > 1
        assert set(rows[-1]) <= set(history) and all(rows)

        def stop(row: dict[str, Any]) -> None:
            raise KeyboardInterrupt

        stopped = self.make()
        with pytest.raises(KeyboardInterrupt):
            stopped.fit(self.training_data()[0], callback=stop)
        assert not hasattr(stopped, "n_components_")
        with pytest.raises(TypeError, match="callback must be a function, got str"):
            self.make().fit(self.training_data()[0], callback="print")

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

    def test_frames_of_other_libraries(self, by_name: Any) -> None:
        table = self.named()
        frames = [
            pl.DataFrame(table.to_dict("list")),
            pl.DataFrame(table.to_dict("list")).lazy(),
            pa.Table.from_pandas(table, preserve_index=False),
            duckdb.from_df(table),
        ]
        for frame in frames:
            self.same_by_name(self.make().fit(frame), by_name)
        new = by_name.fold_in(pl.DataFrame(table.head(9).to_dict("list")))
        assert np.array_equal(new.factors, by_name.fold_in(table.head(9)).factors)
        users, items = table["user"].head(9), table["item"].head(9)
        expected = by_name.predict(users, items)
        for series in (pl.Series, pa.array, lambda values: pa.chunked_array([values]), list):
            told = by_name.predict(series(users.to_list()), series(items.to_list()))
            assert np.array_equal(told, expected)

    def test_uuids(self, model: Any, tmp_path: Path) -> None:
        table = as_frame(self.training_data()[0])
        users, items = (
            [uuid.UUID(int=7 * 10**30 * side + place) for place in range(70)] for side in (1, 2)
        )
        table = table.assign(
            user=[users[place] for place in table["user"]],
            item=[items[place] for place in table["item"]],
        )
        fitted = self.make().fit(table)
        assert np.array_equal(fitted.user_factors_, model.user_factors_)
        fitted.save(tmp_path / "model")
        for one in (fitted, self.estimator.load(tmp_path / "model")):
            assert one.user_ids_.tolist() == users and isinstance(one.item_ids_[0], uuid.UUID)
            ids, _ = one.recommend(users[3], 4)
            assert ids.tolist() == [items[place] for place in model.recommend(3, 4)[0]]
            assert len(one.fold_in(table.head(9))) == table.head(9)["user"].nunique()
            with pytest.raises(InputError, match="unknown id 0{8}-0"):
                one.predict(uuid.UUID(int=1), items[0])

    def test_columns_by_the_names_they_have_by_custom(self, by_name: Any) -> None:
        table = self.named().set_axis(["userId", "movie_id", "rating"], axis=1)
        table = table.assign(timestamp=1, title="long")
        model = self.make().fit(table)
        self.same_by_name(model, by_name)
        assert "column 'movie_id' was taken for the items" in model.report_.warnings
        with pytest.warns(UserWarning, match="column 'userId' was taken for the users"):
            assert len(model.fold_in(table.head(9))) > 0
        with pytest.raises(InputError, match="'book' and 'movie_id' may both .* one with item="):
            self.make().fit(table.assign(book=1)[["userId", "book", "movie_id", "rating"]])

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

    def test_a_test_part_with_unknown_ids_can_be_scored(self, model: Any, by_name: Any) -> None:
        users, items = [3, 700, 3, 700], [5, 5, 800, 800]
        told = model.predict(users, items, unknown="bias")
        known = model.predict([3], [5])[0]
        mean, user, item = model.mean_, model.user_bias_[3], model.item_bias_[5]
        expected = np.float32([known, mean + item, mean + user, mean])
        expected[1:] = np.clip(expected[1:], *self.bounds(model))
        np.testing.assert_allclose(told, expected, rtol=1e-5, atol=1e-6)
        assert told.dtype == np.float32
        assert model.predict([3, 1], [5, 2], unknown="bias").tolist() == (
            model.predict([3, 1], [5, 2]).tolist()
        )
        assert by_name.predict("nobody", ["i0005", "nothing"], unknown="bias").shape == (2,)
        with pytest.raises(InputError, match='unknown="bias"'):
            model.predict([3], [800])
        with pytest.raises(InputError, match="users: ids are integers, those of the model strings"):
            by_name.predict([3], ["i0005"], unknown="bias")
        with pytest.raises(InputError, match="unknown must be one of"):
            model.predict([3], [5], unknown="guess")

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

    def test_nothing_to_choose_from(self, model: Any, by_name: Any) -> None:
        ids, scores = model.recommend(0, items=[], n=3)
        assert ids.shape == scores.shape == (0,)
        ids, scores = model.recommend([0, 1], items=[], n=3)
        assert (ids == -1).all() and (scores == -np.inf).all() and ids.shape == (2, 3)
        ids, _ = by_name.recommend(["u0001"], 2, items=[])
        assert ids.tolist() == [[None, None]]
        assert model.recommend([], n=3, items=[])[0].shape == (0, 3)
        everything = model.item_ids_
        assert len(model.recommend(0, exclude=everything)[0]) == 0
        new = model.fold_in(self.training_data()[0][:2])
        assert (model.recommend(new, 2, items=[])[0] == -1).all()

    def test_more_than_there_are(self, model: Any) -> None:
        count = len(model.item_ids_)
        ids, scores = model.recommend(0, 10**12, filter_seen=False)
        assert sorted(ids) == list(range(count)) and np.isfinite(scores).all()
        ids, _ = model.recommend([0], count + 3, filter_seen=False)
        assert ids.shape == (1, count + 3) and (ids[0, count:] == -1).all()
        assert model.recommend([0], 4, items=[7])[0].shape == (1, 4)
        assert len(model.similar_items(0, 10**12)[0]) < count

    def test_what_is_not_to_be_shown(self, model: Any) -> None:
        whole = model.recommend(None, 6)[0]
        less, _ = model.recommend(None, 4, exclude=whole[0, :2])
        assert less[0].tolist() == whole[0, 2:].tolist()
        assert not set(whole[0, :2]) & set(less.ravel())
        ids, _ = model.recommend(1, 9, filter_seen=False, items=[2, 5, 9], exclude=5)
        assert sorted(ids) == [2, 9]
        with pytest.raises(InputError, match="exclude: unknown id 800"):
            model.recommend(0, exclude=[800])

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

    def test_neighbours_among_some(self, model: Any) -> None:
        for side in ("items", "users"):
            similar = getattr(model, f"similar_{side}")
            ids, cosines = similar(0, 6)
            less, of_less = similar(0, 6, candidates=[*ids[1:4], 0], exclude=[ids[2]])
            assert less.tolist() == [ids[1], ids[3]]
            np.testing.assert_allclose(of_less, cosines[[1, 3]], rtol=1e-5)
            assert len(similar(0, 3, candidates=[])[0]) == 0
            assert (similar([0, 1], 3, candidates=[])[0] == -1).all()
            with pytest.raises(InputError, match="candidates: unknown id 800"):
                similar(0, candidates=[800])

    # -- new users

    def test_unknown_items_of_new_users_can_be_left_out(self, by_name: Any) -> None:
        known = self.named().query("user == 'u0002'")
        more = pd.DataFrame({"user": ["u0002", "zoe"], "item": ["new", "newer"], "rating": 2.0})
        frame = pd.concat([more, known])
        with pytest.raises(InputError, match=r"unknown id 'new' and 1 more .*unknown=\"skip\""):
            by_name.fold_in(frame)
        with pytest.warns(UserWarning, match="2 rows left out: column 'item': unknown id 'new'"):
            new = by_name.fold_in(frame, unknown="skip")
        assert new.ids.tolist() == ["u0002", "zoe"] and new.skipped == 2
        alone = by_name.fold_in(known, unknown="skip")
        assert alone.skipped == 0
        assert np.array_equal(new.factors[:1], alone.factors)
        assert not new.factors[1].any() and new.bias[1] == 0, "of zoe nothing is known"
        assert by_name.recommend(new, 3)[0].shape == (2, 3)
        with pytest.raises(InputError, match="ids are integers, those of the model strings"):
            by_name.fold_in(known.assign(item=1), unknown="skip")
        with pytest.raises(InputError, match="unknown must be one of error, skip"):
            by_name.fold_in(known, unknown="guess")

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
        assert model.predict([4], [6])[0] == pytest.approx(model.mean_)
        np.testing.assert_allclose(model.predict([4], [3])[0], np.clip(
            model.mean_ + model.item_bias_[3], *self.bounds(model)), rtol=1e-5, atol=1e-6,
        )  # fmt: skip
        if not model.n_components_:
            return
        for side, silent in (("items", 6), ("users", 4)):
            similar = getattr(model, f"similar_{side}")
            assert len(similar(silent)[0]) == 0
            ids, cosines = similar([silent, 0], 80)
            assert (ids[0] == -1).all() and (cosines[0] == -np.inf).all()
            assert silent not in ids[1]

    def test_bad_ratings_leave_no_fit(self) -> None:
        for bad, error, said in (
            (np.ones((3, 3)), TypeError, "sparse"),
            (sp.csr_matrix((3, 3)), InputError, "no ratings"),
            (sp.csr_matrix([[np.nan, 1.0], [1.0, 2.0]]), InputError, "finite"),
            (pd.DataFrame({"user": [1], "thing": [1]}), InputError, "no column 'item'"),
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
