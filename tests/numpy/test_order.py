"""Sorting and ranks: NumPy's values, stable, and derivatives that follow each element to its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from same_as_numpy import check_same

from chainrule.api.derivatives import grad, jvp
from chainrule.api.jit import jit
from chainrule.errors import DTypeError, ShapeError
from chainrule.numpy import order, reduce

RNG = np.random.default_rng(8)
X = RNG.normal(size=(4, 3, 2))
TIED = RNG.integers(0, 3, size=(5, 6))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_sort_and_argsort(axis: int | None) -> None:
    with_nan = np.where(TIED == 1, np.nan, TIED)
    for x in (TIED, TIED.astype("float32"), TIED.astype("uint8"), TIED > 1, with_nan, np.zeros((0, 3))):
        check_same(lambda x: order.sort(x, axis), lambda x: np.sort(x, axis), x)
        check_same(lambda x: order.argsort(x, axis), lambda x: np.argsort(x, axis, stable=True), x)


def test_sort_derivatives() -> None:
    for axis in (None, 0, 1):
        check_both_modes(lambda x: order.sort(x * x * x, axis), X)  # noqa: B023
    values = np.array([3.0, 1.0, 3.0, 2.0, 1.0])
    weights = np.arange(5.0)
    gradient = grad(lambda x: reduce.sum(order.sort(x) * weights))(values)
    assert gradient.tolist() == [3, 0, 4, 2, 1]  # equal elements in their order
    _, tangent = jvp(order.sort, (values,), (np.arange(5.0),))
    assert tangent.tolist() == [1, 4, 3, 0, 2]


def test_the_method_sorts_in_place() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        assert y.sort(axis=0) is None
        return y * weights

    x, weights = np.array([[3.0, 1.0], [2.0, 5.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(jit(f)(x), np.sort(x, 0) * weights)
    np.testing.assert_array_equal(grad(lambda x: reduce.sum(f(x)))(x), [[3, 2], [1, 4]])


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (2, 0, 1)], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_median_and_quantiles(axis: Any, keepdims: bool) -> None:
    for x in (X, X.astype("float32"), TIED[:, :, None], np.where(X > 1.5, np.nan, X)):
        options = {"axis": axis, "keepdims": keepdims}
        check_same(lambda x: order.median(x, **options), lambda x: np.median(x, **options), x)  # noqa: B023
        for q in (0.0, 0.3, 1.0, [0.25, 0.5], [[0.1], [0.9]]) if x.dtype != np.float32 else (0.0, 0.7):
            check_same(lambda x: order.quantile(x, q, **options), lambda x: np.quantile(x, q, **options), x)  # noqa: B023
    check_same(lambda x: order.percentile(x, 30), lambda x: np.percentile(x, 30), X)
    check_same(lambda x: order.percentile(x, [3, 70]), lambda x: np.percentile(x, [3, 70]), X)
    assert order.quantile(X.astype("float32"), np.array([0.5])).dtype == np.float64


def test_quantile_derivatives() -> None:
    for axis in (None, 0, (0, 2)):
        check_both_modes(lambda x: order.median(x * x * x, axis), X)  # noqa: B023
        check_both_modes(lambda x: order.quantile(x * x * x, [0.0, 0.4], axis), X)  # noqa: B023
    assert grad(order.median)(np.array([1.0, 5.0, 2.0, 3.0])).tolist() == [0, 0, 0.5, 0.5]


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"expected an axis from -3 to 2, got 3 at .*test_order\.py:\d+"):
        order.sort(X, 3)
    with pytest.raises(ShapeError, match="expected no axis of a number, got -1"):
        order.argsort(1.0)
    with pytest.raises(ShapeError, match=r"expected quantiles from 0 to 1, got 30 at .*test_order\.py:\d+"):
        order.quantile(X, 30)
    with pytest.raises(ShapeError, match="expected at least one element to rank"):
        order.median(np.zeros((0, 3)), 0)
    with pytest.raises(DTypeError, match="expected numbers to rank, got bool"):
        order.median(X > 0)


@pytest.mark.parametrize("q", [0.0, 0.3, 0.6, 0.7, 0.95, 1.0])
@pytest.mark.parametrize("x", [[-np.inf, 2.0, 3.0], [-np.inf, -2.0, 1e200], [1.0, 2.0, 3.0, 7.5], [1e308, -1e308, 0.0]])
def test_quantiles_between_infinities_and_from_the_nearer_element(x: list[float], q: float) -> None:
    with np.errstate(all="ignore"):
        want = np.quantile(np.array(x), q)
        for found in (order.quantile(np.array(x), q), jit(lambda x: np.quantile(x, q))(np.array(x))):
            assert found == want or (np.isnan(want) and found == sorted(x)[0])  # NumPy's -inf + 0 inf
