"""`Form`: what the leaves of a call must be, and a run of a program on the memory of those that are so."""

from __future__ import annotations

import ctypes
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from chainrule.backend.llvm.code import object_code
from chainrule.backend.llvm.engine import load
from chainrule.backend.llvm.runtime.layout import FIRST, MISFITS, WORD, FormWord, LeafKind, Misfit
from chainrule.backend.llvm.runtime.objects import object_layout
from chainrule.backend.llvm.runtime.reading import ALIGNED, C_CONTIGUOUS, WRITEABLE, reading_text
from chainrule.backend.llvm.target import target

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Leaf:
    """What one leaf must be: an array in C order, writeable where it is donated; or (`number`) a Python float.

    Its address is put in `slot`; a float is written to memory as a float64, and the address of that is.
    `own` is for results: memory of nobody else's, that need not be compared with what is donated.
    """

    slot: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()
    donated: bool = False
    number: bool = False
    own: bool = False

    @property
    def flags(self) -> int:
        """The bits that an array's flags must have."""
        return C_CONTIGUOUS | ALIGNED | (WRITEABLE if self.donated or self.own else 0)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Wrong:
    """A leaf that does not fit, by number, and why. Of two that overlap, it is the later one or the one only read."""

    leaf: int
    why: Misfit


class Form:
    """What a tuple of leaves must be. Where `unheld`, they are results that are to be reused: nobody else has them."""

    def __init__(self, leaves: Sequence[Leaf], unheld: bool = False) -> None:
        self.leaves = tuple(leaves)
        self.numbers = sum(leaf.number for leaf in leaves)
        self._words = _words(self.leaves, unheld)
        self.address, _ = self._words.buffer_info()
        self._unused = (ctypes.c_int64 * (1 + max((leaf.slot for leaf in leaves), default=0)))()

    def wrong(self, leaves: tuple[Any, ...]) -> Wrong | None:
        """The first leaf that does not fit, None where all do."""
        reader = reading()
        if reader is None:
            found = self.addresses(leaves, ctypes.addressof(self._unused))
            return found if isinstance(found, Wrong) else None
        numbers = (ctypes.c_double * (1 + self.numbers))()
        code = reader.read(self.address, leaves, ctypes.addressof(self._unused), ctypes.addressof(numbers))
        return wrong(code) if code else None

    def are_unheld(self, leaves: tuple[Array, ...]) -> bool:
        """Whether arrays fit, and nobody else has them: False where that cannot be known."""
        reader = reading()
        unused = ctypes.addressof(self._unused)
        return reader is not None and reader.read(self.address, leaves, unused, 0) == 0

    def addresses(self, leaves: tuple[Any, ...], numbers: int) -> list[int] | Wrong:
        """What native code finds, in the order of the leaves, found by NumPy; floats are written to `numbers`."""
        if len(leaves) != len(self.leaves):
            return Wrong(0, Misfit.COUNT)
        found: list[int] = []
        for number, (leaf, x) in enumerate(zip(self.leaves, leaves, strict=True)):
            if (why := _misfit(leaf, x)) != Misfit.NONE:
                return Wrong(number, why)
            if leaf.number:
                place = numbers + WORD * sum(other.number for other in self.leaves[:number])
                ctypes.c_double.from_address(place).value = x
                found.append(place)
            else:
                found.append(int(x.ctypes.data))
        return _overlap(self.leaves, found) or found


def fitted(leaf: Leaf, x: Any) -> Any:
    """The same elements as a leaf that fits, for one that is only read: x itself, a view, or a copy.

    What has another dtype or shape is left as it is.
    """
    if leaf.number:
        return float(x)
    plain: Array = np.asarray(x)
    if plain.dtype.newbyteorder("=") != leaf.dtype or plain.shape != leaf.shape:
        return x
    if not (plain.flags.c_contiguous and plain.flags.aligned and plain.dtype.isnative):
        plain = np.array(plain, leaf.dtype, order="C")
    return plain if plain.dtype is leaf.dtype else plain.view(leaf.dtype)


def _words(leaves: tuple[Leaf, ...], unheld: bool) -> array[int]:
    """The words that native code reads: the header, the leaves, the spans of memory that must not overlap."""
    words = array("Q", [len(leaves), id(tuple), id(np.ndarray), id(float), 0, 0, 0, 0])
    numbers = 0
    for leaf in leaves:
        kind = LeafKind.OWN if unheld else LeafKind.NUMBER if leaf.number else LeafKind.ARRAY
        size = FIRST + len(leaf.shape)
        words.extend((kind, WORD * leaf.slot, id(leaf.dtype), len(leaf.shape), leaf.flags, WORD * size))
        words.extend((WORD * numbers, 0, *leaf.shape))
        numbers += leaf.number
    spans = sorted(_spans(leaves), key=lambda number: not leaves[number].donated)
    words[FormWord.DONATED] = sum(leaves[number].donated for number in spans)
    words[FormWord.SPANS], words[FormWord.SPAN] = len(spans), WORD * len(words)
    for number in spans:
        words.extend((WORD * leaves[number].slot, leaves[number].nbytes, number))
    return words


def _spans(leaves: tuple[Leaf, ...]) -> list[int]:
    """The leaves whose memory somebody else may have, too."""
    return [n for n, leaf in enumerate(leaves) if leaf.nbytes and not leaf.number and not leaf.own]


def _misfit(leaf: Leaf, x: Any) -> Misfit:
    """Why one leaf does not fit, seen by itself."""
    expected: type = float if leaf.number else np.ndarray
    if type(x) is not expected:
        return Misfit.TYPE
    if leaf.number:
        return Misfit.NONE
    reasons = (
        (x.dtype != leaf.dtype, Misfit.DTYPE),
        (x.shape != leaf.shape, Misfit.SHAPE),
        (not x.flags.c_contiguous, Misfit.ORDER),
        (not x.flags.aligned, Misfit.ALIGNMENT),
        (bool(leaf.flags & WRITEABLE) and not x.flags.writeable, Misfit.READ_ONLY),
    )
    return next((why for holds, why in reasons if holds), Misfit.NONE)


def _overlap(leaves: tuple[Leaf, ...], addresses: list[int]) -> Wrong | None:
    """A leaf that shares memory with one that is to be written to."""
    spans = sorted(_spans(leaves), key=lambda number: not leaves[number].donated)
    for place, one in enumerate(spans):
        for other in spans[place + 1 :] if leaves[one].donated else ():
            ends = addresses[one] + leaves[one].nbytes, addresses[other] + leaves[other].nbytes
            if addresses[one] < ends[1] and addresses[other] < ends[0]:
                return Wrong(other, Misfit.OVERLAP)
    return None


def wrong(code: int) -> Wrong:
    """What native code says of leaves that do not fit."""
    return Wrong(code // MISFITS, Misfit(code % MISFITS))


@dataclass(frozen=True, eq=False)
class Reading:
    """Native code that reads arrays: `read(form, leaves, slots, numbers)` and `call(state, form, leaves, run)`."""

    read: Callable[[int, tuple[Any, ...], int, int], int]
    call: Callable[[int, int, tuple[Any, ...], int], int]


@cache
def reading() -> Reading | None:
    """The native code that reads arrays in this process; None where they are not laid out as is known."""
    layout = object_layout()
    if layout is None:
        return None
    code, _ = object_code(f"reading of {layout}", lambda: reading_text(layout), target())
    read, call = load(code, ("chainrule_read", "chainrule_call"))
    number, address, thing = ctypes.c_int64, ctypes.c_void_p, ctypes.py_object
    # the first one keeps Python's lock, so that nobody takes an array while it is counted who has it
    return Reading(
        ctypes.PYFUNCTYPE(number, address, thing, address, address)(read),
        ctypes.CFUNCTYPE(number, address, address, thing, address)(call),
    )
