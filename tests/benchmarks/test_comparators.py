from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from benchmarks.comparators import (
    INTRINSIC,
    Budget,
    Shape,
    fit_hard_concrete,
    fit_irmae,
    fit_l1_mask,
    fit_nested_dropout,
    fit_parallel_analysis,
    fit_pca,
    fit_pca_mle,
    fit_plain,
    intrinsic_dimension,
    normalised_loss,
)
from benchmarks.comparators.masks import keep_codes
from benchmarks.comparators.training import Scaled, optimise
from benchmarks.generators import KINDS, make_table
from benchmarks.peers import PeerMissingError

RANK, COLUMNS = 3, 12
LINEAR = Shape(())
LONG = Budget(steps=300, batch_size=64, lr=2e-2)


@pytest.fixture(scope="module")
def linear() -> tuple[np.ndarray, np.ndarray]:
    """Rows of rank 3, far from the origin and not of unit scale, and some held out."""
    x = 50 + 7 * make_table("linear", RANK, 0, rows=500, columns=COLUMNS, double=True)
    return x[:400], x[400:]


def loss_of(model: Any, train: np.ndarray, held_out: np.ndarray) -> float:
    return normalised_loss(held_out, model.reconstruct(held_out), train.mean(axis=0))


TRAINED = {
    "plain": lambda a, b, **k: fit_plain(a, b, RANK, **k),
    "l1": lambda a, b, **k: fit_l1_mask(a, b, 8, 0.01, dims=RANK, **k),
    "hard concrete": lambda a, b, **k: fit_hard_concrete(a, b, 8, 0.01, dims=RANK, **k),
    "irmae": lambda a, b, **k: fit_irmae(a, b, 8, dims=RANK, **k),
    "nested": lambda a, b, **k: fit_nested_dropout(a, b, 8, dims=RANK, **k),
}


@pytest.mark.parametrize("name", TRAINED)
def test_rank_many_codes_are_enough_for_linear_rows(
    name: str, linear: tuple[np.ndarray, np.ndarray], global_rng_untouched: None
) -> None:
    model = TRAINED[name](*linear, shape=LINEAR, budget=LONG, seed=1)
    assert (model.dims, model.steps) == (RANK, LONG.steps)
    assert model.encode(linear[1]).shape == (100, RANK)
    assert model.reconstruct(linear[1]).shape == (100, COLUMNS)
    assert loss_of(model, *linear) < 0.02


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("path", [False, True])
def test_any_network_fits_and_a_seed_is_one_model(
    name: str, path: bool, linear: tuple[np.ndarray, np.ndarray]
) -> None:
    keywords = {"shape": Shape((8,), "tanh", path), "budget": Budget(steps=5), "seed": 3}
    first, again = (TRAINED[name](*linear, **keywords) for _ in range(2))
    rows = first.reconstruct(linear[1])
    assert rows.shape == (100, COLUMNS) and np.isfinite(rows).all()
    assert np.array_equal(rows, again.reconstruct(linear[1]))


def test_codes_are_all_a_reconstruction_reads(linear: tuple[np.ndarray, np.ndarray]) -> None:
    model = fit_irmae(*linear, 8, dims=1, shape=LINEAR, budget=Budget(steps=20))
    x = linear[1]
    order = np.argsort(model.encode(x)[:, 0])
    # One code: reconstructions lie on a line, in the order of the codes.
    rows = model.reconstruct(x)[order]
    along = (rows - rows[0]) @ (rows[-1] - rows[0])
    assert np.all(np.diff(along) >= -1e-3 * abs(along[-1]))


def test_plain_with_the_path_begins_as_pca(linear: tuple[np.ndarray, np.ndarray]) -> None:
    train, held_out = linear
    shape, still = Shape((8,), linear_path=True), Budget(steps=1, lr=1e-9)
    model = fit_plain(train, held_out, 2, shape=shape, budget=still)
    pca = PCA(2).fit(train)
    expected = pca.inverse_transform(pca.transform(held_out))
    assert np.allclose(model.reconstruct(held_out), expected, atol=1e-2)


def test_the_best_weights_on_held_out_rows_are_kept(
    linear: tuple[np.ndarray, np.ndarray],
) -> None:
    data = Scaled(*linear)
    weight = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(weight.weight)
    seen: list[float] = []

    def loss(x: torch.Tensor) -> torch.Tensor:
        # Training pulls the weight up; held-out rows, as many as 100, like it near 0.05.
        w = weight.weight[0, 0]
        if len(x) == 100:
            seen.append(float((w - 0.05) ** 2))
            return (w - 0.05) ** 2
        return -w

    optimise(loss, weight.parameters(), data, Budget(steps=100, lr=1e-2), 0, keep_best=weight)
    kept = float((weight.weight.detach()[0, 0] - 0.05) ** 2)
    assert kept == pytest.approx(min(seen)) and seen[-1] > min(seen)


def test_a_penalty_closes_codes(linear: tuple[np.ndarray, np.ndarray]) -> None:
    for fit, penalty in ((fit_l1_mask, 0.05), (fit_hard_concrete, 0.05)):
        free, paid = (fit(*linear, 8, p, shape=LINEAR, budget=LONG) for p in (0.0, penalty))
        assert free.dims == 8 > paid.dims == paid.details["open"], fit.__name__
        assert loss_of(paid, *linear) < 0.1


def test_one_code_is_left_where_the_penalty_closes_all(
    linear: tuple[np.ndarray, np.ndarray],
) -> None:
    model = fit_hard_concrete(*linear, 8, 30.0, shape=LINEAR, budget=LONG)
    assert (model.details["open"], model.dims) == (0, 1)


def test_asked_dims_are_the_largest_entries_of_the_mask(
    linear: tuple[np.ndarray, np.ndarray],
) -> None:
    model = fit_l1_mask(*linear, 8, 0.1, dims=2, shape=LINEAR, budget=Budget(steps=200))
    mask = model.details["mask"]
    assert len(mask) == 8 and mask == sorted(mask, reverse=True)
    assert model.dims == 2 and model.details["open"] >= 2


@pytest.mark.parametrize("path", [False, True])
def test_cutting_keeps_the_function_of_the_kept_codes(path: bool) -> None:
    network = Shape((5,), linear_path=path).build(4, 6, seed=0)
    gates = torch.tensor([0.5, 0.0, 2.0, 0.0, 1.0, 0.0])
    keep = torch.tensor([4, 0, 2])
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        masked = network.decode(network.encode(x) * gates)
        small = keep_codes(network, keep, gates)
        assert small.width == 3 and network.width == 6
        assert torch.allclose(small(x), masked, atol=1e-6)
        assert torch.allclose(small.encode(x), (network.encode(x) * gates)[:, keep], atol=1e-6)


def test_irmae_and_nested_dropout_find_a_linear_rank(
    linear: tuple[np.ndarray, np.ndarray],
) -> None:
    irmae = fit_irmae(*linear, 8, shape=LINEAR, budget=LONG)
    variances = irmae.details["variances"]
    assert irmae.dims == RANK
    assert variances[0] == 1 and variances == sorted(variances, reverse=True)
    nested = fit_nested_dropout(*linear, 8, shape=LINEAR, budget=LONG)
    curve = nested.details["curve"]
    assert nested.dims in (RANK, RANK + 1)
    assert len(curve) == 8 and curve[0] > 0.1 > curve[RANK]


def test_nested_dropout_of_one_or_two_codes(linear: tuple[np.ndarray, np.ndarray]) -> None:
    for width in (1, 2):
        model = fit_nested_dropout(*linear, width, shape=LINEAR, budget=Budget(steps=3))
        assert 1 <= model.dims <= width


def test_pca_to_a_width_is_scikit_learns(linear: tuple[np.ndarray, np.ndarray]) -> None:
    train, held_out = linear
    model = fit_pca(train, held_out, 2)
    pca = PCA(2).fit(train)
    assert np.allclose(np.abs(model.encode(held_out)), np.abs(pca.transform(held_out)))
    left = np.square(held_out - pca.inverse_transform(pca.transform(held_out))).sum()
    reference = np.square(held_out - train.mean(axis=0)).sum()
    assert loss_of(model, train, held_out) == pytest.approx(left / reference)
    assert fit_pca(train[:2], held_out, 9).dims == 2


def test_pca_finds_a_linear_rank(linear: tuple[np.ndarray, np.ndarray]) -> None:
    for fit in (fit_pca_mle, fit_parallel_analysis):
        model = fit(*linear)
        assert (model.dims, model.steps) == (RANK, 0)
        assert loss_of(model, *linear) < 1e-9


def test_parallel_analysis_of_noise_finds_nothing() -> None:
    noise = np.random.default_rng(0).standard_normal((300, 8))
    model = fit_parallel_analysis(noise, noise)
    assert (model.details["found"], model.dims) == (0, 1)


def test_loss_is_a_share_of_the_distance_to_the_mean() -> None:
    x, mean = np.array([[3.0, 1.0], [1.0, 1.0]]), np.array([2.0, 1.0])
    assert normalised_loss(x, x, mean) == 0
    assert normalised_loss(x, np.tile(mean, (2, 1)), mean) == 1
    assert normalised_loss(x, np.array([[3.0, 1.0], [2.0, 1.0]]), mean) == 0.5


@pytest.mark.parametrize("name", sorted(INTRINSIC))
def test_intrinsic_dimension_of_a_plane(name: str, global_rng_untouched: None) -> None:
    if find_spec("skdim") is None:
        pytest.skip("scikit-dimension needs the extra: pip install 'damrep[bench]'")
    plane = make_table("linear", 2, 0, rows=600, columns=6)
    found = intrinsic_dimension(name, plane, most_rows=400)
    assert found == pytest.approx(2, abs=0.4)


def test_a_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skdim", None)
    with pytest.raises(PeerMissingError, match=r"scikit-dimension is not.*damrep\[bench\]"):
        intrinsic_dimension("two-nn", np.eye(3))


@pytest.mark.parametrize("kind", KINDS)
def test_tables_are_as_asked(kind: str, global_rng_untouched: None) -> None:
    x = make_table(kind, 4, 0, rows=50, columns=9)
    assert x.shape == (50, 9) and x.dtype == np.float32
    assert np.array_equal(x, make_table(kind, 4, 0, rows=50, columns=9))
    assert not np.array_equal(x, make_table(kind, 4, 1, rows=50, columns=9))
    assert np.allclose(make_table(kind, 4, 0, rows=50, columns=9, scale=10.0), 10 * x, rtol=1e-5)


def test_noise_is_a_share_of_the_tables_own() -> None:
    clean = make_table("linear", 3, 0, rows=4000, columns=10, double=True)
    noisy = make_table("linear", 3, 0, rows=4000, columns=10, noise=0.3, double=True)
    spread = np.sqrt(np.square(clean - clean.mean(axis=0)).mean())
    assert np.sqrt(np.square(noisy - clean).mean()) == pytest.approx(0.3 * spread, rel=0.03)


def test_the_quadratic_generator_is_what_it_says() -> None:
    # h (Z W2') + h + b with h = Z W1': of degree 2 in Z, so its third differences vanish. On rows
    # it shows as a rank of at most 1 + k + k (k + 1) / 2 with the mean.
    x = make_table("quadratic", 2, 0, rows=200, columns=20, double=True)
    assert np.linalg.matrix_rank(x) == 6


def test_unknown_generators_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown generator 'cubic'; known are linear, quadratic"):
        make_table("cubic", 2, 0)
