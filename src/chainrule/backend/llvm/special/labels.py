"""The kernel of `in_range`: a copy of labels that are looked at on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.elements import wide
from chainrule.backend.llvm.special.layout import PART, Record, merged, split
from chainrule.backend.llvm.special.walk import kernel, walk
from chainrule.schedule.plan import Special


@dataclass(frozen=True)
class Labels:
    """Copies integers, each of which must be at least 0 and below a length."""

    dtype: str
    axes: int

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        dtype = np.dtype(self.dtype)
        ty = memory_type(dtype)
        with kernel(module, name) as frame:
            f = frame.f
            x, out = frame.pointer(), frame.pointer()
            length = frame.word()
            first, last = frame.share(frame.word(), frame.word())
            extents, steps = frame.words(self.axes), frame.words(self.axes)
            with walk(f, extents, [steps], first, last) as run, f.loop(0, run.length) as loop:
                label = f.load(ty, f.element(x, run.offsets[0] + loop.index * steps[-1], ty))
                position = run.position + loop.index
                with f.when(wide(f, label, dtype).uge(length)):
                    f.ret(position + 1)
                f.store(label, f.element(out, position, ty))


def label_kernels(step: Special) -> list[Kernel]:
    """The kernel of in_range."""
    (x,), (out,) = step.operands, step.results
    shape = step.node.types[0].shape
    count = math.prod(shape)
    extents, (steps,) = merged(shape, x.strides)
    record = Record()
    record.point(x, out)
    record.count(max(0, step.node.attrs["length"]), PART, count, extents, steps)
    code = Labels(str(x.dtype.name), len(extents))
    return [record.kernel(code, split(count, PART), "in_range", 2 * count * x.dtype.itemsize)]
