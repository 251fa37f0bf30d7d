"""Products: NumPy's values for every combination of axes, derivatives, and errors that say what would fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from same_as_numpy import check_same

from chainrule.api.derivatives import grad
from chainrule.api.jit import jit
from chainrule.errors import ShapeError
from chainrule.numpy import contract

RNG = np.random.default_rng(7)
PAIRS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (1, 5, 3, 4)),
    ((6, 5, 2, 3), (6, 1, 3, 4)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((0, 2, 3), (1, 3, 4)),
    ((2, 1), (1, 3)),
]


def arrays(*shapes: tuple[int, ...], dtype: str = "float64") -> list[Any]:
    return [(3 * RNG.normal(size=shape)).astype(dtype) for shape in shapes]


# --- matmul -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y"), PAIRS, ids=str)
def test_matmul(x: Any, y: Any) -> None:
    check_same(contract.matmul, np.matmul, *arrays(x, y))
    check_same(contract.matmul, np.matmul, *arrays(x, y, dtype="int32"))
    check_both_modes(contract.matmul, *arrays(x, y))


def test_matmul_of_itself() -> None:
    for shape in ((3,), (3, 3), (2, 3, 3)):
        check_both_modes(lambda x: contract.matmul(x, x), *arrays(shape))
    check_both_modes(lambda x: contract.matmul(contract.matmul(x, x), x), *arrays((3, 3)))


def test_operators_and_numpy_reach_it() -> None:
    x, y = arrays((2, 3), (3, 4))
    want = np.ones((2, 4)) @ y.T
    for product in (lambda x: x @ y, lambda x: np.matmul(x, y), lambda x: (y.T @ x.T).T, lambda x: np.dot(x, y)):
        np.testing.assert_allclose(grad(lambda x: contract.vdot(product(x), np.ones((2, 4))))(x), want)  # noqa: B023


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (
            (5, 3),
            (4, 2),
            r"last but one of y in x @ y, got f32\[5,3\] @ f32\[4,2\] at .*; try a transpose or a reshape",
        ),
        ((5, 3), (4, 3), r"got f32\[5,3\] @ f32\[4,3\] at .*test_contract\.py:\d+; try x @ y\.T$"),
        ((3, 5), (3, 4), r"got f32\[3,5\] @ f32\[3,4\] at .*test_contract\.py:\d+; try x\.T @ y$"),
        ((3, 5), (4, 3), r"try y @ x$"),
        ((3,), (4,), r"got f32\[3\] @ f32\[4\]"),
        ((), (4,), r"expected arrays with axes, got f32 @ f32\[4\] at .*; try x \* y for numbers"),
        ((2, 3, 4), (3, 4, 5), r"axes in front that broadcast, got f32\[2,3,4\] @ f32\[3,4,5\]"),
    ],
)
def test_matmul_errors(x: Any, y: Any, text: str) -> None:
    given = arrays(x, y, dtype="float32")
    with pytest.raises(ShapeError, match=text):
        contract.matmul(*given)
    with pytest.raises(ShapeError, match=text):
        jit(lambda x, y: x @ y)(*given)
    with pytest.raises(ShapeError, match=text):
        grad(lambda x: (x @ given[1])[0, 0])(given[0])


# --- the others -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y"),
    [((), ()), ((), (3,)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 3, 4)), ((2, 5, 3), (4, 3, 2)), ((0, 3), (3, 2))],
    ids=str,
)
def test_dot(x: Any, y: Any) -> None:
    check_same(contract.dot, np.dot, *arrays(x, y))
    check_both_modes(contract.dot, *arrays(x, y))


@pytest.mark.parametrize(("x", "y"), [((), (2,)), ((3,), (3,)), ((2, 3), (4, 3)), ((2, 2, 3), (3,))], ids=str)
def test_inner(x: Any, y: Any) -> None:
    check_same(contract.inner, np.inner, *arrays(x, y))
    check_both_modes(contract.inner, *arrays(x, y))


def test_outer_vdot_and_kron() -> None:
    for x, y in (((3,), (4,)), ((2, 3), (2,)), ((), (2,)), ((0,), (3,))):
        check_same(contract.outer, np.outer, *arrays(x, y))
        check_both_modes(contract.outer, *arrays(x, y))
        check_same(contract.kron, np.kron, *arrays(x, y))
        check_both_modes(contract.kron, *arrays(x, y))
    check_same(contract.kron, np.kron, *arrays((2, 3), (3, 2, 2)))
    for x, y in (((3,), (3,)), ((2, 3), (6,)), ((2, 3), (2, 3))):
        check_same(contract.vdot, np.vdot, *arrays(x, y))
        check_both_modes(contract.vdot, *arrays(x, y))
    check_both_modes(lambda x: contract.vdot(x, x), *arrays((2, 3)))


@pytest.mark.parametrize(
    ("x", "y", "axes"),
    [
        ((2, 3), (4,), 0),
        ((2, 3), (3, 4), 1),
        ((2, 3, 4), (3, 4, 5), 2),
        ((2, 3, 4), (4, 3, 5), ((1, 2), (1, 0))),
        ((2, 3, 4), (4, 3, 5), ([2], [-3])),
        ((2, 3), (5, 3), (1, 1)),
        ((2, 3), (5, 3), (-1, np.int64(-1))),
        ((2, 3), (2, 3), ((), ())),
    ],
    ids=str,
)
def test_tensordot(x: Any, y: Any, axes: Any) -> None:
    given = arrays(x, y)
    check_same(lambda x, y: contract.tensordot(x, y, axes), lambda x, y: np.tensordot(x, y, axes), *given)
    check_both_modes(lambda x, y: contract.tensordot(x, y, axes), *given)


def test_many_vectors_and_matrices() -> None:
    for x, y in (((3,), (3,)), ((2, 3), (3,)), ((4, 1, 3), (2, 3))):
        check_same(contract.vecdot, np.vecdot, *arrays(x, y))
        check_both_modes(contract.vecdot, *arrays(x, y))
    check_same(
        lambda x, y: contract.vecdot(x, y, axis=0), lambda x, y: np.vecdot(x, y, axis=0), *arrays((3, 2), (3, 2))
    )
    for x, y in (((2, 3), (3,)), ((5, 2, 3), (5, 3)), ((5, 1, 2, 3), (4, 3))):
        check_same(contract.matvec, lambda x, y: (x @ y[..., None])[..., 0], *arrays(x, y))
        check_same(contract.vecmat, lambda x, y: (x[..., None, :] @ y)[..., 0, :], *arrays(y, (*x[:-2], 3, 2)))
        check_both_modes(contract.matvec, *arrays(x, y))


def test_cross() -> None:
    for x, y, options in (
        ((3,), (4, 3), {}),
        ((4, 3), (2, 1, 3), {}),
        ((3, 4), (4, 3), {"axisa": 0}),
        ((3, 4), (2, 3, 4), {"axisa": 0, "axisb": 1, "axisc": 0}),
        ((2, 3, 4), (2, 3, 4), {"axis": 1}),
    ):
        given = arrays(x, y)
        check_same(lambda x, y: contract.cross(x, y, **options), lambda x, y: np.cross(x, y, **options), *given)  # noqa: B023
        check_both_modes(lambda x, y: contract.cross(x, y, **options), *given)  # noqa: B023
    with pytest.raises(ShapeError, match=r"three elements along the axes of both in cross, got f64\[2\] and f64\[2\]"):
        contract.cross(np.ones(2), np.ones(2))


def test_dtypes() -> None:
    for product in (contract.matmul, contract.dot, contract.inner, contract.kron, contract.vecdot):
        x, y = (RNG.integers(0, 5, size=(3, 3)) for _ in range(2))
        theirs = getattr(np, product.__name__)
        for left, right in (("int32", "int64"), ("uint8", "uint8"), ("float64", "int32"), ("float32", "float32")):
            check_same(product, theirs, x.astype(left), y.astype(right))  # the last is exact: small whole numbers
        if product is not contract.kron:
            check_same(product, theirs, x > 2, y > 1)


def test_lists() -> None:
    assert contract.matmul([[1, 2]], [[3], [4]]).tolist() == [[11]]
    assert contract.dot(2, 3.5) == 7.0
    assert contract.outer([1, 2], 3.0).tolist() == [[3.0], [6.0]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: contract.dot(x, x), r"the last but one of b in dot, got f64\[2,3\] and f64\[2,3\]"),
        (
            lambda x: contract.inner(x, x.T),
            r"equal lengths along the last axes in inner, got f64\[2,3\] and f64\[3,2\]",
        ),
        (lambda x: contract.vdot(x, np.ones(5)), r"as many elements in both in vdot, got f64\[6\] and f64\[5\]"),
        (lambda x: contract.tensordot(x, x, 3), r"at least 3 axes in both in tensordot"),
        (lambda x: contract.tensordot(x, x, 1), r"equal lengths along axes \[1\] and \[0\] in tensordot"),
        (lambda x: contract.tensordot(x, x, ((0, 1), (0,))), r"equal lengths along axes \[0, 1\] and \[0\]"),
        (lambda x: contract.tensordot(x, x, (2, 0)), r"expected an axis from -2 to 1, got 2"),
        (lambda x: contract.vecdot(x, np.ones(2)), r"equal lengths along axis -1 in vecdot"),
        (lambda x: contract.vecdot(x, np.ones((3, 3))), r"axes in front that broadcast"),
        (lambda x: contract.matvec(x, np.ones(2)), r"matrices, and vectors as long as their rows, in matvec"),
        (lambda x: contract.vecmat(np.ones(3), x), r"vectors, and matrices with columns as long, in vecmat"),
    ],
)
def test_errors(call: Any, text: str) -> None:
    for run in (call, jit(call)):
        with pytest.raises(ShapeError, match=text + r".* at .*test_contract\.py:\d+"):
            run(np.ones((2, 3)))
