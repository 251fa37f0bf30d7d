"""Elements picked by labels, one of each row: without a gather and a scatter, as scalar operations that can be fused.

Of x (..., classes) and labels (...) known to be in range, the picked element of a row is the largest of the row with
-inf in the place of all others, also where it is NaN or -0; and the derivative is zeros but at the label.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.ir.graph import Node, Value
from chainrule.ops.arithmetic import add, equal, select
from chainrule.ops.indexing import in_range
from chainrule.ops.movement import full, iota, reshape
from chainrule.ops.reduction import max_
from chainrule.schedule.apply import Apply
from chainrule.schedule.plan import COLUMN_CHUNK
from chainrule.types import Shape

MOST_CLASSES: Final = COLUMN_CHUNK


def picked(node: Node) -> Value | None:
    """What stands for a gather of one element of each row; None where the node is another one."""
    x, *places = node.inputs
    if not x.type.is_float or not _one_of_each_row(x.shape, places, node.attrs["axes"]):
        return None
    apply = Apply(node.where)
    others = apply(select, _chosen(apply, x.shape, places[-1]), x, apply.number(-math.inf, x))
    largest = apply(max_, others, axes=(len(x.shape) - 1,))
    return apply(reshape, largest, shape=node.types[0].shape)


def put(node: Node) -> Value | None:
    """What stands for a scatter that adds to zeros, one number to each row; None where the node is another one."""
    x, updates, *places = node.inputs
    blank = x.node.op is full and x.node.attrs["value"] == 0
    same = updates.dtype == x.dtype and x.dtype.kind == "f"
    if not blank or not same or not _one_of_each_row(x.shape, places, node.attrs["axes"]):
        return None
    apply = Apply(node.where)
    zero = apply.number(x.node.attrs["value"], x)  # which may be -0.0
    return apply(select, _chosen(apply, x.shape, places[-1]), apply(add, updates, zero), zero)


def _chosen(apply: Apply, shape: Shape, labels: Value) -> Value:
    """Which elements of (..., classes) the labels (..., 1) name."""
    classes = apply(iota, length=shape[-1], dtype="int64")
    return apply(equal, labels, classes)


def _one_of_each_row(shape: Shape, places: list[Value], axes: tuple[int, ...]) -> bool:
    """Whether the indices are each row's own place, and labels that are known to be in range."""
    if axes != tuple(range(len(shape))) or not 0 < shape[-1] <= MOST_CLASSES:
        return False
    labels = places[-1]
    source = labels.node.inputs[0].node if labels.node.op is reshape else labels.node
    return (
        source.op is in_range
        and source.attrs["length"] == shape[-1]
        and labels.shape == (*shape[:-1], 1)
        and all(_own_place(value, axis, shape) for axis, value in enumerate(places[:-1]))
    )


def _own_place(value: Value, axis: int, shape: Shape) -> bool:
    """Whether an index is 0, 1, 2, ... along its own axis."""
    column = tuple([n if i == axis else 1 for i, n in enumerate(shape)])
    below = value.node.inputs[0].node if value.node.op is reshape else value.node
    return value.shape == column and below.op is iota and below.attrs["length"] == shape[axis]
