"""`unusable`: which of the arrays that are given up cannot be written over."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds


def unusable(inputs: Sequence[Any], donated: Collection[int]) -> int | None:
    """The number of a donated input that is no array, is read-only, or overlaps with another input; None: all are good.

    Overlap is that of the arrays' bounds, as `np.may_share_memory` has it. O(n log n) in the number of inputs.
    """
    for number in donated:
        if not isinstance(inputs[number], np.ndarray) or not inputs[number].flags.writeable:
            return number
    if not donated:
        return None
    arrays = [(i, x) for i, x in enumerate(inputs) if isinstance(x, np.ndarray) and x.size]
    end, last = 0, -1  # of the memory before, and whose it is
    for (low, high), number in sorted((byte_bounds(x), i) for i, x in arrays):
        if low < end and (number in donated or last in donated):
            return number if number in donated else last
        if high > end:
            end, last = high, number
    return None
