"""NumPy's elementwise functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DTypeError, message
from chainrule.ops import arithmetic as ops
from chainrule.ops import exponential
from chainrule.types import dtype_of, supported
from chainrule.where import user_location


def astype(x: Any, dtype: Any) -> Any:
    """x in another dtype."""
    return ops.cast(x, dtype=supported(dtype).name)


def cast_in_place(x: Any, dtype: np.dtype[Any], name: str) -> Any:
    """x as an in-place operation stores it: cast within the same kind only, as NumPy does."""
    if not np.can_cast(dtype_of(x), dtype, "same_kind"):
        got = f"{dtype_of(x).name} into {dtype.name} by an in-place {name}"
        raise DTypeError(message("a result of the same kind of dtype", got, user_location(), "x = x + y, a new array"))
    return astype(x, dtype)


def power(x: Any, y: Any) -> Any:
    """x ** y; small constant exponents become products and roots."""
    if type(y) in (int, float) and dtype_of(x).kind == "f":
        if y == 2:
            return ops.square(x)
        if y == 0.5:
            return ops.sqrt(x)
        if y == -1:
            return ops.reciprocal(x)
    return exponential.power(x, y)
