"""Operations that combine the elements along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.kinds import Case, Linear, Reduce
from chainrule.ir.op import Op
from chainrule.ops.movement import broadcast_to, reshape
from chainrule.types import Shape, Type, supported
from chainrule.where import user_location


def _reduced(x: Type, axes: tuple[int, ...]) -> Shape:
    if not all(0 <= axis < x.ndim for axis in axes) or len(set(axes)) != len(axes):
        raise ShapeError(message(f"different axes of {x}", axes, user_location()))
    return tuple(n for axis, n in enumerate(x.shape) if axis not in axes)


def kept(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """The shape with the axes reduced to length 1."""
    return tuple(1 if axis in axes else n for axis, n in enumerate(shape))


AXES_CASES = (Case(((3,),), {"axes": (0,)}), Case(((2, 3),), {"axes": (1,)}), Case(((2, 3, 2),), {"axes": (0, 2)}))


def _infer_sum(x: Type, *, axes: tuple[int, ...]) -> Type:
    dtype = np.add.reduce(np.zeros(1, x.dtype)).dtype  # small integers are summed in int64
    return Type(_reduced(x, axes), supported(dtype))


sum_ = Op(
    "sum",
    _infer_sum,
    lambda x, *, axes: np.add.reduce(x, axis=axes),
    Linear(lambda ct, x, *, axes: (broadcast_to(reshape(ct, shape=kept(x.shape, axes)), shape=x.shape),)),
    Reduce("add"),
    AXES_CASES,
    "the sum along `axes`",
)
