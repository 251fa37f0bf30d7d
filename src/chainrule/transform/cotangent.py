"""What both derivative modes do to a value to make it fit: sum to a shape, cast to a dtype, spread to a shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.arithmetic import cast, negative, strong_mul
from chainrule.ops.movement import broadcast_to, reshape
from chainrule.ops.reduction import sum_
from chainrule.types import Shape, dtype_of, shape_of, type_of


def moves(out: Any) -> bool:
    """Whether a result can have a derivative: not where it is an integer; an error where it is complex or an object."""
    kind = dtype_of(out).kind
    return kind == "f" or (kind not in "biu" and type_of(out).is_float)


def fit(ct: Any, shape: Shape, dtype: np.dtype[Any]) -> Any:
    """The cotangent of an operand that was broadcast or promoted: summed to its shape, in its dtype."""
    found = shape_of(ct)
    if found != shape:
        ct = _sum_to(ct, found, shape)
    return ct if dtype_of(ct) == dtype else cast(ct, dtype=dtype.name)


def spread(dot: Any, shape: Shape, dtype: np.dtype[Any]) -> Any:
    """The tangent of an operand, broadcast and promoted as the operand was."""
    if dtype_of(dot) != dtype:
        dot = cast(dot, dtype=dtype.name)
    return dot if shape_of(dot) == shape else broadcast_to(dot, shape=shape)


def scale(ct: Any, factor: Any) -> Any:
    """A (co)tangent times a factor of the chain rule; what is zero stays zero."""
    if type(factor) is float and factor in (1.0, -1.0):
        return ct if factor == 1.0 else negative(ct)
    return strong_mul(ct, factor)


def _sum_to(ct: Any, found: Shape, shape: Shape) -> Any:
    new = len(found) - len(shape)
    if new < 0 or any(n != m and n != 1 for n, m in zip(shape, found[new:], strict=True)):
        return broadcast_to(ct, shape=shape)  # a rule gave less than the whole: the same number everywhere
    axes = tuple(axis for axis in range(len(found)) if axis < new or shape[axis - new] != found[axis])
    ct = sum_(ct, axes=axes)
    return ct if shape_of(ct) == shape else reshape(ct, shape=shape)
