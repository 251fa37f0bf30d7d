"""What happens to arrays where a derivative takes them over."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError, message
from chainrule.ir.op import Trace, Traced, tracing
from chainrule.numpy.array import Tracer
from chainrule.numpy.draft import settled
from chainrule.trace import check_open
from chainrule.tree import LEAF, Structure, flatten
from chainrule.types import FLOATS, type_of
from chainrule.where import user_location


def own(x: Any) -> Any:
    """The value as it is now, safe from what the caller does with the array later."""
    if isinstance(x, Traced):
        return x.clone()
    if isinstance(x, np.ndarray):
        return x.copy() if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))
    return x


def current(tree: Any) -> Any:
    """What a function returned, its views read again while their trace still records: their arrays may have changed."""
    for leaf in flatten(tree)[0]:
        if isinstance(leaf, Traced):
            leaf.refresh()
    return tree


def strip(x: Any, trace: Trace) -> Any:
    """The value behind a handle of `trace`; anything else as it is. What leaves the outermost trace is no draft."""
    if isinstance(x, Tracer):
        x.refresh()
        if x.owner is trace:
            x = x.value
        else:
            check_open(x.owner)
    return x if tracing() else settled(x)


def as_differentiable(x: Any, structure: Structure = LEAF, place: int = 0) -> Any:
    """x, leaf number `place` of a tree, if derivatives by it have a meaning; an error that names it if not."""
    kind = x.__class__
    if kind is float or (kind is np.ndarray and x.dtype in FLOATS) or (isinstance(x, Traced) and type_of(x).is_float):
        return x
    name = f" for `{structure.paths()[place]}`" if structure.size > 1 else ""
    found = type_of(x, name)
    if found.is_float:
        return x
    if not isinstance(x, (np.ndarray, np.generic, Traced)):
        hint = f"{float(x)!r}"
        raise DTypeError(f"expected a float{name}, got {x.__class__.__name__} {x!r}; write {hint} at {user_location()}")
    hint = "x.astype(np.float32), or argnums= to differentiate by another argument"
    raise DTypeError(message(f"floating-point parameters{name}", str(found), user_location(), hint))


def as_cotangent(x: Any, like: Any, what: str) -> Any:
    """x as a tangent or cotangent of `like`: its shape, in its dtype."""
    wanted, found = type_of(like), type_of(x, f" as the {what}")
    if found.shape != wanted.shape:
        hint = f"np.ones({wanted.shape})"
        raise ShapeError(message(f"a {what} of shape {wanted.shape}", found.shape, user_location(), hint))
    if not wanted.is_float:
        hint = "None in its place" if what == "tangent" else "a result that is floating-point"
        raise DTypeError(message(f"no {what} for a result of type {wanted}", str(found), user_location(), hint))
    return x if isinstance(x, Traced) else np.asarray(x, wanted.dtype)[()]
