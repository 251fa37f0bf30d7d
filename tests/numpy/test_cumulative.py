"""Running sums and products, differences of neighbours: NumPy's values, and derivatives next to zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from same_as_numpy import check_same

from chainrule.api.derivatives import grad, vjp
from chainrule.errors import ShapeError
from chainrule.numpy import cumulative

X = np.random.default_rng(5).normal(size=(3, 4, 2))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_values(name: str, axis: int | None) -> None:
    ours, theirs = getattr(cumulative, name), getattr(np, name)
    for dtype in ("float32", "float64", "int32", "bool"):
        check_same(lambda x: ours(x, axis), lambda x: theirs(x, axis), (2 * X).astype(dtype))
    check_same(lambda x: ours(x, axis), lambda x: theirs(x, axis), np.abs(X).astype("uint8"), dtype=np.int64)
    check_same(lambda x: ours(x, axis, "float32"), lambda x: theirs(x, axis, "float32"), X)
    check_same(lambda x: ours(x, axis, "int32"), lambda x: theirs(x, axis, "int32"), X.astype("int32"))


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_with_an_initial_element(name: str) -> None:
    ours, theirs = getattr(cumulative, name), getattr(np, name)
    for initial in (False, True):
        check_same(
            lambda x: ours(x, axis=1, include_initial=initial),  # noqa: B023
            lambda x: theirs(x, axis=1, include_initial=initial),  # noqa: B023
            X,
        )
        check_same(lambda x: ours(x, include_initial=initial), lambda x: theirs(x, include_initial=initial), X[0, :, 0])  # noqa: B023
    check_both_modes(lambda x: ours(x, axis=0, include_initial=True), X)
    with pytest.raises(ShapeError, match=r"expected axis= for an array with 3 axes, got none at .*test_cumulative\.py"):
        ours(X)


def test_derivatives() -> None:
    for ours in (cumulative.cumsum, cumulative.cumprod):
        for axis in (None, 0, 1):
            check_both_modes(lambda x: ours(x, axis), X)  # noqa: B023
        assert grad(lambda x: ours(x, 0)[0] if x.shape[0] else 0.0)(np.zeros(0)).shape == (0,)  # noqa: B023


@pytest.mark.parametrize("zeros", [(0,), (3,), (1, 4), (0, 1, 2, 3, 4, 5)], ids=str)
def test_cumprod_of_zeros(zeros: tuple[int, ...]) -> None:
    x = np.array([1.5, -2.0, 0.5, 3.0, 0.7, -1.1])
    x[list(zeros)] = 0
    jacobian = np.array([[np.prod(np.delete(x[: k + 1], i)) if i <= k else 0 for i in range(6)] for k in range(6)])
    _, pullback = vjp(cumulative.cumprod, x)
    for k in range(6):
        np.testing.assert_allclose(pullback(np.eye(6)[k])[0], jacobian[k], rtol=1e-14)
    check_both_modes(cumulative.cumprod, x)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_diff(n: int) -> None:
    for axis in (0, -1):
        for options in ({}, {"prepend": 1.0}, {"append": np.zeros((3, 1, 2)).swapaxes(1, axis)} if axis == 1 else {}):
            check_same(
                lambda x: cumulative.diff(x, n, axis, **options),  # noqa: B023
                lambda x: np.diff(x, n, axis, **options),  # noqa: B023
                X,
            )
    check_same(lambda x: cumulative.diff(x, n), lambda x: np.diff(x, n), X > 0)
    check_same(lambda x: cumulative.diff(x, n), lambda x: np.diff(x, n), np.array([9, 4, 6, 200], "uint8"))
    check_same(
        lambda x, y: cumulative.diff(x, n, 1, prepend=y, append=0.5),
        lambda x, y: np.diff(x, n, 1, prepend=y, append=0.5),
        X,
        X[:, :2],
    )


def test_diff_derivatives() -> None:
    def smooth(x: Any, y: Any) -> Any:
        return cumulative.diff(cumulative.cumprod(x, 1), 2, 1, prepend=y)

    check_both_modes(smooth, X, X[:, :1])


def test_errors() -> None:
    with pytest.raises(ShapeError, match="expected a number of differences from 0, got -1"):
        cumulative.diff(X, -1)
    with pytest.raises(ShapeError, match="expected an axis from -3 to 2, got 5"):
        cumulative.cumsum(X, 5)
