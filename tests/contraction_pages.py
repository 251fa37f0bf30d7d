"""Multiplies matrices that end, or begin, at a page that cannot be read: run as a program, which a wrong read ends."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
from contraction_calls import MACHINES
from special_kernels import Guarded, call

from chainrule.backend.llvm.contract import kernels
from chainrule.schedule.plan import Buffer, Contraction, Place

PAGE = mmap.PAGESIZE
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 10, 13, 16, 17, 20, 28, 33, 40, 64, 70, 100, 130, 260, 300, 530)


class Pages(Guarded):
    """Memory in pages of its own between two that cannot be read."""

    def __init__(self, *, end: bool) -> None:
        super().__init__(0xA5)
        self.end, self.views, self.maps = end, dict[Buffer, Any](), list[Any]()

    def add(self, buffer: Buffer) -> Buffer:
        pages = -(-buffer.nbytes // PAGE) + 2
        memory = mmap.mmap(-1, pages * PAGE)
        self.maps.append(memory)
        base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        protect = ctypes.CDLL(None).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for place in (base, base + (pages - 1) * PAGE):
            assert protect(place, PAGE, 0) == 0
        start = (pages - 1) * PAGE - buffer.nbytes if self.end and buffer.kind != "arena" else PAGE
        self.views[buffer] = np.frombuffer(memory, np.uint8)[start : start + buffer.nbytes]
        return buffer

    def inside(self, buffer: Buffer) -> Any:
        return self.views[buffer]


def once(rng: np.random.Generator, number: int) -> None:
    """One product of random lengths, transposes and dtype, at both ends of pages."""
    m, k, n = rng.choice(LENGTHS, 3).tolist()
    dtype = np.dtype(np.float64 if number % 4 == 3 else np.float32)
    left, right, out = (
        rng.standard_normal(shape if rng.random() < 0.5 else shape[::-1]).astype(dtype)
        for shape in ((m, k), (k, n), (m, n))
    )
    left, right, out = (x if x.shape == shape else x.T for x, shape in ((left, (m, k)), (right, (k, n)), (out, (m, n))))
    for end in (False, True):
        memory = Pages(end=end)
        places: list[Place] = [memory.place(x) for x in (left, right, out)]
        step = Contraction((), (m,), (n,), (k,), *places)
        for kernel in kernels(step, MACHINES[number % len(MACHINES)], memory.allocate):
            assert call(kernel, memory, lambda parts: [(0, parts)]) == 0
        result = np.ndarray((m, n), dtype, memory.inside(places[2].buffer).data, 0, out.strides)
        np.testing.assert_allclose(result, left @ right, rtol=1e-3, atol=1e-3)


if __name__ == "__main__":
    generator = np.random.default_rng(0)
    for trial in range(60):
        once(generator, trial)
