"""`promoted`: the dtypes that an operation's operands are converted to where a Python scalar stands beside an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import Node
from chainrule.ir.op import too_large
from chainrule.ops.arithmetic import cast, select
from chainrule.types import INT64, Type
from chainrule.where import replays

DType = np.dtype[Any]

_PYTHON: Final[dict[str, Any]] = {"f": 0.0, "i": 0}


def promoted(node: Node, types: Sequence[Type], known: Sequence[bool]) -> list[DType]:
    """For each operand the dtype it is computed with: a weak one takes what NumPy gives it beside the strong ones.

    `known` are numbers. A whole number that is not known is compared, and divided, as it is: its partner's dtype may
    not hold it.
    """
    dtypes = [type.dtype for type in types]
    places = [i for i in range(len(types)) if not (node.op is select and i == 0)]
    strong = [dtypes[i] for i in places if not types[i].weak]
    if node.op is cast or not strong or len(strong) == len(places):
        return dtypes
    stays = node.types[0].dtype.kind not in "iu" and all(dtype.kind in "iu" for dtype in strong)
    for i in places:
        if types[i].weak and not (stays and dtypes[i].kind == "i" and not known[i]):
            dtypes[i] = np.result_type(*strong, _PYTHON[dtypes[i].kind])
    return dtypes


@replays
def check_numbers(node: Node, numbers: Sequence[Any]) -> None:
    """Raises a NumberError where an operation has a Python int that its partner's dtype cannot hold, as NumPy does.

    `numbers` has the operands that are known, None for the others.
    """
    types = [value.type for value in node.inputs]
    if not any(type.weak and isinstance(x, int) for type, x in zip(types, numbers, strict=True)):
        return
    operands = [
        x if type.weak and x is not None else np.zeros(0, type.dtype) for type, x in zip(types, numbers, strict=True)
    ]
    try:
        node.op.numpy(*operands, **node.attrs)
    except OverflowError as error:
        raise too_large(error) from None


def as_number(value: Any, dtype: DType) -> tuple[Any, DType]:
    """A Python number in a dtype, and that dtype: int64 where it holds the number and `dtype` does not."""
    if dtype.kind in "iu" and isinstance(value, int):
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:
            return value, INT64
    return dtype.type(value).item(), dtype
