"""The kernel that copies an operand to dense memory, where its dtype or its axes fit no other kernel."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.contract.element import element
from chainrule.backend.llvm.contract.frame import Frame, kernel_function
from chainrule.backend.llvm.contract.product import axes_of, merged
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar import convert, from_memory, to_memory
from chainrule.backend.llvm.values import I64
from chainrule.schedule.plan import Axes, Buffer, Place

DType = np.dtype[Any]

PART: Final = 16384
"""Elements of one part."""


def dense_copy(
    source: Place, lengths: Axes, whole: range, dtype: DType, allocate: Callable[[int], Buffer]
) -> tuple[Kernel, Place]:
    """The kernel that copies an array of some lengths, and where it is then. Axes of stride 0 but `whole` stay so."""
    dense = [stride != 0 or axis in whole for axis, stride in enumerate(source.strides)]
    kept = tuple([n if d else 1 for n, d in zip(lengths, dense, strict=True)])
    steps = [prod(kept[i + 1 :]) * d for i, d in enumerate(dense)]
    target = Place(allocate(max(1, prod(kept)) * dtype.itemsize), dtype, tuple(steps))
    axes = merged(axes_of(kept, [source.strides, target.strides]))
    lines = prod([axis.length for axis in axes[:-1]])
    last = axes[-1].length if axes else 1
    group = min(lines, max(1, PART // max(1, last)))
    words = [lines, group, *[axis.length for axis in axes[:-1]], last]
    for side in (0, 1):
        words += [axis.strides[side] for axis in axes[:-1]] + [axes[-1].strides[side] if axes else 1]

    def write(module: Module, name: str) -> None:
        with kernel_function(module, name) as f:
            _write(f, source.dtype, dtype, max(0, len(axes) - 1))
            f.ret(0)

    kernel = Kernel(
        structure=f"copy {source.dtype} {dtype} {max(0, len(axes) - 1)}",
        write=write,
        pointers=((source.buffer, source.offset * source.dtype.itemsize), (target.buffer, 0)),
        words=tuple(words),
        parts=-(-lines // max(1, group)),
        nbytes=prod(kept) * (source.dtype.itemsize + dtype.itemsize),
        title="copy operand",
    )
    return kernel, target


def _write(f: Function, source: DType, target: DType, outer: int) -> None:
    frame = Frame(f)
    pointers = [f.load(f.arguments[0].ty, f.element(f.arguments[0], i, f.arguments[0].ty)) for i in (0, 1)]
    count, group, *lengths = frame.words(2 + outer)
    length = frame.words(1)[0]
    steps = [frame.words(outer + 1) for _ in pointers]
    with frame.share(group, count) as loop:
        places = frame.place(loop.index, lengths)
        starts = [f.constant(0, I64), f.constant(0, I64)]
        for side in (0, 1):
            for place, step in zip(places, steps[side], strict=False):
                starts[side] = starts[side] + place * step
        with f.loop(0, length) as inner:
            at = [start + inner.index * step[-1] for start, step in zip(starts, steps, strict=True)]
            x = from_memory(f, f.load(element(source), f.element(pointers[0], at[0], element(source))), source)
            y = to_memory(f, convert(f, x, source, target), target)
            f.store(y, f.element(pointers[1], at[1], element(target)))
