"""What happens to arrays at the boundary: taken over on the way in, given away on the way out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError, message
from chainrule.ir.op import Trace, Traced, tracing
from chainrule.numpy.array import Tracer
from chainrule.numpy.draft import settled
from chainrule.tree import LEAF, Structure
from chainrule.types import FLOATS, dtype_of, shape_of, type_of
from chainrule.where import user_location


def own(x: Any) -> Any:
    """The value as it is now, safe from what the caller does with the array later."""
    if isinstance(x, Traced):
        return x.clone()  # type: ignore[attr-defined]
    return x.copy() if isinstance(x, np.ndarray) else x


def strip(x: Any, trace: Trace) -> Any:
    """The value behind a handle of `trace`; anything else as it is. What leaves the outermost trace is no draft."""
    if isinstance(x, Tracer):
        x.refresh()
        if x.owner is trace:
            x = x.value
    return x if tracing() else settled(x)


def give(values: Iterable[Any], held: Iterable[Any] = ()) -> list[Any]:
    """The values as the caller may have them: writable, contiguous, and no two of them, or of `held`, one memory."""
    taken = {id(x) for x in held}
    given: list[Any] = []
    for x in values:
        if isinstance(x, np.ndarray):
            if x.base is not None or not x.flags.writeable or id(x) in taken:
                x = x.copy()
            taken.add(id(x))
        given.append(x)
    return given


def as_differentiable(x: Any, structure: Structure = LEAF, place: int = 0) -> Any:
    """x, leaf number `place` of a tree, if derivatives by it have a meaning; an error that names it if not."""
    if (dtype_of(x) if isinstance(x, (np.ndarray, np.generic, float)) else type_of(x).dtype) in FLOATS:
        return x
    type = type_of(x)
    path = structure.paths()[place]
    name = f" for `{path}`" if structure.size > 1 else ""
    if not isinstance(x, (np.ndarray, np.generic, Traced)):
        hint = f"{float(x)!r}"
        raise DTypeError(f"expected a float{name}, got {x.__class__.__name__} {x!r}; write {hint} at {user_location()}")
    hint = "x.astype(np.float32), or argnums= to differentiate by another argument"
    raise DTypeError(message(f"floating-point parameters{name}", str(type), user_location(), hint))


def as_cotangent(x: Any, like: Any, what: str) -> Any:
    """x as a tangent or cotangent of `like`: its shape, in its dtype."""
    if shape_of(x) != shape_of(like):
        raise ShapeError(message(f"a {what} of shape {shape_of(like)}", shape_of(x), user_location()))
    wanted = type_of(like)
    if not wanted.is_float:
        raise DTypeError(message(f"no {what} for a result of type {wanted}", str(type_of(x)), user_location()))
    if isinstance(x, Traced):
        return x
    return np.asarray(x, wanted.dtype)[()]
