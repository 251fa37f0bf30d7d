"""NumPy's ufuncs that are one operation each, on plain and traced arrays alike.

Each takes what NumPy's takes (lists and numbers too), has NumPy's dtypes and, on plain arrays, NumPy's bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from chainrule.errors import TraceError, message
from chainrule.ir.op import Traced
from chainrule.numpy import protocol
from chainrule.numpy.convert import NUMPY_NUMBERS, as_array, holds_traced, strong
from chainrule.ops import arithmetic, exponential, trigonometric
from chainrule.types import dtype_of
from chainrule.where import user_location

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "floor_divide",
    "fmod",
    "greater",
    "greater_equal",
    "hypot",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "not_equal",
    "pow",
    "power",
    "reciprocal",
    "remainder",
    "right_shift",
    "rint",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
]

Function = Callable[..., Any]

KNOWN: Final[Any] = (np.ndarray, np.generic, Traced, float, int)
METHODS: Final = ("accumulate", "at", "outer", "reduce", "reduceat")
OPTIONS: Final = {"dtype", "where"}


def operand(x: Any) -> Any:
    """x itself where an operation takes it, else the array that is made of it."""
    return x if isinstance(x, KNOWN) else as_array(x)


def counterpart(ufunc: np.ufunc, apply: Function, doc: str = "") -> Function:
    """The function that stands for `ufunc`: `apply`, an operation or what is made of some."""

    def unary(x: Any, /, out: Any = None, **options: Any) -> Any:
        if out is None and not options:
            return strong(apply(operand(x)))
        return _with_options(ufunc, (x,), out, options)

    def binary(x: Any, y: Any, /, out: Any = None, **options: Any) -> Any:
        if out is None and not options:
            return strong(apply(operand(x), operand(y)))
        return _with_options(ufunc, (x, y), out, options)

    function = unary if ufunc.nin == 1 else binary
    function.__name__ = function.__qualname__ = ufunc.__name__
    function.__doc__ = f"{doc or getattr(apply, 'doc', '')}: NumPy's `{ufunc.__name__}`."
    for name in METHODS:
        setattr(function, name, partial(_method, ufunc, name))
    return function


def _method(ufunc: np.ufunc, name: str, *inputs: Any, **options: Any) -> Any:
    """One of the ufunc's methods, such as `add.reduce` and `add.at`: NumPy's own on plain arrays."""
    if not holds_traced(*inputs, *options.values()):
        return getattr(ufunc, name)(*inputs, **options)
    if options.get("out") is not None:
        options["out"] = (options["out"],)
    return protocol.call_ufunc(ufunc, name, inputs, options)


def _with_options(ufunc: np.ufunc, inputs: tuple[Any, ...], out: Any, options: dict[str, Any]) -> Any:
    """The ufunc with `out=`, `where=` or `dtype=`: NumPy's own on plain arrays."""
    if not any(isinstance(x, Traced) for x in (*inputs, out, *options.values())):
        return ufunc(*inputs, out=out, **options)
    unknown = options.keys() - OPTIONS
    if unknown:
        expected = f"{ufunc.__name__}() of traced arrays with no arguments but {', '.join(sorted(OPTIONS))}"
        hint = f"{ufunc.__name__} without {', '.join(sorted(unknown))}"
        raise TraceError(message(expected, ", ".join(f"{name}=" for name in sorted(unknown)), user_location(), hint))
    if out is not None:
        options["out"] = (out,)
    return protocol.call_ufunc(ufunc, "__call__", inputs, options)


def raised(x: Any, y: Any) -> Any:
    """x ** y, the operator; 2, 0.5 and -1 become a square, a root and a reciprocal, as in NumPy."""
    if type(y) in NUMPY_NUMBERS and dtype_of(x).kind == "f":
        if y == 2:
            return arithmetic.square(x)
        if y == 0.5:
            return arithmetic.sqrt(x)
        if y == -1:
            return arithmetic.reciprocal(x)
    return exponential.power(x, y)


# --- arithmetic -------------------------------------------------------------------------------------------------------

add = counterpart(np.add, arithmetic.add)
subtract = counterpart(np.subtract, arithmetic.subtract)
negative = counterpart(np.negative, arithmetic.negative)
multiply = counterpart(np.multiply, arithmetic.multiply)
divide = true_divide = counterpart(np.divide, arithmetic.divide)
floor_divide = counterpart(np.floor_divide, arithmetic.floor_divide)
remainder = mod = counterpart(np.remainder, arithmetic.remainder)
fmod = counterpart(np.fmod, arithmetic.fmod)
reciprocal = counterpart(np.reciprocal, arithmetic.reciprocal)
power = pow = counterpart(np.power, raised, exponential.power.doc)
square = counterpart(np.square, arithmetic.square)
sqrt = counterpart(np.sqrt, arithmetic.sqrt)
cbrt = counterpart(np.cbrt, arithmetic.cbrt)
absolute = abs = counterpart(np.absolute, arithmetic.absolute)
sign = counterpart(np.sign, arithmetic.sign)
copysign = counterpart(np.copysign, arithmetic.copysign)
floor = counterpart(np.floor, arithmetic.floor)
ceil = counterpart(np.ceil, arithmetic.ceil)
trunc = counterpart(np.trunc, arithmetic.trunc)
rint = counterpart(np.rint, arithmetic.rint)
maximum = counterpart(np.maximum, arithmetic.maximum)
minimum = counterpart(np.minimum, arithmetic.minimum)

# --- comparison, logic, bits ------------------------------------------------------------------------------------------

equal = counterpart(np.equal, arithmetic.equal)
not_equal = counterpart(np.not_equal, arithmetic.not_equal)
less = counterpart(np.less, arithmetic.less)
less_equal = counterpart(np.less_equal, arithmetic.less_equal)
greater = counterpart(np.greater, arithmetic.greater)
greater_equal = counterpart(np.greater_equal, arithmetic.greater_equal)
logical_and = counterpart(np.logical_and, arithmetic.logical_and)
logical_or = counterpart(np.logical_or, arithmetic.logical_or)
logical_xor = counterpart(np.logical_xor, arithmetic.logical_xor)
logical_not = counterpart(np.logical_not, arithmetic.logical_not)
isnan = counterpart(np.isnan, arithmetic.isnan)
isinf = counterpart(np.isinf, arithmetic.isinf)
isfinite = counterpart(np.isfinite, arithmetic.isfinite)
signbit = counterpart(np.signbit, arithmetic.signbit)
bitwise_and = counterpart(np.bitwise_and, arithmetic.bitwise_and)
bitwise_or = counterpart(np.bitwise_or, arithmetic.bitwise_or)
bitwise_xor = counterpart(np.bitwise_xor, arithmetic.bitwise_xor)
invert = bitwise_not = bitwise_invert = counterpart(np.invert, arithmetic.invert)
left_shift = bitwise_left_shift = counterpart(np.left_shift, arithmetic.left_shift)
right_shift = bitwise_right_shift = counterpart(np.right_shift, arithmetic.right_shift)

# --- exponentials and logarithms --------------------------------------------------------------------------------------

exp = counterpart(np.exp, exponential.exp)
exp2 = counterpart(np.exp2, exponential.exp2)
expm1 = counterpart(np.expm1, exponential.expm1)
log = counterpart(np.log, exponential.log)
log2 = counterpart(np.log2, exponential.log2)
log10 = counterpart(np.log10, exponential.log10)
log1p = counterpart(np.log1p, exponential.log1p)
logaddexp = counterpart(np.logaddexp, exponential.logaddexp)
logaddexp2 = counterpart(np.logaddexp2, exponential.logaddexp2)

# --- circular and hyperbolic functions --------------------------------------------------------------------------------

sin = counterpart(np.sin, trigonometric.sin)
cos = counterpart(np.cos, trigonometric.cos)
tan = counterpart(np.tan, trigonometric.tan)
arcsin = asin = counterpart(np.arcsin, trigonometric.arcsin)
arccos = acos = counterpart(np.arccos, trigonometric.arccos)
arctan = atan = counterpart(np.arctan, trigonometric.arctan)
arctan2 = atan2 = counterpart(np.arctan2, trigonometric.arctan2)
hypot = counterpart(np.hypot, trigonometric.hypot)
sinh = counterpart(np.sinh, trigonometric.sinh)
cosh = counterpart(np.cosh, trigonometric.cosh)
tanh = counterpart(np.tanh, trigonometric.tanh)
arcsinh = asinh = counterpart(np.arcsinh, trigonometric.arcsinh)
arccosh = acosh = counterpart(np.arccosh, trigonometric.arccosh)
arctanh = atanh = counterpart(np.arctanh, trigonometric.arctanh)
