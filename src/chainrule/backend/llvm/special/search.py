"""The kernel of `searchsorted`: for each element how many of a sorted array come before it, by halving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.elements import RAW, changed, each, order_key
from chainrule.backend.llvm.special.layout import Record, merged, split
from chainrule.backend.llvm.special.walk import kernel, walk
from chainrule.backend.llvm.values import I64, Val
from chainrule.schedule.plan import Special

_PART: Final = 512  # elements that a part seeks
_TOGETHER: Final = 8  # elements that are sought side by side: one does not wait for another's load


@dataclass(frozen=True)
class Search:
    """Seeks elements of one dtype in an array of another; both are compared in the dtype that holds both."""

    sorted: str
    sought: str
    right: bool
    axes: int

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        with kernel(module, name) as frame:
            f = frame.f
            x, y, out = frame.pointer(), frame.pointer(), frame.pointer()
            n, step = frame.words(2)
            first, last = frame.share(frame.word(), frame.word())
            extents, steps = frame.words(self.axes), frame.words(self.axes)
            with walk(f, extents, [steps], first, last) as run:

                def seek(index: Val, lanes: int) -> None:
                    places = run.offsets[0] + self._lanes(f, index, lanes) * steps[-1]
                    found = self._find(f, x, self._key(f, y, places, self.sought), n, step)
                    f.store(found, f.element(out, run.position + index, I64))

                each(f, run.length, _TOGETHER, seek)

    def _lanes(self, f: Function, index: Val, lanes: int) -> Val:
        return f.iota(I64.of(lanes)) + index if lanes else index

    def _key(self, f: Function, pointer: Val, places: Val, name: str) -> Val:
        """What the elements at some places are compared by."""
        dtype, common, lanes = np.dtype(name), np.promote_types(self.sorted, self.sought), places.ty.lanes
        ty = memory_type(dtype)
        if lanes:
            x = Val(f, "poison", ty.of(lanes))
            for lane in range(lanes):
                x = f.insert(x, f.load(ty, f.element(pointer, f.extract(places, lane), ty)), lane)
        else:
            x = f.load(ty, f.element(pointer, places, ty))
        return order_key(f, changed(f, x, dtype, common).bits_as(RAW[common.itemsize]), common)

    def _find(self, f: Function, x: Val, sought: Val, n: Val, step: Val) -> Val:
        """The numbers of elements before those sought.

        They are from `low` to `low + left`, and what is left is halved for all of them alike.
        """
        ty = I64.of(sought.ty.lanes)
        with f.endless([n, f.constant(0, ty)]) as loop:
            left, low = loop.carried
            f.leave(loop, left.le(0))
            half = (left + 1).lshr(1)
            middle = self._key(f, x, (low + (half - 1)) * step, self.sorted)
            before = middle.le(sought) if self.right else middle.lt(sought)
            loop.next = [left - half, low + f.select(before, f.splat(half, ty.lanes), 0)]
        return loop.results[1]


def search_kernels(step: Special) -> list[Kernel]:
    """The kernel of a searchsorted."""
    (x, y), (out,) = step.operands, step.results
    shape, n = step.node.types[0].shape, step.node.inputs[0].type.size
    count = math.prod(shape)
    extents, (steps,) = merged(shape, y.strides)
    record = Record()
    record.point(x, y, out)
    record.count(n, x.strides[0], _PART, count, extents, steps)
    code = Search(str(x.dtype.name), str(y.dtype.name), step.node.attrs["side"] == "right", len(extents))
    nbytes = count * (y.dtype.itemsize + 8)
    return [record.kernel(code, split(count, _PART), "searchsorted", nbytes)]
