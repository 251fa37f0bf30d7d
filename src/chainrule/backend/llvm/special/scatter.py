"""Kernels of `scatter_add` and `scatter_set`: a copy of x, then the updates in the order of the indices.

Every part goes through all indices in order and writes a share of each row, so that the order in which an element is
written to does not depend on who writes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.copy import copy_kernel
from chainrule.backend.llvm.special.elements import changed, each, lanes
from chainrule.backend.llvm.special.indices import Indexed, Indices, indexed
from chainrule.backend.llvm.special.layout import Record, dense, merged, split, without
from chainrule.backend.llvm.special.walk import kernel, walk
from chainrule.backend.llvm.values import Val
from chainrule.schedule.plan import DType, Place, Special

_SHARE: Final = 32  # elements of a row that a part writes: whole lines of the cache


@dataclass(frozen=True)
class Combine:
    """How an update of one dtype is put to an element of another."""

    out: str
    update: str
    add: bool

    @property
    def dtypes(self) -> tuple[DType, DType]:
        """The dtypes of the result and of the updates."""
        return np.dtype(self.out), np.dtype(self.update)

    def put(self, f: Function, pointer: Val, update: Val) -> None:
        """Writes, or adds, to what a pointer points at; a sum is computed in the dtype that NumPy's would be."""
        out, given = self.dtypes
        if not self.add:
            f.store(changed(f, update, given, out), pointer)
            return
        common = np.result_type(out, given)
        old = f.load(memory_type(out).of(update.ty.lanes), pointer)
        x, y = changed(f, old, out, common), changed(f, update, given, common)
        f.store(changed(f, x | y if common == np.bool_ else x + y, common, out), pointer)


@dataclass(frozen=True)
class ScatterElements:
    """Single elements: what the indices of p say is combined with update p; `axes` are those of p."""

    combine: Combine
    indices: tuple[str, ...]
    axes: int

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        out_ty, ty = (memory_type(dtype) for dtype in self.combine.dtypes)
        with kernel(module, name) as frame:
            f = frame.f
            updates, out = frame.pointer(), frame.pointer()
            indices = Indices.read(frame, self.indices)
            first, last = frame.share(frame.word(), frame.word())
            extents = frame.words(self.axes)
            strides = [frame.words(self.axes) for _ in range(1 + len(self.indices))]
            with walk(f, extents, strides, first, last) as run, f.loop(0, run.length) as loop:
                offsets = [start + loop.index * own[-1] for start, own in zip(run.offsets, strides, strict=True)]
                place = indices.place(f, offsets[1:], run.position + loop.index)
                update = f.load(ty, f.element(updates, offsets[0], ty))
                self.combine.put(f, f.element(out, place, out_ty), update)


@dataclass(frozen=True)
class ScatterRows:
    """Rows: elements q of the row that the indices of p say are combined with update (p, q)."""

    combine: Combine
    indices: tuple[str, ...]
    axes: int
    rest: int
    dense: bool

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        out_ty, ty = (memory_type(dtype) for dtype in self.combine.dtypes)
        with kernel(module, name) as frame:
            f = frame.f
            updates, out = frame.pointer(), frame.pointer()
            indices = Indices.read(frame, self.indices)
            start, stop = frame.share(frame.word(), frame.word())
            count = frame.word()
            rest, steps, out_steps = (frame.words(self.rest) for _ in range(3))
            extents = frame.words(self.axes)
            strides = [frame.words(self.axes) for _ in range(1 + len(self.indices))]
            with walk(f, extents, strides, f.constant(0, count.ty), count) as run, f.loop(0, run.length) as loop:
                offsets = [first + loop.index * own[-1] for first, own in zip(run.offsets, strides, strict=True)]
                place = indices.place(f, offsets[1:], run.position + loop.index)
                source, target = f.element(updates, offsets[0], ty), f.element(out, place, out_ty)
                with walk(f, rest, [steps, out_steps], start, stop) as row:
                    source = f.element(source, row.offsets[0], ty)
                    target = f.element(target, row.offsets[1], out_ty)
                    self._row(f, source, target, row.length, (steps[-1], out_steps[-1]))

    def _row(self, f: Function, source: Val, target: Val, length: Val, steps: tuple[Val, Val]) -> None:
        out_ty, ty = (memory_type(dtype) for dtype in self.combine.dtypes)
        step, out_step = (f.constant(1, length.ty),) * 2 if self.dense else steps

        def write(index: Val, count: int) -> None:
            update = f.load(ty.of(count), f.element(source, index * step, ty))
            self.combine.put(f, f.element(target, index * out_step, out_ty), update)

        if self.dense:
            each(f, length, lanes(*self.combine.dtypes), write)
        else:
            with f.loop(0, length) as loop:
                write(loop.index, 0)


def scatter_kernels(step: Special) -> list[Kernel]:
    """The kernels of a scatter."""
    x, updates = step.operands[:2]
    (out,) = step.results
    shape = step.node.types[0].shape
    copied = copy_kernel(x, out, shape)
    given = indexed(step.node, step.operands, 2)
    if not math.prod(given.shape):
        return [copied]
    add = step.node.op.name == "scatter_add"
    combine = Combine(str(out.dtype.name), str(updates.dtype.name), add)
    return [copied, _scattered(given, combine, updates, out, dense(shape))]


def _scattered(given: Indexed, combine: Combine, updates: Place, out: Place, strides: tuple[int, ...]) -> Kernel:
    count, row, first = math.prod(given.shape), math.prod(given.rest), len(given.shape)
    record = Record()
    record.point(updates, out)
    given.record(record, strides)
    extents, steps = merged(given.shape, updates.strides[:first], *given.steps)
    title = "scatter, adding" if combine.add else "scatter"
    nbytes = count * row * (updates.dtype.itemsize + (2 if combine.add else 1) * out.dtype.itemsize)
    if row == 1:
        record.count(count, count, extents, *steps)
        return record.kernel(ScatterElements(combine, given.names, len(extents)), 1, title, nbytes)
    rest, (row_steps, out_steps) = merged(given.rest, updates.strides[first:], without(strides, given.axes))
    record.count(_SHARE, row, count, rest, row_steps, out_steps, extents, *steps)
    side_by_side = (row_steps[-1], out_steps[-1]) == (1, 1)
    code = ScatterRows(combine, given.names, len(extents), len(rest), side_by_side)
    return record.kernel(code, max(1, split(row, _SHARE)), title, nbytes)
