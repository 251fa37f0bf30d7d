"""`dot_general`: sums of products, the one operation behind matmul, tensordot and einsum."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.kinds import Case, Contract, Multilinear
from chainrule.ir.op import Op
from chainrule.ops.movement import inverse, transpose
from chainrule.types import Shape, Type, shape_of, supported
from chainrule.where import user_location

Axes = tuple[int, ...]
Pairs = tuple[Axes, Axes]  # axes of x, and the axes of y that they go with


def _free(ndim: int, *taken: Axes) -> Axes:
    return tuple([axis for axis in range(ndim) if not any(axis in axes for axes in taken)])


# --- the type rule ----------------------------------------------------------------------------------------------------


def _infer_dot(x: Type, y: Type, *, contract: Pairs, batch: Pairs) -> Type:
    for t, side in ((x, 0), (y, 1)):
        axes = contract[side] + batch[side]
        paired = len(contract[side]) == len(contract[1 - side]) and len(batch[side]) == len(batch[1 - side])
        if not paired or len(set(axes)) != len(axes) or not all(0 <= axis < t.ndim for axis in axes):
            got = f"contract={contract} and batch={batch}"
            raise ShapeError(message(f"pairs of different axes of {x} and {y}", got, user_location()))
    for what, pairs in (("contracted", contract), ("batch", batch)):
        if any(x.shape[i] != y.shape[j] for i, j in zip(*pairs, strict=True)):
            got = f"{x} and {y} over axes {list(pairs[0])} and {list(pairs[1])}"
            raise ShapeError(message(f"equal lengths along the {what} axes", got, user_location(), "x.T or y.T"))
    return Type(_result_shape(x.shape, y.shape, contract, batch), supported(np.result_type(x.dtype, y.dtype)))


def _result_shape(x: Shape, y: Shape, contract: Pairs, batch: Pairs) -> Shape:
    rows, columns = _free(len(x), contract[0], batch[0]), _free(len(y), contract[1], batch[1])
    return (*[x[i] for i in batch[0]], *[x[i] for i in rows], *[y[j] for j in columns])


# --- the value --------------------------------------------------------------------------------------------------------


class _Matrices(NamedTuple):
    """How an operand becomes a batch of matrices: its axes permuted, merged, the last two swapped; None: not needed."""

    order: Axes | None
    merged: Shape | None
    swapped: bool


def _dot_numpy(x: Any, y: Any, *, contract: Pairs, batch: Pairs) -> Any:
    if len(contract[0]) == 1 and not batch[0] and x.ndim <= 2 and y.ndim <= 2:
        return np.dot(x.T if contract[0] == (0,) else x, y.T if contract[1] == (y.ndim - 1,) else y)
    x, y = np.asarray(x), np.asarray(y)  # Python scalars, too
    left, right, shape = _products(x.shape, y.shape, contract, batch)
    product = np.matmul if contract[0] else np.multiply  # a column times a row: no sum, so no call of BLAS
    return product(_matrices(x, left), _matrices(y, right)).reshape(shape)[()]


def _matrices(x: Any, form: _Matrices) -> Any:
    if form.order is not None:
        x = x.transpose(form.order)
    if form.merged is not None:
        x = x.reshape(form.merged)
    return x.swapaxes(-1, -2) if form.swapped else x


@lru_cache(maxsize=4096)
def _products(x: Shape, y: Shape, contract: Pairs, batch: Pairs) -> tuple[_Matrices, _Matrices, Shape]:
    """How x becomes rows by contracted, y contracted by columns, and the shape of the result."""
    if any(x[i] != y[j] for pairs in (contract, batch) for i, j in zip(*pairs, strict=True)):
        raise ValueError("lengths differ")  # the type rule says which
    by_x = sorted(range(len(contract[0])), key=contract[0].__getitem__)  # x's order: merging its axes moves nothing
    inner_x, inner_y = tuple([contract[0][i] for i in by_x]), tuple([contract[1][i] for i in by_x])
    rows, columns = _free(len(x), contract[0], batch[0]), _free(len(y), contract[1], batch[1])
    return (
        _form(x, batch[0], rows, inner_x),
        _form(y, batch[1], inner_y, columns),
        _result_shape(x, y, contract, batch),
    )


def _form(shape: Shape, batch: Axes, first: Axes, second: Axes) -> _Matrices:
    """An operand as matrices `first` by `second`, without a copy where its axes lie in either order."""
    in_order = tuple(range(len(shape)))
    swapped = batch + second + first == in_order
    outer, inner = (second, first) if swapped else (first, second)
    order = batch + outer + inner
    permuted = tuple([shape[axis] for axis in order])
    merged = (*permuted[: len(batch)], *[prod([shape[axis] for axis in axes]) for axes in (outer, inner)])
    return _Matrices(None if order == in_order else order, None if merged == permuted else merged, swapped)


# --- the derivative ---------------------------------------------------------------------------------------------------


class _Pull(NamedTuple):
    """A cotangent of one operand: the other operand times ct (or ct times the other), its axes then put in order."""

    other_first: bool
    contract: Pairs
    batch: Pairs
    order: Axes | None


def _pull(side: int, ct: Any, own: Type, other: Any, contract: Pairs, batch: Pairs) -> Any:
    """The cotangent of the operand on one side: ct contracted with the other operand over that one's free axes."""
    plan = _pull_plan(side, len(shape_of(own)), len(shape_of(other)), contract, batch)
    left, right = (other, ct) if plan.other_first else (ct, other)
    out = dot_general(left, right, contract=plan.contract, batch=plan.batch)
    return out if plan.order is None else transpose(out, axes=plan.order)


@lru_cache(maxsize=4096)
def _pull_plan(side: int, own_ndim: int, other_ndim: int, contract: Pairs, batch: Pairs) -> _Pull:
    own_free = _free(own_ndim, contract[side], batch[side])
    other_free = _free(other_ndim, contract[1 - side], batch[1 - side])
    count = len(batch[0])
    start = count + (len(own_free) if side == 0 else 0)  # of the other's free axes in ct
    over = tuple(range(start, start + len(other_free))), other_free
    batched = tuple(range(count)), batch[1 - side]
    # what the product leaves of the other operand are its contracted axes, in its own order
    by_other = sorted(range(len(contract[0])), key=contract[1 - side].__getitem__)
    matched = tuple([contract[side][i] for i in by_other])
    ct_first, other_first = batch[side] + own_free + matched, batch[side] + matched + own_free
    in_order = tuple(range(own_ndim))
    if other_first == in_order != ct_first:
        return _Pull(True, (over[1], over[0]), (batched[1], batched[0]), None)
    return _Pull(False, over, batched, None if ct_first == in_order else inverse(ct_first))


# --- the record -------------------------------------------------------------------------------------------------------


def _case(x: Shape, y: Shape, contract: Pairs, batch: Pairs = ((), ())) -> Case:
    return Case((x, y), {"contract": contract, "batch": batch})


dot_general: Final = Op(
    "dot_general",
    _infer_dot,
    _dot_numpy,
    Multilinear(
        lambda ct, x, y, *, contract, batch: _pull(0, ct, x, y, contract, batch),
        lambda ct, x, y, *, contract, batch: _pull(1, ct, y, x, contract, batch),
    ),
    Contract(),
    (
        _case((3,), (3,), ((0,), (0,))),
        _case((2, 3), (3,), ((1,), (0,))),
        _case((2, 3), (3, 4), ((1,), (0,))),
        _case((3, 2), (4, 3), ((0,), (1,))),
        _case((), (), ((), ())),
        _case((2,), (3,), ((), ())),
        _case((2, 3), (2, 3), ((1,), (1,)), ((0,), (0,))),
        _case((2, 3, 4), (4, 2, 5), ((2,), (0,)), ((0,), (1,))),
        _case((2, 3, 4), (4, 3, 2), ((2, 1), (0, 1))),
        _case((2, 3, 4), (3, 5, 4), ((1, 2), (0, 2))),
        _case((3, 2, 4), (4, 2), ((), ()), ((1, 2), (1, 0))),
        _case((0, 3), (3, 2), ((1,), (0,))),
        _case((2, 0), (0, 3), ((1,), (0,))),
    ),
    "the sum over the `contract` axes of x times y, paired along the `batch` axes; "
    "the result's axes are batch, then x's others, then y's others",
)
