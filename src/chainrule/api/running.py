"""`Running`: a call of a staged function that is made in pieces, and looked at in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from chainrule.backend.base import Course

R = TypeVar("R")


class Running(Generic[R]):
    """A call that goes on whenever `proceed` is called, and stops between two iterations of its outermost loop.

    Its arguments are not to be changed before it is done. Threads that call it wait for one another. What the function
    found outside itself is what it was at the beginning; arrays of it are read where they were then.
    """

    __slots__ = ("_build", "_course", "_one")

    def __init__(self, course: Course, build: Callable[[Sequence[object]], R]) -> None:
        self._course, self._build = course, build
        self._one = threading.Lock()

    def proceed(self, seconds: float = 0.05) -> bool:
        """Whether the call is done, after going on for about so many seconds, and for one iteration at least."""
        with self._one:
            return self._course.proceed(seconds)

    @property
    def iterations(self) -> int:
        """How many iterations are done of the loop that is in no other one; of several loops, of the one under way."""
        return self._course.iterations

    def result(self) -> R:
        """What the function returns, once the call is done.

        Before that, for a function with one outermost loop, what it would return if that had no more iterations than
        are done: copies, but for donated arrays, which are themselves overwritten by each iteration. A StagingError
        where no iteration is done, or where something is made of the loop's results after it.
        """
        with self._one:
            return self._build(self._course.outputs())
