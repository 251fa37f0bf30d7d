"""Views of traced arrays: which of NumPy's results share memory with their array, and so change with it.

A traced value has no memory, but a program may rely on what NumPy's strides make of it: `x.T.reshape(-1)` is a copy,
`x.reshape(-1)` a view. So a handle knows the strides (in elements) that its array would have in NumPy; what an
operation computes anew counts as row-major.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.ops import movement
from chainrule.types import Shape

Strides = tuple[int, ...]


@dataclass(slots=True)
class View:
    """How a handle depends on another one: `read(base)` is its value, `write(base, part)` the base after an assignment.

    `strides` are those of the view, by those of its base.
    """

    base: Any
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]
    strides: Callable[[Strides], Strides]
    version: int


def row_major(shape: Shape) -> Strides:
    """The strides of an array of its own."""
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def reshaped_strides(shape: Shape, strides: Strides, new: Shape) -> Strides | None:
    """The strides of a view of another shape; None where the elements do not lie so that NumPy can give one.

    Axes are matched in groups of equal size: within each the old axes must lie like one.
    """
    if 0 in shape:
        return row_major(new)
    old = [(n, stride) for n, stride in zip(shape, strides, strict=True) if n != 1]
    wanted = list(new)
    found: list[int] = []
    while old:
        n, stride = old.pop(0)
        group = [wanted.pop(0)]
        size = group[0]
        while size != n:
            if size < n:
                group.append(wanted.pop(0))
                size *= group[-1]
            else:
                inner, inner_stride = old.pop(0)
                if stride != inner * inner_stride:
                    return None
                n, stride = n * inner, inner_stride
        found.extend(step * stride for step in row_major(tuple(group)))
    return (*found, *[1] * len(wanted))  # what is left has length 1


def memory_order(strides: Strides) -> tuple[int, ...]:
    """The axes by falling strides, as NumPy's iterators sort them: one of stride 0 is compared with no other."""
    order: list[int] = []  # the other way round
    for axis in reversed(range(len(strides))):
        place = len(order)
        for i in reversed(range(len(order))):
            mine, other = abs(strides[axis]), abs(strides[order[i]])
            if mine and other:
                if other <= mine:
                    break
                place = i
        order.insert(place, axis)
    return tuple(reversed(order))


def transposed(x: Any, order: tuple[int, ...]) -> Any:
    """The view of a traced x with the axes in this order."""
    back = movement.inverse(order)

    def read(base: Any) -> Any:
        return movement.transpose(base, axes=order)

    def write(_: Any, part: Any) -> Any:
        return movement.transpose(part, axes=back)

    def strides(of_base: Strides) -> Strides:
        return tuple(of_base[axis] for axis in order)

    return x.viewed(read, write, strides)


def reshaped(x: Any, new: Shape) -> Any:
    """A traced x in another shape, its size the same: a view where NumPy gives one."""
    old: Shape = x.shape
    if reshaped_strides(old, x.strides_in_numpy(), new) is None:
        return movement.reshape(x, shape=new)

    def read(base: Any) -> Any:
        return movement.reshape(base, shape=new)

    def write(_: Any, part: Any) -> Any:
        return movement.reshape(part, shape=old)

    def strides(of_base: Strides) -> Strides:
        return reshaped_strides(old, of_base, new) or ()

    return x.viewed(read, write, strides)
