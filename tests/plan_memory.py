"""The memory of a plan that is run by NumPy: what was written, and by whom; and the accesses of a nest's iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Memory:
    """Bytes, which of them were written, and by which iteration of a parallel loop they were."""

    def __init__(self, nbytes: int) -> None:
        self.data = np.full(-(-nbytes // 8) * 8, 0xA5, np.uint8)
        self.known = np.zeros(self.data.size, bool)
        self.writer: Array | None = None
        self.reader: Array | None = None

    def forget(self, start: int = 0, nbytes: int | None = None) -> None:
        part = slice(start, None if nbytes is None else start + nbytes)
        self.data[part] = 0xA5
        self.known[part] = False
        if self.writer is not None and self.reader is not None:
            self.writer[part] = self.reader[part] = -1


@dataclass(eq=False)
class Access:
    """The bytes at which elements begin, for each iteration of a stage."""

    memory: Memory
    first: Array
    stage: int
    columns: bool
    inside: Any  # which iterations there are
    store: bool

    def overlaps(self, other: Access) -> bool:
        """Whether the elements lie among one another."""
        first, second = self.first, other.first
        return bool(second.size and first.min() <= second.max() and second.min() <= first.max())

    def ids(self, rows: int) -> tuple[Array, Array]:
        """The first bytes, and the row or the iteration that each is of."""
        count = self.first.size
        number = np.arange(count).reshape(self.first.shape)
        if rows:
            number = number // max(1, count // rows)
        chosen = np.broadcast_to(self.inside, self.first.shape)
        return self.first[chosen], number[chosen]
