"""What the records of elementwise operations share: type rules, and constructors that read like a row of a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import DTypeError, ShapeError, message
from chainrule.ir.kinds import Case, Derivative, Domain, Scalar
from chainrule.ir.op import Op
from chainrule.types import BOOL, FLOAT32, FLOAT64, Shape, Type, supported
from chainrule.where import user_location

PYTHON_TYPES: Final[dict[str, type]] = {"f": float, "i": int, "b": bool}

UNARY_SHAPES: Final[tuple[tuple[Shape, ...], ...]] = (((),), ((3,),), ((2, 3),), ((0,),))
BINARY_SHAPES: Final[tuple[tuple[Shape, ...], ...]] = (
    ((), ()),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((0, 2), (2,)),
)


def scalar_op(
    name: str,
    ufunc: np.ufunc,
    derivative: Derivative,
    doc: str,
    *domains: Domain,
    dtypes: tuple[str, ...] = (),
    more: tuple[Case, ...] = (),
    numpy: Callable[..., Any] | None = None,
) -> Op:
    """The record of an elementwise operation with `ufunc`'s dtypes and, unless `numpy` is given, its values.

    The cases cover scalars, arrays, broadcasting and no elements at all, with operands drawn from `domains` (and of
    `dtypes` where they are not floating point); `more` are further cases.
    """

    def infer(*types: Type) -> Type:
        dtype = result_dtype(ufunc, *types)
        return Type(broadcast(name, *types), dtype, dtype != BOOL and all(t.weak for t in types))

    return Op(name, infer, numpy or ufunc, derivative, Scalar(), (*_cases(ufunc.nin, domains, dtypes), *more), doc)


def special_op(
    name: str,
    numpy: Callable[[Any], Any],
    derivative: Derivative,
    doc: str,
    *domains: Domain,
) -> Op:
    """The record of a function of one operand that NumPy has no ufunc for.

    float32 stays float32; everything else counts as float64. `numpy` is given floating point numbers.
    """

    def infer(x: Type) -> Type:
        return Type(x.shape, float_of(x.dtype), x.weak)

    def value(x: Any) -> Any:
        dtype = np.asarray(x).dtype
        return numpy(x if dtype.kind == "f" else np.asarray(x, float_of(dtype)))

    return Op(name, infer, value, derivative, Scalar(), (*_cases(1, domains, ()), *INTEGERS), doc)


def _cases(arity: int, domains: tuple[Domain, ...], dtypes: tuple[str, ...]) -> tuple[Case, ...]:
    shapes = UNARY_SHAPES if arity == 1 else BINARY_SHAPES
    return tuple(Case(operands, domains=domains, dtypes=dtypes) for operands in shapes)


def discrete(arity: int, *dtypes: str, domains: tuple[Domain, ...] = ()) -> tuple[Case, ...]:
    """Cases for operands of each of `dtypes` in turn: integers, booleans."""
    return tuple(Case(((3,),) * arity, domains=domains, dtypes=(dtype,) * arity) for dtype in dtypes)


INTEGERS: Final = discrete(1, "i64", "i32")


def float_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The floating dtype that a number counts as: float32 itself, else float64."""
    return FLOAT32 if dtype == FLOAT32 else FLOAT64


def broadcast(name: str, *types: Type) -> Shape:
    """The shape that the operands' shapes broadcast to."""
    try:
        return np.broadcast_shapes(*(t.shape for t in types))
    except ValueError:
        got = " and ".join(map(str, types))
        hint = "reshape, or x[:, None], to line the axes up from the right"
        raise ShapeError(message(f"shapes that broadcast in {name}", got, user_location(), hint)) from None


def result_dtype(ufunc: np.ufunc, *types: Type) -> np.dtype[Any]:
    """The dtype of `ufunc`'s result under NumPy 2 promotion, weak operands yielding to the others."""
    operands = [PYTHON_TYPES[t.dtype.kind] if t.weak else t.dtype for t in types]
    try:
        return supported(ufunc.resolve_dtypes((*operands, *[None] * ufunc.nout))[-1])
    except TypeError as error:
        got = " and ".join(map(str, types))
        raise DTypeError(
            message(f"dtypes that {ufunc.__name__} knows", got, user_location(), "x.astype(np.float32) first")
        ) from error
