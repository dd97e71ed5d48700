"""Second moments: how they are summed, and every root, inverse and solution made of them.

A second moment may be of any rank. Two users alike, an empty row, a constant column, more columns
than there is to tell: each leaves directions in which nothing lies, and what stands there is
rounding, of either sign and another one on every processor. So moments are summed in double
precision, and roots and inverses go through the symmetric eigen-decomposition, which takes what is
rounding beside the largest eigenvalue for nothing. A Cholesky factor of the same moment exists on
one machine and not on the next.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from damrep.masking.validation import InputError

__all__ = [
    "ROUNDING",
    "any_root",
    "eigen",
    "inverse",
    "nested_root",
    "positive_part",
    "reciprocal",
    "roots",
    "second_moment",
    "singular",
]

# An eigenvalue below this share of the largest is nothing. Rows in single precision are rounded by
# 6e-8 of their size, and where nothing lies that adds up to the square of it, 4e-15.
ROUNDING = 1e-12
# Pivots are less exact than eigenvalues, see `nested_root`.
_NESTED = 1e-9
# Rows converted at once: with a few hundred columns they stay in the cache.
_ROWS, _PANEL = 1024, 64


def second_moment(rows: Tensor, others: Tensor | None = None) -> Tensor:
    """``rows.T @ others`` summed in double precision, a few rows at a time.

    Parameters
    ----------
    rows
        Of shape (N, n), any float dtype and device.
    others
        Of shape (N, m); `rows` itself if None.

    Returns
    -------
    Tensor, float64 on the CPU, shape (n, m)

    Examples
    --------
    In single precision the second row would be lost.

    >>> round(float(second_moment(torch.tensor([[1e4], [1e-2]]))) - 1e8, 5)
    0.0001
    """
    columns = rows.shape[1] if others is None else others.shape[1]
    total = torch.zeros(rows.shape[1], columns, dtype=torch.float64)
    for start in range(0, len(rows), _ROWS):
        left = rows[start : start + _ROWS].detach().cpu().double()
        right = left if others is None else others[start : start + _ROWS].detach().cpu().double()
        total.addmm_(left.T, right)
    return total


def eigen(moment: Tensor, of: str = "the values") -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of a symmetric matrix, strongest first.

    Parameters
    ----------
    moment
        Of shape (n, n), symmetric but for rounding; not necessarily positive.
    of
        Whose moment it is, for the message.

    Returns
    -------
    values : Tensor, float64, shape (n,)
        Falling; exactly 0 where they are rounding.
    vectors : Tensor, float64, shape (n, n)
        Orthonormal columns, of the zeros too.

    Raises
    ------
    InputError
        If a value is NaN or infinite.

    Examples
    --------
    >>> values, vectors = eigen(torch.tensor([[1.0, 1.0], [1.0, 1.0]]))
    >>> values.round(decimals=9)
    tensor([2., 0.], dtype=torch.float64)
    """
    matrix, unit = _prepared(moment, of)
    try:
        values, vectors = torch.linalg.eigh(matrix)
    except torch.linalg.LinAlgError:  # divide and conquer failed; plain QR steps are surer
        import scipy.linalg

        found = scipy.linalg.eigh(matrix.numpy(), driver="ev")
        values, vectors = (torch.from_numpy(part.copy()) for part in found)
    values, vectors = values.flip(0), vectors.flip(1)
    if len(values):
        values = torch.where(values.abs() > ROUNDING * values.abs().max(), values, 0.0)
    return values * unit, vectors


def roots(moment: Tensor, floor: float = 0.0, of: str = "the values") -> tuple[Tensor, Tensor]:
    """The symmetric root of a second moment, and the inverse of that root.

    Parameters
    ----------
    moment
        Of shape (n, n), symmetric and not negative but for rounding.
    floor
        Eigenvalues are lifted to this share of the largest (to 1 where all are nothing): both roots
        are then invertible. 0 leaves out what is nothing, in the inverse too (Moore and Penrose).
    of
        As in `eigen`.

    Returns
    -------
    root, inverse_root : Tensor, float64, shape (n, n)

    Raises
    ------
    InputError
        If a value is NaN or infinite.

    Examples
    --------
    >>> root, inverse_root = roots(torch.diag(torch.tensor([4.0, 0.0])))
    >>> root.tolist(), inverse_root.tolist()
    ([[2.0, 0.0], [0.0, 0.0]], [[0.5, 0.0], [0.0, 0.0]])
    """
    values, vectors = eigen(moment, of)
    values = values.clamp(min=0.0)
    if floor and len(values):
        largest = float(values[0])
        values = values.clamp(min=floor * largest if largest > 0 else 1.0)
    sizes = values.sqrt()
    return (vectors * sizes) @ vectors.T, (vectors * reciprocal(sizes)) @ vectors.T


def any_root(moment: Tensor, of: str = "the values") -> tuple[Tensor, Tensor]:
    """Some R with ``R @ R.T == moment``, and its inverse: for loops, in half the time of `roots`.

    That is Cholesky's triangle where every pivot is far above rounding, as it nearly always is;
    else a root by eigenvectors, which has zeros for columns in which nothing lies.

    Parameters
    ----------
    moment, of
        As in `roots`.

    Returns
    -------
    root, inverse : Tensor, float64, shape (n, n)
        Inverse in the sense of Moore and Penrose.

    Raises
    ------
    InputError
        If a value is NaN or infinite.

    Examples
    --------
    >>> root, inverse = any_root(torch.diag(torch.tensor([4.0, 0.0])))
    >>> root.tolist(), inverse.tolist()
    ([[2.0, 0.0], [0.0, 0.0]], [[0.5, 0.0], [0.0, 0.0]])
    """
    matrix, unit = _prepared(moment, of)
    triangle, failed = torch.linalg.cholesky_ex(matrix)
    if not failed and len(matrix):
        pivots = triangle.diagonal().square()
        if bool(pivots.min() > _NESTED * pivots.max()):
            triangle *= unit**0.5
            eye = torch.eye(len(triangle), dtype=torch.float64)
            return triangle, torch.linalg.solve_triangular(triangle, eye, upper=False)
    values, vectors = eigen(moment, of)
    sizes = values.clamp(min=0.0).sqrt()
    return vectors * sizes, reciprocal(sizes)[:, None] * vectors.T


def inverse(moment: Tensor, of: str = "the values") -> Tensor:
    """Inverse of a second moment; where nothing lies, nothing (Moore and Penrose).

    ``inverse(X'X) @ X'y`` is the shortest of the least-squares solutions.

    Raises
    ------
    InputError
        If a value is NaN or infinite.

    Examples
    --------
    >>> inverse(torch.diag(torch.tensor([4.0, 1e-30]))).tolist()
    [[0.25, 0.0], [0.0, 0.0]]
    """
    values, vectors = eigen(moment, of)
    return (vectors * reciprocal(values.clamp(min=0.0))) @ vectors.T


def positive_part(matrix: Tensor, of: str = "the values") -> Tensor:
    """The nearest second moment to a symmetric matrix: its negative eigenvalues are left out.

    Raises
    ------
    InputError
        If a value is NaN or infinite.

    Examples
    --------
    >>> positive_part(torch.diag(torch.tensor([3.0, -2.0]))).tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """
    values, vectors = eigen(matrix, of)
    return (vectors * values.clamp(min=0.0)) @ vectors.T


def nested_root(moment: Tensor, of: str = "the values") -> tuple[Tensor, Tensor]:
    """Lower triangle L with ``L @ L.T == moment``, of units that stand in an order.

    Gram and Schmidt's way: row k of L says how much of unit k those before it tell; what it adds of
    its own stands on the diagonal. A unit that adds less than 1e-9 of the largest is empty, and
    tells nothing of those behind it: what is left of a difference is less exact than an eigenvalue.

    Parameters
    ----------
    moment
        Of shape (n, n), symmetric and not negative but for rounding.
    of
        As in `eigen`.

    Returns
    -------
    triangle : Tensor, float64, shape (n, n)
        With 1 on the diagonal of an empty unit and nothing below, so that it can be solved with.
    filled : Tensor, bool, shape (n,)
        Which units add something.

    Raises
    ------
    InputError
        If a value is NaN or infinite.

    Examples
    --------
    The second unit is the first again.

    >>> triangle, filled = nested_root(torch.tensor([[4.0, 4.0], [4.0, 4.0]]))
    >>> triangle.tolist(), filled.tolist()
    ([[2.0, 0.0], [2.0, 1.0]], [True, False])
    """
    rest, unit = _prepared(moment, of)
    n = len(rest)
    triangle, filled = torch.zeros_like(rest), torch.zeros(n, dtype=torch.bool)
    least = _NESTED * float(rest.diagonal().max()) if n else 0.0
    for first in range(0, n, _PANEL):
        last = min(first + _PANEL, n)
        panel = rest[first:, first:last] - triangle[first:, :first] @ triangle[first:last, :first].T
        for column in range(last - first):
            pivot = float(panel[column, column])
            if pivot <= least:
                continue
            part = panel[column:, column] / pivot**0.5
            panel[column:, column:].addr_(part, part[: last - first - column], alpha=-1)
            triangle[first + column :, first + column] = part
            filled[first + column] = True
    triangle *= unit**0.5
    triangle.diagonal()[~filled] = 1.0
    return triangle, filled


def singular(matrix: Tensor, of: str = "the values") -> tuple[Tensor, Tensor, Tensor]:
    """The thin singular value decomposition U, s, V' of a matrix, in its dtype.

    Raises
    ------
    InputError
        If a value is NaN or infinite.

    Examples
    --------
    >>> singular(torch.diag(torch.tensor([3.0, 4.0])))[1]
    tensor([4., 3.])
    """
    unit = _largest(matrix, of)
    left, values, right = torch.linalg.svd(matrix / unit, full_matrices=False)
    return left, values * unit, right


def reciprocal(sizes: Tensor) -> Tensor:
    """1 over each size, and nothing over nothing.

    Examples
    --------
    >>> reciprocal(torch.tensor([4.0, 0.0])).tolist()
    [0.25, 0.0]
    """
    return torch.where(sizes > 0, 1 / sizes, 0.0)


def _prepared(moment: Tensor, of: str) -> tuple[Tensor, float]:
    """A moment symmetric, in double precision and with a largest entry of 1; and what that was."""
    matrix = moment.detach().cpu().double()
    unit = _largest(matrix, of)
    return (matrix + matrix.T) * (0.5 / unit), unit


def _largest(matrix: Tensor, of: str) -> float:
    """The largest entry's size, or 1 where there is nothing."""
    largest = float(matrix.abs().max()) if matrix.numel() else 0.0
    if not math.isfinite(largest):
        raise InputError(
            f"second moments of {of}: expected finite numbers, got NaN or infinite ones; the input "
            "holds values too large to be squared, or a training has diverged"
        )
    return largest if largest > 1e-300 else 1.0
