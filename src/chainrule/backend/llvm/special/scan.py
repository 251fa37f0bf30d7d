"""Kernels of `cumsum` and `cumprod`: running sums and products, one element after the other along the axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.copy import copy_kernel
from chainrule.backend.llvm.special.elements import each, lanes
from chainrule.backend.llvm.special.layout import PART, Record, is_dense, split
from chainrule.backend.llvm.special.walk import kernel, smaller
from chainrule.backend.llvm.values import Val
from chainrule.schedule.plan import Special

_COLUMNS: Final = 1024  # elements side by side that are run along together: the last results stay in the cache


@dataclass(frozen=True)
class Scan:
    """Dense arrays (outer, n, inner): out[o, k, i] = out[o, k - 1, i] + x[o, k, i], or times it."""

    dtype: str
    multiply: bool
    single: bool  # whether inner is 1

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        ty = memory_type(np.dtype(self.dtype))
        with kernel(module, name) as frame:
            f = frame.f
            x, out = frame.pointer(), frame.pointer()
            first, last = frame.share(frame.word(), frame.word())
            n, inner, pieces, piece = frame.words(4)
            with f.loop(first, last) as loop:
                if self.single:
                    start = loop.index * n
                    self._row(f, f.element(x, start, ty), f.element(out, start, ty), n)
                else:
                    column = loop.index.urem(pieces) * piece
                    start = loop.index.udiv(pieces) * n * inner + column
                    width = smaller(f, inner - column, piece)
                    self._columns(f, f.element(x, start, ty), f.element(out, start, ty), n, (inner, width))

    def _row(self, f: Function, x: Val, out: Val, n: Val) -> None:
        ty = memory_type(np.dtype(self.dtype))
        total = f.load(ty, x)
        f.store(total, out)
        with f.loop(1, n, carried=[total]) as loop:
            total = self._next(loop.carried[0], f.load(ty, f.element(x, loop.index, ty)))
            f.store(total, f.element(out, loop.index, ty))
            loop.next = [total]

    def _columns(self, f: Function, x: Val, out: Val, n: Val, widths: tuple[Val, Val]) -> None:
        dtype = np.dtype(self.dtype)
        ty, count, (inner, width) = memory_type(dtype), lanes(dtype), widths

        def begin(index: Val, lanes: int) -> None:
            f.store(f.load(ty.of(lanes), f.element(x, index, ty)), f.element(out, index, ty))

        each(f, width, count, begin)
        with f.loop(1, n) as loop:
            here = loop.index * inner
            before = here - inner

            def go_on(index: Val, lanes: int) -> None:
                total = f.load(ty.of(lanes), f.element(out, before + index, ty))
                step = f.load(ty.of(lanes), f.element(x, here + index, ty))
                f.store(self._next(total, step), f.element(out, here + index, ty))

            each(f, width, count, go_on)

    def _next(self, total: Val, x: Val) -> Val:
        return total * x if self.multiply else total + x


def scan_kernels(step: Special) -> list[Kernel]:
    """The kernels of a cumsum or cumprod: a copy to the result first where x is not as the result is."""
    (x,), (out,) = step.operands, step.results
    shape, axis = step.node.types[0].shape, int(step.node.attrs["axis"])
    if 0 in shape:
        return []
    outer, n, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    direct = x.dtype == out.dtype and is_dense(x, shape)
    record = Record()
    record.point(x if direct else out, out)
    pieces = split(inner, _COLUMNS)
    chunk = max(1, PART // (n * min(inner, _COLUMNS)))
    record.count(chunk, outer * pieces, n, inner, pieces, _COLUMNS)
    multiply = step.node.op.name == "cumprod"
    code = Scan(str(out.dtype.name), multiply, inner == 1)
    scan = record.kernel(
        code, split(outer * pieces, chunk), step.node.op.name, 2 * math.prod(shape) * out.dtype.itemsize
    )
    return [scan] if direct else [copy_kernel(x, out, shape), scan]
