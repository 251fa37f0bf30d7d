"""Elementwise operations at the points that differences do not reach, against mathematics in many digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import mpmath as mp
import numpy as np
import pytest

from chainrule.api.derivatives import grad, jvp, vjp
from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.op import Op
from chainrule.ops import arithmetic, exponential, special, trigonometric
from chainrule.ops.scalar import float_of
from chainrule.trace import stage
from chainrule.types import type_of

INF: Final = math.inf
NAN: Final = math.nan
DIGITS: Final = 50
EPS: Final = 2.0**-52
RECORDS: Final[dict[str, Op]] = {
    op.name: op
    for module in (arithmetic, exponential, special, trigonometric)
    for op in vars(module).values()
    if isinstance(op, Op)
}

Numbers = tuple[float, ...]


def ulps(got: Any, function: Callable[[Any], Any], x: Any) -> float:
    """The largest distance from the truth, in units of the last place of the nearest number."""
    worst = 0.0
    with mp.workdps(DIGITS):
        for value, point in zip(np.ravel(got), np.ravel(x), strict=True):
            truth = function(mp.mpf(float(point)))
            unit = float(np.spacing(np.abs(got.dtype.type(float(truth)))))
            worst = max(worst, float(abs(mp.mpf(float(value)) - truth) / unit))
    return worst


def first(op: Callable[..., Any], i: int, *x: float) -> list[float]:
    """The derivative by operand i, by each mode."""
    operands = [np.float64(v) for v in x]
    dots = [np.float64(k == i) for k in range(len(x))]
    return [float(grad(op, argnums=i)(*operands)), float(jvp(op, operands, dots)[1])]


def second(op: Callable[..., Any], i: int, j: int, *x: float) -> list[float]:
    """The derivative by operand i, then j, by each mode of each."""
    operands = [np.float64(v) for v in x]
    along = [[np.float64(k == place) for k in range(len(x))] for place in (i, j)]
    found = []
    for inner in (grad(op, argnums=i), lambda *given: jvp(op, given, along[0])[1]):
        found += [grad(inner, argnums=j)(*operands), jvp(inner, operands, along[1])[1]]
    return [float(v) for v in found]


def assert_all(found: list[float], wanted: float, rtol: float = 1e-14) -> None:
    np.testing.assert_allclose(found, [wanted] * len(found), rtol=rtol, atol=0)


# --- values of functions that NumPy does not have -----------------------------------------------------------------------


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
        assert ulps(RECORDS[name](x), truth, x) <= limit
    narrow = spread(-5, 5).astype(np.float32)
    found = RECORDS[name](narrow)
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
    found = RECORDS[name](np.array(x))
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(wanted))


@pytest.mark.parametrize("name", ["erf", "erfc", "sigmoid", "softplus"])
def test_results_have_the_operand_s_shape_and_floating_dtype(name: str) -> None:
    op = RECORDS[name]
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


@pytest.mark.parametrize("order", range(8))
def test_sinc_at_zero(order: int) -> None:
    wanted = 0.0 if order % 2 == 0 else (-1) ** ((order + 1) // 2) * math.pi ** (order + 1) / (order + 2)
    op: Callable[[Any], Any] = lambda x: trigonometric.sinc(x, order=0)  # noqa: E731
    for _ in range(order):
        op = grad(op)
    assert_all(first(op, 0, 0.0), wanted, rtol=1e-13)


# --- precision of derivatives near the ends of the domain -----------------------------------------------------------------

TINY: Final = 2.0**-40
NEAR_ONE: Final = (1 - TINY, 1 - 2.0**-20, 0.5, -0.5, -1 + TINY)
NEAR_ZERO: Final = (1e-300, 1e-12, 0.3, 1e12, 1e300)
WIDE: Final = (-30.0, -3.0, 1e-5, 0.5, 3.0, 30.0)

UNARY: Final[dict[str, tuple[Callable[[Any], Any], Numbers]]] = {
    "exp": (mp.exp, (-700.0, *WIDE, 700.0)),
    "exp2": (lambda x: mp.mpf(2) ** x, WIDE),
    "expm1": (mp.expm1, (-50.0, -40.0, *WIDE)),
    "log": (mp.log, NEAR_ZERO),
    "log2": (lambda x: mp.log(x) / mp.log(2), NEAR_ZERO),
    "log10": (mp.log10, NEAR_ZERO),
    "log1p": (mp.log1p, (-1 + TINY, -0.5, 1e-20, 1.0, 1e300)),
    "sqrt": (mp.sqrt, NEAR_ZERO),
    "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), (-8.0, -1e-12, *NEAR_ZERO)),
    "reciprocal": (lambda x: 1 / x, (-1e100, -1e-100, 1e-100, 0.5, 1e100)),
    "square": (lambda x: x * x, (-1e100, -1e-100, 0.0, 0.5, 1e100)),
    "softplus": (softplus, (-700.0, -40.0, -1.0, 0.0, 1.0, 12.0)),
    "sigmoid": (sigmoid, (-700.0, -40.0, -1.0, 0.5, 1.0)),
    "tanh": (mp.tanh, (-1.0, -0.1, 1e-5, 0.5, 1.0)),
    "sin": (mp.sin, (-3.0, -1e-5, 0.5, 3.0, 100.0)),
    "cos": (mp.cos, (-3.0, -1e-5, 0.5, 3.0, 100.0)),
    "tan": (mp.tan, (-math.pi / 2 + 1e-4, 1e-5, 0.5, math.pi / 2 - 1e-4)),
    "arcsin": (mp.asin, NEAR_ONE),
    "arccos": (mp.acos, NEAR_ONE),
    "arctan": (mp.atan, (-1e100, -3.0, 1e-5, 0.5, 1e100)),
    "sinh": (mp.sinh, WIDE),
    "cosh": (mp.cosh, WIDE),
    "arcsinh": (mp.asinh, (-1e100, -3.0, 1e-5, 0.5, 1e100)),
    "arccosh": (mp.acosh, (1 + TINY, 1 + 2.0**-20, 1.5, 30.0, 1e100)),
    "arctanh": (mp.atanh, NEAR_ONE),
    "erf": (mp.erf, (-5.0, -1.0, 1e-5, 0.5, 5.0)),
    "erfc": (mp.erfc, (-5.0, -1.0, 1e-5, 0.5, 5.0)),
}


@pytest.mark.parametrize("name", UNARY)
def test_precision_near_the_ends(name: str) -> None:
    truth, points = UNARY[name]
    op = RECORDS[name]
    for x in points:
        with mp.workdps(DIGITS):
            scale = mp.mpf(10) ** -25 * (1 if x == 0 else abs(x) * (1 if abs(x) > 1 else min(1, abs(1 - abs(x)))))
            below, at, above = (truth(mp.mpf(x) + k * scale) for k in (-1, 0, 1))
            slope = float((above - below) / (2 * scale))
            bend = float((above - 2 * at + below) / scale**2) if abs(scale) > mp.mpf(10) ** -200 else 0.0
        assert_all(first(op, 0, x), slope, rtol=2e-14)
        if abs(bend) < 1e300:
            np.testing.assert_allclose(second(op, 0, 0, x), bend, rtol=1e-9, atol=1e-9 * abs(slope))


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh", "arccosh", "log1p"])
def test_precision_near_the_ends_in_float32(name: str) -> None:
    truth, _ = UNARY[name]
    ends = {"arccosh": (1.0, 1.0), "log1p": (-1.0, 1.0)}.get(name, (1.0, -1.0))
    for distance in (2.0**-20, 2.0**-10):
        x = np.float32(ends[0] + ends[1] * distance)
        with mp.workdps(DIGITS):
            slope = float(mp.diff(truth, mp.mpf(float(x))))
        found = grad(RECORDS[name])(x)
        assert found.dtype == np.float32
        assert found == pytest.approx(slope, rel=4e-7)


# --- points where others give NaN -----------------------------------------------------------------------------------------

HALF_ROOT: Final = math.sqrt(0.5)

FIRST: Final[tuple[tuple[str, int, Numbers, float], ...]] = (
    ("logaddexp", 0, (INF, 1.0), 1.0),
    ("logaddexp", 1, (INF, 1.0), 0.0),
    ("logaddexp", 0, (-INF, 1.0), 0.0),
    ("logaddexp", 1, (-INF, 1.0), 1.0),
    ("logaddexp", 0, (-INF, -INF), 0.5),
    ("logaddexp", 1, (INF, INF), 0.5),
    ("logaddexp", 0, (-1000.0, 1000.0), 0.0),
    ("logaddexp2", 0, (INF, 1.0), 1.0),
    ("logaddexp2", 0, (-INF, -INF), 0.5),
    ("hypot", 0, (3.0, 4.0), 0.6),
    ("hypot", 0, (1e200, 1e200), HALF_ROOT),
    ("hypot", 1, (1e-200, 1e-200), HALF_ROOT),
    ("hypot", 0, (0.0, 0.0), 0.0),
    ("hypot", 1, (0.0, 2.0), 1.0),
    ("hypot", 0, (-INF, 1.0), -1.0),
    ("hypot", 1, (-INF, 1.0), 0.0),
    ("arctan2", 0, (1e200, 1e200), 0.5e-200),
    ("arctan2", 1, (1e200, 1e200), -0.5e-200),
    ("arctan2", 0, (1e-200, 1e-200), 0.5e200),
    ("arctan2", 0, (0.0, -1.0), -1.0),
    ("arctan2", 0, (0.0, 0.0), 0.0),
    ("arctan2", 1, (0.0, 0.0), 0.0),
    ("power", 0, (0.0, 0.0), 0.0),
    ("power", 0, (0.0, 1.0), 1.0),
    ("power", 0, (0.0, 2.0), 0.0),
    ("power", 0, (0.0, 0.5), INF),
    ("power", 0, (-2.0, 3.0), 12.0),
    ("power", 0, (-2.0, 0.0), 0.0),
    ("power", 1, (0.0, 0.0), 0.0),
    ("power", 1, (0.0, 2.0), 0.0),
    ("power", 1, (2.0, 0.0), math.log(2)),
    ("xlogy", 0, (0.0, 2.0), math.log(2)),
    ("xlogy", 1, (0.0, 0.0), 0.0),
    ("xlogy", 1, (2.0, 0.5), 4.0),
    ("abs", 0, (0.0,), 0.0),
    ("abs", 0, (-0.0,), 0.0),
    ("sqrt", 0, (0.0,), INF),
    ("cbrt", 0, (0.0,), INF),
    ("tanh", 0, (1e4,), 0.0),
    ("sigmoid", 0, (1000.0,), 0.0),
    ("sigmoid", 0, (-1000.0,), 0.0),
    ("softplus", 0, (1000.0,), 1.0),
    ("softplus", 0, (-1000.0,), 0.0),
    ("erf", 0, (INF,), 0.0),
    ("arctan", 0, (1e200,), 0.0),
    ("arctan", 0, (INF,), 0.0),
    ("maximum", 0, (1.0, 1.0), 0.5),
    ("minimum", 1, (1.0, 1.0), 0.5),
    ("maximum", 0, (INF, INF), 0.5),
    ("maximum", 0, (INF, -INF), 1.0),
    ("copysign", 0, (-2.0, -0.0), 1.0),
    ("copysign", 0, (2.0, -0.0), -1.0),
    ("remainder", 1, (7.5, 2.0), -3.0),
    ("remainder", 1, (-7.5, 2.0), 4.0),
    ("fmod", 1, (7.5, 2.0), -3.0),
    ("fmod", 1, (-7.5, 2.0), 3.0),
    ("fmod", 1, (7.5, INF), 0.0),
)

SECOND: Final[tuple[tuple[str, int, int, Numbers, float], ...]] = (
    ("tanh", 0, 0, (20.0,), 0.0),
    ("tanh", 0, 0, (400.0,), 0.0),
    ("tanh", 0, 0, (-1e300,), 0.0),
    ("sigmoid", 0, 0, (800.0,), 0.0),
    ("sigmoid", 0, 0, (-800.0,), 0.0),
    ("softplus", 0, 0, (0.0,), 0.25),
    ("softplus", 0, 0, (INF,), 0.0),
    ("logaddexp", 0, 0, (3.0, 3.0), 0.25),
    ("logaddexp", 0, 1, (3.0, 3.0), -0.25),
    ("logaddexp", 0, 0, (INF, 1.0), 0.0),
    ("logaddexp", 1, 1, (-INF, 1.0), 0.0),
    ("logaddexp2", 0, 0, (3.0, 3.0), math.log(2) / 4),
    ("hypot", 0, 0, (1.0, 1.0), HALF_ROOT / 2),
    ("hypot", 0, 1, (1.0, 1.0), -HALF_ROOT / 2),
    ("hypot", 0, 0, (1e200, 1e200), HALF_ROOT / 2 * 1e-200),
    ("hypot", 0, 0, (0.0, 2.0), 0.5),
    ("hypot", 0, 0, (0.0, 0.0), 0.0),
    ("hypot", 0, 1, (0.0, 0.0), 0.0),
    ("arctan2", 0, 0, (1.0, 2.0), -4 / 25),
    ("arctan2", 0, 1, (1.0, 2.0), -3 / 25),
    ("arctan2", 0, 0, (0.0, 0.0), 0.0),
    ("power", 0, 0, (0.0, 0.0), 0.0),
    ("power", 0, 0, (0.0, 1.0), 0.0),
    ("power", 0, 0, (0.0, 2.0), 2.0),
    ("power", 0, 0, (0.0, 3.0), 0.0),
    ("power", 0, 0, (-2.0, 3.0), -12.0),
    ("power", 0, 1, (0.0, 2.0), 0.0),
    ("power", 1, 0, (0.0, 2.0), 0.0),
    ("power", 1, 1, (0.0, 2.0), 0.0),
    ("power", 0, 1, (2.0, 0.0), 0.5),
    ("square", 0, 0, (0.0,), 2.0),
    ("xlogy", 0, 1, (0.0, 2.0), 0.5),
    ("abs", 0, 0, (0.0,), 0.0),
    ("arcsinh", 0, 0, (1e200,), 0.0),
    ("arctan", 0, 0, (1e200,), 0.0),
    ("maximum", 0, 0, (1.0, 1.0), 0.0),
)


@pytest.mark.parametrize(("name", "i", "x", "wanted"), FIRST)
def test_first_derivatives_at_special_points(name: str, i: int, x: Numbers, wanted: float) -> None:
    assert_all(first(RECORDS[name], i, *x), wanted)


@pytest.mark.parametrize(("name", "i", "j", "x", "wanted"), SECOND)
def test_second_derivatives_at_special_points(name: str, i: int, j: int, x: Numbers, wanted: float) -> None:
    assert_all(second(RECORDS[name], i, j, *x), wanted)


@pytest.mark.parametrize("inner", ["sqrt", "log", "cbrt", "reciprocal"])
@pytest.mark.parametrize("x", [0.0, 4.0])
def test_what_select_does_not_choose_has_no_derivative(inner: str, x: float) -> None:
    op = RECORDS[inner]

    def guarded(x: Any) -> Any:
        with np.errstate(divide="ignore"):
            return arithmetic.select(arithmetic.greater(x, 0), op(x), 3 * x)

    wanted = (3.0, 0.0) if x == 0 else (first(op, 0, x)[0], second(op, 0, 0, x)[0])
    assert_all(first(guarded, 0, x), wanted[0])
    with np.errstate(divide="ignore"):
        assert_all(second(guarded, 0, 0, x), wanted[1])


# --- operands of other dtypes -------------------------------------------------------------------------------------------------

BINARY: Final = (
    "add",
    "subtract",
    "multiply",
    "divide",
    "remainder",
    "fmod",
    "power",
    "xlogy",
    "logaddexp",
    "hypot",
    "arctan2",
    "maximum",
    "minimum",
)
PARTNERS: Final = (np.int64(3), np.int32(3), np.uint8(3), np.bool_(True), 3, 3.0, np.float32(3), np.float64(3))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("partner", PARTNERS, ids=lambda partner: type(partner).__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivatives_beside_operands_of_other_dtypes(name: str, partner: Any, dtype: Any) -> None:
    op = RECORDS[name]
    x = np.array([1.25, 2.5, 3.75], dtype)
    for place in (0, 1):

        def beside(x: Any, place: int = place, partner: Any = partner) -> Any:
            return op(*((x, partner) if place == 0 else (partner, x)))

        out, pullback = vjp(beside, x)
        assert out.dtype == beside(x).dtype
        (ct,) = pullback(np.ones(3, out.dtype))
        assert ct.dtype == dtype
        wide, wide_pullback = vjp(lambda x: beside(x, partner=np.float64(partner)), x.astype(np.float64))  # noqa: B023
        (wanted,) = wide_pullback(np.ones(3, wide.dtype))
        np.testing.assert_allclose(ct, wanted, rtol=2e-6 if dtype is np.float32 else 1e-13, err_msg=f"operand {place}")


# --- type rules -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "operands"),
    [
        ("exp", (np.ones(2, np.uint8),)),
        ("subtract", (np.ones(2, bool), np.ones(2, bool))),
        ("bitwise_and", (np.ones(2), np.ones(2, np.int64))),
        ("left_shift", (np.ones(2), 1)),
    ],
)
def test_dtypes_without_a_result_are_errors(name: str, operands: tuple[Any, ...]) -> None:
    with pytest.raises(DTypeError, match=rf"expected dtypes that {name} knows, got .* at .*test_elementwise.py"):
        stage(lambda *xs: [RECORDS[name](*xs)], [type_of(x) for x in operands])


def test_shapes_that_do_not_fit_are_errors() -> None:
    x, y = np.ones((2, 3)), np.ones(4)
    with pytest.raises(
        ShapeError, match=r"shapes that broadcast in multiply, got f64\[2,3\] and f64\[4\] at .*test_elem"
    ):
        arithmetic.multiply(x, y)
    with pytest.raises(ShapeError, match=r"shapes that broadcast in select, .* at .*test_elem"):
        stage(lambda *xs: [arithmetic.select(*xs)], [type_of(v) for v in (np.ones(5, bool), x, x)])
