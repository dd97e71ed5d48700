"""Propagation matrices and the operator that multiplies with them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from damrep.graph.encoding.propagation import SparseOperator, gcn_matrix, mean_matrix, smooth
from tests.graph.samples import random_adjacency

# 0 - 1 - 2, and 3 alone.
PATH = sp.csr_array(np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=float))


def test_gcn_matrix_by_hand() -> None:
    # With loops the degrees are 2, 3, 2, 1.
    a, b = 1 / 2, 1 / np.sqrt(6)
    expected = [[a, b, 0, 0], [b, 1 / 3, b, 0], [0, b, a, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(gcn_matrix(PATH).toarray(), expected, rtol=1e-6)


def test_gcn_matrix_by_hand_directed_and_weighted() -> None:
    # The arc 0 -> 1 of weight 3 carries 0's signal to 1; in-degrees with loops are 1 and 4.
    expected = [[1, 0], [3 / (2 * 1), 1 / 4]]
    found = gcn_matrix(sp.csr_array(np.array([[0.0, 3.0], [0.0, 0.0]])))
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)


def test_loops_are_replaced_by_one_of_weight_one() -> None:
    loops = sp.csr_array(PATH + sp.diags_array([5.0, 0.0, 0.25, 1.0]))
    np.testing.assert_array_equal(gcn_matrix(loops).toarray(), gcn_matrix(PATH).toarray())


def test_mean_matrix_by_hand() -> None:
    expected = [[0, 1, 0, 0], [0.5, 0, 0.5, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(mean_matrix(PATH).toarray(), expected)
    arcs = sp.csr_array(np.array([[0.0, 0, 1.0], [0, 0, 3.0], [0, 0, 0]]))
    np.testing.assert_allclose(mean_matrix(arcs).toarray(), [[0, 0, 0], [0, 0, 0], [0.25, 0.75, 0]])


@given(st.integers(0, 1000), st.integers(2, 12), st.booleans(), st.booleans())
def test_properties_of_the_matrices(seed: int, n: int, directed: bool, weighted: bool) -> None:
    adjacency = random_adjacency(n, seed, directed=directed, weighted=weighted)
    gcn, mean = gcn_matrix(adjacency), mean_matrix(adjacency)
    for matrix in (gcn, mean):
        assert matrix.dtype == np.float32 and matrix.shape == (n, n)
        assert (matrix.data > 0).all()
    rows = mean.sum(axis=1)
    assert (np.isclose(rows, 1, atol=1e-5) | (rows == 0)).all()
    if not directed:
        np.testing.assert_allclose(gcn.toarray(), gcn.toarray().T, atol=1e-6)
        assert np.abs(np.linalg.eigvalsh(gcn.toarray().astype(float))).max() <= 1 + 1e-5


def test_smoothing_by_hand_and_its_mean() -> None:
    matrix = gcn_matrix(PATH)
    x = np.eye(4)[:, :2]
    one, two, three = matrix @ x, matrix @ matrix @ x, matrix @ matrix @ matrix @ x
    np.testing.assert_allclose(smooth(matrix, x, 3), three, rtol=1e-6)
    np.testing.assert_allclose(
        smooth(matrix, x, 3, average=True), (one + two + three) / 3, rtol=1e-6
    )
    np.testing.assert_array_equal(smooth(matrix, x, 0), x)
    np.testing.assert_allclose(smooth(matrix, x, 1, average=True), one)


def test_smoothing_is_the_same_for_tensors() -> None:
    matrix = gcn_matrix(random_adjacency(9, 1, directed=True, weighted=True))
    x = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    for average in (False, True):
        np.testing.assert_allclose(
            smooth(SparseOperator(matrix), torch.from_numpy(x), 4, average=average).numpy(),
            smooth(matrix, x, 4, average=average),
            rtol=1e-5, atol=1e-5,
        )  # fmt: skip


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_operator_is_the_matrix_and_its_gradient_the_transpose(
    shape: tuple[int, int], symmetric: bool
) -> None:
    dense = np.random.default_rng(0).normal(size=shape) * (np.indices(shape).sum(0) % 2)
    if symmetric:
        dense = dense @ dense.T
    operator = SparseOperator(sp.csr_array(dense))
    assert operator.shape == dense.shape
    x = torch.randn(
        dense.shape[1], 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    held = torch.from_numpy(dense.astype(np.float32)).double()
    torch.testing.assert_close(operator @ x, held @ x)
    assert torch.autograd.gradcheck(lambda t: operator @ t, [x])
    # Also where what comes back is not laid out row by row.
    (operator @ x).T.contiguous().sum().backward()
    torch.testing.assert_close(x.grad, held.T @ torch.ones(dense.shape[0], 4, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_operator_gives_back_the_dtype_it_got(dtype: torch.dtype) -> None:
    operator = SparseOperator(gcn_matrix(PATH))
    x = torch.tensor([[1.0], [2.0], [4.0], [8.0]], dtype=dtype, requires_grad=True)
    product = operator @ x
    assert product.dtype == dtype
    expected = torch.as_tensor(gcn_matrix(PATH).toarray()) @ x.detach().float()
    torch.testing.assert_close(product.detach().float(), expected, rtol=1e-2, atol=1e-2)
    product.sum().backward()
    assert x.grad is not None and x.grad.dtype == dtype


def test_the_operator_under_autocast() -> None:
    operator = SparseOperator(gcn_matrix(PATH))
    x = torch.ones(4, 1, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        product = operator @ x
    torch.testing.assert_close(product, operator @ x, rtol=0, atol=0)


def test_duplicates_are_summed_and_stored_zeros_dropped() -> None:
    twice = sp.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    assert (SparseOperator(twice) @ torch.eye(2)).tolist() == [[0, 3], [0, 0]]


def test_the_matrix_given_is_left_alone() -> None:
    given = sp.csr_array(([1.0, 0.0], ([0, 1], [1, 0])), shape=(2, 2), dtype=np.float32)
    SparseOperator(given)
    gcn_matrix(given)
    mean_matrix(given)
    assert given.nnz == 2 and given.indices.tolist() == [1, 0]


def test_moving_the_operator_keeps_it() -> None:
    operator = SparseOperator(random_adjacency(6, 0, directed=True, weighted=True))
    moved = operator.to("cpu")
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (gradient,) = torch.autograd.grad((moved @ x).square().sum(), x)
    (expected,) = torch.autograd.grad((operator @ x).square().sum(), x)
    assert torch.equal(gradient, expected) and moved.shape == operator.shape
    assert operator.to("mps") is operator, "products stay on the CPU where mps has no sparse ones"
