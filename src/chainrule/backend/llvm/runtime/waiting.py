"""The text of `wait` and of the barrier: threads that spin for a moment and then sleep in Linux's futex."""

from __future__ import annotations

from typing import Final

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.runtime.atomics import atomic_load, atomic_store, fetch_add, read, word
from chainrule.backend.llvm.runtime.layout import VERDICTS, PoolWord, StateWord, Status, Stop
from chainrule.backend.llvm.runtime.processor import Processor
from chainrule.backend.llvm.values import I32, I64, PTR, Val

_FUTEX_WAIT: Final = 128  # FUTEX_WAIT | FUTEX_PRIVATE_FLAG
_FUTEX_WAKE: Final = 129
_ALL: Final = 2**31 - 1


def write_wait(module: Module, processor: Processor) -> None:
    """Writes `i32 wait(word, old, sleepers, spin, syscall)`: the number in `word` as soon as it is not `old`.

    It is looked at for `spin` cycles; then the thread sleeps, counted in `sleepers`. Whoever changes the word calls
    `notify` after that. No wake-up is lost: the kernel compares the word with `old` before a thread sleeps, and either
    the counter is raised before `notify` reads it or the word was changed before the kernel compares.
    """
    parameters = {"word": PTR, "old": I32, "sleepers": PTR, "spin": I64, "syscall": PTR}
    with module.function("chainrule_wait", I32, internal=True, **parameters) as f:
        place, old, sleepers, spin, syscall = f.arguments
        start = processor.clock(f)
        with f.repeat() as spinning:
            processor.relax(f)
            changed = atomic_load(f, I32, place).ne(old)
            spinning.until = changed | (processor.clock(f) - start).gt(spin)
        found = atomic_load(f, I32, place)
        with f.when(found.ne(old)):
            f.ret(found)
        fetch_add(f, sleepers, f.constant(1, I64))
        with f.repeat() as sleeping:
            _futex(f, processor, syscall, place, _FUTEX_WAIT, old)
            sleeping.until = atomic_load(f, I32, place).ne(old)
        fetch_add(f, sleepers, f.constant(-1, I64))
        f.ret(atomic_load(f, I32, place))


def write_notify(module: Module, processor: Processor) -> None:
    """Writes `void notify(word, sleepers, syscall)`: wakes who sleeps until the word changes."""
    with module.function("chainrule_notify", None, internal=True, word=PTR, sleepers=PTR, syscall=PTR) as f:
        place, sleepers, syscall = f.arguments
        with f.when(atomic_load(f, I64, sleepers, "seq_cst").ne(0)):
            _futex(f, processor, syscall, place, _FUTEX_WAKE, f.constant(_ALL, I32))
        f.ret()


def _futex(f: Function, processor: Processor, syscall: Val, place: Val, operation: int, number: Val) -> None:
    arguments = f"i64 {processor.futex}, ptr {place.text}, i32 {operation}, i32 {number.text}, ptr null"
    f.emit(f"call i64 (i64, ...) {syscall.text}({arguments})", I64)


def wait(f: Function, place: Val, old: Val, sleepers: Val, spin: Val, syscall: Val) -> Val:
    """The number at `place` as soon as it is not `old`."""
    return f.call("chainrule_wait", I32, place, old, sleepers, spin, syscall)


def notify(f: Function, place: Val, sleepers: Val, syscall: Val) -> None:
    """Wakes who sleeps until the number at `place` changes."""
    f.run("chainrule_notify", place, sleepers, syscall)


def write_poll(module: Module, processor: Processor) -> None:
    """Writes `i32 poll(state)`: YIELD between two iterations where it is time to, else DONE."""
    with module.function("chainrule_poll", I32, internal=True, state=PTR) as f:
        (state,) = f.arguments
        left = read(f, state, StateWord.ROUNDS_LEFT) - 1
        f.store(left, word(f, state, StateWord.ROUNDS_LEFT))
        stop = atomic_load(f, I64, word(f, state, StateWord.STOP), "monotonic")
        with f.when(left.eq(0) | stop.ne(Stop.NO)):
            f.ret(Status.YIELD)
        with f.when(read(f, state, StateWord.BUDGET).ne(0)):
            late = processor.clock(f).ge(read(f, state, StateWord.DEADLINE))
            f.ret(f.select(late, f.constant(Status.YIELD, I32), Status.DONE))
        f.ret(Status.DONE)


def write_barrier(module: Module) -> None:
    """Writes `i32 barrier(state, workers, polling)`: DONE as soon as all workers have come, or why all of them leave.

    The last one to come decides for all, and tells it by the word that opens the barrier: so nobody leaves for a reason
    that came up after the others had gone on.
    """
    with module.function("chainrule_barrier", I32, internal=True, state=PTR, workers=I64, polling=I64) as f:
        state, workers, polling = f.arguments
        gate, sleepers = word(f, state, StateWord.GENERATION), word(f, state, StateWord.SLEEPERS)
        arrived = word(f, state, StateWord.ARRIVED)
        syscall = read(f, read(f, state, StateWord.POOL, PTR), PoolWord.SYSCALL, PTR)
        old = atomic_load(f, I32, gate, "monotonic")
        before = fetch_add(f, arrived, f.constant(1, I64))
        with f.when(before.ne(workers - 1)):
            spin = read(f, state, StateWord.SPIN)
            f.ret(wait(f, gate, old, sleepers, spin, syscall) & (VERDICTS - 1))
        verdict = _verdict(f, state, polling)
        atomic_store(f, f.constant(0, I64), arrived, "monotonic")
        new = ((old & -VERDICTS) + VERDICTS) | verdict
        atomic_store(f, new, gate, "seq_cst")
        notify(f, gate, sleepers, syscall)
        f.ret(verdict)


def _verdict(f: Function, state: Val, polling: Val) -> Val:
    """What the last worker at a barrier finds, i32."""
    failed = atomic_load(f, I64, word(f, state, StateWord.FAILED), "monotonic").ne(0)
    stop = atomic_load(f, I64, word(f, state, StateWord.STOP), "monotonic").eq(Stop.NOW)
    none = f.constant(Status.DONE, I32)
    (polled,) = f.either(polling.ne(0), lambda: [f.call("chainrule_poll", I32, state)], lambda: [none])
    stopped = f.select(stop, f.constant(Status.STOPPED, I32), polled)
    return f.select(failed, f.constant(Status.ERROR, I32), stopped)
