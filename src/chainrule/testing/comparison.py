"""How the checks compare, and what they say where two things differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.testing.differences import Array


def agree(got: Any, want: Array, doubt: float, rtol: float, what: str) -> None:
    """Raises unless `got` is `want` to within rtol of the norm of `want`, and what differences leave open (`doubt`)."""
    found = np.asarray(got, np.float64)
    require(found.shape == want.shape, f"{what}: of shape {found.shape}, expected {want.shape}")
    gap = np.abs(found - want)
    size = float(np.linalg.norm(want))
    if not float(np.linalg.norm(gap)) <= rtol * size + doubt:
        place = np.unravel_index(int(np.argmax(np.where(np.isnan(gap), np.inf, gap))), gap.shape) if gap.size else ()
        where = f"[{', '.join(map(str, place))}]" if place else ""
        raise AssertionError(f"{what}: element {where} is {found[place]!r}, by differences {want[place]!r}")


def flat(arrays: Sequence[Any]) -> Array:
    """The elements of all arrays in one axis."""
    return np.concatenate([np.ravel(x) for x in arrays]) if len(arrays) else np.zeros(0)


def bits(x: Any) -> tuple[Any, ...]:
    """What two values have in common that are the same to the last bit."""
    x = np.asarray(x)
    return x.shape, x.dtype, x.tobytes()


def all_bits(xs: Sequence[Any], ys: Sequence[Any]) -> bool:
    """Whether two lists hold the same values to the last bit, or None at the same places."""
    return len(xs) == len(ys) and all(
        x is y if x is None or y is None else bits(x) == bits(y) for x, y in zip(xs, ys, strict=True)
    )


def way(stages: bool) -> str:
    """How a check ran, for its message."""
    return "staged" if stages else "eager"


def listed(items: Sequence[Any]) -> str:
    """The items, for a message."""
    return ", ".join(str(item) for item in items)


def require(holds: Any, what: str) -> None:
    """Raises an AssertionError where something does not hold; also under `python -O`."""
    if not holds:
        raise AssertionError(what)
