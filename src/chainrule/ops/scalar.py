"""What the records of elementwise operations share: the type rule, and the constructor that reads like a table row."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError, message
from chainrule.ir.kinds import Case, Derivative, Domain, Scalar
from chainrule.ir.op import Op
from chainrule.types import Shape, Type, supported
from chainrule.where import user_location

PYTHON_TYPES = {"f": float, "i": int, "b": bool}


def scalar_op(
    name: str,
    ufunc: Any,
    derivative: Derivative,
    doc: str,
    *domains: Domain,
    dtypes: tuple[str, ...] = (),
    numpy: Any = None,
) -> Op:
    """The record of an elementwise operation with `ufunc`'s dtypes and, unless `numpy` is given, its values."""
    arity = ufunc.nin
    shapes = UNARY_SHAPES if arity == 1 else BINARY_SHAPES
    cases = tuple(Case(shape, domains=domains, dtypes=dtypes) for shape in shapes)

    def infer(*types: Type) -> Type:
        return Type(broadcast(name, *types), result_dtype(ufunc, *types), all(t.weak for t in types))

    return Op(name, infer, numpy or ufunc, derivative, Scalar(), cases, doc)


def broadcast(name: str, *types: Type) -> Shape:
    """The shape that the operands' shapes broadcast to."""
    try:
        return np.broadcast_shapes(*(t.shape for t in types))
    except ValueError:
        got = " and ".join(map(str, types))
        hint = "reshape, or x[:, None], to line the axes up from the right"
        raise ShapeError(message(f"shapes that broadcast in {name}", got, user_location(), hint)) from None


def result_dtype(ufunc: Any, *types: Type) -> np.dtype[Any]:
    """The dtype of `ufunc`'s result under NumPy 2 promotion, weak operands yielding to the others."""
    operands = [PYTHON_TYPES[t.dtype.kind] if t.weak else t.dtype for t in types]
    try:
        return supported(ufunc.resolve_dtypes((*operands, *[None] * ufunc.nout))[-1])
    except TypeError as error:
        got = " and ".join(map(str, types))
        raise DTypeError(
            message(f"dtypes that {ufunc.__name__} knows", got, user_location(), "x.astype(np.float32) first")
        ) from error


UNARY_SHAPES: tuple[tuple[Shape, ...], ...] = (((),), ((3,),), ((2, 3),))
BINARY_SHAPES: tuple[tuple[Shape, ...], ...] = (((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3)))
