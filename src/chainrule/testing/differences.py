"""Derivatives by differences: the independent truth that rules are compared with.

A derivative is a central difference of eighth order: eight values of the function, at 1 to 4 steps on both sides. The
formulas of sixth and fourth order on the inner ones of them tell the error. Steps shrink until it is small, so that a
pole, a kink or an end of the domain nearby does no harm. Weights: Fornberg (1988), table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

EIGHTH: Final = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
SIXTH: Final = (3 / 4, -3 / 20, 1 / 60, 0.0)
FOURTH: Final = (2 / 3, -1 / 12, 0.0, 0.0)
SIXTH_BEND: Final = (15 / 6, -6 / 6, 1 / 6, 0.0)  # sixth and eighth differences: zero for smooth functions, and for
EIGHTH_BEND: Final = (-56 / 20, 28 / 20, -8 / 20, 1 / 20)  # one with a kink in the middle half the jump of its slope
STEPS: Final = (3e-2, 3e-3, 3e-4, 3e-5, 3e-6)
DOUBLE: Final = float(np.finfo(np.float64).eps)
SETTLED: Final = 1e-9


def difference(
    function: Callable[[float], Array], precision: float = DOUBLE, longest: float = 1.0
) -> tuple[Array, Array]:
    """The derivative at 0 of a function of one number, and an estimate of its error, element by element.

    The function is called up to 0.12 away from 0, and before that up to 0.12 `longest` where there is a chance that it
    is smooth so far; `precision` is the relative one that it computes with. Smooth functions come out to about 1e-10 of
    their derivative, to 1e-9 next to a pole. Where no step gives a finite value the result is NaN, its error infinite;
    at a kink the result is the mean of both sides and the error at least half the jump.
    """
    derivative, error, moves = np.array(np.nan), np.array(np.inf), np.array(False)
    middle = function(0.0)
    with np.errstate(all="ignore"):
        for step in _steps(longest):
            found, doubt, moved = _stencil(function, middle, step, precision)
            moves = moves | moved  # no change at all is no doubt, unless a longer step made one
            doubt = np.where(moves | np.isinf(doubt), doubt, 0)
            better = doubt < error
            derivative, error = np.where(better, found, derivative), np.where(better, doubt, error)
            if _largest(error) <= SETTLED * _largest(derivative):
                break
    return derivative, error


def _steps(longest: float) -> Iterator[float]:
    while longest > 1:
        yield STEPS[0] * longest
        longest /= 10
    yield from STEPS


def _stencil(
    function: Callable[[float], Array], middle: Array, step: float, precision: float
) -> tuple[Array, Array, Array]:
    """The derivative by one step, its error, and what moved at all.

    The error is what the highest order changes, times how much less that is than what the order before it changed; the
    same for the even part, whose first derivative is zero unless there is a kink; and rounding.
    """
    sides = [(function(k * step), function(-k * step)) for k in range(1, 5)]
    odd = [np.asarray(right - left, dtype=np.float64) for right, left in sides]
    even = [np.asarray((right - middle) + (left - middle), dtype=np.float64) for right, left in sides]
    fourth, sixth, eighth = (_weighted(weights, odd) / step for weights in (FOURTH, SIXTH, EIGHTH))
    truncation = _shrinking(np.abs(sixth - fourth), np.abs(eighth - sixth))
    bend = _shrinking(*(np.abs(_weighted(weights, even)) / step for weights in (SIXTH_BEND, EIGHTH_BEND)))
    rounding = precision * np.max([np.abs(value) for pair in sides for value in pair], axis=0) / step
    doubt = truncation + np.maximum(bend - 16 * rounding, 0) + rounding
    return eighth, np.where(np.isfinite(eighth), doubt, np.inf), np.max([rise != 0 for rise in odd], axis=0)


def _weighted(weights: Sequence[float], parts: Sequence[Array]) -> Array:
    return sum((w * part for w, part in zip(weights, parts, strict=True)), np.zeros(parts[0].shape))


def _shrinking(before: Array, last: Array) -> Array:
    """The next of a sequence of changes, if they go on shrinking as from the one before to the last."""
    return last * np.minimum(1, np.divide(last, before, out=np.ones_like(last), where=before > 0))


def _largest(x: Array) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def jacobian(
    function: Callable[[Array], Array],
    x: Array,
    reach: Array,
    precision: float = DOUBLE,
    places: Sequence[int] | None = None,
) -> tuple[Array, Array]:
    """The derivative of a flat array by every element of x, a column for each, and the estimated errors.

    Element i of x is moved by up to an eighth of max(1, |x[i]| / 10) to both sides, and if that is no good by less,
    down to an eighth of `reach[i]` and below. `places` are the flat elements that are wanted, where not all are.
    """
    columns: list[Array] = []
    errors: list[Array] = []
    flat: Array = x.reshape(-1)
    far: Array = np.broadcast_to(reach, x.shape).reshape(-1)
    for i in range(x.size) if places is None else places:

        def moved(t: float, i: int = i) -> Array:
            new = flat.copy()
            new[i] += t * float(far[i])
            return function(new.reshape(x.shape))

        found, doubt = difference(moved, precision, max(1.0, 0.1 * abs(float(flat[i]))) / float(far[i]))
        columns.append(found / far[i])
        errors.append(doubt / far[i])
    if not columns:
        empty = np.zeros((function(x).size, 0))
        return empty, empty
    return np.stack(columns, axis=-1), np.stack(errors, axis=-1)


def directional(
    function: Callable[..., Array], operands: Sequence[Any], dots: Sequence[Any], precision: float = DOUBLE
) -> tuple[Array, Array]:
    """The derivative of a flat array along a direction (None: this operand stays), and the estimated error."""

    def moved(t: float) -> Array:
        return function(*[x if dot is None else x + t * dot for x, dot in zip(operands, dots, strict=True)])

    return difference(moved, precision)
