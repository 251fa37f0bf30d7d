"""Norms, chains and powers of matrices: NumPy's values, and derivatives at the tips of cones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from same_as_numpy import check_same

from chainrule.api.derivatives import grad, jvp
from chainrule.errors import ShapeError
from chainrule.numpy import linalg

RNG = np.random.default_rng(13)
X = RNG.normal(size=(3, 4, 2))
INF = np.inf


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("ord", [None, 2, 1, INF, -INF, 0, 3, 2.5, -1])
def test_vector_norms(ord: Any, keepdims: bool) -> None:
    for x, axis in ((X[0, :, 0], None), (X, 1), (X, -1)):
        options = {"ord": ord, "axis": axis, "keepdims": keepdims}
        check_same(lambda x: linalg.norm(x, **options), lambda x: np.linalg.norm(x, **options), x)  # noqa: B023
        if ord is not None:
            check_same(
                lambda x: linalg.vector_norm(x, **options),  # noqa: B023
                lambda x: np.linalg.vector_norm(x, **options),  # noqa: B023
                x,
            )
    if ord not in (0, None):
        check_both_modes(lambda x: linalg.norm(x, ord, 1), X)


@pytest.mark.parametrize("axis", [(0, 1), (1, 0), (-1, 0), (2, 1)], ids=str)
@pytest.mark.parametrize("ord", [None, "fro", 1, -1, INF, -INF])
def test_matrix_norms(ord: Any, axis: Any) -> None:
    for keepdims in (False, True):
        check_same(
            lambda x: linalg.norm(x, ord, axis, keepdims),  # noqa: B023
            lambda x: np.linalg.norm(x, ord, axis, keepdims),  # noqa: B023
            X,
        )
    check_both_modes(lambda x: linalg.norm(x, ord, axis), X)
    if ord is not None:
        check_same(lambda x: linalg.matrix_norm(x, ord=ord), lambda x: np.linalg.matrix_norm(x, ord=ord), X)
        check_same(lambda x: linalg.norm(x, ord), lambda x: np.linalg.norm(x, ord), X[0])


def test_norms_of_everything() -> None:
    check_same(linalg.norm, np.linalg.norm, X)
    check_same(linalg.vector_norm, np.linalg.vector_norm, X)
    check_same(lambda x: linalg.vector_norm(x, axis=(0, 2)), lambda x: np.linalg.vector_norm(x, axis=(0, 2)), X)
    check_same(linalg.norm, np.linalg.norm, np.arange(4))
    check_same(linalg.norm, np.linalg.norm, X.astype("float32"))
    check_both_modes(linalg.norm, X)


@pytest.mark.parametrize("ord", [2, 1, INF, 3])
def test_norm_of_zero(ord: Any) -> None:
    x = np.zeros((2, 3))
    x[1] = (1.0, -2.0, 2.5)
    value, tangent = jvp(lambda x: linalg.norm(x, ord, 1), (x,), (np.ones((2, 3)),))
    assert value[0] == 0 and tangent[0] == 0
    gradient = grad(lambda x: linalg.norm(x[0], ord) + linalg.norm(x[1], ord))(x)
    assert gradient[0].tolist() == [0, 0, 0]
    assert np.isfinite(gradient).all() and gradient[1].any()


def test_products() -> None:
    x, y = RNG.normal(size=3), RNG.normal(size=(4, 3))
    check_same(linalg.cross, np.linalg.cross, x, y)
    check_same(lambda x, y: linalg.cross(x, y, axis=0), lambda x, y: np.linalg.cross(x, y, axis=0), y.T, x[:, None])
    check_both_modes(linalg.cross, x, y)
    check_both_modes(lambda x: linalg.cross(x, linalg.cross(x * x, y)), x)
    check_same(linalg.outer, np.linalg.outer, x, y[0])
    check_same(linalg.matrix_transpose, np.linalg.matrix_transpose, X)
    check_both_modes(lambda x: linalg.matrix_transpose(x * x), X)
    check_same(linalg.matmul, np.linalg.matmul, y, y.T)
    check_same(linalg.tensordot, np.linalg.tensordot, X, RNG.normal(size=(4, 2, 3)))
    check_same(linalg.vecdot, np.linalg.vecdot, y, y)


@pytest.mark.parametrize(
    "shapes", [((2, 5), (5, 3), (3, 4)), ((5,), (5, 3), (3,)), ((2, 3), (3,)), ((3,), (3, 4), (4, 2))]
)
def test_multi_dot(shapes: Any) -> None:
    given = [RNG.normal(size=shape) for shape in shapes]
    check_same(lambda *xs: linalg.multi_dot(xs), lambda *xs: np.linalg.multi_dot(xs), *given)
    check_both_modes(lambda *xs: linalg.multi_dot(xs), *given)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 8])
def test_matrix_power(n: int) -> None:
    for x in (RNG.normal(size=(3, 3)), RNG.normal(size=(2, 3, 3)), RNG.integers(0, 3, size=(2, 2))):
        check_same(lambda x: linalg.matrix_power(x, n), lambda x: np.linalg.matrix_power(x, n), x)
        if n and x.dtype.kind == "f":
            check_both_modes(lambda x: linalg.matrix_power(x, n), x)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: linalg.norm(X[0], 2), "ord 'fro', 1, -1, inf or -inf for matrices, got 2"),
        (lambda: linalg.norm(X, 1), "one axis for the norm of vectors, two for that of matrices, got ord=1 and 3 axes"),
        (lambda: linalg.matrix_norm(np.ones(3)), r"matrices in the last two axes, got shape \(3,\)"),
        (lambda: linalg.outer(X, X), r"two vectors, got shapes \(3, 4, 2\) and \(3, 4, 2\)"),
        (lambda: linalg.cross(np.ones(2), np.ones(2)), "three elements along the axes of both"),
        (lambda: linalg.matrix_power(np.ones((2, 3)), 2), r"square matrices and a power from 0, got shape \(2, 3\)"),
        (lambda: linalg.matrix_power(np.eye(2), -1), r"square matrices and a power from 0"),
        (lambda: linalg.multi_dot([X[0]]), r"two or more matrices, vectors only at the ends"),
        (
            lambda: linalg.multi_dot([X[0], X[1]]),
            r"matrices that can be multiplied in a chain, got shapes \(4, 2\) and",
        ),
    ],
)
def test_errors(call: Any, text: str) -> None:
    with pytest.raises(ShapeError, match="expected " + text + r".* at .*test_linalg\.py:\d+"):
        call()
