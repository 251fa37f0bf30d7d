"""`Processor`: what has no name common to all processors: the clock, waiting politely, the floating-point modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.values import I32, I64, Val
from chainrule.errors import BackendError, message


class SystemCalls(NamedTuple):
    """The numbers of Linux's system calls on one family of processors."""

    futex: int
    gettid: int
    getcpu: int
    sched_getaffinity: int
    sched_setaffinity: int
    sched_yield: int


@dataclass(frozen=True)
class Processor:
    """Instructions of one family of processors, and the numbers of Linux's system calls there."""

    family: str
    calls: SystemCalls

    def clock(self, f: Function) -> Val:
        """Cycles of a counter that goes on at one speed, i64."""
        name = "readcyclecounter" if self.family == "x86_64" else "readsteadycounter"
        return _given(f.intrinsic(name, I64, over=()))

    def relax(self, f: Function) -> None:
        """Lets the other thread of a core go on, some 20 ns."""
        if self.family == "x86_64":
            f.intrinsic("x86.sse2.pause", None)
        else:
            f.intrinsic("aarch64.hint", None, f.constant(1, I32))

    def set_default_modes(self, f: Function) -> Val:
        """The modes as they were, of which the default ones take the place.

        Default is to round to nearest, to keep denormals, and to raise no exceptions. The modes of x86-64 go by memory.
        """
        if self.family == "x86_64":
            before, default = f.alloca(I32), f.alloca(I32)
            f.intrinsic("x86.sse.stmxcsr", None, before)
            f.store(f.constant(_MXCSR, I32), default)
            f.intrinsic("x86.sse.ldmxcsr", None, default)
            return before
        before = _given(f.intrinsic("aarch64.get.fpcr", I64, over=()))
        f.intrinsic("aarch64.set.fpcr", None, f.constant(0, I64))
        return before

    def restore_modes(self, f: Function, before: Val) -> None:
        """Sets the modes to what `set_default_modes` returned."""
        name = "x86.sse.ldmxcsr" if self.family == "x86_64" else "aarch64.set.fpcr"
        f.intrinsic(name, None, before)


_MXCSR: Final = 0x1F80
_CALLS: Final = {
    "x86_64": SystemCalls(202, 186, 309, 204, 203, 24),
    "aarch64": SystemCalls(98, 178, 168, 123, 122, 124),
}


def processor(triple: str) -> Processor:
    """The processor that a triple names."""
    family = {"amd64": "x86_64", "arm64": "aarch64"}.get(first := triple.split("-")[0], first)
    if family not in _CALLS:
        raise BackendError(message("x86-64 or AArch64", triple, hint="the reference backend, which runs anywhere"))
    return Processor(family, _CALLS[family])


def _given(value: Val | None) -> Val:
    assert value is not None
    return value
