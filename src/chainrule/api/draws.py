"""Draws from random generators while a function is staged: they would become constants of its graph.

NumPy's global generator, Python's, and the generators that the function holds are looked at before and after. A
generator that the function makes for itself is not seen: with a seed it gives the same numbers at every call anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from chainrule.errors import StagingError, message
from chainrule.where import Where, is_users, user_location

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """A random generator: its state, and how to set that back."""

    read: Callable[[], Any]
    write: Callable[[Any], None]


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


def without_draws(run: Callable[[], T], held: Iterable[Source]) -> T:
    """What `run` returns; a StagingError naming the line where it draws from a generator, whose state is set back."""
    sources = [*_global_sources(), *held]
    before = [source.read() for source in sources]
    out = run()
    if _marks([source.read() for source in sources]) == _marks(before):
        return out
    _restore(sources, before)
    if sys.gettrace() is None:
        place = _drawing_line(run, sources)
        moved = _marks([source.read() for source in sources]) != _marks(before)
        _restore(sources, before)
        if not moved:  # another thread drew, or it was a first call that does not draw again
            return out
    else:  # a debugger or a coverage tool is at work
        place = user_location()
    expected = "no draw from a random generator while staging (it would become a constant)"
    hint = "cr.random.uniform(key, ...) with the key as an argument, or draw outside and pass the numbers"
    raise StagingError(message(expected, "a random state that moved on", place, hint))


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


def _marks(states: Sequence[Any]) -> list[Any]:
    """The states (dicts and tuples of numbers and arrays) in a form that can be compared."""
    return [_mark(state) for state in states]


def _mark(state: Any) -> Any:
    if isinstance(state, dict):
        parts: dict[str, Any] = state
        return {name: _mark(part) for name, part in parts.items()}
    if isinstance(state, tuple):
        legacy: tuple[Any, ...] = state
        return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in legacy)
    return state.tobytes() if isinstance(state, np.ndarray) else state


def _drawing_line(run: Callable[[], Any], sources: list[Source]) -> Where | None:
    """The line of the user's on which a state moves when `run` is called once more; None in code without a file."""
    seen = _marks([source.read() for source in sources])
    last: Where | None = None
    found: Where | None = None

    def look(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal last, found
        if not is_users(frame.f_code.co_filename):
            return None
        if found is None and last is not None and _marks([source.read() for source in sources]) != seen:
            found = last
        if found is None:
            last = _place(frame.f_back if event == "return" else frame)
        return look

    sys.settrace(look)
    try:
        run()
    except Exception:  # it did not fail the first time; what was found by then counts
        pass
    finally:
        sys.settrace(None)
    return found


def _place(frame: FrameType | None) -> Where | None:
    """The innermost of the user's lines that is being run, at a frame or above it."""
    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else Where(frame.f_code.co_filename, frame.f_lineno)
