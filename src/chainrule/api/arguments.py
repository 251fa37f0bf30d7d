"""What the public verbs are given, looked at before anything runs."""

from __future__ import annotations

import inspect
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


def static_names(names: str | Sequence[str], function: Callable[..., Any]) -> frozenset[str]:
    """The names in static_argnames; an OptionError for one that the function does not have."""
    found = (names,) if isinstance(names, str) else tuple(names)
    kinds, known = _parameters(function)
    unknown = [name for name in found if name not in known]
    if unknown and kinds and inspect.Parameter.VAR_KEYWORD not in kinds:
        got, hint = repr(unknown[0]), f"one of {', '.join(known)}"
        raise OptionError(message("names of parameters in static_argnames", got, user_location(), hint))
    return frozenset(found)


def donated_numbers(donate: int | Sequence[int], function: Callable[..., Any]) -> tuple[int, ...]:
    """The numbers in `donate`; an OptionError for one that the function has no argument of."""
    numbers = argument_numbers(donate, "donate")
    kinds, known = _parameters(function)
    for number in numbers:
        if number < 0 or (kinds and inspect.Parameter.VAR_POSITIONAL not in kinds and number >= len(known)):
            expected = f"numbers of arguments in donate, from 0 to {len(known) - 1}"
            raise OptionError(message(expected, number, user_location(), "donate=0 for the first argument"))
    return numbers


def thread_count(threads: Any) -> int | None:
    """The option `threads`: None, or an int from 1 up; an OptionError for anything else."""
    if threads is None or (isinstance(threads, int) and not isinstance(threads, bool) and threads >= 1):
        return threads
    hint = "threads=1, or None for as many as the process may use"
    raise OptionError(message("threads as an int from 1 up, or None", repr(threads), user_location(), hint))


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters; none for a builtin without a signature."""
    return _parameters(function)[1]


def _parameters(function: Callable[..., Any]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Kinds and names of a function's parameters; nothing for a builtin without a signature."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return (), ()
    return tuple(p.kind for p in parameters.values()), tuple(parameters)
