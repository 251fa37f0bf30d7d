"""`dot_general`: sums of products, the one operation behind matmul, tensordot and einsum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.kinds import Case, Contract, Multilinear
from chainrule.ir.op import Op
from chainrule.ops.movement import inverse, transpose
from chainrule.types import Type, shape_of, supported
from chainrule.where import user_location

Axes = tuple[int, ...]


def _free(ndim: int, *taken: Axes) -> Axes:
    return tuple(axis for axis in range(ndim) if not any(axis in axes for axes in taken))


def _infer_dot(x: Type, y: Type, *, contract: tuple[Axes, Axes], batch: tuple[Axes, Axes]) -> Type:
    pairs = [(x.shape[i], y.shape[j]) for pair in (contract, batch) for i, j in zip(*pair, strict=True)]
    if any(m != n for m, n in pairs):
        got = f"{x} and {y}, contracted over axes {list(contract[0])} and {list(contract[1])}"
        raise ShapeError(message("equal lengths along the contracted axes", got, user_location(), "x.T or y.T"))
    batches = tuple(x.shape[i] for i in batch[0])
    rows = tuple(x.shape[i] for i in _free(x.ndim, contract[0], batch[0]))
    columns = tuple(y.shape[j] for j in _free(y.ndim, contract[1], batch[1]))
    return Type(batches + rows + columns, supported(np.result_type(x.dtype, y.dtype)))


def _dot_numpy(x: Any, y: Any, *, contract: tuple[Axes, Axes], batch: tuple[Axes, Axes]) -> Any:
    rows, columns = _free(x.ndim, contract[0], batch[0]), _free(y.ndim, contract[1], batch[1])
    if not batch[0] and x.ndim <= 2 and y.ndim <= 2 and len(contract[0]) == 1:
        return np.dot(x.T if contract[0] == (0,) else x, y.T if contract[1] == (y.ndim - 1,) else y)
    batches = tuple(x.shape[i] for i in batch[0])
    inner = math.prod(x.shape[i] for i in contract[0])
    m, n = tuple(x.shape[i] for i in rows), tuple(y.shape[j] for j in columns)
    left = np.transpose(x, batch[0] + rows + contract[0]).reshape(*batches, math.prod(m), inner)
    right = np.transpose(y, batch[1] + contract[1] + columns).reshape(*batches, inner, math.prod(n))
    return np.matmul(left, right).reshape(batches + m + n)[()]


def _pull_left(ct: Any, x: Type, y: Any, *, contract: tuple[Axes, Axes], batch: tuple[Axes, Axes]) -> Any:
    """The cotangent of x: ct contracted with y over y's free axes, its axes put back in x's order."""
    rows, columns = _free(x.ndim, contract[0], batch[0]), _free(len(shape_of(y)), contract[1], batch[1])
    first, count = len(batch[0]), len(columns)
    over = tuple(range(first + len(rows), first + len(rows) + count)), columns
    out = dot_general(ct, y, contract=over, batch=(tuple(range(first)), batch[1]))
    # axes of `out`: batch, rows, then y's contracted axes in y's order
    by_y = sorted(range(len(contract[1])), key=lambda i: contract[1][i])
    places = batch[0] + rows + tuple(contract[0][i] for i in by_y)
    return transposed(out, inverse(places))


def _pull_right(ct: Any, x: Any, y: Type, *, contract: tuple[Axes, Axes], batch: tuple[Axes, Axes]) -> Any:
    """The cotangent of y: x contracted with ct over x's free axes, its axes put back in y's order."""
    rows, columns = _free(len(shape_of(x)), contract[0], batch[0]), _free(y.ndim, contract[1], batch[1])
    first = len(batch[0])
    over = rows, tuple(range(first, first + len(rows)))
    if not batch[0] and not len(columns) and len(rows) == 1 and len(contract[0]) == 1:
        return dot_general(x, ct, contract=over, batch=((), ()))
    out = dot_general(ct, x, contract=(over[1], over[0]), batch=(tuple(range(first)), batch[0]))
    by_x = sorted(range(len(contract[0])), key=lambda i: contract[0][i])
    places = batch[1] + columns + tuple(contract[1][i] for i in by_x)
    return transposed(out, inverse(places))


def transposed(x: Any, axes: Axes) -> Any:
    """x with its axes permuted, x itself where the permutation moves nothing."""
    return x if axes == tuple(range(len(axes))) else transpose(x, axes=axes)


def _case(
    x: tuple[int, ...], y: tuple[int, ...], contract: tuple[Axes, Axes], batch: tuple[Axes, Axes] = ((), ())
) -> Case:
    return Case((x, y), {"contract": contract, "batch": batch})


dot_general = Op(
    "dot_general",
    _infer_dot,
    _dot_numpy,
    Multilinear(_pull_left, _pull_right),
    Contract(),
    (
        _case((3,), (3,), ((0,), (0,))),
        _case((2, 3), (3,), ((1,), (0,))),
        _case((2, 3), (3, 4), ((1,), (0,))),
        _case((3, 2), (4, 3), ((0,), (1,))),
        _case((2,), (3,), ((), ())),
        _case((2, 3, 4), (4, 2, 5), ((2,), (0,)), ((0,), (1,))),
        _case((2, 3, 4), (4, 3, 2), ((2, 1), (0, 1))),
        _case((2, 3, 4), (3, 5, 4), ((1, 2), (0, 2))),
        _case((0, 3), (3, 2), ((1,), (0,))),
        _case((2, 0), (0, 3), ((1,), (0,))),
    ),
    "the sum over the `contract` axes of x times y, paired along the `batch` axes; "
    "the result's axes are batch, then x's others, then y's others",
)
