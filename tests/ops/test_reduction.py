"""What the generated tests of the records do not draw: axes out of order, long axes, empty ones, non-finite numbers."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes

from chainrule.api.derivatives import grad, jvp, vjp
from chainrule.api.jit import jit
from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.op import Op
from chainrule.ops import reduction as ops
from chainrule.types import Type, type_of

RNG = np.random.default_rng(2)
X = RNG.normal(size=(2, 3, 2, 2))
OVER_AXES = (ops.sum_, ops.prod, ops.max_, ops.min_, ops.norm, ops.logsumexp)


@pytest.mark.parametrize("op", OVER_AXES, ids=str)
def test_axes_in_any_order(op: Op) -> None:
    for axes in permutations((0, 1, 3), 3):
        np.testing.assert_allclose(op(X, axes=axes), op(X, axes=(0, 1, 3)))
        check_both_modes(lambda x: op(x, axes=axes), X)  # noqa: B023


@pytest.mark.parametrize("op", [ops.cumsum, ops.cumprod], ids=str)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9])
def test_running_over_axes_of_many_lengths(op: Op, n: int) -> None:
    x = RNG.uniform(0.5, 1.5, size=(2, n))
    check_both_modes(lambda x: op(x, axis=1), x)
    check_both_modes(lambda x: op(x, axis=0), x.T)


@pytest.mark.parametrize("op", [*OVER_AXES, ops.any_, ops.all_], ids=str)
def test_empty_axes(op: Op) -> None:
    x = np.zeros((0, 3)).astype(bool if op in (ops.any_, ops.all_) else float)
    along_full = op(x, axes=(1,))
    assert along_full.shape == (0,)
    if op in (ops.max_, ops.min_):
        with pytest.raises(ShapeError, match=rf"take the {op} of, got f64\[0,3\] along \[0\]"):
            op(x, axes=(0,))
        with pytest.raises(ShapeError, match=rf"take the {op} of, got f64\[0,3\] along \[0\]"):
            jit(lambda x: op(x, axes=(0,)))(x)
        return
    neutral = {"sum": 0, "prod": 1, "norm": 0, "logsumexp": -np.inf, "any": False, "all": True}[op.name]
    assert op(x, axes=(0,)).tolist() == [neutral] * 3
    if x.dtype != bool:
        assert grad(lambda x: ops.sum_(op(x, axes=(1,)), axes=(0,)))(x).shape == (0, 3)
        _, pullback = vjp(lambda x: op(x, axes=(0,)), x)
        assert pullback(np.ones(3))[0].shape == (0, 3)


def test_integers() -> None:
    for op in (ops.sum_, ops.prod):
        for dtype in ("bool", "uint8", "int32", "int64"):
            out = op(np.full(3, 200 if dtype == "uint8" else 1, dtype), axes=(0,))
            assert out.dtype == np.int64
            assert out == (600 if op is ops.sum_ else 8_000_000) or dtype != "uint8"
    for op in (ops.max_, ops.min_):
        assert op(np.array([3, 1], np.uint8), axes=(0,)).dtype == np.uint8
    for op in (ops.logsumexp, ops.norm):
        with pytest.raises(DTypeError, match=r"expected floating point numbers for .*, got i64\[3\]"):
            op(np.arange(3), axes=(0,))


def test_the_tip_of_a_norm_has_no_slope_and_no_curvature() -> None:
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert ops.norm(x, axes=(1,)).tolist() == [0, 5]
    slope = grad(lambda x: ops.sum_(ops.norm(x, axes=(1,)), axes=(0,)))
    np.testing.assert_allclose(slope(x), [[0, 0], [0.6, 0.8]])
    along = np.array([[1.0, 2.0], [4.0, -3.0]])
    _, curvature = jvp(slope, (x,), (along,))
    np.testing.assert_allclose(curvature, [[0, 0], [0.8, -0.6]])


def test_nan_in_a_maximum_gives_no_nan_gradient() -> None:
    x = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]])
    for op in (ops.max_, ops.min_):
        assert np.isnan(op(x, axes=(1,))).tolist() == [True, False]
        _, pullback = vjp(lambda x: op(x, axes=(1,)), x)  # noqa: B023
        (ct,) = pullback(np.array([0.0, 1.0]))
        assert ct[0].tolist() == [0, 0, 0] and ct[1].sum() == 1


def test_no_warning_reaches_the_user() -> None:
    """Warnings are errors in these tests: logsumexp of nothing finite raises none."""
    for x in ([-np.inf, -np.inf], [np.inf, 1.0], [1e308, -1e308], [np.inf, -np.inf]):
        assert ops.logsumexp(np.array(x), axes=(0,)) == max(x)


def test_out_of_range_axes() -> None:
    float_type = Type((2, 3), np.dtype(np.float64))
    for op in OVER_AXES:
        with pytest.raises(ShapeError, match=r"expected different axes of f64\[2,3\], got \(0, 0\)"):
            op.infer(float_type, axes=(0, 0))
    for op in (ops.cumsum, ops.cumprod, ops.argmax, ops.argmin):
        with pytest.raises(ShapeError, match=r"expected one axis of f64\[2,3\], got 2"):
            op.infer(float_type, axis=2)


def test_results_are_new_arrays() -> None:
    x = np.ones((2, 3))
    found: list[Any] = [op(x, axes=()) for op in OVER_AXES] + [ops.cumsum(x, axis=0), ops.cumprod(x[:1], axis=0)]
    for out in found:
        assert not np.shares_memory(out, x)
        assert type_of(out).shape[1:] == (3,)
