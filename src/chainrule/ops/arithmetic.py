"""Elementwise arithmetic, rounding, comparison, logic, bits, selection and casts.

A rule runs on whatever the caller has: arrays, Python scalars, traced values. It divides with `divide`, since Python
raises where NumPy gives an infinity, and never takes the reciprocal of an operand that may be an integer. It combines
two operands by operations, not by operators: a plain array's operator would ask NumPy's protocol first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.ir.kinds import Case, Domain, Linear, Multilinear, Partials, Scalar, Zero
from chainrule.ir.op import Op
from chainrule.ops.scalar import broadcast, discrete, scalar_op
from chainrule.types import Type, dtype_of, supported

ARRAY: Final[Any] = np.ndarray  # to type checkers: of any dtype
WHERE: Final[Callable[..., Any]] = np.where

POSITIVE: Final = Domain(0.0, math.inf)
APART_FROM_ZERO: Final = Domain(avoid=(0.0,))
APART_FROM_WHOLE: Final = Domain(-2.5, 2.5, tuple(float(n) for n in range(-2, 3)))
APART_FROM_HALVES: Final = Domain(-2.0, 2.0, tuple(n + 0.5 for n in range(-2, 2)))

NUMBERS: Final = discrete(2, "i64", "i32", "u8", "bool")
DIVISORS: Final = discrete(2, "i64", "u8", domains=(Domain(-9.0, 9.0), Domain(0.0, 5.0)))
BITS: Final = discrete(2, "i64", "i32", "u8", "bool")

# --- sums and products ----------------------------------------------------------------------------------------------

add = scalar_op("add", np.add, Partials(1.0, 1.0), "x + y", more=NUMBERS)
subtract = scalar_op("subtract", np.subtract, Partials(1.0, -1.0), "x - y", more=discrete(2, "i64", "u8"))
negative = scalar_op("negative", np.negative, Partials(-1.0), "-x", more=discrete(1, "i64", "u8"))
multiply = scalar_op("multiply", np.multiply, Partials(lambda y: y, lambda x: x), "x y", more=NUMBERS)


def _strong_mul(x: Any, y: Any) -> Any:
    out = np.multiply(x, y)
    if isinstance(out, ARRAY):
        if out.size and _has_nan(out):
            np.copyto(out, 0, where=np.equal(x, 0) & np.isnan(out))
    elif out != out and x == 0:
        out = type(out)(0)
    return out


def _has_nan(x: np.ndarray[Any, Any]) -> bool:
    # vdot is the quickest for few elements; for many, BLAS would wake its threads for it
    total = np.vdot(x, x) if x.size < 10_000 and x.flags.forc else np.min(x)
    return bool(total != total)


strong_mul = scalar_op(
    "strong_mul",
    np.multiply,
    Multilinear(lambda ct, x, y: strong_mul(ct, y), lambda ct, x, y: strong_both(x, ct)),
    "x y, and 0 where x is 0 whatever y is: what a mask removed stays removed, even next to an infinite factor",
    numpy=_strong_mul,
)


def _strong_both(x: Any, y: Any) -> Any:
    out = np.multiply(x, y)
    if isinstance(out, ARRAY):
        if out.size and _has_nan(out):
            np.copyto(out, 0, where=(np.equal(x, 0) | np.equal(y, 0)) & np.isnan(out))
    elif out != out and (x == 0 or y == 0):
        out = type(out)(0)
    return out


strong_both = scalar_op(
    "strong_both",
    np.multiply,
    Multilinear(lambda ct, x, y: strong_both(ct, y), lambda ct, x, y: strong_both(x, ct)),
    "x y, and 0 where x or y is 0 whatever the other is: two (co)tangents, either of which a mask may have removed",
    numpy=_strong_both,
)


def _apart_from_jumps(rng: Any) -> tuple[Any, Any]:
    """Operands of a remainder, of every sign, whose quotient is nowhere near a whole number."""
    y = rng.uniform(1.0, 4.0, (2, 3)) * rng.choice([-1.0, 1.0], (2, 3))
    return y * (rng.integers(-3, 3, (2, 3)) + rng.uniform(0.2, 0.8, (2, 3))), y


QUOTIENTS: Final = (Case(((2, 3), (2, 3)), make=_apart_from_jumps), *DIVISORS)
FRACTIONS: Final = (Domain(0.05, 0.95), Domain(1.0, 4.0))

divide = scalar_op(
    "divide",
    np.true_divide,
    Partials(lambda y: divide(1.0, y), lambda out, y: divide(-out, y)),
    "x / y",
    Domain(),
    APART_FROM_ZERO,
    more=DIVISORS,
)
reciprocal = scalar_op("reciprocal", np.reciprocal, Partials(lambda out: -out * out), "1 / x", APART_FROM_ZERO)
floor_divide = scalar_op("floor_divide", np.floor_divide, Zero(), "floor(x / y)", *FRACTIONS, more=QUOTIENTS)
remainder = scalar_op(
    "remainder",
    np.remainder,
    Partials(1.0, lambda x, y: -floor_divide(x, y)),
    "x - y floor(x / y): with the sign of y",
    *FRACTIONS,
    more=QUOTIENTS,
)
fmod = scalar_op(
    "fmod",
    np.fmod,
    Partials(1.0, lambda out, x, y: -rint(divide(subtract(x, out), y))),
    "x - y trunc(x / y): with the sign of x",
    *FRACTIONS,
    more=QUOTIENTS,
)
square = scalar_op("square", np.square, Partials(lambda x: 2 * x), "x ** 2", more=discrete(1, "i64", "u8"))
sqrt = scalar_op("sqrt", np.sqrt, Partials(lambda out: divide(0.5, out)), "the square root of x", POSITIVE)
cbrt = scalar_op("cbrt", np.cbrt, Partials(lambda out: divide(1 / 3, out * out)), "the cube root of x", APART_FROM_ZERO)

# --- sign and rounding ----------------------------------------------------------------------------------------------

absolute = scalar_op(
    "abs",
    np.absolute,
    Partials(lambda x: sign(x)),
    "|x|; the derivative at 0 is 0",
    APART_FROM_ZERO,
    more=discrete(1, "i64", "u8", "bool"),
)
sign = scalar_op("sign", np.sign, Zero(), "-1, 0 or 1", APART_FROM_ZERO, more=discrete(1, "i64", "u8"))
copysign = scalar_op(
    "copysign",
    np.copysign,
    Partials(lambda x, y: multiply(sign(x), copysign(1.0, y)), None),
    "|x| with the sign of y, that of a zero too; the derivative at x = 0 is 0",
    APART_FROM_ZERO,
    APART_FROM_ZERO,
)
floor = scalar_op("floor", np.floor, Zero(), "the largest whole number that is not above x", APART_FROM_WHOLE)
ceil = scalar_op("ceil", np.ceil, Zero(), "the smallest whole number that is not below x", APART_FROM_WHOLE)
trunc = scalar_op("trunc", np.trunc, Zero(), "x without what is behind the point", APART_FROM_WHOLE)
rint = scalar_op("rint", np.rint, Zero(), "the nearest whole number, of two the even one", APART_FROM_HALVES)

# --- comparison and logic -------------------------------------------------------------------------------------------

equal = scalar_op("equal", np.equal, None, "x == y", more=NUMBERS)
not_equal = scalar_op("not_equal", np.not_equal, None, "x != y", more=NUMBERS)
less = scalar_op("less", np.less, None, "x < y", more=NUMBERS)
less_equal = scalar_op("less_equal", np.less_equal, None, "x <= y", more=NUMBERS)
greater = scalar_op("greater", np.greater, None, "x > y", more=NUMBERS)
greater_equal = scalar_op("greater_equal", np.greater_equal, None, "x >= y", more=NUMBERS)
logical_and = scalar_op("logical_and", np.logical_and, None, "x and y", dtypes=("bool", "bool"), more=NUMBERS)
logical_or = scalar_op("logical_or", np.logical_or, None, "x or y", dtypes=("bool", "bool"), more=NUMBERS)
logical_xor = scalar_op("logical_xor", np.logical_xor, None, "either x or y", dtypes=("bool", "bool"), more=NUMBERS)
logical_not = scalar_op("logical_not", np.logical_not, None, "not x", dtypes=("bool",), more=discrete(1, "i64"))
isnan = scalar_op("isnan", np.isnan, None, "whether x is not a number")
isinf = scalar_op("isinf", np.isinf, None, "whether x is infinite")
isfinite = scalar_op("isfinite", np.isfinite, None, "whether x is neither infinite nor not a number")
signbit = scalar_op("signbit", np.signbit, None, "whether x is below 0, or is the negative zero")

# --- bits -----------------------------------------------------------------------------------------------------------


def _bitwise(name: str, ufunc: np.ufunc, doc: str) -> Op:
    return scalar_op(name, ufunc, None, doc, dtypes=("i64", "i64"), more=BITS)


def _shift(name: str, ufunc: np.ufunc, doc: str) -> Op:
    places = (Domain(-100.0, 100.0), Domain(-1.0, 8.0))
    return scalar_op(
        name, ufunc, None, doc, *places, dtypes=("i64", "i64"), more=discrete(2, "i32", "u8", domains=places)
    )


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "the bits that are set in both x and y")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "the bits that are set in x or y")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "the bits that are set in one of x and y")
invert = scalar_op(
    "invert", np.invert, None, "the bits that are not set in x", dtypes=("i64",), more=discrete(1, "u8", "bool")
)
left_shift = _shift("left_shift", np.left_shift, "x with its bits y places to the left: x 2 ** y")
right_shift = _shift("right_shift", np.right_shift, "x with its bits y places to the right: floor(x / 2 ** y)")

# --- selection and casts --------------------------------------------------------------------------------------------


def _infer_select(condition: Type, x: Type, y: Type) -> Type:
    shape = broadcast("select", condition, x, y)
    weak = condition.weak and x.weak and y.weak
    operands = [np.zeros((), t.dtype).item() if t.weak else t.dtype for t in (x, y)]
    return Type(shape, supported(np.result_type(*operands)), weak and shape == ())


def _select_numpy(condition: Any, x: Any, y: Any) -> Any:
    return WHERE(condition, x, y)[()]


select = Op(
    "select",
    _infer_select,
    _select_numpy,
    Linear(lambda ct, c, x, y: (select(c, ct, zero(ct)), select(c, zero(ct), ct)), (1, 2)),
    Scalar(),
    (
        *[
            Case(shapes, dtypes=("bool",))
            for shapes in (((), (), ()), ((3,), (3,), (3,)), ((2, 1), (2, 3), ()), ((3,), (2, 3), (1, 3)))
        ],
        *[Case(((3,), (3,), (3,)), dtypes=("bool", *dtypes)) for dtypes in (("i64", "u8"), ("bool", "bool"))],
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
    (
        Case(((3,),), {"dtype": "float64"}),
        Case(((2, 3),), {"dtype": "float32"}),
        Case(((3,),), {"dtype": "int32"}, (APART_FROM_WHOLE,)),
        Case(((3,),), {"dtype": "float32"}, dtypes=("i64",)),
        Case(((3,),), {"dtype": "uint8"}, dtypes=("i64",)),
        Case(((3,),), {"dtype": "bool"}, dtypes=("u8",)),
        Case(((3,),), {"dtype": "float64"}, dtypes=("bool",)),
    ),
    "x in another dtype, `dtype` by NumPy's name",
)


def _chosen(beyond: Callable[..., Any], out: Any, x: Any, y: Any) -> Any:
    """1 where x is beyond y, a half where they are equal (the derivative is shared between equals), else 0."""
    one = dtype_of(out).type(1)
    return select(beyond(x, y), one, select(equal(x, y), one / 2, one - one))


maximum = scalar_op(
    "maximum",
    np.maximum,
    Partials(lambda out, x, y: _chosen(greater, out, x, y), lambda out, x, y: _chosen(greater, out, y, x)),
    "the larger; NaN wins; the derivative is shared equally between equals",
    more=NUMBERS,
)
minimum = scalar_op(
    "minimum",
    np.minimum,
    Partials(lambda out, x, y: _chosen(less, out, x, y), lambda out, x, y: _chosen(less, out, y, x)),
    "the smaller; NaN wins; the derivative is shared equally between equals",
    more=NUMBERS,
)


def zero(like: Any) -> Any:
    """A zero of the dtype of `like`, without its shape."""
    return dtype_of(like).type(0)
