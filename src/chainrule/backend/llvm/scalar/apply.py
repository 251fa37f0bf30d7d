"""`scalar`: the value of an elementwise operation, of scalars and of vectors.

The operands are converted to the dtypes of NumPy's loop for them, as `ufunc.resolve_dtypes` tells, and each kind of
number (floats, integers, booleans) has a table of what an operation is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.scalar import (
    arithmetic,
    cardinal_sine,
    circular,
    error_function,
    exponential,
    hyperbolic,
    integers,
    logarithm,
    power,
)
from chainrule.backend.llvm.scalar.convert import DType, convert
from chainrule.backend.llvm.scalar.formula import magnitude, nearest, root, where, with_sign
from chainrule.backend.llvm.values import Val
from chainrule.errors import BackendError, message
from chainrule.ir.op import OPS
from chainrule.ops.scalar import float_of
from chainrule.types import BOOL, FLOAT32, supported

Unary: TypeAlias = Callable[[Val], Val]
Binary: TypeAlias = Callable[[Val, Val], Val]
Table: TypeAlias = dict[str, Callable[..., Val]]


def _table(one: dict[str, Unary], two: dict[str, Binary]) -> Table:
    """Operations of one and of two operands."""
    return {**one, **two}


def _same(x: Val) -> Val:
    return x


def _never(x: Val) -> Val:
    return x.ne(x)


def _always(x: Val) -> Val:
    return x.eq(x)


_ANY: Final = _table(
    {
        "square": lambda x: x * x,
        "negative": lambda x: -x,
        "logical_not": lambda x: x.eq(0),
        "invert": lambda x: ~x,
    },
    {
        "equal": lambda x, y: x.eq(y),
        "not_equal": lambda x, y: x.ne(y),
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "strong_mul": arithmetic.strong_mul,
        "strong_both": arithmetic.strong_both,
        "logical_and": lambda x, y: x.ne(0) & y.ne(0),
        "logical_or": lambda x, y: x.ne(0) | y.ne(0),
        "logical_xor": lambda x, y: x.ne(0) ^ y.ne(0),
        "bitwise_and": lambda x, y: x & y,
        "bitwise_or": lambda x, y: x | y,
        "bitwise_xor": lambda x, y: x ^ y,
    },
)
"""What is written alike for every kind of number."""

_FLOATS: Final = _table(
    {
        "reciprocal": lambda x: 1.0 / x,
        "sqrt": root,
        "abs": magnitude,
        "sign": arithmetic.sign,
        "floor": lambda x: x.code.math("floor", x),
        "ceil": lambda x: x.code.math("ceil", x),
        "trunc": lambda x: x.code.math("trunc", x),
        "rint": nearest,
        "isnan": lambda x: x.is_nan(),
        "isinf": arithmetic.isinf,
        "isfinite": arithmetic.isfinite,
        "signbit": arithmetic.signbit,
        "exp": exponential.exp,
        "exp2": exponential.exp2,
        "expm1": exponential.expm1,
        "sigmoid": exponential.sigmoid,
        "softplus": exponential.softplus,
        "log": logarithm.log,
        "log2": logarithm.log2,
        "log10": logarithm.log10,
        "log1p": logarithm.log1p,
        "cbrt": power.cbrt,
        "sin": circular.sin,
        "cos": circular.cos,
        "tan": circular.tan,
        "arcsin": circular.arcsin,
        "arccos": circular.arccos,
        "arctan": circular.arctan,
        "sinh": hyperbolic.sinh,
        "cosh": hyperbolic.cosh,
        "tanh": hyperbolic.tanh,
        "arcsinh": hyperbolic.arcsinh,
        "arccosh": hyperbolic.arccosh,
        "arctanh": hyperbolic.arctanh,
        "erf": error_function.erf,
        "erfc": error_function.erfc,
    },
    {
        "divide": lambda x, y: x / y,
        "floor_divide": arithmetic.floor_divide,
        "remainder": arithmetic.remainder,
        "fmod": arithmetic.fmod,
        "copysign": with_sign,
        "less": lambda x, y: x.lt(y),
        "less_equal": lambda x, y: x.le(y),
        "greater": lambda x, y: x.gt(y),
        "greater_equal": lambda x, y: x.ge(y),
        "maximum": arithmetic.maximum,
        "minimum": arithmetic.minimum,
        "logaddexp": exponential.logaddexp,
        "logaddexp2": exponential.logaddexp2,
        "xlogy": lambda x, y: arithmetic.strong_mul(x, logarithm.log(y)),
        "power": power.power,
        "hypot": power.hypot,
        "arctan2": circular.arctan2,
    },
)

_WHOLE: Final = _table(
    {
        **dict.fromkeys(("floor", "ceil", "trunc"), _same),
        **dict.fromkeys(("isnan", "isinf"), _never),
        "isfinite": _always,
    },
    {},
)
"""What a question about fractions or infinities comes to for integers and booleans."""

_INTEGERS: Final = _table(
    {
        "reciprocal": integers.reciprocal,
        "abs": integers.absolute,
        "sign": integers.sign,
    },
    {
        "floor_divide": integers.floor_divide,
        "remainder": integers.remainder,
        "fmod": integers.fmod,
        "power": integers.power,
        "less": integers.below,
        "less_equal": lambda x, y: ~integers.above(x, y),
        "greater": integers.above,
        "greater_equal": lambda x, y: ~integers.below(x, y),
        "maximum": integers.maximum,
        "minimum": integers.minimum,
        "left_shift": integers.left_shift,
        "right_shift": integers.right_shift,
    },
)

_BOOLEANS: Final = _table(
    {
        "logical_not": lambda x: ~x,
        "abs": lambda x: x,
    },
    {
        "add": lambda x, y: x | y,
        "multiply": lambda x, y: x & y,
        "strong_mul": lambda x, y: x & y,
        "strong_both": lambda x, y: x & y,
        "logical_and": lambda x, y: x & y,
        "logical_or": lambda x, y: x | y,
        "logical_xor": lambda x, y: x ^ y,
        "less": lambda x, y: ~x & y,
        "less_equal": lambda x, y: ~x | y,
        "greater": lambda x, y: x & ~y,
        "greater_equal": lambda x, y: x | ~y,
        "maximum": lambda x, y: x | y,
        "minimum": lambda x, y: x & y,
    },
)

_TABLES: Final[dict[str, Table]] = {
    "f": _ANY | _FLOATS | {"sinc": cardinal_sine.sinc},
    "i": _ANY | _WHOLE | _INTEGERS,
    "u": _ANY | _WHOLE | _INTEGERS,
    "b": _ANY | _WHOLE | _BOOLEANS,
}

_LIKE: Final = {"strong_mul": np.multiply, "strong_both": np.multiply, "xlogy": np.true_divide}
"""Ufuncs whose dtypes an operation has that is no ufunc itself."""

_HALF: Final = np.dtype(np.float16)


def scalar(
    f: Function,
    op_name: str,
    attrs: Mapping[str, Any],
    operands: Sequence[Val],
    dtypes: Sequence[DType],
    dtype: DType,
) -> Val:
    """The value of an elementwise operation, but for `in_range`, in `dtype`; operands are of `dtypes`.

    Vectors give a vector; a scalar beside one counts for all lanes.
    """
    lanes = max(x.ty.lanes for x in operands)
    given = [f.splat(x, lanes) for x in operands]
    if op_name == "cast":
        return convert(f, given[0], dtypes[0], dtype)
    if op_name == "select":
        condition = convert(f, given[0], dtypes[0], BOOL)
        return where(condition, *(convert(f, x, d, dtype) for x, d in zip(given[1:], dtypes[1:], strict=True)))
    loop = loop_dtypes(op_name, dtypes)
    rule = _TABLES[loop[0].kind].get(op_name)
    if rule is None:
        raise BackendError(message(f"an elementwise operation with native code for {loop[0]}", op_name))
    converted = [convert(f, x, d, to) for x, d, to in zip(given, dtypes, loop, strict=False)]
    return convert(f, rule(*converted, **attrs), loop[-1], dtype)


def loop_dtypes(op_name: str, dtypes: Sequence[DType]) -> tuple[DType, ...]:
    """The dtypes that the operands are converted to, and that of the result; float32 where NumPy has a float16."""
    ufunc = _LIKE.get(op_name, OPS[op_name].numpy)
    if not isinstance(ufunc, np.ufunc):
        return float_of(dtypes[0]), float_of(dtypes[0])
    found = ufunc.resolve_dtypes((*dtypes, *[None] * ufunc.nout))
    return tuple(FLOAT32 if dtype == _HALF else supported(dtype) for dtype in found)
