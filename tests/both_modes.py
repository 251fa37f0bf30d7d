"""Both derivative modes and second order against central differences, for functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.api.derivatives import grad, jvp
from chainrule.api.jit import jit
from chainrule.ops.arithmetic import multiply
from chainrule.ops.reduction import sum_
from chainrule.testing.differences import directional

RTOL = 1e-6
SEED = 20260


def check_both_modes(f: Callable[..., Any], *operands: Any, second: bool = True, staged: bool = True) -> None:
    """Asserts that the derivatives of `f` by its float64 operands are right.

    Compared with differences: the tangent along a random direction, the gradient of a weighted sum of the result's
    elements (along the same direction), and the derivative of that gradient along the direction, by forward over
    reverse and by reverse over reverse. The gradient is also staged and run.
    """
    rng = np.random.default_rng(SEED)
    given = [np.asarray(x, np.float64) for x in operands]
    dots = [np.asarray(rng.uniform(0.5, 1, x.shape) * rng.choice((-1, 1), x.shape)) for x in given]
    value = np.asarray(f(*given))
    weights = np.asarray(rng.uniform(0.5, 1, value.shape))
    places = tuple(range(len(given)))

    out, tangent = jvp(f, given, dots)
    assert np.array_equal(np.asarray(out), value, equal_nan=True)
    want, doubt = directional(lambda *xs: np.ravel(f(*xs)), given, dots)
    _agree(np.ravel(tangent), want, doubt)

    def loss(*xs: Any) -> Any:
        y = multiply(f(*xs), weights)
        return sum_(y, axes=tuple(range(len(value.shape))))

    gradient = grad(loss, places)
    cts = gradient(*given)
    _agree(_along(cts, dots), np.ravel(weights) @ want, np.ravel(weights) @ doubt)
    if staged:
        for ct, again in zip(cts, jit(gradient)(*given), strict=True):
            np.testing.assert_allclose(again, ct, rtol=1e-12, atol=1e-12)
    if second:
        _check_second(gradient, given, dots, places)


def _check_second(gradient: Any, given: Sequence[Any], dots: Sequence[Any], places: tuple[int, ...]) -> None:
    want, doubt = directional(lambda *xs: _flat(gradient(*xs)), given, dots)
    _, pushed = jvp(gradient, given, dots)
    _agree(_flat(pushed), want, doubt)

    def slope(*xs: Any) -> Any:
        total = 0.0
        for ct, dot in zip(gradient(*xs), dots, strict=True):
            total = sum_(multiply(ct, dot), axes=tuple(range(dot.ndim))) + total
        return total

    _agree(_flat(grad(slope, places)(*given)), want, doubt)


def _flat(arrays: Any) -> Any:
    return np.concatenate([np.ravel(x) for x in arrays])


def _along(cts: Sequence[Any], dots: Sequence[Any]) -> float:
    return float(sum(np.vdot(ct, dot) for ct, dot in zip(cts, dots, strict=True)))


def _agree(found: Any, want: Any, doubt: Any) -> None:
    """Asserts that two arrays differ by at most RTOL of the true one's norm, and what differences leave open."""
    gap = float(np.linalg.norm(np.asarray(found) - np.asarray(want)))
    assert gap <= RTOL * float(np.linalg.norm(want)) + float(np.linalg.norm(doubt)) + 1e-12, (found, want)
