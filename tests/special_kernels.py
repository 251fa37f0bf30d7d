"""Runs special kernels through ctypes, without a driver: with canaries round all memory and any split of the parts."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.backend.llvm.code import addresses
from chainrule.backend.llvm.kernel import Kernel
from chainrule.ir.node import Node, input_value
from chainrule.ir.op import Op
from chainrule.schedule.plan import Buffer, Place, Special
from chainrule.types import type_of

GUARD = 128
SIGNATURE = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
Splits = Callable[[int], Sequence[tuple[int, int]]]
_CODE: dict[str, Any] = {}


def function(kernel: Kernel) -> Any:
    """The kernel's machine code, compiled once for a structure."""
    if kernel.structure not in _CODE:
        _CODE[kernel.structure] = SIGNATURE(addresses([kernel])[0][kernel.structure])
    return _CODE[kernel.structure]


def at_once(parts: int) -> list[tuple[int, int]]:
    return [(0, parts)] if parts else []


def one_by_one(parts: int) -> list[tuple[int, int]]:
    return [(part, part + 1) for part in reversed(range(parts))]


def drawn(rng: np.random.Generator) -> Splits:
    """Random shares in a random order."""

    def shares(parts: int) -> list[tuple[int, int]]:
        cuts = sorted({0, parts, *rng.integers(0, parts + 1, 3).tolist()})
        found = list(pairwise(cuts))
        return [found[place] for place in rng.permutation(len(found))]

    return shares


class Guarded:
    """The bytes of buffers, each between two guards of a pattern."""

    def __init__(self, poison: int) -> None:
        self.poison = poison
        self._bytes: dict[Buffer, np.ndarray[Any, Any]] = {}

    def allocate(self, nbytes: int) -> Buffer:
        """A buffer of the arena, poisoned."""
        return self.add(Buffer("arena", nbytes))

    def add(self, buffer: Buffer) -> Buffer:
        raw = np.full(buffer.nbytes + 2 * GUARD + 64, self.poison, np.uint8)
        start = -raw.ctypes.data % 64
        self._bytes[buffer] = raw[start : start + buffer.nbytes + 2 * GUARD]
        return buffer

    def inside(self, buffer: Buffer) -> np.ndarray[Any, Any]:
        return self._bytes[buffer][GUARD : GUARD + buffer.nbytes]

    def place(self, x: Any) -> Place:
        """A copy of an array, with the memory that its strides reach, and where its elements are in it."""
        x = np.asarray(x)
        low = sum(min(0, (n - 1) * step) for n, step in zip(x.shape, x.strides, strict=True)) if x.size else 0
        high = sum(max(0, (n - 1) * step) for n, step in zip(x.shape, x.strides, strict=True)) if x.size else 0
        size = x.itemsize
        buffer = self.add(Buffer("input", high - low + size if x.size else 0))
        if x.size:
            target = np.ndarray(x.shape, x.dtype, self.inside(buffer).data, -low, x.strides)
            target[...] = x
        return Place(buffer, x.dtype, tuple(step // size for step in x.strides), -low // size)

    def check(self) -> None:
        """Raises where something was written outside of a buffer."""
        for buffer, raw in self._bytes.items():
            outside = np.concatenate([raw[:GUARD], raw[GUARD + buffer.nbytes :]])
            assert (outside == self.poison).all(), f"a write outside of {buffer}"


def call(kernel: Kernel, memory: Guarded, splits: Splits) -> int:
    """The first status that is not 0, all shares having run; scratch is guarded too."""
    code = function(kernel)
    pointers = np.array(
        [(memory.inside(buffer).ctypes.data + offset) % 2**64 for buffer, offset in kernel.pointers] or [0], np.uint64
    )
    words = np.array([*kernel.words, 0], np.int64)
    statuses: list[int] = []
    for begin, end in splits(kernel.parts):
        scratch = memory.allocate(kernel.scratch)
        statuses.append(code(pointers.ctypes.data, words.ctypes.data, begin, end, memory.inside(scratch).ctypes.data))
    return next((status for status in statuses if status), 0)


def special_step(op: Op, operands: Sequence[Any], attrs: dict[str, Any], memory: Guarded) -> Special:
    """The step of one node on arrays."""
    types = [type_of(x) for x in operands]
    out = op.infer(*types, **attrs)
    assert not isinstance(out, tuple)
    node = Node(op, tuple(map(input_value, types)), attrs, (out,))
    buffer = memory.add(Buffer("output", out.nbytes))
    strides = np.empty(out.shape, np.uint8).strides if out.size else (0,) * out.ndim
    return Special(node, tuple(memory.place(x) for x in operands), (Place(buffer, out.dtype, strides),))


def run(
    op: Op, operands: Sequence[Any], attrs: dict[str, Any], splits: Splits = at_once, poison: int = 0xA5
) -> tuple[np.ndarray[Any, Any], int]:
    """The result of the node's kernels, and their first status that is not 0."""
    kernels = _kernels()
    memory = Guarded(poison)
    step = special_step(op, operands, attrs, memory)
    before = [memory.inside(place.buffer).copy() for place in step.operands]
    status = 0
    for kernel in kernels(step, memory.allocate):
        status = call(kernel, memory, splits)
        if status:
            break
    memory.check()
    for place, old in zip(step.operands, before, strict=True):
        assert (memory.inside(place.buffer) == old).all(), "an operand was written to"
    (out,) = step.node.types
    return memory.inside(step.results[0].buffer).view(out.dtype).reshape(out.shape), status


def same(op: Op, operands: Sequence[Any], attrs: dict[str, Any], rng: np.random.Generator | None = None) -> None:
    """Raises unless the kernels give the bits of the record's NumPy meaning, in any split, whatever was there."""
    with np.errstate(all="ignore"):
        expected = np.asarray(op.numpy(*operands, **attrs))
    rng = rng or np.random.default_rng(0)
    for splits, poison in ((at_once, 0xA5), (one_by_one, 0x5A), (drawn(rng), 0xFF)):
        out, status = run(op, operands, attrs, splits, poison)
        assert status == 0, f"{op} {attrs}: status {status}"
        assert (out.dtype, out.shape) == (expected.dtype, expected.shape)
        assert out.tobytes() == expected.tobytes(), f"{op} {attrs} of {[type_of(x) for x in operands]}"


@cache
def _kernels() -> Any:
    from chainrule.backend.llvm.special import kernels

    return kernels


def layouts(x: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """The array in several layouts: dense, Fortran, reversed, every other element, broadcast along an axis."""
    found = [x, x.copy(order="F")]
    if x.ndim:
        found += [np.ascontiguousarray(x[::-1])[::-1], np.repeat(x, 2, axis=-1)[..., ::2]]
        found.append(np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(x.ndim - 1, *range(x.ndim - 1)))
        if len(x):
            found.append(np.broadcast_to(x[:1], x.shape))
    return found
