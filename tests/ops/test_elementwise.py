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
from chainrule.trace import stage
from chainrule.types import type_of

INF: Final = math.inf
RECORDS: Final[dict[str, Op]] = {
    op.name: op
    for module in (arithmetic, exponential, special, trigonometric)
    for op in vars(module).values()
    if isinstance(op, Op)
}

Numbers = tuple[float, ...]


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


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def softplus(x: Any) -> Any:
    return mp.log1p(mp.exp(x))


# --- precision of derivatives near the ends of the domain -----------------------------------------------------------

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


def derivatives(function: Callable[[Any], Any], x: float) -> tuple[float, float]:
    """The first and the second derivative, by differences in 200 digits."""
    with mp.workdps(200):
        step = mp.mpf(10) ** -40 * min(abs(mp.mpf(x) - pole) for pole in (0, 1, -1) if x != pole)
        below, at, above = (function(mp.mpf(x) + k * step) for k in (-1, 0, 1))
        return float((above - below) / (2 * step)), float((above - 2 * at + below) / step**2)


@pytest.mark.parametrize("name", UNARY)
def test_precision_near_the_ends(name: str) -> None:
    truth, points = UNARY[name]
    op = RECORDS[name]
    for x in points:
        slope, bend = derivatives(truth, x)
        assert_all(first(op, 0, x), slope, rtol=2e-14)
        if abs(bend) < 1e300:
            np.testing.assert_allclose(second(op, 0, 0, x), bend, rtol=1e-12, atol=1e-15 * abs(slope))


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh", "arccosh", "log1p"])
def test_precision_near_the_ends_in_float32(name: str) -> None:
    truth, _ = UNARY[name]
    ends = {"arccosh": (1.0, 1.0), "log1p": (-1.0, 1.0)}.get(name, (1.0, -1.0))
    for distance in (2.0**-20, 2.0**-10):
        x = np.float32(ends[0] + ends[1] * distance)
        slope, _ = derivatives(truth, float(x))
        found = grad(RECORDS[name])(x)
        assert found.dtype == np.float32
        assert found == pytest.approx(slope, rel=4e-7)


# --- points where others give NaN -----------------------------------------------------------------------------------

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


@pytest.mark.parametrize("order", range(8))
def test_sinc_at_zero(order: int) -> None:
    wanted = 0.0 if order % 2 == 0 else (-1) ** ((order + 1) // 2) * math.pi ** (order + 1) / (order + 2)
    op: Callable[[Any], Any] = lambda x: trigonometric.sinc(x, order=0)  # noqa: E731
    for _ in range(order):
        op = grad(op)
    assert_all(first(op, 0, 0.0), wanted, rtol=1e-13)


# --- operands of other dtypes ---------------------------------------------------------------------------------------

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
        wide, wide_pullback = vjp(lambda x: beside(x, partner=np.float64(partner)), x.astype(np.float64))
        (wanted,) = wide_pullback(np.ones(3, wide.dtype))
        single = np.float32 in (dtype, type(partner))
        np.testing.assert_allclose(ct, wanted, rtol=2e-6 if single else 1e-13, err_msg=f"operand {place}")


# --- type rules -----------------------------------------------------------------------------------------------------


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
