"""What every damrep estimator promises; each application's tests inherit `EstimatorContract`.

One that does not transform inherits `ModelContract`, and says by `outputs` what it gives instead.

    class TestContract(EstimatorContract):
        estimator = DAMAutoencoder
        quick = {"max_components": 8, "max_epochs": 3}

        @classmethod
    def training_data(cls): ...
        @classmethod
    def other_data(cls): ...
        @classmethod
    def refused_data(cls): ...

`quick` has to make a fit take a fraction of a second, since nearly every test fits at least once.
Wherever two results are said to be the same they are the same to the last bit.
"""

from __future__ import annotations

import copy
import inspect
import io
import json
import math
import pickle
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

from damrep.masking.notes import DamrepWarning
from damrep.masking.report import FitReport
from damrep.masking.validation import InputError
from damrep.training import ModelFormat, save_folder
from tests.degenerate import Spoiling, spoilings, spoilt
from tests.disturbing import disturb_moments
from tests.model_folders.editing import edit_config

PRICES = (0.0, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 1.0)


def fitted_attributes(model: Any) -> list[str]:
    """Public attributes that a fit has set."""
    return sorted(k for k in vars(model) if k.endswith("_") and not k.startswith("_"))


class Exploding:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self.path,))


class ModelContract:
    """Inherit, name the estimator, give it data, and say what a fitted one gives."""

    #: The class under test.
    estimator: type[Any]
    #: Arguments under which a fit on `training_data` is quick.
    quick: Mapping[str, Any] = {}
    #: Arguments that no estimator may take, beside those every estimator has.
    wrong: tuple[tuple[dict[str, Any], type[Exception]], ...] = ()
    #: What rows held out lose is known row by row, so that it can tell how sure a width is.
    ranged = True
    #: Dimensions that are left at the highest price.
    fewest = 1

    @classmethod
    def training_data(cls) -> tuple[Any, ...]:
        """Arguments of `fit`."""
        raise NotImplementedError

    @classmethod
    def other_data(cls) -> tuple[Any, ...]:
        """Arguments of `fit` of another size."""
        raise NotImplementedError

    @classmethod
    def outputs(cls, model: Any) -> list[np.ndarray]:
        """All that tells one fitted model from another."""
        raise NotImplementedError

    @classmethod
    def calls(cls, folder: Path) -> dict[str, tuple[Any, ...]]:
        """Methods that need a fit, and arguments for them."""
        return {"save": (folder / "model",), "get_feature_names_out": ()}

    @classmethod
    def open_gates(cls, report: FitReport) -> int:
        """Gates that the report has to show as open."""
        return report.learned_dims

    @classmethod
    def of_fitted(cls, model: Any, data: Any) -> list[np.ndarray]:
        """What a model gives for the data it was fitted to."""
        return cls.outputs(model)

    @classmethod
    def in_unit(cls, unit: float) -> Any:
        """The training data in another unit."""
        return spoilt(cls.training_data()[0], Spoiling(scale=unit, dtype=np.float32))

    @classmethod
    def width(cls, model: Any) -> int:
        """Columns of what a fitted model gives."""
        return cls.outputs(model)[0].shape[1]

    # -- helpers

    @classmethod
    def make(cls, **changes: Any) -> Any:
        """A fresh estimator, quick and seeded."""
        return cls.estimator(**{**cls.quick, "random_state": 0, **changes})

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> Any:
        """A model fitted on the training data, not to be changed."""
        return cls.make().fit(*cls.training_data())

    @pytest.fixture(scope="class")
    @classmethod
    def saved(cls, model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The folder `model` was saved to, not to be changed."""
        path = tmp_path_factory.mktemp("contract") / "model"
        model.save(path)
        return path

    @pytest.fixture
    def folder(self, saved: Path, tmp_path: Path) -> Path:
        """A copy of it that may be changed."""
        return Path(shutil.copytree(saved, tmp_path / "model"))

    def same(self, first: Any, second: Any) -> None:
        """Both models give the same bits."""
        assert first.n_components_ == second.n_components_
        for a, b in zip(self.outputs(first), self.outputs(second), strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            assert a.tobytes() == b.tobytes(), f"they differ by up to {np.abs(a - b).max()}"

    # -- scikit-learn manners

    def test_the_constructor_only_stores(self) -> None:
        names = [p for p in inspect.signature(self.estimator.__init__).parameters if p != "self"]
        values = {name: object() for name in names}
        model = self.estimator(**values)
        assert vars(model) == values
        assert model.get_params(deep=False) == values
        assert isinstance(model, BaseEstimator)

    def test_every_argument_has_a_default_and_a_description(self) -> None:
        parameters = inspect.signature(self.estimator).parameters.values()
        assert all(p.default is not p.empty for p in parameters)
        doc = inspect.getdoc(self.estimator) or ""
        section = doc.split("Parameters\n")[1].split("Attributes\n")[0]
        named = {
            name.strip()
            for line in section.splitlines()
            if line and not line.startswith(" ")
            for name in line.split(":")[0].split(",")
        }
        assert not {p.name for p in parameters} - named

    def test_set_params(self) -> None:
        model = self.make().set_params(price=0.25)
        assert model.price == 0.25
        assert model.get_params()["price"] == 0.25
        with pytest.raises(ValueError, match="no_such_argument"):
            model.set_params(no_such_argument=1)

    def test_clone_keeps_the_arguments_and_drops_the_fit(self, model: Any) -> None:
        copied = clone(model)
        assert copied.get_params() == model.get_params()
        assert not fitted_attributes(copied)
        self.same(copied.fit(*self.training_data()), model)

    def test_repr_names_the_class_before_and_after_the_fit(self, model: Any) -> None:
        for either in (self.make(), model):
            assert repr(either).startswith(self.estimator.__name__)

    def test_fit_returns_itself_and_leaves_the_arguments_alone(self) -> None:
        model = self.make()
        before = model.get_params()
        assert model.fit(*self.training_data()) is model
        assert model.get_params() == before

    def test_nothing_works_before_fit(self, tmp_path: Path) -> None:
        for method, arguments in self.calls(tmp_path).items():
            with pytest.raises(NotFittedError, match=self.estimator.__name__):
                getattr(self.make(), method)(*arguments)
        assert not any(tmp_path.iterdir())

    # -- what was learned

    def test_so_many_dimensions(self, model: Any) -> None:
        assert isinstance(model.n_components_, int)
        assert 1 <= model.n_components_ <= model.max_components
        assert all(np.isfinite(output).all() for output in self.outputs(model))

    def test_names_of_the_dimensions(self, model: Any) -> None:
        names = model.get_feature_names_out()
        assert len(names) == len(set(names)) == model.n_components_
        assert all(isinstance(name, str) for name in names)

    def test_report(self, model: Any) -> None:
        report = model.report_
        assert report.learned_dims == model.n_components_ <= report.initial_dims
        assert report.estimator == self.estimator.__name__
        price = model.price
        assert report.price == (model._settings().resolved_price if price is None else price)
        assert report.loss is not None and 0 <= report.loss
        assert report.seconds > 0 and report.seed == 0
        # Gates are told where a mask acted; elsewhere the report says what decided.
        assert len(report.gate) <= report.initial_dims
        if report.gate:
            assert sum(gate > 0 for gate in report.gate) == self.open_gates(report)
        else:
            assert report.strategy in ("closed form", "search", "budget")
        assert (np.diff(report.gate) <= 0).all(), "most important first, so gates never rise"
        printed = str(report)
        assert printed.startswith(self.estimator.__name__)
        assert f"{report.learned_dims} of {report.initial_dims}" in printed

    def test_the_report_is_strict_json_and_comes_back(self, model: Any) -> None:
        text = json.dumps(model.report_.to_dict(), allow_nan=False)
        again = FitReport.from_dict(json.loads(text))
        assert again.to_dict() == model.report_.to_dict()
        assert str(again) == str(model.report_)

    def test_components_curve(self, model: Any) -> None:
        curve = model.components_curve_
        assert curve.ndim == 2 and curve.shape[1] == 2 and len(curve) >= 1
        dims, losses = curve.T
        assert (np.diff(dims) > 0).all() and dims[-1] == model.report_.initial_dims
        assert np.isfinite(losses).all() and (losses >= 0).all()
        assert model.n_components_ in dims
        assert [list(row) for row in curve] == model.report_.curve

    def test_the_loss_is_that_of_the_curve(self, model: Any) -> None:
        dims, losses = model.components_curve_.T
        assert model.report_.loss == pytest.approx(losses[dims == model.n_components_][0])

    def test_widths_that_are_as_good(self, model: Any) -> None:
        found = model.components_range_
        assert (found is not None) == self.ranged
        if found is not None:
            assert self.fewest <= found[0] <= model.n_components_ <= found[1]
            assert found[1] <= model.report_.initial_dims
            told = f"{found[0]} to {found[1]} as good"
            assert (told in str(model.report_)) == (found[0] < found[1])
        assert self.make(n_components=1).fit(*self.training_data()).components_range_ is None

    # -- what a user should know

    @pytest.mark.parametrize("changes", [{}, {"max_components": 1, "price": 1e-9}])
    def test_what_the_report_tells_is_warned_of_too(self, changes: dict[str, Any]) -> None:
        model = self.make(**changes)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(*self.training_data())
        ours = [warning for warning in caught if issubclass(warning.category, DamrepWarning)]
        told = [str(warning.message) for warning in ours]
        assert sorted(told) == sorted(set(model.report_.warnings))
        assert told or not changes
        assert {warning.filename for warning in ours} <= {__file__}, "not where it was called"

    def test_warnings_can_be_filtered_by_their_class(self) -> None:
        model = self.make(max_components=1, price=1e-9)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", DamrepWarning)
            model.fit(*self.training_data())
        with warnings.catch_warnings():
            warnings.simplefilter("error", DamrepWarning)
            with pytest.raises(DamrepWarning):
                model.fit(*self.training_data())

    # -- the price and the budget

    def test_dimensions_never_rise_with_the_price(self) -> None:
        learned = [
            self.make(price=price).fit(*self.training_data()).n_components_ for price in PRICES
        ]
        assert learned == sorted(learned, reverse=True)
        assert learned[-1] >= self.fewest
        assert learned[0] > learned[-1], f"the price has no effect: {learned}"

    def test_a_budget_is_kept_exactly_whatever_the_price(self) -> None:
        widest = self.make().max_components
        for k in sorted({1, 2, widest // 2, widest}):
            model = self.make(n_components=k, price=1.0).fit(*self.training_data())
            assert model.n_components_ == k == self.width(model)
            assert model.report_.price is None

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"price": -0.01}, InputError),
            ({"price": math.nan}, InputError),
            ({"price": math.inf}, InputError),
            ({"price": "cheap"}, TypeError),
            ({"price": "dear"}, TypeError),
            ({"n_components": 0}, InputError),
            ({"n_components": 1_000_000}, InputError),
            ({"n_components": 2.0}, TypeError),
            ({"max_components": 0}, InputError),
            ({"max_components": 2.5}, TypeError),
            ({"strategy": "magic"}, InputError),
            ({"max_epochs": 0}, InputError),
            ({"lr": 0.0}, InputError),
            ({"lr": math.nan}, InputError),
            ({"device": "abacus"}, InputError),
            ({"precision": "4-bit"}, InputError),
            ({"random_state": -1}, InputError),
            ({"random_state": "seed"}, TypeError),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "",
    )
    def test_wrong_arguments_are_named_and_nothing_is_trained(
        self, changes: dict[str, Any], error: type[Exception]
    ) -> None:
        self.refuses(changes, error)

    def test_wrong_arguments_of_its_own(self) -> None:
        for changes, error in self.wrong:
            self.refuses(changes, error)

    def refuses(self, changes: dict[str, Any], error: type[Exception]) -> None:
        """A fit with these arguments fails, in one line that names one, before any training."""
        (name, *_) = changes
        if name not in inspect.signature(self.estimator).parameters:
            pytest.skip(f"no {name} in this estimator")
        model = self.make(**changes)
        with pytest.raises(error) as caught:
            model.fit(*self.training_data())
        assert name in str(caught.value) and "\n" not in str(caught.value)
        assert not fitted_attributes(model)

    def test_a_failed_fit_keeps_the_earlier_one(self, model: Any) -> None:
        again = copy.deepcopy(model).set_params(price=-1.0)
        with pytest.raises(InputError):
            again.fit(*self.other_data())
        self.same(again, model)

    # -- seeds

    def test_same_seed_same_result_and_no_global_generator_moved(
        self, model: Any, tmp_path: Path, global_rng_untouched: None
    ) -> None:
        again = self.make().fit(*self.training_data())
        self.same(again, model)
        again.save(tmp_path / "model")
        self.same(self.estimator.load(tmp_path / "model"), model)
        assert again.report_.history.keys() == model.report_.history.keys()
        for column, values in again.report_.history.items():
            if "seconds" not in column:
                assert values == model.report_.history[column], column

    def test_another_seed_gives_another_result(self, model: Any) -> None:
        other = self.make(random_state=1).fit(*self.training_data())
        (a, *_), (b, *_) = self.outputs(model), self.outputs(other)
        assert a.shape != b.shape or not np.array_equal(a, b)

    def test_the_result_does_not_depend_on_the_global_generators(self, model: Any) -> None:
        import random

        import torch

        states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
        try:
            random.seed(99)
            np.random.seed(99)  # noqa: NPY002
            torch.manual_seed(99)
            self.same(self.make().fit(*self.training_data()), model)
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            torch.set_rng_state(states[2])

    def test_a_fresh_seed_is_reported_and_reproduces(self) -> None:
        first = self.make(random_state=None).fit(*self.training_data())
        self.same(self.make(random_state=first.report_.seed).fit(*self.training_data()), first)

    def test_a_generator_as_seed(self) -> None:
        models = [
            self.make(random_state=np.random.default_rng(7)).fit(*self.training_data())
            for _ in range(2)
        ]
        self.same(*models)

    # -- numbers

    # One test for every estimator that inherits it.
    @settings(max_examples=4, suppress_health_check=[HealthCheck.differing_executors])
    @given(how=spoilings)
    def test_data_of_any_rank_at_any_scale(self, how: Spoiling) -> None:
        data, *more = self.training_data()
        data = spoilt(data, how)
        model = self.make().fit(data, *more)
        assert all(np.isfinite(output).all() for output in self.of_fitted(model, data))
        assert np.isfinite(model.components_curve_).all()

    @pytest.mark.parametrize("exponent", [-100, 40])
    def test_the_unit_of_the_data_changes_nothing(self, model: Any, exponent: int) -> None:
        """Powers of 2, which round nothing; their squares are far out of single precision."""
        again = self.make().fit(self.in_unit(2.0**exponent))
        assert again.n_components_ == model.n_components_
        assert again.report_.loss == model.report_.loss
        assert again.report_.curve == model.report_.curve

    def test_how_moments_are_rounded_changes_no_width(
        self, model: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disturb_moments(monkeypatch, seed=0)
        again = self.make().fit(*self.training_data())
        assert again.n_components_ == model.n_components_

    # -- copies

    def test_a_second_fit_forgets_the_first(self, model: Any) -> None:
        again = self.make().fit(*self.other_data())
        again.fit(*self.training_data())
        self.same(again, model)
        assert fitted_attributes(again) == fitted_attributes(model)
        assert again.report_.curve == model.report_.curve

    def test_pickling_joblib_and_copying(self, model: Any) -> None:
        stream = io.BytesIO()
        joblib.dump(model, stream)
        stream.seek(0)
        for copied in (
            pickle.loads(pickle.dumps(model)),
            joblib.load(stream),
            copy.deepcopy(model),
        ):
            self.same(copied, model)
            assert copied.get_params() == model.get_params()

    # -- saving

    def test_a_saved_model_comes_back(self, model: Any, saved: Path) -> None:
        loaded = self.estimator.load(saved)
        self.same(loaded, model)
        assert loaded.report_.to_dict() == model.report_.to_dict()
        np.testing.assert_array_equal(loaded.components_curve_, model.components_curve_)
        changed = {
            name: (value, model.get_params()[name])
            for name, value in loaded.get_params().items()
            if value != model.get_params()[name] and list(np.atleast_1d(value)) != list(
                np.atleast_1d(model.get_params()[name])
            )
        }  # fmt: skip
        assert not changed, changed

    def test_a_loaded_model_saves_to_the_same_and_fits_again(
        self, model: Any, saved: Path, tmp_path: Path
    ) -> None:
        loaded = self.estimator.load(str(saved))
        loaded.save(tmp_path / "again")
        self.same(self.estimator.load(tmp_path / "again"), model)
        self.same(loaded.fit(*self.training_data()), model)

    def test_the_folder_holds_plain_data_only(self, saved: Path) -> None:
        assert {file.name for file in saved.iterdir()} == {"config.json", "weights.safetensors"}
        assert list(saved.parent.iterdir()) == [saved], "nothing temporary is left"
        json.loads(
            (saved / "config.json").read_text(encoding="utf-8"),
            parse_constant=lambda word: pytest.fail(f"config.json: {word} is not strict JSON"),
        )

    def test_saving_replaces_a_model_and_nothing_else(
        self, model: Any, folder: Path, tmp_path: Path
    ) -> None:
        model.save(folder)
        self.same(self.estimator.load(folder), model)
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        (foreign / "thesis.txt").write_text("years of work")
        with pytest.raises(InputError, match="foreign"):
            model.save(foreign)
        assert [file.name for file in foreign.iterdir()] == ["thesis.txt"]

    def test_missing_and_foreign_folders(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "foreign").mkdir()
        (tmp_path / "foreign" / "config.json").write_text('{"model_type": "bert"}')
        (tmp_path / "file").write_text("")
        for name in ("missing", "empty", "foreign", "file"):
            with pytest.raises(InputError, match=name):
                self.estimator.load(tmp_path / name)

    def test_a_model_of_another_kind(self, tmp_path: Path) -> None:
        save_folder(tmp_path / "other", ModelFormat("something-else"), {}, {})
        with pytest.raises(InputError, match="something-else"):
            self.estimator.load(tmp_path / "other")

    @pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
    def test_cut_short_and_missing_files(self, folder: Path, name: str) -> None:
        whole = (folder / name).read_bytes()
        for kept in (0, 7, len(whole) // 2, len(whole) - 3):
            (folder / name).write_bytes(whole[:kept])
            with pytest.raises(InputError, match="model"):
                self.estimator.load(folder)
        (folder / name).unlink()
        with pytest.raises(InputError, match=name):
            self.estimator.load(folder)

    @pytest.mark.parametrize("signed", [True, False])
    def test_a_config_with_a_part_missing(self, folder: Path, signed: bool) -> None:
        whole = (folder / "config.json").read_text()
        for key in json.loads(whole)["config"]:
            edit_config(folder, lambda whole, key=key: whole["config"].pop(key), signed)
            with pytest.raises(InputError, match="damaged"):
                self.estimator.load(folder)
            (folder / "config.json").write_text(whole)

    def test_an_edited_config_is_another_model(self, folder: Path) -> None:
        edit_config(folder, lambda whole: whole["config"]["report"].update(seed=1), signed=False)
        with pytest.raises(InputError, match="changed since it was saved"):
            self.estimator.load(folder)

    def test_nothing_in_a_model_folder_is_executed(self, folder: Path, tmp_path: Path) -> None:
        proof = tmp_path / "executed"
        for name in ("weights.safetensors", "config.json"):
            (folder / name).write_bytes(pickle.dumps(Exploding(proof)))
            with pytest.raises(InputError):
                self.estimator.load(folder)
        assert not proof.exists()
        pickle.loads(pickle.dumps(Exploding(proof)))
        assert proof.exists(), "the bait itself must work"


class EstimatorContract(ModelContract):
    """Of an estimator that transforms; the first argument of `fit` is fit for `transform`."""

    @classmethod
    def refused_data(cls) -> Any:
        """What a model fitted on `training_data` cannot transform."""
        raise NotImplementedError

    @classmethod
    def outputs(cls, model: Any) -> list[np.ndarray]:
        """Both data sets, transformed."""
        return [model.transform(data) for data in (cls.training_data()[0], cls.other_data()[0])]

    @classmethod
    def of_fitted(cls, model: Any, data: Any) -> list[np.ndarray]:
        return [model.transform(data)]

    @classmethod
    def calls(cls, folder: Path) -> dict[str, tuple[Any, ...]]:
        data = cls.training_data()[0]
        more = {name: (data,) for name in ("transform", "predict") if hasattr(cls.estimator, name)}
        return {**super().calls(folder), **more}

    def test_fit_transform_is_fit_then_transform(self, model: Any) -> None:
        data = self.training_data()
        both = self.make().fit_transform(*data)
        np.testing.assert_allclose(both, model.transform(data[0]), rtol=1e-5, atol=1e-5)

    def test_what_is_transformed(self, model: Any) -> None:
        for z in self.outputs(model):
            assert z.ndim == 2 and z.shape[1] == model.n_components_
            assert z.dtype == np.float32
        assert np.ptp(self.outputs(model)[0], axis=0).max() > 0

    def test_other_data_than_fitted_on_is_refused(self, model: Any) -> None:
        with pytest.raises(ValueError):  # an InputError, or what scikit-learn says itself
            model.transform(self.refused_data())
