"""Numbers of a plan in code: those that no size of an array ever is are literals, the rest are words of a call."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

DType = np.dtype[Any]


def number_word(value: float | int | bool, dtype: DType) -> int | None:
    """The bits of a number as a word of a call; None for one that stays in the code: zeros, infinity, small integers.

    Not so 1, 2 and 0.5: they may be the length of a batch, or one over it, whose code is that of other lengths.
    """
    if dtype.kind == "b":
        return None
    if dtype.kind == "f":
        x = float(value)
        if not math.isfinite(x) or x == 0:
            return None
        bytes_ = struct.pack("<d", x) if dtype.itemsize == 8 else np.float32(x).tobytes() + bytes(4)
        bits: tuple[int] = struct.unpack("<q", bytes_)
        return bits[0]
    return None if abs(int(value)) <= 2 else int(value)
