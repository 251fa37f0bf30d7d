"""NumPy's products of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any, SupportsIndex

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.numpy.axes import axis_of
from chainrule.numpy.convert import as_array
from chainrule.numpy.einsum import Formula, apply
from chainrule.numpy.ufuncs import strong
from chainrule.ops import arithmetic, movement
from chainrule.ops.contraction import dot_general
from chainrule.types import Shape, type_of
from chainrule.where import user_location

__all__ = ["cross", "dot", "inner", "kron", "matmul", "matvec", "outer", "tensordot", "vdot", "vecdot", "vecmat"]

NONE = ((), ())
_MATRICES = Formula(((..., "i", "j"), (..., "j", "k")), (..., "i", "k"))
_MATRIX_VECTOR = Formula(((..., "i", "j"), (..., "j")), (..., "i"))
_VECTOR_MATRIX = Formula(((..., "j"), (..., "j", "k")), (..., "k"))
_VECTORS = Formula(((..., "i"), (..., "i")), (...,))


def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product x1 @ x2: over the last axis of x1 and the last but one of x2; axes before them broadcast."""
    x, y = as_array(x1), as_array(x2)
    m, n = x.shape, y.shape
    if not m or not n:
        raise _misfit("arrays with axes", "@", x, y, "x * y for numbers")
    last, first = len(m) - 1, max(len(n) - 2, 0)
    if m[last] != n[first]:
        raise _misfit("equal lengths along the last axis of x and the last but one of y in x @ y", "@", x, y)
    if last == 0 or first == 0:  # one is a vector, or y is one matrix: no axes to pair
        return dot_general(x, y, contract=((last,), (first,)), batch=NONE)
    if m[:-2] == n[:-2]:
        batch = tuple(range(last - 1))
        return dot_general(x, y, contract=((last,), (first,)), batch=(batch, batch))
    _check_batch(x, y, m[:-2], n[:-2], "@")
    return apply(_MATRICES, [x, y])


def _misfit(expected: str, sign: str, x: Any, y: Any, hint: str = "") -> ShapeError:
    return ShapeError(message(expected, f"{type_of(x)} {sign} {type_of(y)}", user_location(), hint or _advice(x, y)))


def _advice(x: Any, y: Any) -> str:
    """What makes the two fit: a transpose if one does."""
    m, n = x.shape, y.shape
    if len(m) == len(n) == 2:
        for fits, hint in ((m[1] == n[1], "x @ y.T"), (m[0] == n[0], "x.T @ y"), (m[0] == n[1], "y @ x")):
            if fits:
                return hint
    return "a transpose or a reshape of one of them"


def _check_batch(x: Any, y: Any, m: Shape, n: Shape, sign: str) -> None:
    if any(a != b and 1 not in (a, b) for a, b in zip(m[::-1], n[::-1], strict=False)):
        raise _misfit("axes in front that broadcast", sign, x, y)


def dot(a: Any, b: Any) -> Any:
    """The sum over the last axis of a and the last but one of b (the only one of a vector); numbers multiply."""
    x, y = as_array(a), as_array(b)
    m, n = x.shape, y.shape
    if not m or not n:
        return arithmetic.multiply(strong(x), strong(y))
    first = max(len(n) - 2, 0)
    if m[-1] != n[first]:
        raise _misfit("equal lengths along the last axis of a and the last but one of b in dot", "and", x, y)
    return dot_general(x, y, contract=((len(m) - 1,), (first,)), batch=NONE)


def inner(a: Any, b: Any) -> Any:
    """The sum over the last axes of both; numbers multiply."""
    x, y = as_array(a), as_array(b)
    m, n = x.shape, y.shape
    if not m or not n:
        return arithmetic.multiply(strong(x), strong(y))
    if m[-1] != n[-1]:
        raise _misfit("equal lengths along the last axes in inner", "and", x, y)
    return dot_general(x, y, contract=((len(m) - 1,), (len(n) - 1,)), batch=NONE)


def outer(a: Any, b: Any) -> Any:
    """Every element of a times every element of b: a matrix."""
    return dot_general(_flat(as_array(a)), _flat(as_array(b)), contract=NONE, batch=NONE)


def vdot(a: Any, b: Any) -> Any:
    """The sum of the products of the elements of both, taken flat."""
    x, y = _flat(as_array(a)), _flat(as_array(b))
    if x.shape != y.shape:
        raise _misfit("as many elements in both in vdot", "and", x, y)
    return dot_general(x, y, contract=((0,), (0,)), batch=NONE)


def _flat(x: Any) -> Any:
    return movement.reshape(x, shape=(math.prod(x.shape),))


def tensordot(a: Any, b: Any, axes: SupportsIndex | Sequence[Any] = 2) -> Any:
    """The sum over pairs of axes: the last `axes` of a with the first of b, or (axes of a, axes of b)."""
    x, y = as_array(a), as_array(b)
    m, n = x.shape, y.shape
    if not isinstance(axes, Sequence):
        count = index(axes)
        if not 0 <= count <= min(len(m), len(n)):
            raise _misfit(f"at least {count} axes in both in tensordot", "and", x, y)
        over = tuple(range(len(m) - count, len(m))), tuple(range(count))
    else:
        left, right = (tuple(each) if np.ndim(each) else (each,) for each in axes)
        over = tuple([axis_of(len(m), i) for i in left]), tuple([axis_of(len(n), j) for j in right])
    if len(over[0]) != len(over[1]) or [m[i] for i in over[0]] != [n[j] for j in over[1]]:
        raise _misfit(f"equal lengths along axes {list(over[0])} and {list(over[1])} in tensordot", "and", x, y)
    return dot_general(x, y, contract=over, batch=NONE)


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """The sum of products along `axis`; the other axes broadcast."""
    x, y = _last(as_array(x1), axis), _last(as_array(x2), axis)
    if x.shape[-1] != y.shape[-1]:
        raise _misfit(f"equal lengths along axis {axis} in vecdot", "and", x, y)
    _check_batch(x, y, x.shape[:-1], y.shape[:-1], "and")
    return apply(_VECTORS, [x, y])


def _last(x: Any, axis: int) -> Any:
    """x with one axis moved behind the others."""
    ndim = len(x.shape)
    place = axis_of(ndim, axis)
    order = (*[i for i in range(ndim) if i != place], place)
    return x if place == ndim - 1 else movement.transpose(x, axes=order)


def matvec(x1: Any, x2: Any) -> Any:
    """Matrices times vectors; the axes before them broadcast."""
    x, y = as_array(x1), as_array(x2)
    if len(x.shape) < 2 or not y.shape or x.shape[-1] != y.shape[-1]:
        raise _misfit("matrices, and vectors as long as their rows, in matvec", "and", x, y)
    _check_batch(x, y, x.shape[:-2], y.shape[:-1], "and")
    return apply(_MATRIX_VECTOR, [x, y])


def vecmat(x1: Any, x2: Any) -> Any:
    """Vectors times matrices; the axes before them broadcast."""
    x, y = as_array(x1), as_array(x2)
    if len(y.shape) < 2 or not x.shape or x.shape[-1] != y.shape[-2]:
        raise _misfit("vectors, and matrices with columns as long, in vecmat", "and", x, y)
    _check_batch(x, y, x.shape[:-1], y.shape[:-2], "and")
    return apply(_VECTOR_MATRIX, [x, y])


def kron(a: Any, b: Any) -> Any:
    """Every element of a times all of b, the blocks in the places of a's elements."""
    x, y = as_array(a), as_array(b)
    ndim = max(len(x.shape), len(y.shape))
    m, n = ((1,) * (ndim - len(each.shape)) + each.shape for each in (x, y))
    left = movement.reshape(x, shape=tuple([k for size in m for k in (size, 1)]))
    right = movement.reshape(y, shape=tuple([k for size in n for k in (1, size)]))
    blocks = arithmetic.multiply(left, right)
    return movement.reshape(blocks, shape=tuple([p * q for p, q in zip(m, n, strict=True)]))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors with three elements along an axis of a, of b and of the result; others broadcast."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = _last(as_array(a), axisa), _last(as_array(b), axisb)
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise _misfit("three elements along the axes of both in cross", "and", x, y, "a third element of 0")
    _check_batch(x, y, x.shape[:-1], y.shape[:-1], "and")
    (x_next, x_last), (y_next, y_last) = ([_rolled(each, shift) for shift in (1, 2)] for each in (x, y))
    out = arithmetic.subtract(arithmetic.multiply(x_next, y_last), arithmetic.multiply(x_last, y_next))
    ndim = len(out.shape)
    place = axis_of(ndim, axisc)
    order = (*range(place), ndim - 1, *range(place, ndim - 1))
    return out if place == ndim - 1 else movement.transpose(out, axes=order)


def _rolled(x: Any, shift: int) -> Any:
    """x with the elements along the last axis, of length 3, moved up by `shift` places, round the end."""
    last = len(x.shape) - 1
    return movement.concatenate(movement.part(x, last, shift, 3), movement.part(x, last, 0, shift), axis=last)
