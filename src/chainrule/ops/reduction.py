"""Operations that combine the elements along axes, or run along one.

Attributes are canonical: `axes` are different and not negative, and the result is without them; `axis` is one axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import DTypeError, ShapeError, message
from chainrule.ir.kinds import Case, Domain, Linear, Reduce, Tangent, Weighted
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import (
    cast,
    divide,
    equal,
    greater,
    less,
    logical_not,
    reciprocal,
    select,
    strong_mul,
    zero,
)
from chainrule.ops.movement import broadcast_to, concatenate, flip, full, inverse, part, reshape, transpose
from chainrule.types import BOOL, INT64, Shape, Type, dtype_of, shape_of
from chainrule.where import user_location

Axes = tuple[int, ...]


# --- what the records share -------------------------------------------------------------------------------------------


def _reduced(x: Type, axes: Axes) -> Shape:
    if not all(0 <= axis < x.ndim for axis in axes) or len(set(axes)) != len(axes):
        raise ShapeError(message(f"different axes of {x}", axes, user_location()))
    return tuple([n for axis, n in enumerate(x.shape) if axis not in axes])


def kept(shape: Shape, axes: Axes) -> Shape:
    """The shape with the axes reduced to length 1."""
    return tuple([1 if axis in axes else n for axis, n in enumerate(shape)])


def expanded(reduced: Any, like: Any, axes: Axes) -> Any:
    """A reduction's result with its axes put back, each of length 1, to be broadcast against `like`."""
    return reshape(reduced, shape=kept(shape_of(like), axes))


def _total(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a sum or product: int64 for every integer and for bool."""
    return dtype if dtype.kind == "f" else INT64


def _wide(x: Any) -> np.dtype[Any] | None:
    """The dtype that NumPy is told to compute in: its own choice but for uint8, whose uint64 is none of ours."""
    return INT64 if dtype_of(x).kind == "u" else None


def _along(x: Type, axis: int) -> Type:
    if not 0 <= axis < x.ndim:
        raise ShapeError(message(f"one axis of {x}", axis, user_location()))
    return x


def _filled(name: str, x: Type, axes: Axes) -> Shape:
    """The reduced shape; an error where there is nothing to choose from, as in NumPy even if nothing is asked for."""
    out = _reduced(x, axes)
    if 0 in [x.shape[axis] for axis in axes]:
        hint = "initial=, the result for no elements" if name in ("max", "min") else "an array that is not empty"
        got = f"{x} along {list(axes)}"
        raise ShapeError(message(f"at least one element to take the {name} of", got, user_location(), hint))
    return out


def _floating(what: str, x: Type) -> Type:
    if not x.is_float:
        raise DTypeError(message(f"floating point numbers for {what}", x, user_location(), "x.astype(np.float32)"))
    return x


def _distinct_case(shape: Shape, attrs: dict[str, Any]) -> Case:
    """A case of values that cannot change places: the derivative jumps where two are equal."""
    size = math.prod(shape)
    walls = tuple([place - 0.5 for place in range(1, size)])

    def make(rng: Any) -> tuple[Any]:
        return ((rng.permutation(size) + rng.uniform(-0.3, 0.3, size)).reshape(shape),)

    return Case((shape,), attrs, (Domain(-0.5, size - 0.5, walls),), make=make)


AXES_CASES: Final = (
    Case(((3,),), {"axes": (0,)}),
    Case(((2, 3),), {"axes": (1,)}),
    Case(((2, 3, 2),), {"axes": (0, 2)}),
    Case(((2, 3),), {"axes": ()}),
)
DISTINCT_CASES: Final = tuple(_distinct_case(case.shapes[0], case.attrs) for case in AXES_CASES)
AXIS_CASES: Final = tuple(
    _distinct_case(shape, {"axis": axis}) for shape, axis in (((1,), 0), ((5,), 0), ((2, 3), 1), ((4, 2, 3), 0))
)

# --- sums -------------------------------------------------------------------------------------------------------------

sum_ = Op(
    "sum",
    lambda x, *, axes: Type(_reduced(x, axes), _total(x.dtype)),
    lambda x, *, axes: np.add.reduce(x, axis=axes, dtype=_wide(x)),
    Linear(lambda ct, x, *, axes: (broadcast_to(expanded(ct, x, axes), shape=x.shape),)),
    Reduce("add"),
    AXES_CASES,
    "the sum along `axes`; integers and booleans are summed in int64",
)
cumsum = Op(
    "cumsum",
    lambda x, *, axis: Type(_along(x, axis).shape, _total(x.dtype)),
    lambda x, *, axis: np.add.accumulate(x, axis=axis, dtype=_wide(x)),
    Linear(lambda ct, x, *, axis: (flip(cumsum(flip(ct, axes=(axis,)), axis=axis), axes=(axis,)),)),
    Reduce("add, running"),
    AXIS_CASES,
    "the sums of the first 1, 2, 3, ... elements along `axis`; integers and booleans are summed in int64",
)

# --- products ---------------------------------------------------------------------------------------------------------


def _cumprod_tangent(dots: tuple[Any], _: Any, x: Any, *, axis: int) -> Any:
    """The product rule on runs of 1, 2, 4, ... elements: no quotient, so zeros are as good as any other number."""
    (dot,) = dots
    n, run = shape_of(x)[axis], 1
    while run < n:
        early, late = part(x, axis, 0, n - run), part(x, axis, run, n)
        moved = strong_mul(part(dot, axis, 0, n - run), late) + strong_mul(part(dot, axis, run, n), early)
        dot = concatenate(part(dot, axis, 0, run), moved, axis=axis)
        x = concatenate(part(x, axis, 0, run), early * late, axis=axis)
        run *= 2
    return dot


cumprod = Op(
    "cumprod",
    lambda x, *, axis: Type(_along(x, axis).shape, _total(x.dtype)),
    lambda x, *, axis: np.multiply.accumulate(x, axis=axis, dtype=_wide(x)),
    Tangent(_cumprod_tangent),
    Reduce("multiply, running"),
    (
        *AXIS_CASES,
        Case(((4,),), {"axis": 0}, make=lambda rng: (np.array([1.5, 0.0, -2.0, rng.uniform(1, 2)]),)),
    ),
    "the products of the first 1, 2, 3, ... elements along `axis`",
)


def _others(x: Any, axes: Axes) -> Any:
    """For every element the product of all others along `axes`: of those before times of those after, no quotient."""
    shape = shape_of(x)
    if len(axes) != 1:
        order = tuple([axis for axis in range(len(shape)) if axis not in axes]) + axes
        moved = transpose(x, axes=order)
        rest = shape_of(moved)[: len(shape) - len(axes)]
        flat = reshape(moved, shape=(*rest, math.prod([shape[axis] for axis in axes])))
        return transpose(reshape(_others(flat, (len(rest),)), shape=shape_of(moved)), axes=inverse(order))
    before = _before(x, axes[0])
    after = flip(_before(flip(x, axes=axes), axes[0]), axes=axes)
    return before * after


def _before(x: Any, axis: int) -> Any:
    """For every element the product of those before it."""
    shape = shape_of(x)
    if shape[axis] == 0:
        return x
    one = full.beside(x, shape=kept(shape, (axis,)), value=1, dtype=dtype_of(x).name)
    return concatenate(one, part(cumprod(x, axis=axis), axis, 0, shape[axis] - 1), axis=axis)


prod = Op(
    "prod",
    lambda x, *, axes: Type(_reduced(x, axes), _total(x.dtype)),
    lambda x, *, axes: np.multiply.reduce(x, axis=axes, dtype=_wide(x)),
    Weighted(lambda out, x, *, axes: _others(x, axes)),
    Reduce("multiply"),
    (
        *AXES_CASES,
        Case(((3,),), {"axes": (0,)}, make=lambda rng: (np.array([0.0, *rng.uniform(1, 2, 2)]),)),
        Case(((2, 3),), {"axes": (0, 1)}, make=lambda rng: (np.array([[0.0, 1.5, 0.0], rng.uniform(1, 2, 3)]),)),
    ),
    "the product along `axes`",
)

# --- the largest and the smallest -------------------------------------------------------------------------------------


def _extreme(name: str, ufunc: np.ufunc, beyond: Op, doc: str) -> Op:
    """The record of max or min; `beyond(out, x)` tells what is not chosen."""

    def weights(out: Any, x: Any, *, axes: Axes) -> Any:
        """One over the number of equals at each element that equals the result, zero elsewhere."""
        chosen = cast(logical_not(beyond(expanded(out, x, axes), x)), dtype=dtype_of(x).name)
        return divide(chosen, expanded(sum_(chosen, axes=axes), x, axes))

    return Op(
        name,
        lambda x, *, axes: Type(_filled(name, x, axes), x.dtype),
        lambda x, *, axes: ufunc.reduce(x, axis=axes),
        Weighted(weights),
        Reduce(ufunc.__name__),
        DISTINCT_CASES,
        doc,
    )


max_ = _extreme(
    "max", np.maximum, greater, "the largest along `axes`; NaN wins; the derivative is shared equally among equals"
)
min_ = _extreme(
    "min", np.minimum, less, "the smallest along `axes`; NaN wins; the derivative is shared equally among equals"
)


def _position(name: str, numpy: Callable[..., Any], doc: str) -> Op:
    """The record of argmax or argmin."""

    def infer(x: Type, *, axis: int) -> Type:
        _along(x, axis)
        return Type(_filled(name, x, (axis,)), INT64)

    return Op(name, infer, lambda x, *, axis: numpy(x, axis), None, Reduce(name), AXIS_CASES, doc)


argmax = _position("argmax", np.argmax, "the index of the largest along `axis`, the first of equals; NaN wins")
argmin = _position("argmin", np.argmin, "the index of the smallest along `axis`, the first of equals; NaN wins")

# --- logic ------------------------------------------------------------------------------------------------------------


def _logic(name: str, ufunc: np.ufunc, doc: str) -> Op:
    """The record of any or all."""
    return Op(
        name,
        lambda x, *, axes: Type(_reduced(x, axes), BOOL),
        lambda x, *, axes: ufunc.reduce(x, axis=axes, dtype=BOOL),
        None,
        Reduce(ufunc.__name__),
        (*[Case(case.shapes, case.attrs, dtypes=("bool",)) for case in AXES_CASES], Case(((0, 2),), {"axes": (0,)})),
        doc,
    )


any_ = _logic("any", np.logical_or, "whether an element along `axes` is true; false of none")
all_ = _logic("all", np.logical_and, "whether every element along `axes` is true; true of none")

# --- the length of a vector -------------------------------------------------------------------------------------------


def _direction(out: Any, x: Any, *, axes: Axes) -> Any:
    """x divided by its norm; 0 where that is 0."""
    flat = equal(out, 0)
    inverse_norm = select(flat, zero(out), reciprocal(select(flat, dtype_of(out).type(1), out)))
    return x * expanded(inverse_norm, x, axes)


def _infer_norm(x: Type, *, axes: Axes) -> Type:
    return Type(_reduced(x, axes), _floating("the norm", x).dtype)


def _norm_numpy(x: Any, *, axes: Axes) -> Any:
    if dtype_of(x).kind != "f":
        raise TypeError("the norm of integers")
    return np.sqrt(np.add.reduce(np.square(x), axis=axes))


norm = Op(
    "norm",
    _infer_norm,
    _norm_numpy,
    Weighted(_direction),
    Reduce("hypot"),
    AXES_CASES[:3],
    "the square root of the sum of squares along `axes`; the derivative at 0, a cone's tip, is 0 as that of abs",
)

# --- the logarithm of a sum of exponentials ---------------------------------------------------------------------------


def _infer_logsumexp(x: Type, *, axes: Axes) -> Type:
    return Type(_reduced(x, axes), _floating("logsumexp", x).dtype)


def _logsumexp_numpy(x: Any, *, axes: Axes) -> Any:
    if dtype_of(x).kind != "f":
        raise TypeError("logsumexp of integers")
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        largest = np.maximum.reduce(x, axis=axes, keepdims=True, initial=-np.inf)
        if not np.isfinite(largest).all():
            largest = np.where(np.isfinite(largest), largest, dtype_of(x).type(0))
        shifted = np.subtract(x, largest)
        total = np.log(np.add.reduce(np.exp(shifted), axis=axes))
        return np.add(total, np.reshape(largest, np.shape(total)))[()]


def _infer_softmax(x: Type, *, axes: Axes) -> Type:
    return Type(x.shape, _infer_logsumexp(x, axes=axes).dtype)


def _softmax_numpy(x: Any, *, axes: Axes) -> Any:
    if dtype_of(x).kind != "f":
        raise TypeError("softmax of integers")
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        largest = np.maximum.reduce(x, axis=axes, keepdims=True, initial=-np.inf)
        distance = np.subtract(x, largest)
        parts = np.exp(distance)
        if not np.isfinite(largest).all():
            parts = np.where(np.isnan(distance) & ~np.isnan(largest), dtype_of(x).type(1), parts)
        return np.divide(parts, np.add.reduce(parts, axis=axes, keepdims=True))[()]


def _softmax_tangent(dots: tuple[Any], out: Any, x: Any, *, axes: Axes) -> Any:
    """y_i (dx_i - sum_j y_j dx_j)."""
    own = strong_mul(dots[0], out)
    return own - out * expanded(sum_(own, axes=axes), x, axes)


softmax = Op(
    "softmax",
    _infer_softmax,
    _softmax_numpy,
    Tangent(_softmax_tangent),
    Reduce("softmax"),
    AXES_CASES,
    "exp(x) divided by its sum along `axes`, without overflow; infinite elements share the whole equally",
)
logsumexp = Op(
    "logsumexp",
    _infer_logsumexp,
    _logsumexp_numpy,
    Weighted(lambda out, x, *, axes: softmax(x, axes=axes)),
    Reduce("logaddexp"),
    AXES_CASES,
    "log of the sum of exp(x) along `axes`, without overflow; infinite elements count as they do in the limit",
)
