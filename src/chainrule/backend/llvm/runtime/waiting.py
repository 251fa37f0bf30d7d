"""The text of `wait` and of the barrier: threads that spin for a moment and then sleep in Linux's futex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.runtime.atomics import atomic_load, atomic_store, exchange, fetch_add, read, word
from chainrule.backend.llvm.runtime.layout import (
    MAIL_WORDS,
    POOL_WORDS,
    VERDICTS,
    WORD,
    MailWord,
    PoolWord,
    StateWord,
    Status,
    Stop,
)
from chainrule.backend.llvm.runtime.processor import Processor, SystemCalls
from chainrule.backend.llvm.values import I32, I64, PTR, Operand, Val

_FUTEX_WAIT: Final = 128  # FUTEX_WAIT | FUTEX_PRIVATE_FLAG
_FUTEX_WAKE: Final = 129
_PATIENCE: Final = 20
"""How much longer than it spins a thread waits before it sleeps, and lets others have its core."""

_CORE_WORDS: Final = 128
"""Of 64 cores each: as many as Linux knows."""


def write_wait(module: Module, processor: Processor) -> None:
    """Writes `i32 wait(word, old, spin, pool, mailbox)`: the number in `word` as soon as it is not `old`.

    It is looked at for `spin` cycles, and for some more while others may have the core: to be woken may take a
    millisecond, in which those that are waited for would fall asleep, too. Then the thread sleeps, with its number in
    its own mailbox. Whoever changes the word calls `wake` after that. No wake-up is lost: either the number is in the
    mailbox before `wake` looks there, or the word was changed before it is looked at once more. Who is woken for
    something that is over sleeps again.
    """
    parameters = {"word": PTR, "old": I32, "spin": I64, "pool": PTR, "mailbox": PTR}
    with module.function("chainrule_wait", I32, internal=True, **parameters) as f:
        place, old, spin, pool, mailbox = f.arguments
        start = processor.clock(f)
        with f.repeat() as spinning:
            processor.relax(f)
            changed = atomic_load(f, I32, place).ne(old)
            spinning.until = changed | (processor.clock(f) - start).gt(spin)
        system = _System(f, read(f, pool, PoolWord.SYSCALL, PTR), processor.calls)
        with f.repeat() as yielding:
            found = atomic_load(f, I32, place)
            with f.when(found.ne(old)):
                f.ret(found)
            system.sched_yield()
            yielding.until = (processor.clock(f) - start).gt(spin * _PATIENCE)
        thread, sleeper = system.gettid(), word(f, mailbox, MailWord.SLEEPER)
        with f.repeat() as sleeping:
            atomic_store(f, thread, sleeper, "seq_cst")
            with f.when(atomic_load(f, I32, place, "seq_cst").eq(old)):
                system.futex(sleeper, _FUTEX_WAIT, thread)
            sleeping.until = atomic_load(f, I32, place).ne(old)
        atomic_store(f, f.constant(0, I32), sleeper, "seq_cst")
        with f.repeat() as locked:  # until the thread may use all of its cores again
            processor.relax(f)
            locked.until = atomic_load(f, I64, word(f, mailbox, MailWord.LOCK), "seq_cst").eq(0)
        f.ret(atomic_load(f, I32, place))


def write_wake(module: Module, processor: Processor) -> None:
    """Writes `void wake(pool, mailbox)`: wakes a worker that sleeps, on another core than this one.

    Linux prefers the core of who wakes where it does not know another one to be idle; in a virtual machine it never
    knows, since a core that halts is taken for one that the host has taken away. Two threads then share a core until
    the load is balanced, some 60 ms later. So the sleeper may not use this core while it is woken. A lock keeps it from
    going on, and others that wake it from setting its cores, until it may use them all again.
    """
    with module.function("chainrule_wake", None, internal=True, pool=PTR, mailbox=PTR) as f:
        pool, mailbox = f.arguments
        sleeper, lock = word(f, mailbox, MailWord.SLEEPER), word(f, mailbox, MailWord.LOCK)
        with f.when(atomic_load(f, I32, sleeper, "seq_cst").ne(0)):
            system = _System(f, read(f, pool, PoolWord.SYSCALL, PTR), processor.calls)
            mine = exchange(f, lock, f.constant(1, I64)).eq(0)
            thread = atomic_load(f, I32, sleeper, "seq_cst")
            f.either(
                mine & thread.ne(0), lambda: _wake_elsewhere(system, sleeper, thread), lambda: _wake(system, sleeper)
            )
            with f.when(mine):
                atomic_store(f, f.constant(0, I64), lock, "seq_cst")
        f.ret()


def _wake(system: _System, sleeper: Val) -> list[Val]:
    """Wakes who sleeps, if somebody does."""
    atomic_store(system.f, system.f.constant(0, I32), sleeper, "seq_cst")
    system.futex(sleeper, _FUTEX_WAKE, system.f.constant(1, I32))
    return []


def _wake_elsewhere(system: _System, sleeper: Val, thread: Val) -> list[Val]:
    """Wakes a thread on another core than this one, if it may use another one and the system tells which."""
    f = system.f
    allowed, others, core = f.alloca(I64, _CORE_WORDS), f.alloca(I64, _CORE_WORDS), f.alloca(I32)
    nbytes = system.getaffinity(thread, allowed, _CORE_WORDS * WORD)
    known = nbytes.gt(0) & system.getcpu(core).eq(0)
    with f.when(known):
        with f.loop(0, nbytes.lshr(3)) as loop:
            f.store(f.load(I64, f.element(allowed, loop.index, I64)), f.element(others, loop.index, I64))
        number = f.load(I32, core).cast("zext", I64)
        place = f.element(others, number.lshr(6), I64)
        f.store(f.load(I64, place) & ~(f.constant(1, I64) << (number & 63)), place)
        system.setaffinity(thread, others, nbytes)  # fails, to no harm, where this core is the only one
    _wake(system, sleeper)
    with f.when(known):
        system.setaffinity(thread, allowed, nbytes)
    return []


@dataclass(frozen=True)
class _System:
    """Linux's system calls, by libc's function `syscall`."""

    f: Function
    syscall: Val
    calls: SystemCalls

    def gettid(self) -> Val:
        """The number of this thread, i32."""
        return self._call(self.calls.gettid).cast("trunc", I32)

    def sched_yield(self) -> None:
        """Lets another thread have this core, if one waits for it."""
        self._call(self.calls.sched_yield)

    def getcpu(self, core: Val) -> Val:
        """0 where the number of this core, i32, is written to `core`."""
        return self._call(self.calls.getcpu, core, "ptr null", "ptr null")

    def futex(self, place: Val, operation: int, number: Val) -> None:
        """Sleeps while `number` is at `place`, or wakes so many that sleep."""
        self._call(self.calls.futex, place, f"i32 {operation}", number, "ptr null")

    def getaffinity(self, thread: Val, cores: Val, room: int) -> Val:
        """How many bytes of `cores` are written: a bit for each core that a thread may use; negative where it fails."""
        return self._call(self.calls.sched_getaffinity, thread, f"i64 {room}", cores)

    def setaffinity(self, thread: Val, cores: Val, nbytes: Val) -> None:
        """Sets the cores that a thread may use."""
        self._call(self.calls.sched_setaffinity, thread, nbytes, cores)

    def _call(self, number: int, *arguments: Val | str) -> Val:
        texts = [x if isinstance(x, str) else f"{x.ty} {x.text}" for x in arguments]
        given = ", ".join([f"i64 {number}", *texts])
        return self.f.emit(f"call i64 (i64, ...) {self.syscall.text}({given})", I64)


def wait(f: Function, place: Val, old: Val, spin: Val, pool: Val, mailbox: Val) -> Val:
    """The number at `place` as soon as it is not `old`; `mailbox` is of the worker that waits."""
    return f.call("chainrule_wait", I32, place, old, spin, pool, mailbox)


def wake(f: Function, pool: Val, mailbox: Val) -> None:
    """Wakes a worker if it sleeps, after what it waits for was changed."""
    f.run("chainrule_wake", pool, mailbox)


def mailbox_of(f: Function, pool: Val, worker: Operand) -> Val:
    """The mailbox of a worker; the caller is worker 0."""
    return f.element(f.element(pool, POOL_WORDS, I64), f.constant(worker, I64) * MAIL_WORDS, I64)


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
    """Writes `i32 barrier(state, worker, workers, polling)`: DONE when all workers have come, or why all of them leave.

    The last one to come decides for all, and tells it by the word that opens the barrier: so nobody leaves for a reason
    that came up after the others had gone on.
    """
    parameters = {"state": PTR, "worker": I64, "workers": I64, "polling": I64}
    with module.function("chainrule_barrier", I32, internal=True, **parameters) as f:
        state, worker, workers, polling = f.arguments
        gate, arrived = word(f, state, StateWord.GENERATION), word(f, state, StateWord.ARRIVED)
        pool = read(f, state, StateWord.POOL, PTR)
        old = atomic_load(f, I32, gate, "monotonic")
        before = fetch_add(f, arrived, f.constant(1, I64))
        with f.when(before.ne(workers - 1)):
            spin = read(f, state, StateWord.SPIN)
            found = wait(f, gate, old, spin, pool, mailbox_of(f, pool, worker))
            f.ret(found & (VERDICTS - 1))
        verdict = _verdict(f, state, polling)
        atomic_store(f, f.constant(0, I64), arrived, "monotonic")
        new = ((old & -VERDICTS) + VERDICTS) | verdict
        atomic_store(f, new, gate, "seq_cst")
        with f.loop(0, workers) as loop:
            wake(f, pool, mailbox_of(f, pool, loop.index))
        f.ret(verdict)


def _verdict(f: Function, state: Val, polling: Val) -> Val:
    """What the last worker at a barrier finds, i32."""
    failed = atomic_load(f, I64, word(f, state, StateWord.FAILED), "monotonic").ne(0)
    stop = atomic_load(f, I64, word(f, state, StateWord.STOP), "monotonic").eq(Stop.NOW)
    none = f.constant(Status.DONE, I32)
    (polled,) = f.either(polling.ne(0), lambda: [f.call("chainrule_poll", I32, state)], lambda: [none])
    stopped = f.select(stop, f.constant(Status.STOPPED, I32), polled)
    return f.select(failed, f.constant(Status.ERROR, I32), stopped)
