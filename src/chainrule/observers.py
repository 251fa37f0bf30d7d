"""Who looks into a function while it runs: a derivative that wants the gradients at taps, an explanation of layers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

LayerCall = Callable[[str, object, tuple[object, ...], object], None]

_TAPPED: ContextVar[Any] = ContextVar("chainrule_tapped", default=None)
_OBSERVER: ContextVar[LayerCall | None] = ContextVar("chainrule_observer", default=None)


@contextmanager
def collecting_taps(tape: Any) -> Generator[None]:
    """Within it, `cr.tap` and the layers mark their values on this tape, that of the derivative that asked for them.

    None: the derivative that is under way did not ask.
    """
    token = _TAPPED.set(tape)
    try:
        yield
    finally:
        _TAPPED.reset(token)


def tapped_tape() -> Any:
    """The tape of the innermost derivative if that wants the gradients at taps, else None."""
    return _TAPPED.get()


@contextmanager
def observing_layers(observer: LayerCall) -> Generator[None]:
    """Within it, every layer tells `observer(path, layer, arguments, result)` of its calls."""
    token = _OBSERVER.set(observer)
    try:
        yield
    finally:
        _OBSERVER.reset(token)


def layer_observer() -> LayerCall | None:
    """Who wants to know of the layers' calls, if anybody."""
    return _OBSERVER.get()


def looked_into() -> bool:
    """Whether somebody wants to know what happens inside: a graph made before could not tell."""
    return tapped_tape() is not None or layer_observer() is not None
