"""Elementwise arithmetic, comparison, logic, selection and casts.

A rule runs on whatever the caller has: arrays, Python scalars, traced values. It divides with `divide`, since Python
raises where NumPy gives an infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.kinds import Case, Domain, Linear, Multilinear, Partials, Scalar, Zero
from chainrule.ir.op import Op
from chainrule.ops.scalar import broadcast, scalar_op
from chainrule.types import Type, dtype_of, supported

POSITIVE = Domain(0.0, 4.0)
APART_FROM_ZERO = Domain(avoid=(0.0,))

# --- sums and products ----------------------------------------------------------------------------------------------------

add = scalar_op("add", np.add, Partials(1.0, 1.0), "x + y")
subtract = scalar_op("subtract", np.subtract, Partials(1.0, -1.0), "x - y")
negative = scalar_op("negative", np.negative, Partials(-1.0), "-x")
multiply = scalar_op("multiply", np.multiply, Partials(lambda y: y, lambda x: x), "x y")


def _strong_mul(x: Any, y: Any) -> Any:
    out = np.multiply(x, y)
    if isinstance(out, np.ndarray):
        if out.size and _has_nan(out):
            np.copyto(out, 0, where=np.equal(x, 0))
    elif out != out and x == 0:
        out = type(out)(0)
    return out


def _has_nan(x: np.ndarray[Any, Any]) -> bool:
    total = np.vdot(x, x) if x.flags.forc else np.min(x)
    return bool(total != total)


strong_mul = scalar_op(
    "strong_mul",
    np.multiply,
    Multilinear(lambda ct, x, y: strong_mul(ct, y), lambda ct, x, y: strong_mul(x, ct)),
    "x y, and 0 where x is 0 whatever y is: what a mask removed stays removed, even next to an infinite factor",
    numpy=_strong_mul,
)
divide = scalar_op(
    "divide",
    np.true_divide,
    Partials(lambda y: reciprocal(y), lambda out, y: divide(-out, y)),
    "x / y",
    Domain(),
    APART_FROM_ZERO,
)
reciprocal = scalar_op("reciprocal", np.reciprocal, Partials(lambda out: -out * out), "1 / x", APART_FROM_ZERO)
floor_divide = scalar_op("floor_divide", np.floor_divide, Zero(), "floor(x / y)", Domain(0.05, 0.95), Domain(1.0, 4.0))
remainder = scalar_op(
    "remainder",
    np.remainder,
    Partials(1.0, lambda x, y: -floor_divide(x, y)),
    "x - y floor(x / y): the sign of y",
    Domain(0.05, 0.95),
    Domain(1.0, 4.0),
)
power = scalar_op(
    "power",
    np.power,
    Partials(lambda x, y: strong_mul(y, power(x, y - 1)), lambda out, x: strong_mul(out, log(x))),
    "x ** y",
    POSITIVE,
    Domain(),
)
square = scalar_op("square", np.square, Partials(lambda x: 2 * x), "x ** 2")
sqrt = scalar_op("sqrt", np.sqrt, Partials(lambda out: divide(0.5, out)), "square root of x", POSITIVE)
absolute = scalar_op("abs", np.absolute, Partials(lambda x: sign(x)), "|x|; the derivative at 0 is 0", APART_FROM_ZERO)
sign = scalar_op("sign", np.sign, Zero(), "-1, 0 or 1", APART_FROM_ZERO)
log = scalar_op("log", np.log, Partials(lambda x: reciprocal(x)), "natural logarithm of x", POSITIVE)

# --- comparison and logic ---------------------------------------------------------------------------------------------------

equal = scalar_op("equal", np.equal, None, "x == y")
not_equal = scalar_op("not_equal", np.not_equal, None, "x != y")
less = scalar_op("less", np.less, None, "x < y")
less_equal = scalar_op("less_equal", np.less_equal, None, "x <= y")
greater = scalar_op("greater", np.greater, None, "x > y")
greater_equal = scalar_op("greater_equal", np.greater_equal, None, "x >= y")
logical_and = scalar_op("logical_and", np.logical_and, None, "x and y", dtypes=("bool", "bool"))
logical_or = scalar_op("logical_or", np.logical_or, None, "x or y", dtypes=("bool", "bool"))
logical_xor = scalar_op("logical_xor", np.logical_xor, None, "either x or y", dtypes=("bool", "bool"))
logical_not = scalar_op("logical_not", np.logical_not, None, "not x", dtypes=("bool",))
isnan = scalar_op("isnan", np.isnan, None, "whether x is not a number")
isfinite = scalar_op("isfinite", np.isfinite, None, "whether x is neither infinite nor not a number")

# --- selection and casts ------------------------------------------------------------------------------------------------------


def _infer_select(condition: Type, x: Type, y: Type) -> Type:
    shape = broadcast("select", condition, x, y)
    weak = x.weak and y.weak
    operands = [np.zeros((), t.dtype).item() if t.weak else t.dtype for t in (x, y)]
    return Type(shape, supported(np.result_type(*operands)), weak and shape == ())


def _select_numpy(condition: Any, x: Any, y: Any) -> Any:
    return np.where(condition, x, y)[()]


select = Op(
    "select",
    _infer_select,
    _select_numpy,
    Linear(lambda ct, c, x, y: (select(c, ct, zero(ct)), select(c, zero(ct), ct)), (1, 2)),
    Scalar(),
    tuple(
        Case(shapes, dtypes=("bool",))
        for shapes in (((), (), ()), ((3,), (3,), (3,)), ((2, 1), (2, 3), ()), ((3,), (2, 3), (1, 3)))
    ),
    "x where the condition holds, else y; what is not chosen has a zero derivative whatever it is",
)


def _cast_numpy(x: Any, *, dtype: str) -> Any:
    return np.asarray(x).astype(dtype)[()]


cast = Op(
    "cast",
    lambda x, *, dtype: Type(x.shape, supported(dtype)),
    _cast_numpy,
    Linear(lambda ct, x, *, dtype: (ct,)),
    Scalar(),
    (Case(((3,),), {"dtype": "float64"}), Case(((2, 3),), {"dtype": "float32"}), Case(((3,),), {"dtype": "int32"})),
    "x in another dtype, `dtype` by NumPy's name",
)


def _between(x: Any, y: Any) -> Any:
    """One where x > y, a half where they are equal (the derivative of max is shared between equals), else zero."""
    dtype = dtype_of(x - y).name
    return cast(greater(x, y), dtype=dtype) + 0.5 * cast(equal(x, y), dtype=dtype)


maximum = scalar_op(
    "maximum", np.maximum, Partials(lambda x, y: _between(x, y), lambda x, y: _between(y, x)), "the larger; NaN wins"
)
minimum = scalar_op(
    "minimum", np.minimum, Partials(lambda x, y: _between(y, x), lambda x, y: _between(x, y)), "the smaller; NaN wins"
)


def zero(like: Any) -> Any:
    """A zero of the dtype of `like`, without its shape."""
    return dtype_of(like).type(0)
