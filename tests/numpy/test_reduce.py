"""Reductions: NumPy's values and dtypes for every option; derivatives where elements tie, vanish or are infinite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from same_as_numpy import check_same

from chainrule.api.derivatives import grad, jvp, vjp
from chainrule.errors import DTypeError, ShapeError
from chainrule.numpy import reduce

RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 4, 2))
MASK = RNG.integers(0, 2, size=(4, 1)).astype(bool)
AXES = (None, 0, -1, (0, 2), (2, 0), (-3, 1), ())
DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")
BY_NAME = ("sum", "prod", "max", "min", "mean", "var", "std", "any", "all", "ptp")
OF_UINT8 = {"sum": np.int64, "prod": np.int64}  # NumPy's is uint64


def pair(name: str) -> tuple[Any, Any]:
    return getattr(reduce, name), getattr(np, name)


def cast(dtype: str) -> Any:
    return (3 * X).astype(dtype) if dtype != "uint8" else np.abs(3 * X).astype(dtype)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", BY_NAME)
def test_axes(name: str, axis: Any, keepdims: bool) -> None:
    ours, theirs = pair(name)
    check_same(lambda x: ours(x, axis=axis, keepdims=keepdims), lambda x: theirs(x, axis=axis, keepdims=keepdims), X)


@pytest.mark.parametrize("name", [*BY_NAME, "argmax", "argmin", "count_nonzero"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(name: str, dtype: str) -> None:
    if (name, dtype) == ("ptp", "bool"):
        with pytest.raises(DTypeError, match="dtypes that subtract knows"):
            reduce.ptp(cast(dtype))
        return
    ours, theirs = pair(name)
    wanted = OF_UINT8.get(name) if dtype == "uint8" else None
    check_same(lambda x: ours(x, axis=1), lambda x: theirs(x, axis=1), cast(dtype), dtype=wanted)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std"])
def test_dtype_option(name: str) -> None:
    ours, theirs = pair(name)
    for given, asked in (("int64", "float32"), ("float32", "float64"), ("float64", "float32")):
        check_same(lambda x: ours(x, 0, asked), lambda x: theirs(x, 0, asked), cast(given))  # noqa: B023
    if name in ("sum", "prod"):
        for given, asked in (("int64", "int32"), ("uint8", "uint8"), ("bool", "bool"), ("float64", "int64")):
            check_same(lambda x: ours(x, 0, asked), lambda x: theirs(x, 0, asked), cast(given))  # noqa: B023


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_initial_and_where(name: str) -> None:
    ours, theirs = pair(name)
    for options in ({"initial": 0.5}, {"initial": 0.5, "where": MASK}, {"initial": np.float64(-7), "where": True}):
        for axis in (None, 1, (0, 2)):
            check_same(
                lambda x: ours(x, axis=axis, keepdims=True, **options),  # noqa: B023
                lambda x: theirs(x, axis=axis, keepdims=True, **options),  # noqa: B023
                X,
            )
    empty = np.zeros((0, 3))
    check_same(lambda x: ours(x, axis=0, initial=4.0), lambda x: theirs(x, axis=0, initial=4.0), empty)
    check_same(lambda x: ours(x, initial=2), lambda x: theirs(x, initial=2), np.arange(1, 4, dtype=np.int32))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "any", "all"])
def test_where(name: str) -> None:
    ours, theirs = pair(name)
    mask = np.array([True, False, True, True])[:, None]
    for axis in (None, 1, (1, 2)):
        check_same(
            lambda x: ours(x, axis=axis, where=mask),  # noqa: B023
            lambda x: theirs(x, axis=axis, where=mask),  # noqa: B023
            X,
        )


def test_var_options() -> None:
    for axis in (None, 1):
        check_same(lambda x: reduce.var(x, axis, ddof=1), lambda x: np.var(x, axis, ddof=1), X)  # noqa: B023
        check_same(lambda x: reduce.std(x, axis, correction=2), lambda x: np.std(x, axis, ddof=2), X)  # noqa: B023
    known = X.mean(1, keepdims=True)
    check_same(lambda x: reduce.var(x, 1, mean=known), lambda x: np.var(x, 1, mean=known), X)
    mask = np.ones((3, 1, 2), bool)
    check_same(
        lambda x: reduce.var(x, 1, ddof=1, where=mask, keepdims=True),
        lambda x: np.var(x, 1, ddof=1, where=mask, keepdims=True),
        X,
    )
    with pytest.raises(ShapeError, match="one of ddof= and correction="):
        reduce.var(X, ddof=1, correction=1)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions(name: str) -> None:
    ours, theirs = pair(name)
    tied = np.array([[1.0, 3.0, 3.0, -2.0, -2.0], [np.nan, 0.0, np.nan, 5.0, -5.0]])
    for axis in (None, 0, 1, -1):
        for keepdims in (False, True):
            check_same(
                lambda x: ours(x, axis, keepdims=keepdims),  # noqa: B023
                lambda x: theirs(x, axis, keepdims=keepdims),  # noqa: B023
                tied,
            )


def test_average() -> None:
    for axis, weights in (
        (None, None),
        (1, None),
        (None, RNG.uniform(1, 2, X.shape)),
        (1, np.array([1.0, 2.0, 3.0, 4.0])),
        ((2, 0), RNG.uniform(1, 2, (2, 3))),
    ):
        for i in (0, 1):
            check_same(
                lambda x: reduce.average(x, axis, weights, returned=True)[i],  # noqa: B023
                lambda x: np.average(x, axis, weights, returned=True)[i],  # noqa: B023
                X,
            )
    check_same(reduce.average, np.average, np.arange(5))
    with pytest.raises(ShapeError, match=r"expected weights of shape \(3, 4, 2\) or \(4,\)"):
        reduce.average(X, 1, np.ones(3))


@pytest.mark.parametrize("name", ["nansum", "nanprod", "nanmean", "nanmax", "nanmin"])
def test_without_nan(name: str) -> None:
    ours, theirs = pair(name)
    x = X[:, :, 0].copy()
    x[0, 1] = x[2, 3] = np.nan
    x[1, 2] = -np.inf
    for axis in (None, 0, (0, 1)):
        check_same(lambda x: ours(x, axis), lambda x: theirs(x, axis), x)  # noqa: B023
    check_same(ours, theirs, np.arange(1, 5))
    gradient = grad(lambda x: reduce.sum(ours(x, 1)))(np.array([[1.0, np.nan, 3.0]]))
    assert gradient[0, 1] == 0 and np.isfinite(gradient).all()


def test_all_nan_has_no_extreme() -> None:
    assert np.isnan(reduce.nanmax(np.array([np.nan, np.nan])))
    assert np.isnan(reduce.nanmin(np.array([np.nan])))


def test_lists_and_numbers() -> None:
    assert reduce.sum([[1, 2], [3, 4]]) == 10
    assert reduce.max(3.5) == 3.5
    assert isinstance(reduce.mean([1.0, 2.0]), np.float64)


# --- logsumexp --------------------------------------------------------------------------------------------------------

INF = np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logsumexp_values(dtype: Any) -> None:
    rows = np.array(
        [[1, 2, 3], [1000, 1001, 999], [-1000, -1001, -2000], [-INF, 0, 1], [-INF] * 3, [INF, 0, 1], [INF, -INF, 5]],
        dtype,
    )
    want = np.array([3.4076059644443806, 1001.4076059644443, -999.6867383124818, 1.3132616875182228, -INF, INF, INF])
    found = reduce.logsumexp(rows, axis=1)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, want.astype(dtype), rtol=np.finfo(dtype).eps * 2)
    assert reduce.logsumexp(np.zeros((2, 0)), axis=1).tolist() == [-INF, -INF]
    assert np.isnan(reduce.logsumexp(np.array([1.0, np.nan])))
    np.testing.assert_allclose(reduce.logsumexp(np.arange(3)), want[0] - 1, rtol=1e-15)


def test_logsumexp_gradients_of_infinite_elements() -> None:
    """What the softmax tends to: the weights sum to one, the infinite ones share it."""
    rows = np.array([[-INF, 0, 0], [-INF, -INF, -INF], [INF, 0, -INF], [INF, INF, 1]])
    want = np.array([[0, 0.5, 0.5], [1 / 3] * 3, [1, 0, 0], [0.5, 0.5, 0]])
    _, pullback = vjp(lambda x: reduce.logsumexp(x, 1), rows)
    np.testing.assert_allclose(pullback(np.ones(4))[0], want, rtol=1e-15)
    for i in range(3):
        dot = np.zeros((4, 3))
        dot[:, i] = 1
        _, tangent = jvp(lambda x: reduce.logsumexp(x, 1), (rows,), (dot,))
        np.testing.assert_allclose(tangent, want[:, i], rtol=1e-15)


def test_logsumexp_weights_keep_their_precision_far_from_zero() -> None:
    x = np.array([5000.25, 5000.5, 4999.0], np.float32)
    shifted = (x - x[1]).astype(np.float64)
    want = np.exp(shifted) / np.exp(shifted).sum()
    np.testing.assert_allclose(grad(reduce.logsumexp)(x), want, rtol=1e-6)
    np.testing.assert_allclose(grad(reduce.logsumexp)(np.full(2, 1e17)), [0.5, 0.5])


def test_logsumexp_second_order() -> None:
    check_both_modes(lambda x: reduce.logsumexp(x, (0, 2), keepdims=True), 3 * X)
    check_both_modes(reduce.logsumexp, np.array([0.0, 40.0, 3.0]))  # one element has nearly all the weight
    check_both_modes(reduce.logsumexp, np.array([2.0]))
    masked = np.array([0.5, -INF, 1.5])
    hessian = np.stack([grad(lambda x: grad(reduce.logsumexp)(x)[i])(masked) for i in range(3)])  # noqa: B023
    p = np.exp(masked) / np.exp(masked).sum()
    np.testing.assert_allclose(hessian, np.diag(p) - np.outer(p, p), atol=1e-15)


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std", "ptp", "average"])
def test_derivatives(name: str) -> None:
    ours = getattr(reduce, name)
    for axis in (None, 1, (0, -1)):
        check_both_modes(lambda x: ours(x, axis=axis, keepdims=True), X)  # noqa: B023


def test_derivatives_under_a_mask() -> None:
    mask = np.array([True, False, True, True])[:, None]
    for ours in (reduce.sum, reduce.prod, reduce.mean, reduce.std):
        check_both_modes(lambda x: ours(x, axis=1, where=mask), X)  # noqa: B023
    check_both_modes(lambda x: reduce.max(x, axis=1, where=mask, initial=-9.0), X)
    check_both_modes(lambda x, w: reduce.average(x, 1, w), X, np.array([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize("name", ["max", "min"])
def test_equal_elements_share_the_derivative(name: str) -> None:
    ours = getattr(reduce, name)
    tied = (
        np.array([[2.0, 2.0, 2.0], [1.0, -1.0, -1.0]]) if name == "min" else np.array([[2.0, 2.0, 2.0], [1.0, 1, -1]])
    )
    by_row = [[1 / 3] * 3, [0, 0.5, 0.5] if name == "min" else [0.5, 0.5, 0]]
    np.testing.assert_allclose(grad(lambda x: reduce.sum(ours(x, 1)))(tied), by_row)
    of_all = [[0] * 3, [0, 0.5, 0.5]] if name == "min" else [[1 / 3] * 3, [0] * 3]
    np.testing.assert_allclose(grad(ours)(tied), of_all)
    np.testing.assert_allclose(grad(lambda x: ours(x, (0, 1)))(tied), of_all)
    dot = np.array([[1.0, 2.0, 6.0], [10.0, 20.0, 40.0]])
    _, tangent = jvp(lambda x: ours(x, 1), (tied,), (dot,))
    np.testing.assert_allclose(tangent, (np.array(by_row) * dot).sum(1))


@pytest.mark.parametrize("zeros", [(0,), (2,), (0, 3), (0, 1, 2, 3)], ids=str)
def test_prod_of_zeros(zeros: tuple[int, ...]) -> None:
    x = np.array([1.5, -2.0, 0.5, 3.0])
    x[list(zeros)] = 0
    want = [np.prod(np.delete(x, i)) for i in range(4)]
    np.testing.assert_allclose(grad(reduce.prod)(x), want)
    check_both_modes(reduce.prod, x)
    check_both_modes(lambda x: reduce.prod(x, (0, 1)), np.stack([x, x + 1]))
    check_both_modes(lambda x: reduce.prod(x, 0), np.stack([x, x + 1, x]))


def test_prod_of_few() -> None:
    assert grad(lambda x: reduce.prod(x))(np.array([0.0])) == [1.0]
    assert grad(lambda x: reduce.prod(x))(np.zeros(0)).shape == (0,)
    np.testing.assert_array_equal(grad(lambda x: reduce.sum(reduce.prod(x, 1)))(np.zeros((2, 1))), np.ones((2, 1)))


def test_std_of_equal_elements() -> None:
    """The tip of a cone: the derivative is 0, and nothing is NaN."""
    same = np.full((2, 3), 1.5)
    np.testing.assert_array_equal(grad(lambda x: reduce.sum(reduce.std(x, 1)))(same), np.zeros((2, 3)))
    value, tangent = jvp(lambda x: reduce.std(x, 1), (same,), (np.ones((2, 3)),))
    assert value.tolist() == tangent.tolist() == [0, 0]
    assert np.isnan(reduce.std(np.array([1.0, np.nan])))


def test_a_masked_cotangent_stays_zero_next_to_nan() -> None:
    x = np.array([[1.0, np.nan], [1.0, 2.0]])
    for ours in (reduce.max, reduce.prod, reduce.logsumexp):
        gradient = grad(lambda x: reduce.sum(ours(x, 1), where=np.array([False, True])))(x)  # noqa: B023
        assert gradient[0].tolist() == [0, 0] and np.isfinite(gradient).all()


# --- errors -----------------------------------------------------------------------------------------------------------


def test_errors_name_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"expected an axis from -3 to 2, got 3 at .*test_reduce\.py:\d+"):
        reduce.sum(X, 3)
    with pytest.raises(ShapeError, match=r"expected every axis once, got \(0, -3\) at .*test_reduce\.py:\d+"):
        reduce.max(X, (0, -3))
    with pytest.raises(ShapeError, match=r"to take the max of, got f64\[0,3\] along \[0\] at .*; try initial="):
        reduce.max(np.zeros((0, 3)), 0)
    with pytest.raises(ShapeError, match=r"to take the argmin of, got f64\[0\] along \[0\] at .*test_reduce\.py:\d+"):
        reduce.argmin(np.zeros(0))
    with pytest.raises(ShapeError, match=r"expected a mask that broadcasts to the shape \(3, 4, 2\)"):
        reduce.sum(X, where=np.ones((5, 3, 4, 2), bool))
    with pytest.raises(ShapeError, match="expected initial= beside where="):
        reduce.max(X, where=MASK)


def test_errors_are_the_same_while_traced() -> None:
    with pytest.raises(ShapeError, match=r"expected an axis from -3 to 2, got 3 at .*test_reduce\.py:\d+"):
        grad(lambda x: reduce.sum(x, 3))(X)
    with pytest.raises(ShapeError, match=r"to take the min of, got f64\[0\] along \[0\] at .*test_reduce\.py:\d+"):
        grad(lambda x: reduce.min(x))(np.zeros(0))
