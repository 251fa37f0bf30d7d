"""`numerical_jvp` and `numerical_grad`: derivatives of functions over trees, by differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, TreeError, message
from chainrule.testing.differences import Array, difference, jacobian
from chainrule.tree import LEAF, Structure, flatten, unflatten
from chainrule.types import FLOAT64, dtype_of

Function = Callable[..., list[Any]]


def numerical_jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The derivative of `f` at the primals along the tangents, by differences: a tree like the result of `f`.

    Central differences of eighth order, with steps from 3e-2 down to 3e-6 of max(1, abs(x)), chosen for each element of
    the result. A smooth function comes out to about 1e-10 of its derivative; at a kink it is the mean of both sides.
    Computed in float64; what is no floating point number stays as it is, and has the tangent None.
    """
    leaves, structure = flatten(tuple(primals))
    dots, given = flatten(tuple(tangents))
    if given != structure:
        raise TreeError(message(f"tangents like the primals, {structure}", given))
    moving = floating(leaves)
    outs, result = flatten(f(*unflatten(structure, leaves)))
    flat = of_floats(f, leaves, structure)
    found = iter(along(flat, [leaves[i] for i in moving], [dots[i] for i in moving]))
    return unflatten(result, [next(found)[0] if is_float(out) else None for out in outs])


def numerical_grad(f: Callable[..., Any], *args: Any, argnums: int = 0) -> Any:
    """The gradient of the scalar function `f` by argument number `argnums`, by differences: a tree like the argument.

    Each element is moved alone, by steps as in `numerical_jvp` and, where those meet a pole or an end of the domain, by
    smaller ones relative to abs(x). A smooth function comes out to about 1e-10 of each element, to 1e-9 next to a pole.
    It is called 9 times an element, more often near a pole or a kink.
    """
    out, result = flatten(f(*args))
    if result != LEAF or np.shape(out[0]) != ():
        raise ShapeError(message("a function with a scalar result", result if result != LEAF else np.shape(out[0])))
    leaves, structure = flatten(args[argnums])
    moving = floating(leaves)

    def by_argument(x: Any) -> Any:
        return f(*args[:argnums], x, *args[argnums + 1 :])

    flat = of_floats(by_argument, leaves, Structure(tuple, (0,), (), (structure,), structure.size))
    found: list[Any] = [None] * len(leaves)
    for place, i in enumerate(moving):
        x = np.asarray(leaves[i], FLOAT64)
        columns = partials(flat, [leaves[j] for j in moving], place, [np.ones(())])[0]
        found[i] = columns.reshape(x.shape)[()]
    return unflatten(structure, found)


def is_float(x: Any) -> bool:
    """Whether x is, or is an array of, floating point numbers."""
    return dtype_of(x).kind == "f"


def floating(leaves: Sequence[Any]) -> list[int]:
    """The places of the leaves that are floating point."""
    return [i for i, x in enumerate(leaves) if is_float(x)]


def of_floats(f: Callable[..., Any], leaves: Sequence[Any], structure: Structure) -> Function:
    """f as a function of the floating leaves of its arguments, with the list of its floating results."""
    moving = floating(leaves)

    def flat(*xs: Any) -> list[Any]:
        given = list(leaves)
        for i, x in zip(moving, xs, strict=True):
            given[i] = x
        return [out for out in flatten(f(*unflatten(structure, given)))[0] if is_float(out)]

    return flat


def along(f: Function, xs: Sequence[Any], dots: Sequence[Any]) -> list[tuple[Array, float]]:
    """The derivative of each result along the dots, and the norm of its estimated error."""
    primals = [np.asarray(x, FLOAT64) for x in xs]
    steepest = max((_steepness(x, dot) for x, dot in zip(primals, dots, strict=True)), default=0.0) or 1.0
    shapes = [np.shape(out) for out in f(*[x[()] for x in primals])]

    def moved(t: float) -> Array:
        return joined(f(*[(x + t * dot / steepest)[()] for x, dot in zip(primals, dots, strict=True)]))

    slopes, doubts = difference(moved)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    pairs = zip(np.split(slopes * steepest, ends), np.split(doubts * steepest, ends), shapes, strict=True)
    return [(slope.reshape(shape), float(np.linalg.norm(doubt))) for slope, doubt, shape in pairs]


def partials(
    f: Function, xs: Sequence[Any], place: int, weights: Sequence[Any], elements: Sequence[int] | None = None
) -> tuple[Array, float]:
    """The derivative of the weighted sum of the results by elements of one argument, and the norm of its error."""
    primals = [np.asarray(x, FLOAT64)[()] for x in xs]

    def moved(x: Array) -> Array:
        outs = f(*primals[:place], x[()], *primals[place + 1 :])
        return np.sum(joined(outs) * joined(weights), keepdims=True)

    x = np.asarray(primals[place])
    reach = np.where(x == 0, 1.0, np.minimum(1.0, np.abs(x)))
    found, doubts = jacobian(moved, x, reach, places=elements)
    return found[0], float(np.linalg.norm(doubts))


def joined(arrays: Sequence[Any]) -> Array:
    """The elements of all arrays in one axis, in float64."""
    return np.concatenate([np.zeros(0), *(np.ravel(np.asarray(x, FLOAT64)) for x in arrays)])


def _steepness(x: Array, dot: Any) -> float:
    return float(np.max(np.abs(dot) / np.maximum(1.0, np.abs(x)), initial=0.0))
