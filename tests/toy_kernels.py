"""Kernels that do next to nothing, for programs whose results are plain to see."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.engine import compile_text, load
from chainrule.backend.llvm.runtime.processor import processor
from chainrule.backend.llvm.target import host
from chainrule.backend.llvm.values import I32, I64, PTR

PARAMETERS = {"pointers": PTR, "words": PTR, "begin": I64, "end": I64, "scratch": PTR}


class Toys(NamedTuple):
    nothing: int
    add: int  # x[i] += word for the parts i
    append: int  # log[1 + log[0]++] = word
    double: int  # x[i] = 2 x[i] + word
    fail: int  # an error at every part from `word` on
    share: int  # who[i] = the address of the worker's scratch memory
    fill: int  # writes `word` bytes of scratch memory, and the sum of what it reads there to x[i]
    modes: int  # x[i] = MXCSR, which is then set to the word, if that is not 0
    copy: int  # the word at the first pointer = the one at the second
    spend: int  # x[0] += 1 after `word` rounds of nothing


@cache
def toys() -> Toys:
    module = Module()
    _elementwise(module)
    _single(module)
    _modes(module)
    _scratch(module)
    return Toys(*load(compile_text(str(module), host()), [f"toy_{name}" for name in Toys._fields]))


def _elementwise(module: Module) -> None:
    with module.function("toy_nothing", I64, **PARAMETERS) as f:
        f.ret(0)
    for name, factor in (("toy_add", 1), ("toy_double", 2)):
        with module.function(name, I64, **PARAMETERS) as f:
            pointers, words, begin, end, _ = f.arguments
            x, number = f.load(PTR, pointers), f.load(I64, words)
            with f.loop(begin, end) as loop:
                place = f.element(x, loop.index, I64)
                f.store(f.load(I64, place) * factor + number, place)
            f.ret(0)
    with module.function("toy_fail", I64, **PARAMETERS) as f:
        _, words, begin, end, _ = f.arguments
        number = f.load(I64, words)
        first = f.select(number.gt(begin), number, begin)
        f.ret(f.select(first.lt(end), first + 1, 0))


def _single(module: Module) -> None:
    with module.function("toy_append", I64, **PARAMETERS) as f:
        pointers, words, *_ = f.arguments
        log = f.load(PTR, pointers)
        count = f.load(I64, log) + 1
        f.store(count, log)
        f.store(f.load(I64, words), f.element(log, count, I64))
        f.ret(0)
    with module.function("toy_copy", I64, **PARAMETERS) as f:
        pointers, *_ = f.arguments
        f.store(f.load(I64, f.load(PTR, f.element(pointers, 1, PTR))), f.load(PTR, pointers))
        f.ret(0)
    with module.function("toy_spend", I64, **PARAMETERS) as f:
        pointers, words, *_ = f.arguments
        place = f.load(PTR, pointers)
        zero = f.constant(0, I64)
        with f.loop(0, f.load(I64, words), carried=[zero]) as loop:
            loop.next = [f.emit(f"add i64 {f.load(I64, place).text}, 1", I64)]
            f.do(f"store volatile i64 {loop.carried[0].text}, ptr {f.element(place, 1, I64).text}")
        f.store(f.load(I64, place) + 1, place)
        f.ret(0)


def _modes(module: Module) -> None:
    """The register of x86-64; elsewhere a kernel that does nothing."""
    with module.function("toy_modes", I64, **PARAMETERS) as f:
        if processor(host().triple).family != "x86_64":
            f.ret(0)
            return
        pointers, words, begin, end, _ = f.arguments
        x, new, found = f.load(PTR, pointers), f.load(I32, words), f.alloca(I32)
        with f.loop(begin, end) as loop:
            f.intrinsic("x86.sse.stmxcsr", None, found)
            f.store(f.load(I32, found).cast("zext", I64), f.element(x, loop.index, I64))
        with f.when(new.ne(0)):
            f.store(new, found)
            f.intrinsic("x86.sse.ldmxcsr", None, found)
        f.ret(0)


def _scratch(module: Module) -> None:
    with module.function("toy_share", I64, **PARAMETERS) as f:
        pointers, _, begin, end, scratch = f.arguments
        who = f.load(PTR, pointers)
        with f.loop(begin, end) as loop:
            f.store(scratch, f.element(who, loop.index, I64))
        f.ret(0)
    with module.function("toy_fill", I64, **PARAMETERS) as f:
        pointers, words, begin, end, scratch = f.arguments
        x, count = f.load(PTR, pointers), f.load(I64, words).lshr(3)
        with f.loop(begin, end) as part:
            with f.loop(0, count) as loop:
                f.store(part.index + loop.index, f.element(scratch, loop.index, I64))
            with f.loop(0, count, carried=[f.constant(0, I64)]) as loop:
                loop.next = [loop.carried[0] + f.load(I64, f.element(scratch, loop.index, I64))]
            f.store(loop.results[0], f.element(x, part.index, I64))
        f.ret(0)
