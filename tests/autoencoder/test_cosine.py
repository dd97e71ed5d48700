from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from damrep.autoencoder.cosine import CosineMap, UnitRows, fit_cosine_map, neighbour_losses
from damrep.autoencoder.neighbours import recall_at
from damrep.autoencoder.rows import Rows
from damrep.masking.search import exact_width
from damrep.masking.validation import InputError


def rows_of(table: np.ndarray) -> Rows:
    return Rows(table, np.zeros(table.shape[1]), 1.0)


def embeddings(count: int = 500, columns: int = 24, seed: int = 0) -> np.ndarray:
    """Clusters along directions of falling size, about a large mean, as real embeddings lie."""
    rng = np.random.default_rng(seed)
    scale = 0.9 ** np.arange(columns)
    turn = np.linalg.qr(rng.normal(size=(columns, columns)))[0]
    centres = rng.normal(size=(30, columns)) * scale
    points = centres[rng.integers(0, 30, size=count)] + 0.3 * rng.normal(size=(count, columns))
    points[:, 0] += 4.0
    return (points @ turn).astype(np.float32)


def fit(table: np.ndarray, width: int, **options: object) -> CosineMap:
    return fit_cosine_map(rows_of(table), width, device="cpu", **{"steps": 25, **options})  # type: ignore[arg-type]


def test_rows_of_the_map_are_orthonormal_and_losses_go_down_in_bounds() -> None:
    found = fit(embeddings(150), 8)
    assert torch.allclose(found.weight @ found.weight.T, torch.eye(8), atol=1e-5)
    assert len(found.losses) == len(found.start_losses) == 8
    assert 1 >= found.losses[0] and found.losses[-1] >= 0
    assert all(a >= b for a, b in zip(found.losses, found.losses[1:], strict=False))


def test_training_tells_prefixes_more_and_leaves_the_full_width_alone() -> None:
    # An offset and coarse groups carry most; who is near within a group is told by four others.
    rng = np.random.default_rng(0)
    fine = rng.normal(size=(400, 7)) * [1, 1, 1, 1, 0.3, 0.3, 0.3]
    coarse = 1.2 * rng.choice([-1.0, 1.0], size=(400, 4))
    table = np.hstack([np.full((400, 1), 4.0), coarse, fine]).astype(np.float32)
    found = fit_cosine_map(rows_of(table[150:]), 12, rows_of(table[:150]), steps=50, device="cpu")
    assert found.losses[5] < 0.9 * found.start_losses[5]
    assert found.losses[-1] == pytest.approx(found.start_losses[-1], abs=1e-5)


def test_at_full_rank_nothing_is_lost() -> None:
    table = embeddings(200, 12)
    found = fit(table, 12)
    assert found.losses[-1] < 1e-5
    assert recall_at(5, table, table @ found.weight.numpy().T) > 0.999


def test_a_rows_length_does_not_matter() -> None:
    table = embeddings(200)
    scale = 2.0 ** np.random.default_rng(1).integers(-8, 8, size=(200, 1)).astype(np.float32)
    assert torch.equal(fit(table, 4).weight, fit(table * scale, 4).weight)


def test_the_same_seed_gives_the_same_map_and_the_global_generator_is_left_alone() -> None:
    table = embeddings(200)
    before = torch.get_rng_state()
    first, again, other = fit(table, 4), fit(table, 4), fit(table, 4, seed=1)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert torch.equal(before, torch.get_rng_state())


def test_a_sparse_table_gives_what_a_dense_one_gives() -> None:
    table = np.where(embeddings(150) > 0.3, embeddings(150), 0).astype(np.float32)
    sparse = Rows(sp.csr_matrix(table), np.zeros(24), 1.0)
    found = fit_cosine_map(sparse, 4, steps=25, device="cpu")
    torch.testing.assert_close(found.weight, fit(table, 4).weight, rtol=1e-4, atol=1e-4)


def test_mean_and_scale_of_the_rows_handed_in_are_not_looked_at() -> None:
    table = embeddings(150)
    shifted = Rows(table, table.mean(axis=0), 3.0)
    found = fit_cosine_map(shifted, 4, steps=25, device="cpu")
    assert torch.equal(found.weight, fit(table, 4).weight)


def test_a_price_chooses_the_width_off_the_curve_and_a_higher_one_no_more() -> None:
    table = embeddings(150)
    cheap, dear = fit(table, 16, price=1e-3), fit(table, 16, price=3e-2)
    assert len(cheap.curve) == 16
    assert cheap.curve == dear.curve
    assert len(cheap.weight) == len(cheap.losses) == exact_width(cheap.curve, 1e-3)
    assert len(dear.weight) <= len(cheap.weight)


def test_no_more_directions_than_the_rows_span() -> None:
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(100, 3)) @ rng.normal(size=(3, 10))).astype(np.float32)
    assert fit(table, 8).weight.shape == (3, 10)


def test_without_steps_the_directions_are_those_of_the_second_moment_about_zero() -> None:
    table = embeddings(300, 10)
    unit = F.normalize(torch.from_numpy(table).double(), dim=1)
    wanted = torch.linalg.eigh(unit.T @ unit)[1].T.flip(0)[:4].float()
    found = fit(table, 4, steps=0)
    assert found.history == {}
    assert torch.allclose((found.weight * wanted).sum(dim=1).abs(), torch.ones(4), atol=1e-4)


def test_two_equal_pairs_by_hand() -> None:
    # One component tells which pair a row is in, and that is all there is to tell.
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(20, 1)
    # Its sign is lost on a row that is 0 along it, so half of the rows are told nothing.
    losses = neighbour_losses(rows, rows, torch.eye(2))
    assert losses == pytest.approx([0.5, 0.0], abs=1e-6)


def test_the_loss_is_zero_where_every_candidate_is_as_near() -> None:
    rows = torch.ones(8, 2) / 2**0.5
    assert neighbour_losses(rows, rows, torch.eye(2)) == [0.0, 0.0]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_few_rows_are_enough(count: int) -> None:
    assert torch.isfinite(fit(embeddings(count), 4).weight).all()


def test_rows_of_zeros_do_no_harm() -> None:
    table = embeddings(60)
    table[::3] = 0
    found = fit_cosine_map(rows_of(table), 4, rows_of(table[:1]), steps=25, device="cpu")
    assert torch.isfinite(found.weight).all() and np.isfinite(found.losses).all()


def test_unit_rows_keep_zeros() -> None:
    rows = UnitRows(np.array([[0.0, 2.0], [0.0, 0.0]]), np.zeros(2), 1.0)
    assert rows.take(slice(0, 2)).tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_what_cannot_be_used_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="at least two rows that are not all zero"):
        fit(np.zeros((5, 3), dtype=np.float32), 2)
    with pytest.raises(InputError, match="max_components must be >= 1, got 0"):
        fit(embeddings(20), 0)
    with pytest.raises(InputError, match="steps must be >= 0, got -1"):
        fit(embeddings(20), 2, steps=-1)
    with pytest.raises(InputError, match="price must be a finite number >= 0"):
        fit(embeddings(20), 2, price=-1.0)


def test_rounding_in_the_rows_moves_no_component() -> None:
    """Adam takes whole steps along what only rounding tells it, where that is left in."""
    table = np.random.default_rng(0).normal(size=(30, 40))
    other = table * (1 + 1e-7 * np.random.default_rng(1).normal(size=table.shape))
    maps = [
        fit_cosine_map(Rows(rows, np.zeros(40), 1.0), 4, steps=25, device="cpu").weight
        for rows in (table, other)
    ]
    torch.testing.assert_close(*maps, rtol=1e-3, atol=1e-4)
