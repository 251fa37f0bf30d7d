"""Sorting: the values in order, the places they come from, and elements moved along an axis by computed places."""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.errors import DTypeError, ShapeError, message
from chainrule.ir.kinds import Case, IndexMap, Library, Linear, Tangent
from chainrule.ir.op import Op
from chainrule.ops.reduction import AXIS_CASES
from chainrule.types import INT64, Type
from chainrule.where import user_location


def _infer_order(x: Type, *, axis: int) -> Type:
    if not 0 <= axis < x.ndim:
        raise ShapeError(message(f"one axis of {x}", axis, user_location()))
    return x


argsort = Op(
    "argsort",
    lambda x, *, axis: Type(_infer_order(x, axis=axis).shape, INT64),
    lambda x, *, axis: np.argsort(x, axis=axis, kind="stable"),
    None,
    Library(),
    (*AXIS_CASES, Case(((6,),), {"axis": 0}, make=lambda rng: (rng.integers(0, 2, 6),))),
    "the indices along `axis` that put x in ascending order; equal elements stay in order, NaN comes last",
)


def _infer_permute(x: Type, order: Type, *, axis: int) -> Type:
    _infer_order(x, axis=axis)
    if order.dtype.kind != "i":
        raise DTypeError(message("integers as the places to move elements from", order, user_location()))
    if order.shape != x.shape:
        raise ShapeError(message(f"a place for each element of {x}", order, user_location()))
    return x


permute_along = Op(
    "permute_along",
    _infer_permute,
    lambda x, order, *, axis: np.take_along_axis(x, order, axis),
    Linear(lambda ct, x, order, *, axis: (permute_along(ct, argsort(order, axis=axis), axis=axis),)),
    IndexMap(),
    tuple(
        Case(
            (shape, shape),
            {"axis": axis},
            make=lambda rng, shape=shape, axis=axis: (rng.normal(size=shape), rng.normal(size=shape).argsort(axis)),
        )
        for shape, axis in (((4,), 0), ((2, 3), 1), ((3, 2, 2), 0))
    ),
    "x with the elements along `axis` permuted: element i is the one at `order[i]`; `order` holds every place once",
)

sort: Final = Op(
    "sort",
    _infer_order,
    lambda x, *, axis: np.sort(x, axis=axis, kind="stable"),
    Tangent(lambda dots, out, x, *, axis: permute_along(dots[0], argsort(x, axis=axis), axis=axis)),
    Library(),
    AXIS_CASES,
    "x in ascending order along `axis`; NaN comes last; the derivative follows each element to its place",
)
