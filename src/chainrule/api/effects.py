"""What a staged function does besides returning a result happens once, when it is traced, and at no later call.

So a draw from a random generator would become a constant of the graph, and a write to an array from outside, or what
the function stores there, would be missing from the second call on. NumPy's global generator, Python's, and the
generators and (small) arrays that the function holds are looked at before and after. A generator that the function
makes for itself is not seen: with a seed it gives the same numbers at every call anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, TypeVar, cast

import numpy as np

from chainrule.errors import StagingError, message
from chainrule.where import Where, is_users, raised_at, user_location

T = TypeVar("T")


_WATCHED: Final = 2**16  # bytes of an array that is compared


@dataclass(frozen=True, slots=True)
class Source:
    """Something that changes when it is used: its state, how to set that back, and whether it draws numbers."""

    read: Callable[[], Any]
    write: Callable[[Any], None]
    draws: bool = True


def source_of(x: Any) -> Source | None:
    """The source that a random generator, or a bound method of one, draws from; None for anything else."""
    x = getattr(x, "__self__", x) if callable(x) else x
    if "numpy.random" in sys.modules:
        if isinstance(x, np.random.Generator):
            x = x.bit_generator
        if isinstance(x, np.random.BitGenerator):
            return Source(lambda: x.state, lambda state: setattr(x, "state", state))
        if isinstance(x, np.random.RandomState):
            return Source(x.get_state, x.set_state)
    python = sys.modules.get("random")
    if python is not None and isinstance(x, python.Random) and not isinstance(x, python.SystemRandom):
        return Source(x.getstate, x.setstate)
    return None


def array_source(x: np.ndarray[Any, Any]) -> Source:
    """The contents of an array."""
    return Source(x.copy, lambda state: np.copyto(x, state), draws=False)


def without_effects(run: Callable[[], T], generators: Iterable[Source], arrays: Iterable[Any]) -> T:
    """What `run` returns.

    A StagingError naming the line where it draws from a generator or writes to one of the arrays (those that are small
    enough to be compared); what it changed is set back.
    """
    watched = [x for x in arrays if isinstance(x, np.ndarray) and x.nbytes <= _WATCHED and x.flags.writeable]
    sources = [*_global_sources(), *generators, *map(array_source, watched)]
    before = [source.read() for source in sources]
    out = run()
    moved = _moved(sources, before)
    if not moved:
        return out
    after = [source.read() for source in sources]
    _restore(sources, before)
    place = user_location()
    if sys.gettrace() is None:  # else a debugger or a coverage tool is at work
        place = _line_of_effect(run, lambda: _marks([source.read() for source in sources]))
        moved = _moved(sources, before)
        _restore(sources, before if moved else after)
        if not moved:  # another thread's doing, or that of a first call only
            return out
    if any(source.draws for source in moved):
        expected = "no draw from a random generator while staging (it would become a constant)"
        got = "a random state that moved on"
        hint = "cr.random.uniform(key, ...) with the key as an argument, or draw outside and pass the numbers"
    else:
        expected = "no write to an array from outside while staging (it would happen once, not at every call)"
        got, hint = "an array that changed", "returning the new array, or passing the old one as an argument"
    raise StagingError(message(expected, got, place, hint))


def _global_sources() -> list[Source]:
    """NumPy's and Python's global generators; asking for NumPy's loads both, so that a first draw is not missed."""
    found = [Source(np.random.get_state, np.random.set_state)]
    if "random" in sys.modules:
        python = sys.modules["random"]
        found.append(Source(python.getstate, python.setstate))
    return found


def _restore(sources: list[Source], states: list[Any]) -> None:
    for source, state in zip(sources, states, strict=True):
        source.write(state)


def _moved(sources: list[Source], before: list[Any]) -> list[Source]:
    """The sources whose state is another one now."""
    now = _marks([source.read() for source in sources])
    return [source for source, a, b in zip(sources, _marks(before), now, strict=True) if a != b]


def _marks(states: Sequence[Any]) -> list[Any]:
    """The states (dicts and tuples of numbers and arrays) in a form that can be compared."""
    return [_mark(state) for state in states]


def _mark(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _mark(part) for name, part in cast("dict[str, Any]", state).items()}
    if isinstance(state, tuple):
        legacy = cast("tuple[Any, ...]", state)
        return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in legacy)
    return state.tobytes() if isinstance(state, np.ndarray) else state


def check_stored(
    run: Callable[[], Any], places: Sequence[Any], left: Sequence[Any], find_left: Callable[[], Sequence[Any]]
) -> None:
    """Raises a StagingError, naming the line, where the function stored arrays or traced values outside of itself.

    `places` are groups of places as they were before (api/places.py), `left` the traced values in any place now.
    """
    if not left and not _rebound(places):
        return
    line = user_location()
    if sys.gettrace() is None:
        found = _line_of_effect(run, lambda: [*map(id, find_left()), *_rebound(places)])
        if found is None and not left:  # another thread's doing
            return
        line = found or line
    expected = "nothing stored outside the function while staging (it would happen once, not at every call)"
    got = "a traced value that is kept" if left else "another array in place of one that was there"
    hint = "returning it, and passing it as an argument to the next call"
    raise StagingError(message(expected, got, line, hint))


def _rebound(places: Sequence[Any]) -> list[int]:
    """The ids of what is in places now where another array was."""
    found: list[int] = []
    for group in places:
        for old, new in zip(group.values, group.now() or (), strict=False):
            if new is not old and isinstance(old, np.ndarray):
                found.append(id(new))
    return found


def _line_of_effect(run: Callable[[], Any], marks: Callable[[], list[Any]]) -> Where | None:
    """The line of the user's on which the marks change when `run` is called once more; None in code without a file.

    Where it cannot be called again, since it now finds what it left behind, the line on which it fails.
    """
    seen = marks()
    last: Where | None = None
    found: Where | None = None

    def look(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal last, found
        if not is_users(frame.f_code.co_filename):
            return None
        if found is None and last is not None and marks() != seen:
            found = last
        if found is None:
            last = _place(frame.f_back if event == "return" else frame)
        return look

    sys.settrace(look)
    try:
        run()
    except Exception as error:
        found = found or raised_at(error.__traceback__)
    finally:
        sys.settrace(None)
    return found


def _place(frame: FrameType | None) -> Where | None:
    """The innermost of the user's lines that is being run, at a frame or above it."""
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else Where(frame.f_code.co_filename, frame.f_lineno)
