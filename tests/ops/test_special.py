"""The values of elementwise functions that NumPy does not have, against mathematics in many digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import mpmath as mp
import numpy as np
import pytest

from chainrule.ir.op import OPS
from chainrule.ops import exponential, special, trigonometric
from chainrule.ops.scalar import float_of

INF: Final = math.inf
NAN: Final = math.nan
DIGITS: Final = 50


def ulps(got: Any, function: Callable[[Any], Any], x: Any) -> float:
    """The largest distance from the truth, in units of the last place of the nearest number."""
    worst = 0.0
    with mp.workdps(DIGITS):
        for value, point in zip(np.ravel(got), np.ravel(x), strict=True):
            truth = function(mp.mpf(float(point)))
            unit = float(np.spacing(np.abs(got.dtype.type(float(truth)))))
            worst = max(worst, float(abs(mp.mpf(float(value)) - truth) / unit))
    return worst


def spread(low: float, high: float, count: int = 400) -> Any:
    return np.random.default_rng(0).uniform(low, high, count)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def softplus(x: Any) -> Any:
    return mp.log1p(mp.exp(x))


VALUES = [
    ("erf", mp.erf, 2.0, ((-7, 7), (-1.5, 1.5), (0.9, 1.1), (-1e-8, 1e-8))),
    ("erfc", mp.erfc, 5.0, ((-7, 7), (0.4, 0.6), (3, 10), (10, 26.5))),
    ("sigmoid", sigmoid, 3.0, ((-5, 5), (-700, -5), (5, 700))),
    ("softplus", softplus, 3.0, ((-5, 5), (-700, -5), (5, 700))),
]


@pytest.mark.parametrize(("name", "truth", "limit", "ranges"), VALUES, ids=[row[0] for row in VALUES])
def test_values_are_right_to_the_last_places(name: str, truth: Any, limit: float, ranges: Any) -> None:
    for low, high in ranges:
        x = spread(low, high)
        assert ulps(OPS[name](x), truth, x) <= limit
    narrow = spread(-5, 5).astype(np.float32)
    found = OPS[name](narrow)
    assert found.dtype == np.float32
    assert ulps(found, truth, narrow) <= limit


def test_erf_agrees_with_the_standard_library() -> None:
    x = spread(-6, 6, 5000)
    wanted = np.array([math.erf(v) for v in x])
    assert np.max(np.abs(special.erf(x) - wanted) / np.spacing(np.abs(wanted))) <= 2
    wanted = np.array([math.erfc(v) for v in x])
    assert np.max(np.abs(special.erfc(x) - wanted) / np.spacing(wanted)) <= 6


@pytest.mark.parametrize(
    ("name", "x", "wanted"),
    [
        ("erf", [-INF, -0.0, 0.0, INF, NAN, -30.0, 30.0], [-1.0, -0.0, 0.0, 1.0, NAN, -1.0, 1.0]),
        ("erfc", [-INF, 0.0, INF, NAN, -30.0, 30.0], [2.0, 1.0, 0.0, NAN, 2.0, 0.0]),
        ("sigmoid", [-INF, -800.0, 0.0, 800.0, INF, NAN], [0.0, 0.0, 0.5, 1.0, 1.0, NAN]),
        ("softplus", [-INF, -800.0, 800.0, INF, NAN], [0.0, 0.0, 800.0, INF, NAN]),
    ],
)
def test_values_at_the_ends(name: str, x: list[float], wanted: list[float]) -> None:
    found = OPS[name](np.array(x))
    np.testing.assert_array_equal(found, wanted)
    known = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found)[known], np.signbit(wanted)[known])


@pytest.mark.parametrize("name", ["erf", "erfc", "sigmoid", "softplus"])
def test_results_have_the_operand_s_shape_and_floating_dtype(name: str) -> None:
    op = OPS[name]
    for x in (np.zeros((2, 0)), np.ones((2, 3), np.float32), np.float32(0.5), np.arange(3), np.array([True, False])):
        found = op(x)
        assert (found.shape, found.dtype) == (x.shape, float_of(x.dtype))
        np.testing.assert_allclose(found, op(x.astype(np.float64)), rtol=1e-6)
    assert type(op(0.5)) is float
    assert type(op(1)) is float


def test_xlogy_removes_what_a_zero_multiplies() -> None:
    x, y = np.array([0.0, 0.0, 0.0, 2.0, NAN]), np.array([0.0, INF, NAN, 0.0, 1.0])
    np.testing.assert_array_equal(exponential.xlogy(x, y), [0.0, 0.0, 0.0, -INF, NAN])
    assert exponential.xlogy(np.uint8(3), np.uint8(5)) == 3 * np.log(5.0)


def sinc_derivative(x: float, order: int) -> float:
    """The integral of t ** n cos(n)(t y) over t in [0, 1] at y = pi x, times pi ** n."""
    with mp.workdps(30):
        y = mp.pi * mp.mpf(x)
        pieces = mp.linspace(0, 1, 2 + int(abs(y) / 3))
        return float(mp.pi**order * mp.quad(lambda t: t**order * mp.cos(t * y + order * mp.pi / 2), pieces))


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7, 12])
def test_derivatives_of_sinc_of_any_order(order: int) -> None:
    edge = (order + 3) / math.pi
    x = np.array([-2.7, -1.0, -1e-3, 1e-9, 0.3, edge - 1e-9, edge + 1e-9, 6.5, 30.2])
    found = trigonometric.sinc(x, order=order)
    wanted = [sinc_derivative(v, order) for v in x]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-13 * math.pi**order)
