"""`Transpose`: a copy from an array that is dense along one axis to one that is dense along another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.special.elements import RAW
from chainrule.backend.llvm.special.walk import kernel, smaller, walk
from chainrule.backend.llvm.values import Ty, Val

_LINE: Final = 64  # bytes of the target that are written one after the other


@dataclass(frozen=True)
class Transpose:
    """Copies strips: a few elements along the source's dense axis (down), all of the target's (along).

    Tiles are turned in registers. A line of the target is written whole before the next one, and a strip is so narrow
    that the lines of the source stay in the cache until all their elements were taken.
    """

    width: int
    axes: int

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        with kernel(module, name) as frame:
            f, ty = frame.f, RAW[self.width]
            source, target = frame.pointer(), frame.pointer()
            first, last = frame.share(frame.word(), frame.word())
            extents, steps, target_steps = (frame.words(self.axes) for _ in range(3))
            strip, down, along, step, target_step = frame.words(5)
            with walk(f, extents, [steps, target_steps], first, last) as run, f.loop(0, run.length) as loop:
                offset = run.offsets[0] + loop.index * steps[-1]
                target_offset = run.offsets[1] + loop.index * target_steps[-1]
                count = smaller(f, strip, down - (run.column + loop.index) * strip)
                move = _Strip(f, ty, f.element(source, offset, ty), f.element(target, target_offset, ty))
                move.copy(count, along, step, target_step)


@dataclass(frozen=True, eq=False)
class _Strip:
    f: Function
    ty: Ty
    source: Val
    target: Val

    def copy(self, down: Val, along: Val, step: Val, target_step: Val) -> None:
        f, side = self.f, {8: 4}.get(self.ty.nbytes, 8)
        block = max(side, _LINE // self.ty.nbytes)
        tiled_down = down - down.urem(side)
        lines, tiled_along = along - along.urem(block), along - along.urem(side)
        with f.loop(0, lines, block) as over, f.loop(0, tiled_down, side) as loop:
            for start in range(0, block, side):
                self._tile(side, over.index + start, loop.index, step, target_step)
        with f.loop(lines, tiled_along, side) as over, f.loop(0, tiled_down, side) as loop:
            self._tile(side, over.index, loop.index, step, target_step)
        self._rest(tiled_along, along, f.constant(0, down.ty), down, step, target_step)
        self._rest(f.constant(0, down.ty), tiled_along, tiled_down, down, step, target_step)

    def _tile(self, side: int, along: Val, down: Val, step: Val, target_step: Val) -> None:
        f, ty = self.f, self.ty
        rows = [f.load(ty.of(side), f.element(self.source, (along + row) * step + down, ty)) for row in range(side)]
        for row, x in enumerate(turned(f, rows)):
            f.store(x, f.element(self.target, (down + row) * target_step + along, ty))

    def _rest(self, first: Val, last: Val, top: Val, bottom: Val, step: Val, target_step: Val) -> None:
        f, ty = self.f, self.ty
        with f.loop(top, bottom) as down, f.loop(first, last) as along:
            x = f.load(ty, f.element(self.source, along.index * step + down.index, ty))
            f.store(x, f.element(self.target, down.index * target_step + along.index, ty))


def turned(f: Function, rows: list[Val]) -> list[Val]:
    """The columns of a square of vectors: blocks of 1, then 2, 4, ... elements change places across the diagonal."""
    rows, side, size = list(rows), len(rows), 1
    while size < side:
        for i in range(side):
            if not i & size:
                x, y = rows[i], rows[i + size]
                rows[i] = f.shuffle(x, y, [side + j - size if j & size else j for j in range(side)])
                rows[i + size] = f.shuffle(x, y, [side + j if j & size else j + size for j in range(side)])
        size *= 2
    return rows
