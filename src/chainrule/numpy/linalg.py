"""NumPy's `linalg`, as far as it is made of sums and products: norms, products, powers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.errors import ShapeError, message
from chainrule.numpy.axes import Axis, axes_of
from chainrule.numpy.contract import cross as cross_of_any
from chainrule.numpy.contract import matmul, tensordot, vecdot
from chainrule.numpy.contract import outer as outer_of_any
from chainrule.numpy.convert import as_array, as_dtype
from chainrule.numpy.einsum import einsum
from chainrule.ops import arithmetic, movement
from chainrule.ops import reduction as ops
from chainrule.ops.exponential import power
from chainrule.types import FLOAT64, Shape, dtype_of
from chainrule.where import user_location

__all__ = [
    "cross",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "tensordot",
    "vecdot",
    "vector_norm",
]

# --- norms ------------------------------------------------------------------------------------------------------------


def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The norm of vectors along one axis, or of matrices along two; by default of the whole array as one vector.

    The derivative of a norm at 0, a cone's tip, is 0, as that of abs. Norms by singular values (2, -2 and "nuc" of
    matrices) are not among them.
    """
    x = _floating(x)
    ndim = len(x.shape)
    axes = axes_of(ndim, axis)
    if ord is None or (len(axes) == 1 and not isinstance(ord, str)):
        return _vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2:
        expected = "one axis for the norm of vectors, two for that of matrices"
        raise ShapeError(message(expected, f"ord={ord!r} and {len(axes)} axes", user_location(), "axis="))
    return _matrix_norm(x, ord, axes, keepdims)


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Any:
    """The norm of vectors along `axis`; several axes, all by default, are taken as one."""
    x = _floating(x)
    return _vector_norm(x, ord, axes_of(len(x.shape), axis), keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of matrices in the last two axes."""
    x = _floating(x)
    return _matrix_norm(x, ord, axes_of(len(_matrices(x)), (-2, -1)), keepdims)


def _floating(x: Any) -> Any:
    x = as_array(x)
    return x if dtype_of(x).kind == "f" else as_dtype(x, FLOAT64)


def _vector_norm(x: Any, ord: float, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord == 2:
        out = ops.norm(x, axes=axes)
    elif ord == 0:
        out = ops.sum_(as_dtype(arithmetic.not_equal(x, 0), dtype_of(x)), axes=axes)
    elif ord in (1, math.inf, -math.inf):
        op = {1: ops.sum_, math.inf: ops.max_, -math.inf: ops.min_}[ord]
        out = op(arithmetic.absolute(x), axes=axes)
    else:
        total = ops.sum_(power(arithmetic.absolute(x), ord), axes=axes)
        flat = arithmetic.equal(total, 0)
        out = arithmetic.select(flat, 0.0, power(arithmetic.select(flat, 1.0, total), 1 / ord))
    return ops.expanded(out, x, axes) if keepdims else out


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord in ("fro", None):
        return _vector_norm(x, 2, axes, keepdims)
    if ord not in (1, -1, math.inf, -math.inf):
        hint = "ord='fro'; those by singular values (2, -2, 'nuc') are missing"
        raise ShapeError(message("ord 'fro', 1, -1, inf or -inf for matrices", repr(ord), user_location(), hint))
    along, across = axes if abs(ord) == 1 else axes[::-1]
    extreme = ops.max_ if ord > 0 else ops.min_
    sums = ops.sum_(arithmetic.absolute(x), axes=(along,))
    out = extreme(sums, axes=(across - (across > along),))
    return ops.expanded(out, x, axes) if keepdims else out


def _matrices(x: Any) -> Shape:
    if len(x.shape) < 2:
        raise ShapeError(message("matrices in the last two axes", f"shape {x.shape}", user_location(), "x[:, None]"))
    return x.shape


# --- products ---------------------------------------------------------------------------------------------------------


def outer(x1: Any, x2: Any, /) -> Any:
    """Every element of one vector times every element of another."""
    x, y = as_array(x1), as_array(x2)
    if len(x.shape) != 1 or len(y.shape) != 1:
        raise ShapeError(message("two vectors", f"shapes {x.shape} and {y.shape}", user_location(), "cr.numpy.outer"))
    return outer_of_any(x, y)


def matrix_transpose(x: Any, /) -> Any:
    """x with its last two axes exchanged."""
    x = as_array(x)
    ndim = len(_matrices(x))
    return movement.transpose(x, axes=(*range(ndim - 2), ndim - 1, ndim - 2))


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of matrices in a chain, the cheapest products first; the first and the last may be vectors."""
    given = [as_array(x) for x in arrays]
    dims = [len(x.shape) for x in given]
    if len(given) < 2 or not {*dims[1:-1]} <= {2} or not {dims[0], dims[-1]} <= {1, 2}:
        got = f"shapes {', '.join([str(x.shape) for x in given])}"
        raise ShapeError(message("two or more matrices, vectors only at the ends", got, user_location()))
    labels = [[i, i + 1] for i in range(len(given))]
    if dims[0] == 1:
        labels[0] = [1]
    if dims[-1] == 1:
        labels[-1] = [len(given) - 1]
    ends = ([0] if dims[0] == 2 else []) + ([len(given)] if dims[-1] == 2 else [])
    for i in range(len(given) - 1):
        if given[i].shape[-1] != given[i + 1].shape[0]:
            got = f"shapes {given[i].shape} and {given[i + 1].shape} one behind the other"
            raise ShapeError(message("matrices that can be multiplied in a chain", got, user_location()))
    return einsum(*[each for pair in zip(given, labels, strict=True) for each in pair], ends)


def matrix_power(a: Any, n: int) -> Any:
    """The product of n copies of square matrices, n not negative, by repeated squaring."""
    x = as_array(a)
    shape = _matrices(x)
    if shape[-1] != shape[-2] or n < 0:
        got = f"shape {shape} to the power {n}"
        raise ShapeError(message("square matrices and a power from 0", got, user_location()))
    out = None
    square = x
    rest = int(n)
    while rest:
        if rest % 2:
            out = square if out is None else matmul(out, square)
        rest //= 2
        square = matmul(square, square) if rest else square
    if out is None:
        places = movement.iota.beside(x, length=shape[-1], dtype="int64")
        down = movement.reshape(places, shape=(shape[-1], 1))
        identity = as_dtype(arithmetic.equal(down, places), dtype_of(x))
        return movement.concatenate(movement.broadcast_to(identity, shape=shape), axis=0)
    return movement.concatenate(out, axis=0) if out is x else out


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of vectors with three elements along `axis`; the other axes broadcast."""
    return cross_of_any(x1, x2, axis=axis)
