"""Circular and hyperbolic functions, their inverses, and lengths and angles in the plane."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

import numpy as np

from chainrule.ir.kinds import Case, Domain, Partials, Scalar
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import divide, isnan, reciprocal, select, sign, sqrt, square
from chainrule.ops.scalar import INTEGERS, UNARY_SHAPES, float_of, scalar_op
from chainrule.types import Type

BETWEEN_POLES: Final = Domain(-math.pi / 2, math.pi / 2)
UNIT: Final = Domain(-1.0, 1.0)

# --- circular -------------------------------------------------------------------------------------------------------

sin = scalar_op("sin", np.sin, Partials(lambda x: cos(x)), "sin x, x in radians", more=INTEGERS)
cos = scalar_op("cos", np.cos, Partials(lambda x: -sin(x)), "cos x, x in radians", more=INTEGERS)
tan = scalar_op("tan", np.tan, Partials(lambda out: 1 + square(out)), "tan x, x in radians", BETWEEN_POLES)


def _opposite(x: Any) -> Any:
    """sqrt(1 - x ** 2), as exact near 1 as anywhere."""
    return sqrt((1 - x) * (1 + x))


arcsin = scalar_op(
    "arcsin", np.arcsin, Partials(lambda x: divide(1.0, _opposite(x))), "the angle whose sine is x", UNIT
)
arccos = scalar_op("arccos", np.arccos, Partials(lambda x: divide(-1.0, _opposite(x))), "the angle with cosine x", UNIT)
arctan = scalar_op("arctan", np.arctan, Partials(lambda x: reciprocal(1 + square(x))), "the angle with tangent x")

# --- the plane ------------------------------------------------------------------------------------------------------


def _share(x: Any, length: Any) -> Any:
    """x / length; the sign of x where that is 0 / 0 or inf / inf."""
    found = divide(x, length)
    return select(isnan(found), sign(x), found)


def _turn(x: Any, y: Any) -> Any:
    """x / (x ** 2 + y ** 2), which overflows no sooner than the result; 0 at the origin."""
    length = hypot(x, y)
    return _share(_share(1.0 * x, length), length)  # x may be a boolean, which has no sign


hypot = scalar_op(
    "hypot",
    np.hypot,
    Partials(lambda out, x: _share(x, out), lambda out, y: _share(y, out)),
    "sqrt(x ** 2 + y ** 2), without overflow; the derivative at the origin is 0",
)
arctan2 = scalar_op(
    "arctan2",
    np.arctan2,
    Partials(lambda x, y: _turn(y, x), lambda x, y: -_turn(x, y)),
    "the angle of the point (y, x) from the first axis, in (-pi, pi]; the derivative at the origin is 0",
    Domain(avoid=(0.0,)),
)

# --- hyperbolic -----------------------------------------------------------------------------------------------------

sinh = scalar_op("sinh", np.sinh, Partials(lambda x: cosh(x)), "(e ** x - e ** -x) / 2")
cosh = scalar_op("cosh", np.cosh, Partials(lambda x: sinh(x)), "(e ** x + e ** -x) / 2")
tanh = scalar_op("tanh", np.tanh, Partials(lambda out: 1 - square(out)), "sinh x / cosh x", more=INTEGERS)
arcsinh = scalar_op("arcsinh", np.arcsinh, Partials(lambda x: divide(1.0, hypot(x, 1.0))), "log(x + sqrt(x ** 2 + 1))")
arccosh = scalar_op(
    "arccosh",
    np.arccosh,
    Partials(lambda x: divide(1.0, sqrt(x - 1) * sqrt(x + 1))),
    "log(x + sqrt(x ** 2 - 1)), the one that is not negative",
    Domain(1.0, math.inf),
)
arctanh = scalar_op(
    "arctanh", np.arctanh, Partials(lambda x: reciprocal((1 - x) * (1 + x))), "log((1 + x) / (1 - x)) / 2", UNIT
)

# --- sinc and its derivatives ---------------------------------------------------------------------------------------


def _sinc_numpy(x: Any, *, order: int) -> Any:
    if order == 0:
        with np.errstate(invalid="ignore", over="ignore"):
            found = np.asarray(np.sinc(x))
        return np.where(np.isnan(found) & np.isfinite(x), found.dtype.type(0), found)[()]  # pi x was infinite
    given = np.asarray(x)
    wide = given.astype(np.float64)
    far = np.abs(wide) * math.pi > order + 3
    out = np.empty_like(wide)
    out[far] = _sinc_far(wide[far], order)
    out[~far] = _sinc_near(wide[~far], order)
    out *= math.pi**order
    return out.astype(float_of(given.dtype.newbyteorder("=")))[()]


def _sine(t: Any, order: int) -> Any:
    """The derivative of the sine, `order` times."""
    wave = np.cos(t) if order % 2 else np.sin(t)
    return -wave if order % 4 >= 2 else wave


def _sinc_far(x: Any, order: int) -> Any:
    """sin(t) / t = S at t = pi x, differentiated: t S = sin t gives t S^(n) + n S^(n-1) = sin^(n), stable for t > n."""
    t, turn = math.pi * x, math.pi * np.remainder(x, 2)
    found = _sine(turn, 0) / t
    for n in range(1, order + 1):
        found = (_sine(turn, n) - n * found) / t
    return found


def _sinc_near(x: Any, order: int) -> Any:
    """The same from sin(t) / t = integral of cos(s t) over s in [0, 1]: Gauss's quadrature of s^n cos^(n)(s t)."""
    t = math.pi * x
    found = np.zeros_like(t)
    for s, weight in quadrature(order + 16):
        found += weight * s**order * _sine(s * t, order + 1)
    return found


@cache
def quadrature(points: int) -> tuple[tuple[float, float], ...]:
    """Gauss's points in [0, 1] and their weights."""
    s, weights = np.polynomial.legendre.leggauss(points)
    return tuple(zip(((s + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


sinc = Op(
    "sinc",
    lambda x, *, order: Type(x.shape, float_of(x.dtype), x.weak),
    _sinc_numpy,
    Partials(lambda x, *, order: sinc(x, order=order + 1)),
    Scalar(),
    (
        *[Case(shape, {"order": order}) for order in (0, 1, 2) for shape in UNARY_SHAPES],
        Case(((3,),), {"order": 0}, dtypes=("i64",)),
        Case(((3,),), {"order": 5}),
    ),
    "sin(pi x) / (pi x), 1 at x = 0; differentiated `order` times",
)
