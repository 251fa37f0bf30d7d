"""`copy_kernel`: the elements of one place written to another, in any layout and any dtype."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.elements import changed, copy_run, each, lanes
from chainrule.backend.llvm.special.layout import PART, Record, merged, split
from chainrule.backend.llvm.special.transpose import Transpose
from chainrule.backend.llvm.special.walk import Segment, kernel, walk
from chainrule.backend.llvm.values import Val
from chainrule.schedule.plan import Axes, Place
from chainrule.types import Shape

_STRIP: Final = 64  # elements of a source's run that are transposed together


@dataclass(frozen=True)
class Copy:
    """Copies runs: `kind` is dense (both side by side), fill (one element many times) or strided."""

    source: str
    target: str
    axes: int
    kind: str

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        with kernel(module, name) as frame:
            f = frame.f
            source, target = frame.pointer(), frame.pointer()
            first, last = frame.share(frame.word(), frame.word())
            extents, steps, target_steps = (frame.words(self.axes) for _ in range(3))
            with walk(f, extents, [steps, target_steps], first, last) as run:
                self._run(f, source, target, run, steps[-1], target_steps[-1])

    def _run(self, f: Function, source: Val, target: Val, run: Segment, step: Val, target_step: Val) -> None:
        old, new = np.dtype(self.source), np.dtype(self.target)
        ty, to = memory_type(old), memory_type(new)
        source, target = f.element(source, run.offsets[0], ty), f.element(target, run.offsets[1], to)
        if self.kind == "strided":
            with f.loop(0, run.length) as loop:
                x = changed(f, f.load(ty, f.element(source, loop.index * step, ty)), old, new)
                f.store(x, f.element(target, loop.index * target_step, to))
        elif self.kind == "dense" and old == new:
            copy_run(f, target, source, run.length, old.itemsize)
        else:
            count = lanes(old, new)
            one = changed(f, f.load(ty, source), old, new) if self.kind == "fill" else None

            def write(index: Val, lanes: int) -> None:
                x = one and f.splat(one, lanes)
                x = x or changed(f, f.load(ty.of(lanes), f.element(source, index, ty)), old, new)
                f.store(x, f.element(target, index, to))

            each(f, run.length, count, write)


def copy_kernel(source: Place, target: Place, shape: Shape) -> Kernel:
    """The kernel that writes an array to another place, converted to the place's dtype."""
    total = math.prod(shape)
    title = "copy" if source.dtype == target.dtype else f"{target.dtype.name} of {source.dtype.name}"
    nbytes = total * (source.dtype.itemsize + target.dtype.itemsize)
    source, target, shape = _ordered(source, target, shape)
    extents, (steps, target_steps) = merged(shape, source.strides, target.strides)
    record = Record()
    record.point(source, target)
    raw = source.dtype == target.dtype
    across = _across(extents, steps, target_steps) if raw else None
    if across is not None:
        return _transposed(record, source.dtype.itemsize, extents, steps, target_steps, across, title, nbytes)
    record.count(PART, total, extents, steps, target_steps)
    kind = {(1, 1): "dense", (0, 1): "fill"}.get((steps[-1], target_steps[-1]), "strided")
    names = str(source.dtype.name), str(target.dtype.name)
    if raw:  # floats are moved as integers are
        names = ({1: "uint8", 4: "int32", 8: "int64"}[source.dtype.itemsize],) * 2
    return record.kernel(Copy(names[0], names[1], len(extents), kind), split(total, PART), title, nbytes)


def _ordered(source: Place, target: Place, shape: Shape) -> tuple[Place, Place, Shape]:
    """The same copy with the target's strides positive and falling."""
    if 0 in shape:
        return source, target, shape
    turned = [axis for axis, step in enumerate(target.strides) if step < 0]
    source, target = (_flipped(place, shape, turned) for place in (source, target))
    axes = sorted((axis for axis, n in enumerate(shape) if n > 1), key=lambda axis: -target.strides[axis])
    source, target = (replace(place, strides=tuple(place.strides[axis] for axis in axes)) for place in (source, target))
    return source, target, tuple(shape[axis] for axis in axes)


def _flipped(place: Place, shape: Shape, axes: list[int]) -> Place:
    offset = place.offset + sum((shape[axis] - 1) * place.strides[axis] for axis in axes)
    strides = tuple(-step if axis in axes else step for axis, step in enumerate(place.strides))
    return replace(place, strides=strides, offset=offset)


def _across(extents: Axes, steps: Axes, target_steps: Axes) -> int | None:
    """The axis along which the source is dense where that is another one than the target's last."""
    if target_steps[-1] != 1 or steps[-1] in (0, 1):
        return None
    found = [axis for axis, step in enumerate(steps[:-1]) if step == 1 and extents[axis] > 1]
    return found[0] if found else None


def _transposed(
    record: Record, width: int, extents: Axes, steps: Axes, target_steps: Axes, across: int, title: str, nbytes: int
) -> Kernel:
    rest = [axis for axis in range(len(extents) - 1) if axis != across]
    strips = split(extents[across], _STRIP)
    outer = (*(extents[axis] for axis in rest), strips)
    from_steps = (*(steps[axis] for axis in rest), _STRIP)
    to_steps = (*(target_steps[axis] for axis in rest), _STRIP * target_steps[across])
    chunk = max(1, PART // (_STRIP * extents[-1]))
    total = math.prod(outer)
    record.count(chunk, total, outer, from_steps, to_steps)
    record.count(_STRIP, extents[across], extents[-1], steps[-1], target_steps[across])
    return record.kernel(Transpose(width, len(outer)), split(total, chunk), title, nbytes)
