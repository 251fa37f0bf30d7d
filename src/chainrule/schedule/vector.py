"""Products of a matrix and a vector along the matrix's last axis, and of two vectors: sums along the vector.

Such a product reads every element of the matrix once, so that it is as fast as memory is if nothing has to be turned
round. As a contraction it would add up in the order of k, which wants columns side by side.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from chainrule.ir.graph import Node, Value
from chainrule.ops.arithmetic import cast, multiply
from chainrule.ops.contraction import dot_general
from chainrule.ops.movement import reshape, transpose
from chainrule.ops.reduction import sum_
from chainrule.schedule.apply import Apply
from chainrule.schedule.items import Pairs

SHORTEST: Final = 24
"""Elements of a row from which on it pays."""

MUCH: Final = 1 << 17
"""Products from which on those of one row with many are sums, if they are a result."""

LONG: Final = 2048
"""Elements from which on the product of one row and one column is a sum, too. A shorter row may be a batch of one."""


def row_sums(node: Node) -> Value | None:
    """What stands for a contraction of a vector with the rows of an array; None for another one."""
    type = node.types[0]
    x, y = node.inputs
    contract: Pairs = node.attrs["contract"]
    x_inner, y_inner = contract
    length = math.prod(x.shape)
    whole = len(x_inner) == len(x.shape) and len(y_inner) == len(y.shape)
    long = type.size == 1 and length == math.prod(y.shape) >= LONG
    if type.is_float and length > 1 and (whole or long) and _in_order(x_inner) and _in_order(y_inner):
        apply = Apply(node.where)
        ends = [apply(reshape, _as(apply, z, type.dtype.name), shape=(length,)) for z in (x, y)]
        return apply(reshape, apply(sum_, apply(multiply, *ends), axes=(0,)), shape=type.shape)
    if not type.is_float or node.attrs["batch"][0] or len(x_inner) != 1 or x.shape[x_inner[0]] < SHORTEST:
        return None
    for vector, matrix, along in ((y, x, x_inner[0]), (x, y, y_inner[0])):
        rows = _rows(matrix, along)
        if vector.shape == (matrix.shape[along],) and rows is not None:
            return _sums(node, vector, rows)
    return None


def one_row(value: Value, upright: Collection[Value] = ()) -> Value | None:
    """What stands for the product of one row with many rows, where that is a result of the whole graph; None elsewhere.

    Where the graph goes on with it the row may be a batch of one, whose code is that of other batches. `upright` are
    matrices whose columns are what lies in memory as rows do.
    """
    node = value.node
    if node.op is not dot_general or not value.type.is_float or node.attrs["batch"][0]:
        return None
    x, y = node.inputs
    contract: Pairs = node.attrs["contract"]
    x_inner, y_inner = contract
    length = math.prod([x.shape[axis] for axis in x_inner])
    if len(x_inner) != 1 or length * math.prod(value.shape) < MUCH:
        return None
    for vector, matrix, along in ((x, y, y_inner[0]), (y, x, x_inner[0])):
        rows = _rows(matrix, along)
        if rows is None and matrix in upright and along == 0:
            rows = Apply(node.where)(transpose, matrix, axes=(1, 0))
        if math.prod(vector.shape) == length and rows is not None:
            vector = Apply(node.where)(reshape, vector, shape=(length,))
            return _sums(node, vector, rows)
    return None


def _rows(matrix: Value, along: int) -> Value | None:
    """The array whose rows lie along an axis of the matrix: that itself, or what it is the transpose of."""
    if along == len(matrix.shape) - 1:
        return matrix
    transposed = matrix.node.op is transpose and len(matrix.shape) == 2
    return matrix.node.inputs[0] if transposed else None


def _sums(node: Node, vector: Value, rows: Value) -> Value:
    """The products of a vector with rows, in the place of a node."""
    type, apply = node.types[0], Apply(node.where)
    products = apply(multiply, *[_as(apply, z, type.dtype.name) for z in (rows, vector)])
    return apply(reshape, apply(sum_, products, axes=(len(rows.shape) - 1,)), shape=type.shape)


def _in_order(axes: tuple[int, ...]) -> bool:
    return list(axes) == sorted(axes)


def _as(apply: Apply, x: Value, dtype: str) -> Value:
    return x if x.dtype.name == dtype else apply(cast, x, dtype=dtype)
