"""Calls of nests' kernels through ctypes, on memory with canaries all around."""

from __future__ import annotations

import ctypes
from itertools import count, pairwise
from typing import Any

import numpy as np
from nest_meaning import Memory, run, view

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.engine import compile_text, load
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.nest.collapse import collapse
from chainrule.backend.llvm.nest.form import make_form
from chainrule.backend.llvm.nest.kernels import kernels
from chainrule.backend.llvm.target import Target, host
from chainrule.schedule.plan import Nest

PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
CODE: dict[tuple[str, Target], Any] = {}
NAMES = count()


def code(kernel: Kernel, target: Target) -> Any:
    """The function of a kernel; one for a structure."""
    key = kernel.structure, target
    if key not in CODE:
        module, name = Module(), f"nest{next(NAMES)}"
        kernel.write(module, name)
        CODE[key] = PROTOTYPE(load(compile_text(str(module), target), [name])[0])
    return CODE[key]


def call(kernel: Kernel, memory: Memory, cuts: tuple[int, ...] = (), target: Target | None = None) -> None:
    """Runs the parts of a kernel, cut at `cuts`, last first."""
    function = code(kernel, target or host())
    addresses = [memory[buffer].ctypes.data + offset for buffer, offset in kernel.pointers]
    pointers = (ctypes.c_void_p * max(1, len(addresses)))(*addresses)
    words = (ctypes.c_int64 * max(1, len(kernel.words)))(*kernel.words)
    at = [0, *[cut for cut in cuts if 0 < cut < kernel.parts], kernel.parts]
    for begin, end in reversed(list(pairwise(at))):
        assert function(ctypes.addressof(pointers), ctypes.addressof(words), begin, end, None) == 0


def lanes_of(nest: Nest) -> int:
    """The lanes that folds of a collapsed nest have."""
    form, _ = make_form(nest, -1, 1, 1)
    return form.lanes if form.across else 0


def check(nest: Nest, memory: Memory, cuts: tuple[int, ...] = (), target: Target | None = None) -> None:
    """Runs a nest and compares all memory with what the nest means."""
    expected = {buffer: bytes_.copy() for buffer, bytes_ in memory.items()}
    small = collapse(nest)
    run(small, expected, lanes_of(small))
    found = {buffer: aligned(bytes_) for buffer, bytes_ in memory.items()}
    for kernel in kernels(nest, None):
        call(kernel, found, cuts, target)
    compare(small, found, expected)


def aligned(bytes_: np.ndarray) -> np.ndarray:
    """A copy whose address is a multiple of 64."""
    room = np.empty(len(bytes_) + 64, np.uint8)
    skip = -room.ctypes.data % 64
    room[skip : skip + len(bytes_)] = bytes_
    return room[skip : skip + len(bytes_)]


def compare(nest: Nest, found: Memory, expected: Memory) -> None:
    """Written elements are equal (every NaN to every NaN), all other bytes are what they were."""
    uncertain = any(fold.combine in ("maximum", "minimum") for stage in nest.stages for fold in stage.folds)
    for stage in nest.stages:
        lengths = (*nest.rows, *nest.columns) if stage.columns else nest.rows
        for store in stage.stores:
            x, y = (view(m, store.place, (), lengths) for m in (found, expected))
            np.testing.assert_array_equal(x, y)
            if x.dtype.kind == "f" and not uncertain:
                signs = [np.where(np.isnan(z), False, np.signbit(z)) for z in (x, y)]
                np.testing.assert_array_equal(*signs)
            x[...] = y
    for buffer, bytes_ in expected.items():
        np.testing.assert_array_equal(found[buffer], bytes_)
