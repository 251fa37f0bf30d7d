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
from chainrule.backend.llvm.special.elements import RAW, lanes, order_key
from chainrule.backend.llvm.special.layout import PART, Record, merged, split, without
from chainrule.backend.llvm.special.walk import Frame, Segment, kernel, smaller, walk
from chainrule.backend.llvm.values import I1, I64, Val
from chainrule.schedule.plan import Special

_BLOCK: Final = 256  # elements of which first the largest is found, and its place only where it is the best so far
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
        ty = RAW[np.dtype(self.dtype).itemsize]
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
                    found = self._along(f, row, n) if self.kind == "along" else self._apart(f, row, n, step)
                    f.store(found, f.element(out, run.position + loop.index, I64))

    def key(self, f: Function, pointer: Val, index: Val, count: int = 0) -> Val:
        """What an element, or a vector of them, is compared by: the largest is chosen."""
        dtype = np.dtype(self.dtype)
        ty = RAW[dtype.itemsize]
        return order_key(f, f.load(ty.of(count), f.element(pointer, index, ty)), dtype, reverse=not self.largest)

    def _apart(self, f: Function, row: Val, n: Val, step: Val) -> Val:
        """The position in a row whose elements are `step` apart."""
        zero = f.constant(0, I64)
        return self._go_on(f, row, (f.constant(1, I64), n, step), self.key(f, row, zero), zero)

    def _go_on(self, f: Function, row: Val, span: tuple[Val, Val, Val], best: Val, place: Val) -> Val:
        first, last, step = span
        with f.loop(first, last, carried=[best, place]) as loop:
            best, place = loop.carried
            x = self.key(f, row, loop.index * step)
            better = x.gt(best)
            loop.next = [f.select(better, x, best), f.select(better, loop.index, place)]
        return loop.results[1]

    def _across(self, frame: Frame, start: Val, out: Val, run: Segment, n: Val, step: Val) -> Val:
        """The positions in neighbouring rows, by vectors; how many rows of the run are done."""
        f = frame.f
        done = run.length - run.length.urem(_SIDE)
        with f.loop(0, done, _SIDE) as rows:
            best, place = self.key(f, start, rows.index, _SIDE), f.constant(0, I64.of(_SIDE))
            with f.loop(1, n, carried=[best, place]) as loop:
                best, place = loop.carried
                x = self.key(f, start, rows.index + loop.index * step, _SIDE)
                better = x.gt(best)
                loop.next = [f.select(better, x, best), f.select(better, f.splat(loop.index, _SIDE), place)]
            f.store(loop.results[1], f.element(out, run.position + rows.index, I64))
        return done

    def _along(self, f: Function, row: Val, n: Val) -> Val:
        """The position in a row whose elements lie side by side: by vectors, then what is left."""
        count = lanes(np.dtype(self.dtype))
        vectors, zero = n - n.urem(count), f.constant(0, I64)
        best, place = f.either(
            vectors.gt(0), lambda: self._by_vectors(f, row, vectors), lambda: [self.key(f, row, zero), zero]
        )
        return self._go_on(f, row, (vectors, n, f.constant(1, I64)), best, place)

    def _by_vectors(self, f: Function, row: Val, vectors: Val) -> list[Val]:
        """The best of whole vectors and its position: first the block that has it, then where it is there."""
        count, zero = lanes(np.dtype(self.dtype)), f.constant(0, I64)
        with f.loop(0, vectors, _BLOCK, carried=[self.key(f, row, zero), zero]) as blocks:
            best, block = blocks.carried
            found = self._best(f, row, blocks.index, smaller(f, blocks.index + _BLOCK, vectors))
            better = found.gt(best)
            blocks.next = [f.select(better, found, best), f.select(better, blocks.index, block)]
        best, block = blocks.results
        with f.endless([block]) as loop:  # ends: the block has the best
            equal = self.key(f, row, loop.carried[0], count).eq(best)
            found = f.intrinsic("vector.reduce.or", I1, equal, over=[equal.ty])
            assert found is not None
            f.leave(loop, found)
            loop.next = [loop.carried[0] + count]
        with f.endless([loop.results[0]]) as loop:
            f.leave(loop, self.key(f, row, loop.carried[0]).eq(best))
            loop.next = [loop.carried[0] + 1]
        return [best, loop.results[0]]

    def _best(self, f: Function, row: Val, first: Val, last: Val) -> Val:
        """The largest key of a block of whole vectors."""
        count = lanes(np.dtype(self.dtype))
        with f.loop(first + count, last, count, carried=[self.key(f, row, first, count)]) as loop:
            best, x = loop.carried[0], self.key(f, row, loop.index, count)
            loop.next = [f.select(x.gt(best), x, best)]
        best = loop.results[0]
        while count > 1:
            count //= 2
            upper, lower = (f.shuffle(best, None, range(at, at + count)) for at in (count, 0))
            best = f.select(upper.gt(lower), upper, lower)
        return f.extract(best, 0)


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
