"""The text of the driver: what every worker runs: it walks a program's table and does its part of every kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.runtime.atomics import atomic_load, atomic_store, read, word, write
from chainrule.backend.llvm.runtime.layout import (
    FIRST,
    NEVER,
    PROFILE_WORDS,
    STATE_WORDS,
    WORD,
    AreaWord,
    CallWord,
    Entry,
    LoopWord,
    StateWord,
    Status,
    Stop,
)
from chainrule.backend.llvm.runtime.processor import Processor
from chainrule.backend.llvm.values import I8, I32, I64, PTR, Val

_ON: Final = -1
"""What a round of the walk ends with when the walk goes on; otherwise it is a status."""


@dataclass(frozen=True, eq=False)
class _Walk:
    """What a worker knows while it walks."""

    f: Function
    processor: Processor
    state: Val
    worker: Val
    workers: Val
    area: Val
    counters: Val
    slots: Val
    pointers: Val
    scratch: Val


def write_driver(module: Module, processor: Processor) -> None:
    """Writes `i64 driver(state, worker)`: the status with which this worker left.

    One worker alone walks in the state's home area; several ones copy it, and worker 0 brings back where they stopped.
    """
    _write_invoke(module, processor)
    _write_walk(module, processor)
    with module.function("chainrule_driver", I64, state=PTR, worker=I64) as f:
        state, worker = f.arguments
        modes = processor.set_default_modes(f)
        workers = read(f, state, StateWord.WORKERS)
        home = _home(f, state)
        size = read(f, state, StateWord.AREA)
        own = f.element(home, f.select(workers.eq(1), f.constant(0, I64), (worker + 1) * size), I8)
        write(f, own, AreaWord.ORDER, NEVER)
        with f.when(workers.ne(1)):
            _copy(f, state, home, own)
        status = f.call("chainrule_walk", I32, state, worker, workers, own)
        with f.when(status.eq(Status.YIELD) & worker.eq(0) & workers.ne(1)):
            _copy(f, state, own, home)
        processor.restore_modes(f, modes)
        f.ret(status.cast("sext", I64))


def _home(f: Function, state: Val) -> Val:
    """The address of the area that Python writes the slots to."""
    return f.element(state, STATE_WORDS, I64)


def _copy(f: Function, state: Val, source: Val, target: Val) -> None:
    """Copies the counters and the slots of an area."""
    words = read(f, state, StateWord.POINTERS).lshr(3)
    with f.loop(AreaWord.COUNTERS, words) as loop:
        f.store(f.load(I64, f.element(source, loop.index, I64)), f.element(target, loop.index, I64))


def _write_walk(module: Module, processor: Processor) -> None:
    parameters = {"state": PTR, "worker": I64, "workers": I64, "area": PTR}
    with module.function("chainrule_walk", I32, internal=True, **parameters) as f:
        state, worker, workers, area = f.arguments
        counters = f.element(area, AreaWord.COUNTERS, I64)
        slots = f.element(area, read(f, state, StateWord.SLOTS), I8)
        pointers = f.element(area, read(f, state, StateWord.POINTERS), I8)
        offset = worker * read(f, state, StateWord.SCRATCH_STEP)
        scratch = f.element(read(f, state, StateWord.SCRATCH, PTR), offset, I8)
        walk = _Walk(f, processor, state, worker, workers, area, counters, slots, pointers, scratch)
        zero = f.constant(0, I64)
        with f.repeat([read(f, state, StateWord.POSITION, PTR), zero, zero]) as rounds:
            entry, order, failed = rounds.carried
            *rounds.next, status = _step(walk, entry, order, failed)
            rounds.until = status.ne(_ON)
        with f.when(worker.eq(0) & status.eq(Status.YIELD)):  # all are past the place where they read it
            f.store(rounds.next[0], word(f, state, StateWord.POSITION))
        f.ret(status)


def _step(walk: _Walk, entry: Val, order: Val, failed: Val) -> list[Val]:
    """One entry of the table: the next one, the order and whether something failed, then a status or _ON."""
    f = walk.f
    kind = read(f, entry, LoopWord.ENTRY)
    halted = f.select(failed.ne(0), f.constant(Status.ERROR, I32), Status.DONE)

    def loop() -> list[Val]:
        return f.either(
            kind.eq(Entry.BEGIN),
            lambda: _begin(walk, entry, order, failed),
            lambda: f.either(
                kind.eq(Entry.END),
                lambda: _end(walk, entry, order, failed),
                lambda: [entry, order, failed, halted],
            ),
        )

    return f.either(kind.eq(Entry.CALL), lambda: _call(walk, entry, order, failed), loop)


def _meet(walk: _Walk, flag: Val) -> Val:
    """DONE where the walk goes on behind an entry's barrier, i32. A worker alone looks whether it is to stop."""
    f = walk.f
    none = f.constant(Status.DONE, I32)

    def alone() -> list[Val]:
        stop = atomic_load(f, I64, word(f, walk.state, StateWord.STOP), "monotonic")
        return [f.select(stop.eq(Stop.NOW), f.constant(Status.STOPPED, I32), Status.DONE)]

    def together() -> list[Val]:
        barrier = [walk.state, walk.workers, f.constant(0, I64)]
        return f.either(flag.ne(0), lambda: [f.call("chainrule_barrier", I32, *barrier)], lambda: [none])

    return f.either(walk.workers.eq(1), alone, together)[0]


def _or_on(f: Function, status: Val) -> Val:
    return f.select(status.eq(Status.DONE), f.constant(_ON, I32), status)


def _next(f: Function, entry: Val) -> Val:
    return f.element(entry, read(f, entry, LoopWord.NBYTES), I8)


# --- kernels ----------------------------------------------------------------------------------------------------------


def _call(walk: _Walk, entry: Val, order: Val, failed: Val) -> list[Val]:
    """A worker that met an error does nothing more, but goes on to the next barrier, where all of them leave."""
    f = walk.f
    met = _meet(walk, read(f, entry, CallWord.BARRIER))

    def work() -> list[Val]:
        begin, end = _share(walk, read(f, entry, CallWord.PARTS))
        arguments = [walk.state, entry, walk.slots, walk.pointers, walk.scratch, walk.worker, begin, end]

        def invoke() -> list[Val]:
            result = f.call("chainrule_invoke", I64, *arguments)
            with f.when(result.ne(0)):
                write(f, walk.area, AreaWord.ORDER, order)
                write(f, walk.area, AreaWord.CALL, read(f, entry, CallWord.NUMBER))
                write(f, walk.area, AreaWord.INDEX, result - 1)
                atomic_store(f, f.constant(1, I64), word(f, walk.state, StateWord.FAILED))
            return [result.ne(0).cast("zext", I64)]

        return f.either(begin.lt(end), invoke, lambda: [f.constant(0, I64)])

    go = met.eq(Status.DONE) & failed.eq(0)
    (bad,) = f.either(go, work, lambda: [failed])
    status = f.select(bad.ne(0) & walk.workers.eq(1), f.constant(Status.ERROR, I32), _or_on(f, met))
    return [_next(f, entry), order + 1, bad, status]


def _share(walk: _Walk, parts: Val) -> list[Val]:
    """Which parts this worker does: [parts w / T, parts (w + 1) / T); a single one is worker 0's."""
    f, worker, workers = walk.f, walk.worker, walk.workers
    zero = f.constant(0, I64)

    def several() -> list[Val]:
        return f.either(
            parts.eq(1),
            lambda: [zero, worker.eq(0).cast("zext", I64)],
            lambda: [(parts * worker).udiv(workers), (parts * (worker + 1)).udiv(workers)],
        )

    return f.either(workers.eq(1), lambda: [zero, parts], several)


def _write_invoke(module: Module, processor: Processor) -> None:
    """Writes `i64 invoke(state, entry, slots, pointers, scratch, worker, begin, end)`: a kernel's result."""
    parameters = {"state": PTR, "item": PTR, "slots": PTR, "pointers": PTR, "scratch": PTR}
    with module.function("chainrule_invoke", I64, internal=True, **parameters, worker=I64, begin=I64, end=I64) as f:
        state, entry, slots, pointers, scratch, worker, begin, end = f.arguments
        with f.loop(0, read(f, entry, CallWord.POINTERS)) as loop:
            pair = f.element(f.element(entry, FIRST, I64), loop.index << 1, I64)
            base = f.load(I64, f.element(slots, f.load(I64, pair), I8))
            f.store(base + read(f, pair, 1), f.element(pointers, loop.index, I64))
        words = f.element(entry, read(f, entry, CallWord.WORDS), I8)
        profile = read(f, state, StateWord.PROFILE)
        (start,) = f.either(profile.ne(0), lambda: [processor.clock(f)], lambda: [f.constant(0, I64)])
        kernel = read(f, entry, CallWord.KERNEL, PTR)
        result = f.call_at(kernel, I64, pointers, words, begin, end, scratch)
        with f.when(profile.ne(0)):
            row = read(f, entry, CallWord.NUMBER) * read(f, state, StateWord.PROFILE_STEP)
            cell = f.element(read(f, state, StateWord.PROFILE, PTR), row + worker * (PROFILE_WORDS * WORD), I8)
            write(f, cell, 0, read(f, cell, 0) + (processor.clock(f) - start))
            write(f, cell, 1, read(f, cell, 1) + 1)
        f.ret(result)


# --- loops ------------------------------------------------------------------------------------------------------------


def _begin(walk: _Walk, entry: Val, order: Val, failed: Val) -> list[Val]:
    """The first iteration; a loop that worker 0 runs alone is jumped over by the others."""
    f = walk.f
    status = _or_on(f, _meet(walk, read(f, entry, LoopWord.BARRIER)))
    jump = read(f, entry, LoopWord.JUMP)

    def over() -> list[Val]:
        return [f.element(entry, jump, I8), order + read(f, entry, LoopWord.ORDER), failed, status]

    def enter() -> list[Val]:
        f.store(f.constant(0, I64), f.element(walk.counters, read(f, entry, LoopWord.COUNTER), I8))
        with f.loop(0, read(f, entry, LoopWord.ADVANCES)) as loop:
            move = f.element(f.element(entry, FIRST, I64), loop.index * 3, I64)
            source = f.load(I64, f.element(walk.slots, read(f, move, 1), I8))
            f.store(source + read(f, move, 2), f.element(walk.slots, read(f, move, 0), I8))
        return [_next(f, entry), order, failed, status]

    return f.either(jump.ne(0) & walk.worker.ne(0), over, enter)


def _end(walk: _Walk, entry: Val, order: Val, failed: Val) -> list[Val]:
    """The next iteration, or what is behind the loop."""
    f = walk.f
    place = f.element(walk.counters, read(f, entry, LoopWord.COUNTER), I8)
    done = f.load(I64, place) + 1
    f.store(done, place)

    def again() -> list[Val]:
        with f.loop(0, read(f, entry, LoopWord.ADVANCES)) as loop:
            move = f.element(f.element(entry, FIRST, I64), loop.index << 1, I64)
            slot = f.element(walk.slots, read(f, move, 0), I8)
            f.store(f.load(I64, slot) + read(f, move, 1), slot)
        polled = f.either(
            read(f, entry, LoopWord.BARRIER).ne(0),
            lambda: _poll(walk),
            lambda: [f.constant(Status.DONE, I32)],
        )
        back = f.element(entry, read(f, entry, LoopWord.JUMP), I8)
        return [back, order, failed, _or_on(f, polled[0])]

    more = done.lt(read(f, entry, LoopWord.LENGTH))
    return f.either(more, again, lambda: [_next(f, entry), order, failed, f.constant(_ON, I32)])


def _poll(walk: _Walk) -> list[Val]:
    """Whether to yield: one worker alone decides by itself, several ones at a barrier."""
    f = walk.f
    barrier = [walk.state, walk.workers, f.constant(1, I64)]
    return f.either(
        walk.workers.eq(1),
        lambda: [f.call("chainrule_poll", I32, walk.state)],
        lambda: [f.call("chainrule_barrier", I32, *barrier)],
    )
