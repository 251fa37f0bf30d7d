"""`Bound`: a staged function with fixed buffers, which is called without arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class Bound(Generic[R]):
    """A call that is made again and again on the same memory: `b()` reads, computes, writes, returns `result`.

    It is for one thread at a time: another one that calls it meanwhile gets an OwnershipError. The result is the same
    objects at every call, overwritten by the next one: a number is an array without axes. What the function found
    outside itself is what it was when it was bound; arrays of it are read at every call where they were then.
    """

    __slots__ = ("_run", "result")

    def __init__(self, run: Callable[[], None], result: R) -> None:
        self._run = run
        self.result = result

    def __call__(self) -> R:
        self._run()
        return self.result
