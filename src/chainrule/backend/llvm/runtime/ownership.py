"""`Results`: arrays for what a call returns: those of an earlier call that nobody has any more, or new ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.backend.aligned import empty
from chainrule.backend.llvm.runtime.arrays import Array, Form, Leaf

_KEPT: Final = 2
"""Sets of arrays: `p = step(p)` writes one while it reads the other."""


class Results:
    """Makes the arrays of a call's results. What was returned is reused once nobody has it, or a view of it."""

    def __init__(self, types: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> None:
        self._types = tuple(types)
        self._form = Form([Leaf(0, dtype, shape, own=True) for shape, dtype in types], unheld=True)
        self._sets: deque[tuple[Array, ...]] = deque()

    def take(self) -> tuple[Array, ...]:
        """Arrays to write to, in no particular state, which nobody else has."""
        try:
            arrays = self._sets.popleft() if len(self._sets) >= _KEPT else None
        except IndexError:  # another thread took it
            arrays = None
        if arrays is not None and self._form.are_unheld(arrays):
            return arrays
        return tuple([empty(shape, dtype) for shape, dtype in self._types])

    def give(self, arrays: tuple[Array, ...]) -> None:
        """Remembers arrays that are returned to a caller, to look at them again later."""
        self._sets.append(arrays)

    def clear(self) -> None:
        """Gives back the memory that is kept."""
        self._sets.clear()
