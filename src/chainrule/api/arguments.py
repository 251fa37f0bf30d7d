"""What the public verbs are given, looked at before anything runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

from chainrule.errors import ArgumentError, OptionError, TreeError, message
from chainrule.where import user_location


def check_function(f: Any, verb: str) -> None:
    """Raises an ArgumentError where f cannot be called."""
    if not callable(f):
        got = f"{type(f).__name__}, which cannot be called"
        hint = f"cr.{verb}(f), the function without its arguments"
        raise ArgumentError(message(f"a function as the argument of cr.{verb}", got, user_location(), hint))


def argument_numbers(argnums: int | Sequence[int], option: str = "argnums") -> tuple[int, ...]:
    """The numbers of arguments that an option names, one or several."""
    try:
        return tuple(map(operator.index, argnums if isinstance(argnums, Sequence) else (argnums,)))
    except TypeError:
        hint = f"{option}=0 for the first positional argument"
        expected = f"{option} as an int or a tuple of ints"
        raise ArgumentError(message(expected, repr(argnums), user_location(), hint)) from None


def places(numbers: Sequence[int], count: int, f: Callable[..., Any]) -> list[int]:
    """The numbers counted from the front, of a call of f with so many positional arguments."""
    name = getattr(f, "__name__", "the function")
    for number in numbers:
        if not -count <= number < count:
            expected, got = f"argument {number} of {name} as a positional argument", f"{count} of them"
            raise TreeError(message(expected, got, user_location(), "passing it by position, or another argnums="))
    found = [number % count for number in numbers]
    if len(set(found)) < len(found):
        hint = "each number once"
        raise OptionError(message("different arguments in argnums", tuple(numbers), user_location(), hint))
    return found


def pair(out: Any) -> tuple[Any, Any]:
    """The two parts of what a function called with has_aux returned."""
    got = type(out).__name__
    if isinstance(out, tuple):
        parts = cast("tuple[Any, ...]", out)
        if len(parts) == 2:
            return parts[0], parts[1]
        got = f"{got} of length {len(parts)}"
    hint = "return loss, aux"
    raise TreeError(message("a pair from the function, has_aux being True", got, user_location(), hint))


def sequence(given: Any, what: str) -> tuple[Any, ...]:
    """What is given for each argument, as a tuple."""
    if isinstance(given, (tuple, list)):
        return tuple(cast("Sequence[Any]", given))
    hint = "(x,) for a function of one argument"
    raise ArgumentError(message(f"a tuple of {what}", type(given).__name__, user_location(), hint))
