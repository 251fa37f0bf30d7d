"""Exponentials, logarithms, powers, and the functions that networks make of them."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from chainrule.ir.kinds import Case, Domain, Partials
from chainrule.ops.arithmetic import (
    POSITIVE,
    divide,
    equal,
    isnan,
    logical_and,
    reciprocal,
    select,
    strong_mul,
    subtract,
)
from chainrule.ops.scalar import INTEGERS, discrete, result_dtype, scalar_op, special_op
from chainrule.types import dtype_of, type_of

LN2: Final = math.log(2)
LN10: Final = math.log(10)

# --- exponentials and logarithms ------------------------------------------------------------------------------------

exp = scalar_op("exp", np.exp, Partials(lambda out: out), "e ** x", more=INTEGERS)
exp2 = scalar_op("exp2", np.exp2, Partials(lambda out: LN2 * out), "2 ** x")
expm1 = scalar_op("expm1", np.expm1, Partials(lambda x: exp(x)), "e ** x - 1, exact to the last bits near x = 0")
log = scalar_op(
    "log",
    np.log,
    Partials(lambda x: reciprocal(x)),
    "the natural logarithm of x",
    POSITIVE,
    more=discrete(1, "i64", domains=(POSITIVE,)),
)
log2 = scalar_op("log2", np.log2, Partials(lambda x: divide(1 / LN2, x)), "the logarithm of x to base 2", POSITIVE)
log10 = scalar_op("log10", np.log10, Partials(lambda x: divide(1 / LN10, x)), "the logarithm of x to base 10", POSITIVE)
log1p = scalar_op(
    "log1p",
    np.log1p,
    Partials(lambda x: reciprocal(1 + x)),
    "the natural logarithm of 1 + x, exact to the last bits near x = 0",
    Domain(-1.0, math.inf),
)

# --- powers ---------------------------------------------------------------------------------------------------------


def _power_of_base(x: Any, y: Any) -> Any:
    """y x ** (y - 1), and 0 where y is 0 whatever x is."""
    return strong_mul(y, power(x, y - 1))


def _power_of_exponent(out: Any, x: Any) -> Any:
    """x ** y log(x), and 0 where x is 0: there the power is the same for all y > 0."""
    return strong_mul(out, log(select(equal(x, 0), dtype_of(out).type(1), x)))


def _negative_bases(rng: Any) -> tuple[Any, Any]:
    return -rng.uniform(0.5, 3.0, 4), np.array([-2, 0, 1, 3])


power = scalar_op(
    "power",
    np.power,
    Partials(_power_of_base, _power_of_exponent),
    "x ** y",
    POSITIVE,
    Domain(),
    more=(
        Case(((4,), (4,)), make=_negative_bases),
        *discrete(2, "i64", "u8", domains=(Domain(-4.0, 4.0), Domain(-1.0, 4.0))),
    ),
)


def _xlogy(x: Any, y: Any) -> Any:
    dtype = result_dtype(np.true_divide, type_of(x), type_of(y))
    with np.errstate(divide="ignore", invalid="ignore"):  # of the logarithms that a zero removes, too
        return strong_mul(x, np.log(np.asarray(y, dtype)))


xlogy = scalar_op(
    "xlogy",
    np.true_divide,  # whose dtypes these are: integers and booleans count as float64
    Partials(lambda y: log(1.0 * y), lambda x, y: strong_mul(x, divide(1.0, y))),
    "x log(y), and 0 where x is 0 whatever y is",
    Domain(),
    POSITIVE,
    numpy=_xlogy,
)

# --- functions of networks ------------------------------------------------------------------------------------------


def _sigmoid(x: Any) -> Any:
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))  # neither exponential overflows


sigmoid = special_op("sigmoid", _sigmoid, Partials(lambda out: out * (1 - out)), "1 / (1 + e ** -x)")


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


softplus = special_op("softplus", _softplus, Partials(lambda x: sigmoid(x)), "log(1 + e ** x), without overflow")


def _difference(x: Any, y: Any) -> Any:
    """x - y, and 0 where both are the same infinity."""
    found = subtract(x, y)
    return select(logical_and(isnan(found), equal(x, y)), 0.0, found)


logaddexp = scalar_op(
    "logaddexp",
    np.logaddexp,
    Partials(lambda x, y: sigmoid(_difference(x, y)), lambda x, y: sigmoid(_difference(y, x))),
    "log(e ** x + e ** y), without overflow",
)
logaddexp2 = scalar_op(
    "logaddexp2",
    np.logaddexp2,
    Partials(lambda x, y: sigmoid(LN2 * _difference(x, y)), lambda x, y: sigmoid(LN2 * _difference(y, x))),
    "log2(2 ** x + 2 ** y), without overflow",
)
