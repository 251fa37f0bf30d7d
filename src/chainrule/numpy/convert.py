"""What is given in place of an array becomes one: numbers, and nested lists with traced arrays in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.op import Traced
from chainrule.ops import arithmetic, movement
from chainrule.types import dtype_of, shape_of, supported, type_of
from chainrule.where import user_location

P = ParamSpec("P")
R = TypeVar("R")

NUMPY_NUMBERS: Final[dict[type, Any]] = {float: np.float64, int: np.int64, bool: np.bool_}
"""NumPy's numbers for Python's."""


def as_array(x: Any, dtype: Any = None) -> Any:
    """x as an array, plain or traced; x itself where it is one of this dtype already."""
    if isinstance(x, Traced):
        return x if dtype is None else as_dtype(x, dtype)
    return as_array(_stacked(x), dtype) if holds_traced(x) else np.asarray(x, dtype)


def as_dtype(x: Any, dtype: Any) -> Any:
    """x in this dtype; x itself where it has it."""
    wanted = supported(dtype)
    return x if dtype_of(x) == wanted else arithmetic.cast(x, dtype=wanted.name)


def _stacked(x: Any) -> Any:
    """Nested lists as one array, by NumPy's promotion of the elements' dtypes."""
    if not is_list(x):
        return as_array(x)
    parts = [_stacked(element) for element in x]
    if not parts:
        return np.zeros(0)
    shapes = {shape_of(part) for part in parts}
    if len(shapes) > 1:
        hint = "rows of one length, or cr.numpy.concatenate"
        raise ShapeError(message("parts of one shape in a list", sorted(shapes), user_location(), hint))
    shape = (1, *shapes.pop())
    return movement.concatenate(*[movement.reshape(part, shape=shape) for part in parts], axis=0)


def strong(out: Any) -> Any:
    """The result of a function of NumPy's: never a weak Python scalar, as that of an operator may be."""
    if isinstance(out, Traced):
        if type(getattr(out, "value", None)) is np.ndarray:  # what it nearly always is, at no cost
            return out
        found = type_of(out)
        return arithmetic.cast(out, dtype=found.dtype.name) if found.weak else out
    kind = cast(Any, type(out))
    return NUMPY_NUMBERS[kind](out) if kind in NUMPY_NUMBERS else out


def composition(numpy: Callable[..., Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates what one of NumPy's functions is on traced arrays, or lists of them; on plain ones it is NumPy's."""

    def decorate(traced: Callable[P, R]) -> Callable[P, R]:
        @wraps(traced)
        def function(*args: P.args, **kwargs: P.kwargs) -> R:
            if not holds_traced(*args, *kwargs.values()):
                return numpy(*args, **kwargs)
            out: Any = traced(*args, **kwargs)
            return strong(out) if isinstance(out, Traced) else out

        return function

    return decorate


def assignment(numpy: Callable[..., None]) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Decorates what one of NumPy's functions that write to their first argument does to a traced array.

    A plain array is left to NumPy, which asks the protocol about traced values: they cannot go there.
    """

    def decorate(traced: Callable[P, None]) -> Callable[P, None]:
        @wraps(traced)
        def function(*args: P.args, **kwargs: P.kwargs) -> None:
            target = args[0] if args else next(iter(kwargs.values()))
            (traced if isinstance(target, Traced) else numpy)(*args, **kwargs)

        return function

    return decorate


def holds_traced(*arguments: Any) -> bool:
    """Whether an argument is traced, or a list in which something is."""
    return any(isinstance(x, Traced) or (is_list(x) and holds_traced(*x)) for x in arguments)


def is_list(x: Any) -> bool:
    """Whether x is a list or a tuple."""
    return isinstance(x, (list, tuple))
