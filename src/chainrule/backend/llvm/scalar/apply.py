"""`scalar`: the value of an elementwise operation, of scalars and of vectors.

The operands are converted to the dtypes of NumPy's loop for them, as `ufunc.resolve_dtypes` tells, and each kind of
number (floats, integers, booleans) has a table of what an operation is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.scalar import arithmetic, exponential, integers, logarithm
from chainrule.backend.llvm.scalar.convert import DType, convert
from chainrule.backend.llvm.scalar.formula import magnitude, nearest, root, where, with_sign
from chainrule.backend.llvm.values import Val
from chainrule.errors import BackendError, message
from chainrule.ir.op import OPS
from chainrule.ops.scalar import float_of
from chainrule.types import BOOL, FLOAT32, supported

Rule: TypeAlias = Callable[..., Val]

_ANY: Final[dict[str, Rule]] = {
    "equal": lambda x, y: x.eq(y),
    "not_equal": lambda x, y: x.ne(y),
    "square": lambda x: x * x,
    "negative": lambda x: -x,
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "strong_mul": arithmetic.strong_mul,
    "strong_both": arithmetic.strong_both,
    "logical_not": lambda x: x.eq(0),
    "logical_and": lambda x, y: x.ne(0) & y.ne(0),
    "logical_or": lambda x, y: x.ne(0) | y.ne(0),
    "logical_xor": lambda x, y: x.ne(0) ^ y.ne(0),
    "bitwise_and": lambda x, y: x & y,
    "bitwise_or": lambda x, y: x | y,
    "bitwise_xor": lambda x, y: x ^ y,
    "invert": lambda x: ~x,
}
"""What is written alike for every kind of number."""

_FLOATS: Final[dict[str, Rule]] = {
    "divide": lambda x, y: x / y,
    "reciprocal": lambda x: 1.0 / x,
    "floor_divide": arithmetic.floor_divide,
    "remainder": arithmetic.remainder,
    "fmod": arithmetic.fmod,
    "sqrt": root,
    "abs": magnitude,
    "sign": arithmetic.sign,
    "copysign": with_sign,
    "floor": lambda x: x.code.math("floor", x),
    "ceil": lambda x: x.code.math("ceil", x),
    "trunc": lambda x: x.code.math("trunc", x),
    "rint": nearest,
    "less": lambda x, y: x.lt(y),
    "less_equal": lambda x, y: x.le(y),
    "greater": lambda x, y: x.gt(y),
    "greater_equal": lambda x, y: x.ge(y),
    "isnan": lambda x: x.is_nan(),
    "isinf": arithmetic.isinf,
    "isfinite": arithmetic.isfinite,
    "signbit": arithmetic.signbit,
    "maximum": arithmetic.maximum,
    "minimum": arithmetic.minimum,
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "sigmoid": exponential.sigmoid,
    "softplus": exponential.softplus,
    "logaddexp": exponential.logaddexp,
    "logaddexp2": exponential.logaddexp2,
    "log": logarithm.log,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "log1p": logarithm.log1p,
    "xlogy": lambda x, y: arithmetic.strong_mul(x, logarithm.log(y)),
    "arctanh": logarithm.arctanh,
}

_INTEGERS: Final[dict[str, Rule]] = {
    "reciprocal": integers.reciprocal,
    "floor_divide": integers.floor_divide,
    "remainder": integers.remainder,
    "fmod": integers.fmod,
    "power": integers.power,
    "abs": integers.absolute,
    "sign": integers.sign,
    "less": integers.below,
    "less_equal": lambda x, y: ~integers.above(x, y),
    "greater": integers.above,
    "greater_equal": lambda x, y: ~integers.below(x, y),
    "maximum": integers.maximum,
    "minimum": integers.minimum,
    "left_shift": integers.left_shift,
    "right_shift": integers.right_shift,
}

_BOOLEANS: Final[dict[str, Rule]] = {
    "add": lambda x, y: x | y,
    "multiply": lambda x, y: x & y,
    "strong_mul": lambda x, y: x & y,
    "strong_both": lambda x, y: x & y,
    "logical_not": lambda x: ~x,
    "logical_and": lambda x, y: x & y,
    "logical_or": lambda x, y: x | y,
    "logical_xor": lambda x, y: x ^ y,
    "abs": lambda x: x,
    "less": lambda x, y: ~x & y,
    "less_equal": lambda x, y: ~x | y,
    "greater": lambda x, y: x & ~y,
    "greater_equal": lambda x, y: x | ~y,
    "maximum": lambda x, y: x | y,
    "minimum": lambda x, y: x & y,
}

_WHOLE: Final[dict[str, Rule]] = {
    **dict.fromkeys(("floor", "ceil", "trunc"), lambda x: x),
    **dict.fromkeys(("isnan", "isinf"), lambda x: x.ne(x)),
    "isfinite": lambda x: x.eq(x),
}
"""What a question about fractions or infinities comes to for integers and booleans."""

_TABLES: Final[dict[str, dict[str, Rule]]] = {
    "f": _ANY | _FLOATS,
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
