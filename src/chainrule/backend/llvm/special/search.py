"""The kernel of `searchsorted`: for each element how many of a sorted array come before it, by halving."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.elements import RAW, changed, order_key
from chainrule.backend.llvm.special.layout import Record, merged, split
from chainrule.backend.llvm.special.walk import kernel, walk
from chainrule.backend.llvm.values import I64, Val
from chainrule.schedule.plan import Special

_PART = 512  # elements that a part seeks


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
            with walk(f, extents, [steps], first, last) as run, f.loop(0, run.length) as loop:
                sought = self._key(f, y, run.offsets[0] + loop.index * steps[-1], self.sought)
                f.store(self._find(f, x, sought, n, step), f.element(out, run.position + loop.index, I64))

    def _key(self, f: Function, pointer: Val, index: Val, name: str) -> Val:
        """What an element is compared by."""
        dtype, common = np.dtype(name), np.promote_types(self.sorted, self.sought)
        ty = memory_type(dtype)
        x = changed(f, f.load(ty, f.element(pointer, index, ty)), dtype, common)
        return order_key(f, x.bits_as(RAW[common.itemsize]), common)

    def _find(self, f: Function, x: Val, sought: Val, n: Val, step: Val) -> Val:
        """The number of elements before: the answer is from `low` to `low + left`, and is halved without a branch."""
        with f.endless([f.constant(0, I64), n]) as loop:
            low, left = loop.carried
            f.leave(loop, left.le(0))
            half = left.lshr(1)
            middle = self._key(f, x, (low + half) * step, self.sorted)
            before = middle.le(sought) if self.right else middle.lt(sought)
            loop.next = [f.select(before, low + half + 1, low), f.select(before, left - half - 1, half)]
        return loop.results[0]


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
