from __future__ import annotations

import numpy as np
import pytest

from damrep import DAMAutoencoder, InputError
from damrep.masking.gradient import GradientWidth


def linear_table(rank: int, scale: float = 1.0) -> np.ndarray:
    """The paper's X = Z W."""
    rng = np.random.default_rng(rank)
    return rng.normal(size=(600, rank)) @ rng.normal(size=(rank, 30)) * scale


def fitted(table: np.ndarray, **changes: object) -> DAMAutoencoder:
    options = {"hidden": (), "max_components": 20, "max_epochs": 240, "random_state": 0}
    return DAMAutoencoder(paper_lambda=0.01, device="cpu", **options | changes).fit(table)


def test_a_lambda_means_what_the_scale_of_the_data_makes_of_it() -> None:
    """At variance 1 it finds the rank; at a hundredth it closes all but a few units."""
    unit = linear_table(10)
    unit /= unit.std()
    found = fitted(unit)
    assert found.n_components_ == 10 and found.score(unit) > 0.99
    assert sum(gate > 0 for gate in found.report_.gate) >= 10
    assert fitted(unit / 100).n_components_ < 5


def test_it_is_the_papers_loss_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float]] = []
    extra = GradientWidth.extra_loss

    def watched(self: GradientWidth) -> object:
        penalty = extra(self)
        seen.append((float(penalty.detach()), float(self.masks["mask"].beta.detach())))
        return penalty

    monkeypatch.setattr(GradientWidth, "extra_loss", watched)
    model = fitted(linear_table(3), max_epochs=3)
    assert seen and all(p == pytest.approx(0.01 * max(b, -5.0)) for p, b in seen)
    assert model.report_.strategy == "paper" and len(model.report_.history["loss"]) == 3
    assert [row for row in model.report_.curve][0][0] == model.n_components_


def test_with_hidden_layers() -> None:
    model = fitted(linear_table(3), hidden=(16,), max_epochs=20)
    assert 1 <= model.n_components_ <= 20 and np.isfinite(model.score(linear_table(3)))


@pytest.mark.parametrize(
    "changes", [{"strategy": "search"}, {"metric": "cosine"}, {"n_components": 2}]
)
def test_it_is_for_nothing_else(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="which has no strategy"):
        fitted(linear_table(3), **changes)
