"""How much work a nest is: its operations, its bytes, the parts it is cut into, and a name for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chainrule.backend.llvm.nest.collapse import is_free, places
from chainrule.backend.llvm.nest.form import vector_axis
from chainrule.schedule.plan import LANES, Buffer, Compute, DType, Expression, Nest

_LISTS: Final = {
    20: "exp exp2 log log2 log10 sigmoid sin cos cbrt",
    30: "tanh expm1 log1p sinh cosh softplus arctan tan sinc arcsin",
    40: "erf erfc arccos arcsinh arccosh arctanh arctan2 logaddexp",
    60: "power logaddexp2 xlogy",
    4: "divide reciprocal sqrt hypot",
    16: "floor_divide remainder fmod",
}
WEIGHTS: Final[Mapping[str, int]] = MappingProxyType(
    {name: weight for weight, names in _LISTS.items() for name in names.split()}
)
"""About how many additions an operation is worth; 1 where it is not named. It decides how work is cut, not results."""

_COPYING: Final = frozenset({"cast", "select", "broadcast_to"})
_FOLDED: Final = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
_NAMED: Final = 4  # operations that a title names

_PART: Final = 8e-6  # seconds of work that are worth another part
_MOST: Final = 256
_ARITHMETIC: Final = 2e10  # additions of four bytes each a second
_MEMORY: Final = 2e10  # bytes a second
_BLOCK: Final = 1024
_FEW: Final = 16  # indices of an axis


def operations(nest: Nest) -> int:
    """Additions, multiplications and the like that one run is, other operations by WEIGHTS."""
    rows, all_ = math.prod(nest.rows), math.prod(nest.rows) * math.prod(nest.columns)
    total = 0
    for stage in nest.stages:
        each = sum(_weight(x) for _, x in stage.values) + len(stage.folds)
        total += each * (all_ if stage.columns else rows)
    return total


def body(nest: Nest) -> int:
    """The operations that stand in the code."""
    return sum(_weight(x) for stage in nest.stages for _, x in stage.values)


def _weight(expression: Expression) -> int:
    if not isinstance(expression, Compute) or expression.op.name in _COPYING:
        return 0
    return WEIGHTS.get(expression.op.name, 1)


def moved(nest: Nest) -> int:
    """The bytes of all different elements that are read or written."""
    found: dict[tuple[Buffer, int, DType, tuple[int, ...]], int] = {}
    for stage in nest.stages:
        lengths = (*nest.rows, *nest.columns) if stage.columns else nest.rows
        for place in places(stage):
            elements = math.prod([n for n, step in zip(lengths, place.strides, strict=True) if step])
            found[place.buffer, place.offset, place.dtype, place.strides] = elements * place.dtype.itemsize
    return sum(found.values())


def split(nest: Nest) -> tuple[int, int, int]:
    """The axis along which a collapsed nest is cut, the length of a part along it, and the number of parts.

    It is the outermost axis, so that other lengths have the same code, unless that is short and there is much to do.
    Without axes it is -1, and one part.
    """
    free = is_free(nest)
    lengths = (*nest.rows, *nest.columns) if free else nest.rows
    if not lengths:
        return -1, 1, 1
    seconds = operations(nest) / _ARITHMETIC + moved(nest) / _MEMORY
    parts = max(1, min(_MOST, round(seconds / _PART)))
    longest = max(range(len(lengths)), key=lengths.__getitem__)
    axis = longest if lengths[0] < min(parts, _FEW) else 0
    unit = -(-lengths[axis] // min(parts, lengths[axis]))
    if axis == vector_axis(nest):
        step = _BLOCK if len(lengths) == 1 and free else 4 * LANES[4]
        unit = -(-unit // step) * step
    return axis, unit, -(-lengths[axis] // unit)


def title(nest: Nest) -> str:
    """What is computed, over which axes: "tanh, multiply, sum over 32 of [128]"."""
    names: dict[str, None] = {}
    for stage in nest.stages:
        names.update((x.op.name, None) for _, x in stage.values if isinstance(x, Compute))
        names.update((_FOLDED.get(fold.combine, fold.combine), None) for fold in stage.folds)
    shown = [*names] or ["copy"]
    text = ", ".join([*shown[:_NAMED], *(["..."] if len(shown) > _NAMED else [])])
    if is_free(nest):
        return f"{text} of {_shape((*nest.rows, *nest.columns))}"
    return f"{text} over {'x'.join(map(str, nest.columns)) or 1} of {_shape(nest.rows)}"


def _shape(lengths: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, lengths))}]"
