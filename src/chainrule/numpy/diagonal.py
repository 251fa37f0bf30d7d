"""NumPy's functions about diagonals and triangles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.numpy.axes import axes_of
from chainrule.numpy.convert import as_array, as_dtype, assignment, composition
from chainrule.numpy.shape import flatten, moveaxis, read_only, resize
from chainrule.ops import arithmetic, movement, reduction
from chainrule.types import Shape, dtype_of, shape_of
from chainrule.where import user_location

__all__ = [
    "diag",
    "diag_indices",
    "diag_indices_from",
    "diagflat",
    "diagonal",
    "fill_diagonal",
    "trace",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
]

diag_indices = np.diag_indices
tril_indices = np.tril_indices
triu_indices = np.triu_indices


@composition(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """A view, not to be written to, of the elements whose index along axis2 is that along axis1 plus `offset`."""
    x = as_array(a)
    if len(x.shape) < 2:
        raise ShapeError(message("an array of two axes at least", x.shape, user_location()))
    first, second = axes_of(len(x.shape), (axis1, axis2))

    def read(base: Any) -> Any:
        return _diagonal(base, offset, first, second)

    def strides(of_x: tuple[int, ...]) -> tuple[int, ...]:
        rest = [step for axis, step in enumerate(of_x) if axis not in (first, second)]
        return (*rest, of_x[first] + of_x[second])

    return x.viewed(read, read_only, strides)


def _diagonal(x: Any, offset: int, first: int, second: int) -> Any:
    """The diagonal as a slice with a step: in a matrix of n columns its elements are n + 1 apart."""
    x = moveaxis(x, (first, second), (-2, -1)) if (first, second) != (len(x.shape) - 2, len(x.shape) - 1) else x
    *rest, rows, columns = x.shape
    start, count = _start_and_length(rows, columns, offset)
    flat = movement.reshape(x, shape=(*rest, rows * columns))
    stop = start + (count - 1) * (columns + 1) + 1 if count else start
    return movement.slice_(
        flat, starts=(*[0] * len(rest), start), stops=(*rest, stop), steps=(*[1] * len(rest), columns + 1)
    )


def _start_and_length(rows: int, columns: int, offset: int) -> tuple[int, int]:
    """Where in the flat matrix a diagonal begins, and the number of its elements."""
    count = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    return (offset if offset >= 0 else -offset * columns) if count else 0, count


@composition(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix with this diagonal and zeros elsewhere."""
    x = as_array(v)
    if len(shape_of(x)) == 2:
        return diagonal(x, k)
    if len(shape_of(x)) != 1:
        raise ShapeError(message("an array of one or two axes", shape_of(x), user_location()))
    n = shape_of(x)[0] + abs(k)
    start, count = _start_and_length(n, n, k)
    zeros = movement.full.beside(x, shape=(n * n,), value=0, dtype=dtype_of(x).name)
    stop = start + (count - 1) * (n + 1) + 1 if count else start
    matrix = movement.slice_set(zeros, x, starts=(start,), stops=(stop,), steps=(n + 1,))
    return movement.reshape(matrix, shape=(n, n))


@composition(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with all elements of the array on a diagonal and zeros elsewhere."""
    return diag(flatten(v), k)


@composition(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, *, dtype: Any = None) -> Any:
    """The sum of a diagonal."""
    x = diagonal(a, offset, axis1, axis2)
    return reduction.sum_(x if dtype is None else as_dtype(x, dtype), axes=(len(x.shape) - 1,))


@composition(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """The matrix, or each of several, with zeros above diagonal k."""
    x = as_array(m)
    return arithmetic.select(_below(x, k), x, arithmetic.zero(x))


@composition(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """The matrix, or each of several, with zeros below diagonal k."""
    x = as_array(m)
    return arithmetic.select(_below(x, k - 1), arithmetic.zero(x), x)


def _below(x: Any, k: int) -> Any:
    """Where column - row <= k in a matrix like the last two axes of x."""
    shape: Shape = shape_of(x)
    if not shape:
        raise ShapeError(message("an array of one axis at least", shape, user_location()))
    rows, columns = (shape * 2)[-2:]
    row = movement.reshape(movement.iota.beside(x, length=rows, dtype="int64"), shape=(rows, 1))
    return arithmetic.less_equal(movement.iota.beside(x, length=columns, dtype="int64"), arithmetic.add(row, k))


@composition(np.diag_indices_from)
def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """The indices of the main diagonal of an array like this."""
    return np.diag_indices_from(np.broadcast_to(0, shape_of(arr)))


@composition(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices of the elements on and below diagonal k of a matrix like this."""
    return np.tril_indices_from(np.broadcast_to(0, shape_of(arr)), k)


@composition(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices of the elements on and above diagonal k of a matrix like this."""
    return np.triu_indices_from(np.broadcast_to(0, shape_of(arr)), k)


@assignment(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Writes values, from the first again where they are too few, to the main diagonal of the array.

    In a matrix of more rows than columns the diagonal goes on below, after a row's gap, with `wrap`.
    """
    shape = a.shape
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(message("a matrix, or more axes of one length", shape, user_location()))
    marked = np.zeros(shape, bool)
    np.fill_diagonal(marked, True, wrap=wrap)
    places = np.nonzero(marked)
    if math.prod(shape_of(as_array(val))):
        a[places] = resize(val, (len(places[0]),))
