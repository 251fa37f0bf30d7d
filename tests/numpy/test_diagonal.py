from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from numpy_calls import check_call, table
from same_as_numpy import check_same

import chainrule.numpy as cnp
from chainrule.api.derivatives import grad, vjp
from chainrule.api.jit import graph, jit
from chainrule.errors import ShapeError, TraceError

X = np.linspace(0.4, 1.2, 24).reshape(2, 3, 4)
V = np.array([0.3, -0.7, 0.9])


@pytest.mark.parametrize("k", range(-4, 6))
@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x, v, k: np.diagonal(x[0], k),
        lambda np, x, v, k: np.diagonal(x, k),
        lambda np, x, v, k: np.diagonal(x, k, 1, 2),
        lambda np, x, v, k: np.diagonal(x, k, -1, 0),
        lambda np, x, v, k: np.diag(x[1], k),
        lambda np, x, v, k: np.diag(x[1].T, k),
        lambda np, x, v, k: np.diag(v, k),
        lambda np, x, v, k: np.diagflat(x[:, 0, :2], k),
        lambda np, x, v, k: np.trace(x, k),
        lambda np, x, v, k: np.trace(x, k, 2, 1),
        lambda np, x, v, k: np.tril(x, k),
        lambda np, x, v, k: np.triu(x, k),
        lambda np, x, v, k: np.tril(v, k),
        lambda np, x, v, k: np.triu(v[:0], k),
    ),
)
def test_diagonals(call: Any, k: int) -> None:
    check_same(lambda x, v: call(cnp, x, v, k), lambda x, v: call(np, x, v, k), X, V)
    check_both_modes(lambda x, v: call(cnp, x, v, k) ** 3, X, V, second=k in (-1, 0, 2))


@pytest.mark.parametrize(
    "call",
    **table(
        lambda np, x, v: x.diagonal(1, 1, 2),
        lambda np, x, v: np.trace(x),
        lambda np, x, v: np.diag(v[:0], 2),
        lambda np, x, v: np.diagonal(x[:, :0, :2], axis1=1, axis2=2),
        lambda np, x, v: x[0][np.triu_indices_from(x[0], 1)],
        lambda np, x, v: x[0][np.tril_indices_from(x[0])],
        lambda np, x, v: x[0, :, :3][np.diag_indices_from(x[0, :, :3])],
        lambda np, x, v: x[0][np.tril_indices(2, -1)],
    ),
)
def test_parts_of_matrices(call: Any) -> None:
    check_call(call, X, V)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5), (3, 3, 3)])
def test_fill_diagonal(shape: tuple[int, ...], wrap: bool) -> None:
    x = np.linspace(0.4, 1.2, int(np.prod(shape))).reshape(shape)

    def f(x: Any, v: Any) -> Any:
        y, z = x.copy(), x.copy()
        np.fill_diagonal(y, v, wrap=wrap)
        np.fill_diagonal(z, v[0], wrap)
        return y * z

    np.testing.assert_array_equal(vjp(f, x, V)[0], f(x, V))
    check_both_modes(f, x, V)


def test_triangles_are_no_constants_of_a_graph() -> None:
    assert "constant(@" not in str(graph(lambda x: cnp.tril(x) + cnp.triu(x, 1))(X))
    nowhere = np.full((2, 2), np.inf)
    assert grad(lambda x: cnp.sum(cnp.tril(x) * np.array([[1.0, 1], [1, 1]])))(nowhere).tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: cnp.diagonal(x[0, 0]), "an array of two axes at least"),
        (lambda x: cnp.diagonal(x, 0, 1, -2), "every axis once"),
        (lambda x: cnp.diag(x), "an array of one or two axes"),
        (lambda x: cnp.tril(x[0, 0, 0]), "an array of one axis at least"),
        (lambda x: cnp.fill_diagonal(x, 0.0), "a matrix, or more axes of one length"),
    ],
)
def test_misfits_name_the_line(call: Any, text: str) -> None:
    for way in (jit, lambda f: lambda x: grad(lambda x: cnp.sum(f(x)))(x)):
        with pytest.raises(ShapeError, match=text) as caught:
            way(call)(X)
        assert "test_diagonal.py" in str(caught.value)


def test_nothing_traced_is_written_to_a_plain_array() -> None:
    y = np.zeros((2, 2))
    for module in (np, cnp):
        with pytest.raises(TraceError, match=r"test_diagonal\.py"):
            jit(lambda v, module=module: module.fill_diagonal(y, v) or v)(V)
    assert not y.any()
