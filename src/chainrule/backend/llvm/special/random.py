"""Kernels of `random_bits`, `random_uniform` and `random_fold`: eight blocks of Philox at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.scalar.convert import memory_type
from chainrule.backend.llvm.special.elements import copy_run, wide
from chainrule.backend.llvm.special.layout import PART, Record, split
from chainrule.backend.llvm.special.philox import LOW, Words, key_schedule, philox
from chainrule.backend.llvm.special.walk import Frame, kernel
from chainrule.backend.llvm.values import F32, F64, I32, I64, Val
from chainrule.ops.random import FOLDS, NUMBERS
from chainrule.schedule.plan import Place, Special

_BLOCKS: Final = 8
_TWO_TO_52: Final = 0x4330000000000000  # the bits of 2**52: an integer below it, put into them, is added to it


@dataclass(frozen=True)
class Draw:
    """Numbers of one dtype: integers are bits, floats are uniform."""

    dtype: str

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        dtype = np.dtype(self.dtype)
        ty, size = memory_type(dtype), 4 * _BLOCKS * 4 // dtype.itemsize
        with kernel(module, name) as frame:
            f = frame.f
            keys, out = _read_key(frame), frame.pointer()
            stream = frame.word()
            first, last = frame.share(frame.word(), frame.word())
            room = f.alloca(ty, size)
            with f.loop(first, last, size) as loop:  # the last numbers may be more than there is room for
                fits = (loop.index + size).le(last)
                target = f.select(fits, f.element(out, loop.index, ty), room)
                f.store(self._numbers(f, keys, stream, loop.index), target)
            rest = (last - first).urem(size)
            copy_run(f, f.element(out, last - rest, ty), room, rest, dtype.itemsize)

    def _numbers(self, f: Function, keys: Val, stream: Val, position: Val) -> Val:
        """The elements from a position on, a multiple of their number, in one vector."""
        wide = I64.of(_BLOCKS)
        block = position.lshr(2 if np.dtype(self.dtype).itemsize == 4 else 1)
        number = f.iota(wide) + block
        fixed = f.constant(0, wide), f.splat(stream, _BLOCKS)
        words = philox((number & LOW, number.lshr(32), *fixed), keys)
        return {
            "int32": lambda: _words(f, words),
            "int64": lambda: _in_order(f, _paired((words[1], words[0], words[3], words[2]))),
            "float32": lambda: _words(f, words).lshr(8).cast("sitofp", F32) * 2.0**-24,
            "float64": lambda: _in_order(f, (_double(words[0], words[1]), _double(words[2], words[3]))),
        }[self.dtype]()


def _paired(words: Words) -> tuple[Val, Val]:
    """Words 0 and 1 of each block, and words 2 and 3, the first in the lower half."""
    return words[0] | words[1] << 32, words[2] | words[3] << 32


def _in_order(f: Function, pairs: tuple[Val, Val]) -> Val:
    """The lanes of two vectors in turn."""
    return f.shuffle(*pairs, [lane // 2 + _BLOCKS * (lane % 2) for lane in range(2 * _BLOCKS)])


def _words(f: Function, words: Words) -> Val:
    """The words of block after block."""
    return f.cast("bitcast", _in_order(f, _paired(words)), I32.of(4 * _BLOCKS))


def _double(a: Val, b: Val) -> Val:
    """((a >> 5) 2**26 + (b >> 6)) 2**-53; all but the last product is exact, and that scales by a power of two."""
    return (_as_double(a.lshr(5)) * 2.0**26 + _as_double(b.lshr(6))) * 2.0**-53


def _as_double(x: Val) -> Val:
    return (x | _TWO_TO_52).bits_as(F64) - 2.0**52


@dataclass(frozen=True)
class Fold:
    """The key that belongs to a key and a number: two words of one block."""

    dtype: str

    def write(self, module: Module, name: str) -> None:
        """Writes the function `name`."""
        dtype = np.dtype(self.dtype)
        with kernel(module, name) as frame:
            f = frame.f
            keys, data, out = _read_key(frame), frame.pointer(), frame.pointer()
            number = wide(f, f.load(memory_type(dtype), data), dtype)
            fixed = f.constant(0, I64), f.constant(FOLDS, I64)
            words = philox((number & LOW, number.lshr(32), *fixed), keys)
            for place, word in enumerate(words[:2]):
                f.store(word.cast("trunc", I32), f.element(out, place, I32))


def _read_key(frame: Frame) -> Val:
    """The schedule of the key."""
    f, pointer, step = frame.f, frame.pointer(), frame.word()
    first, second = f.load(I32, pointer), f.load(I32, f.element(pointer, step, I32))
    return key_schedule((first.cast("zext", I64), second.cast("zext", I64)))


def _record(key: Place) -> Record:
    record = Record()
    record.point(key)
    record.count(key.strides[0])
    return record


def draw_kernels(step: Special) -> list[Kernel]:
    """The kernel of random_bits or random_uniform."""
    (key,), (out,) = step.operands, step.results
    count = math.prod(step.node.types[0].shape)
    record = _record(key)
    record.point(out)
    record.count(step.node.attrs.get("stream", NUMBERS), PART, count)
    code = Draw(str(out.dtype.name))
    return [record.kernel(code, split(count, PART), step.node.op.name, count * out.dtype.itemsize)]


def fold_kernels(step: Special) -> list[Kernel]:
    """The kernel of random_fold."""
    (key, data), (out,) = step.operands, step.results
    record = _record(key)
    record.point(data, out)
    return [record.kernel(Fold(str(data.dtype.name)), 1, "random_fold", 16)]
