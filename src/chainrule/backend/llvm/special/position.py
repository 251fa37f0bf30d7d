"""Kernels of `argmax` and `argmin`: the first of the largest or smallest along an axis; NaN wins.

What is chosen is the same in whatever order elements are compared, so that rows are compared by vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.elements import lanes
from chainrule.backend.llvm.special.layout import PART, Record, merged, split, without
from chainrule.backend.llvm.special.walk import Frame, Segment, kernel, smaller, walk
from chainrule.backend.llvm.values import I64, Val
from chainrule.schedule.plan import Special

_BLOCK: Final = 1024  # elements of which first the largest is found, and its place only where it is the best so far
_SIDE: Final = 8  # rows that are compared side by side


@dataclass(frozen=True)
class Extreme:
    """The position of the extreme element of each row; `axes` are those of the rows.

    `kind` is along (a row's elements lie side by side), across (the elements of neighbouring rows do) or apart.
    """

    dtype: str
    largest: bool
    axes: int
    kind: str

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        ty = memory_type(np.dtype(self.dtype))
        with kernel(module, name) as frame:
            f = frame.f
            x, out = frame.pointer(), frame.pointer()
            first, last = frame.share(frame.word(), frame.word())
            n, step = frame.words(2)
            extents, steps = frame.words(self.axes), frame.words(self.axes)
            with walk(f, extents, [steps], first, last) as run:
                start = f.element(x, run.offsets[0], ty)
                done = self._across(frame, start, out, run, n, step) if self.kind == "across" else 0
                with f.loop(done, run.length) as loop:
                    row = f.element(start, loop.index * steps[-1], ty)
                    found = self._along(f, row, n) if self.kind == "along" else self._rest(f, row, n, step)
                    f.store(found, f.element(out, run.position + loop.index, I64))

    def better(self, x: Val, best: Val) -> Val:
        """Whether x, which comes later, is chosen in place of the best so far."""
        dtype = np.dtype(self.dtype)
        if dtype.kind != "f":
            bigger, smaller = (x, best) if self.largest else (best, x)
            return bigger.gt(smaller) if dtype.kind == "i" else smaller.ult(bigger)
        return (x.gt(best) if self.largest else x.lt(best)) | (x.is_nan() & best.eq(best))

    def _rest(self, f: Function, row: Val, n: Val, step: Val) -> Val:
        """The position in a row whose elements are `step` apart."""
        zero = f.constant(0, I64)
        return self._go_on(f, row, (f.constant(1, I64), n, step), f.load(memory_type(np.dtype(self.dtype)), row), zero)

    def _go_on(self, f: Function, row: Val, span: tuple[Val, Val, Val], best: Val, place: Val) -> Val:
        first, last, step = span
        ty = memory_type(np.dtype(self.dtype))
        with f.loop(first, last, carried=[best, place]) as loop:
            best, place = loop.carried
            x = f.load(ty, f.element(row, loop.index * step, ty))
            better = self.better(x, best)
            loop.next = [f.select(better, x, best), f.select(better, loop.index, place)]
        return loop.results[1]

    def _across(self, frame: Frame, start: Val, out: Val, run: Segment, n: Val, step: Val) -> Val:
        """The positions in neighbouring rows, by vectors; how many rows of the run are done."""
        f, ty = frame.f, memory_type(np.dtype(self.dtype))
        done = run.length - run.length.urem(_SIDE)
        with f.loop(0, done, _SIDE) as rows:
            column = f.element(start, rows.index, ty)
            best, place = f.load(ty.of(_SIDE), column), f.constant(0, I64.of(_SIDE))
            with f.loop(1, n, carried=[best, place]) as loop:
                best, place = loop.carried
                x = f.load(ty.of(_SIDE), f.element(column, loop.index * step, ty))
                better = self.better(x, best)
                loop.next = [f.select(better, x, best), f.select(better, f.splat(loop.index, _SIDE), place)]
            f.store(loop.results[1], f.element(out, run.position + rows.index, I64))
        return done

    def _along(self, f: Function, row: Val, n: Val) -> Val:
        """The position in a row whose elements lie side by side: block by block, then what is left."""
        dtype = np.dtype(self.dtype)
        ty, count = memory_type(dtype), lanes(dtype)
        vectors = n - n.urem(count)
        with f.loop(0, vectors, _BLOCK, carried=[f.load(ty, row), f.constant(0, I64)]) as blocks:
            best, block = blocks.carried
            found = self._extreme(f, row, blocks.index, smaller(f, blocks.index + _BLOCK, vectors))
            better = self.better(found, best)
            blocks.next = [f.select(better, found, best), f.select(better, blocks.index, block)]
        best, block = blocks.results
        with f.endless([block]) as loop:  # ends, since the best is in the block, or first of all
            (place,) = loop.carried
            x = f.load(ty, f.element(row, place, ty))
            f.leave(loop, x.eq(best) | x.is_nan() if dtype.kind == "f" else x.eq(best))
            loop.next = [place + 1]
        return self._go_on(f, row, (vectors, n, f.constant(1, I64)), best, loop.results[0])

    def _extreme(self, f: Function, row: Val, first: Val, last: Val) -> Val:
        """The extreme of a block, NaN where there is one."""
        dtype = np.dtype(self.dtype)
        ty, count = memory_type(dtype), lanes(dtype)
        start = f.load(ty.of(count), f.element(row, first, ty))
        with f.loop(first + count, last, count, carried=[start]) as loop:
            best, x = loop.carried[0], f.load(ty.of(count), f.element(row, loop.index, ty))
            loop.next = [f.select(self._beyond(x, best), x, best)]
        best, half = loop.results[0], count
        while half > 1:
            half //= 2
            upper = f.shuffle(best, None, range(half, 2 * half))
            best = f.shuffle(best, None, range(half))
            best = f.select(self._beyond(upper, best), upper, best)
        return f.extract(best, 0)

    def _beyond(self, x: Val, best: Val) -> Val:
        """As `better`, but for NaN in place of NaN, which changes nothing here."""
        if np.dtype(self.dtype).kind != "f":
            return self.better(x, best)
        return (x.gt(best) if self.largest else x.lt(best)) | x.is_nan()


def position_kernels(step: Special) -> list[Kernel]:
    """The kernel of an argmax or argmin."""
    (x,), (out,) = step.operands, step.results
    shape, axis = step.node.inputs[0].shape, int(step.node.attrs["axis"])
    rest = without(shape, (axis,))
    count, n = math.prod(rest), shape[axis]
    if not count:
        return []
    extents, (steps,) = merged(rest, without(x.strides, (axis,)))
    record = Record()
    record.point(x, out)
    chunk = max(1, PART // n)
    record.count(chunk, count, n, x.strides[axis], extents, steps)
    kind = "along" if x.strides[axis] == 1 or n == 1 else "across" if steps[-1] == 1 else "apart"
    code = Extreme(str(x.dtype.name), step.node.op.name == "argmax", len(extents), kind)
    nbytes = count * (n * x.dtype.itemsize + 8)
    return [record.kernel(code, split(count, chunk), step.node.op.name, nbytes)]
