"""Ctrl-C as a wish: the first asks training to stop after the step it is in, the second breaks it off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """How often Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.count = 0

    @property
    def asked(self) -> bool:
        """Whether training should stop after the step it is in."""
        return self.count > 0

    @property
    def insisted(self) -> bool:
        """Whether it was pressed a second time."""
        return self.count > 1


@contextmanager
def interrupts() -> Generator[Interrupts, None, None]:
    """Within it, Ctrl-C is noted; pressed again, it does what it did before.

    Signals reach Python's main thread alone, and a program that ignores Ctrl-C or has it handled outside of Python
    keeps its ways: there nothing is installed, and a KeyboardInterrupt comes as an exception or not at all.
    """
    noted = Interrupts()
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous in (None, signal.SIG_IGN):
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.count += 1
        if noted.insisted:
            if callable(previous):
                previous(number, frame)
            else:
                raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, previous)
