"""Kernels of `gather` and `permute_along`: elements, or whole rows of them, from computed places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.special.elements import RAW, copy_run
from chainrule.backend.llvm.special.indices import Indexed, Indices, indexed
from chainrule.backend.llvm.special.layout import PART, Record, merged, split, without
from chainrule.backend.llvm.special.walk import kernel, smaller, walk
from chainrule.backend.llvm.values import Val
from chainrule.schedule.plan import Axes, Place, Special

_LONG: Final = 2 * PART  # elements from which on a row is cut


@dataclass(frozen=True)
class Elements:
    """Single elements: out[p] = x[p's own place + the place of its indices]; `axes` are those of p."""

    width: int
    indices: tuple[str, ...]
    axes: int

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        with kernel(module, name) as frame:
            f, ty = frame.f, RAW[self.width]
            x, out = frame.pointer(), frame.pointer()
            indices = Indices.read(frame, self.indices)
            first, last = frame.share(frame.word(), frame.word())
            extents = frame.words(self.axes)
            strides = [frame.words(self.axes) for _ in range(1 + len(self.indices))]
            with walk(f, extents, strides, first, last) as run, f.loop(0, run.length) as loop:
                offsets = [start + loop.index * steps[-1] for start, steps in zip(run.offsets, strides, strict=True)]
                position = run.position + loop.index
                place = offsets[0] + indices.place(f, offsets[1:], position)
                f.store(f.load(ty, f.element(x, place, ty)), f.element(out, position, ty))


@dataclass(frozen=True)
class Rows:
    """Rows: out[p, q] = x[the place of p's indices + q's place]; `axes` are those of p, `rest` of q.

    Where rows are long (`cut`) the last axis of p counts pieces of a row.
    """

    width: int
    indices: tuple[str, ...]
    axes: int
    rest: int
    dense: bool
    cut: bool

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        with kernel(module, name) as frame:
            f, ty = frame.f, RAW[self.width]
            x, out = frame.pointer(), frame.pointer()
            indices = Indices.read(frame, self.indices)
            first, last = frame.share(frame.word(), frame.word())
            row, piece, pieces = frame.words(3)
            rest, steps = frame.words(self.rest), frame.words(self.rest)
            extents = frame.words(self.axes)
            strides = [frame.words(self.axes) for _ in self.indices]
            with walk(f, extents, strides, first, last) as run, f.loop(0, run.length) as loop:
                offsets = [start + loop.index * own[-1] for start, own in zip(run.offsets, strides, strict=True)]
                number = run.position + loop.index
                start, stop = f.constant(0, row.ty), row
                if self.cut:
                    start = (run.column + loop.index) * piece
                    stop, number = smaller(f, start + piece, row), number.udiv(pieces)
                place = indices.place(f, offsets, number)
                source, target = f.element(x, place, ty), f.element(out, number * row, ty)
                self._row(f, (rest, steps), source, target, (start, stop))

    def _row(
        self, f: Function, rest: tuple[list[Val], list[Val]], source: Val, target: Val, cut: tuple[Val, Val]
    ) -> None:
        ty = RAW[self.width]
        extents, steps = rest
        with walk(f, extents, [steps], *cut) as run:
            source, target = f.element(source, run.offsets[0], ty), f.element(target, run.position, ty)
            if self.dense:
                copy_run(f, target, source, run.length, self.width)
            else:
                with f.loop(0, run.length) as loop:
                    y = f.load(ty, f.element(source, loop.index * steps[-1], ty))
                    f.store(y, f.element(target, loop.index, ty))


def gather_kernels(step: Special) -> list[Kernel]:
    """The kernel of a gather. Indices are looked at even where rows have no element."""
    x, (out,) = step.operands[0], step.results
    given = indexed(step.node, step.operands, 1)
    count, row = math.prod(given.shape), math.prod(given.rest)
    if not count:
        return []
    if row == 1:
        extents, steps = merged(given.shape, *given.steps)
        own = (0,) * len(extents)
        return [_elements(x, out, given, given.lengths, (count, extents, own, *steps), x.strides)]
    rest, (rest_steps,) = merged(given.rest, without(x.strides, given.axes))
    extents, steps = merged(given.shape, *given.steps)
    pieces = split(row, PART) if row > _LONG else 1
    if pieces > 1:
        extents, steps = (*extents, pieces), [(*own, 0) for own in steps]
    record = Record()
    record.point(x, out)
    given.record(record, x.strides)
    total, chunk = count * pieces, max(1, PART // max(1, min(row, PART)))
    record.count(chunk, total, row, PART, pieces, rest, rest_steps, extents, *steps)
    width = x.dtype.itemsize
    code = Rows(width, given.names, len(extents), len(rest), rest_steps[-1] == 1, pieces > 1)
    return [record.kernel(code, split(total, chunk), "gather of rows", 2 * count * row * width)]


def permute_kernels(step: Special) -> list[Kernel]:
    """The kernel of permute_along: an index says where along the axis, the others stay."""
    (x, order), (out,) = step.operands, step.results
    shape, axis = step.node.inputs[0].shape, int(step.node.attrs["axis"])
    count = math.prod(shape)
    if not count:
        return []
    own = tuple(0 if at == axis else stride for at, stride in enumerate(x.strides))
    extents, steps = merged(shape, own, order.strides)
    given = Indexed((order,), (axis,), (shape[axis],), shape, (), [])
    return [_elements(x, out, given, given.lengths, (count, extents, *steps), x.strides)]


def _elements(
    x: Place, out: Place, given: Indexed, lengths: Axes, words: Sequence[int | Axes], strides: Axes
) -> Kernel:
    count, extents, *_ = words
    assert isinstance(count, int) and isinstance(extents, tuple)
    record = Record()
    record.point(x, out)
    given.record(record, strides)
    record.count(PART, *words)
    code = Elements(x.dtype.itemsize, given.names, len(extents))
    return record.kernel(code, split(count, PART), "gather", 2 * count * x.dtype.itemsize)
