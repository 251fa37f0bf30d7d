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
    """What a worker knows while it walks. A worker alone (`alone`) meets nobody, and has all parts."""

    f: Function
    processor: Processor
    alone: bool
    state: Val
    worker: Val
    workers: Val
    area: Val
    counters: Val
    slots: Val
    pointers: Val
    scratch: Val
    profile: Val


def write_driver(module: Module, processor: Processor) -> None:
    """Writes `i64 driver(state, worker)`: the status with which this worker left.

    One worker alone walks in the state's home area; several ones copy it, and worker 0 brings back where they stopped.
    """
    _write_measure(module, processor)
    _write_note(module)
    _write_enter(module)
    _write_again(module)
    _write_walk(module, processor, alone=True)
    _write_walk(module, processor, alone=False)
    with module.function("chainrule_driver", I64, state=PTR, worker=I64) as f:
        state, worker = f.arguments
        modes = processor.set_default_modes(f)
        home = f.element(state, STATE_WORDS, I64)
        one = f.constant(1, I64)
        workers = read(f, state, StateWord.WORKERS)

        def alone() -> list[Val]:
            return [f.call("chainrule_walk_alone", I32, state, f.constant(0, I64), one, home)]

        def together() -> list[Val]:
            own = f.element(home, (worker + 1) * read(f, state, StateWord.AREA), I8)
            _copy(f, state, home, own)
            status = f.call("chainrule_walk", I32, state, worker, workers, own)
            with f.when(status.eq(Status.YIELD) & worker.eq(0)):
                _copy(f, state, own, home)
            return [status]

        (status,) = f.either(workers.eq(1), alone, together)
        processor.restore_modes(f, modes)
        f.ret(status.cast("sext", I64))


def _copy(f: Function, state: Val, source: Val, target: Val) -> None:
    """Copies the counters and the slots of an area."""
    words = read(f, state, StateWord.POINTERS).lshr(3)
    with f.loop(AreaWord.COUNTERS, words) as loop:
        f.store(f.load(I64, f.element(source, loop.index, I64)), f.element(target, loop.index, I64))


def _write_walk(module: Module, processor: Processor, alone: bool) -> None:
    """Writes `i32 walk(state, worker, workers, area)`, the loop over the table's entries."""
    parameters = {"state": PTR, "worker": I64, "workers": I64, "area": PTR}
    with module.function(f"chainrule_walk{'_alone' * alone}", I32, internal=True, **parameters) as f:
        state, worker, workers, area = f.arguments
        write(f, area, AreaWord.ORDER, NEVER)
        counters = f.element(area, AreaWord.COUNTERS, I64)
        slots = f.element(area, read(f, state, StateWord.SLOTS), I8)
        pointers = f.element(area, read(f, state, StateWord.POINTERS), I8)
        offset = worker * read(f, state, StateWord.SCRATCH_STEP)
        scratch = f.element(read(f, state, StateWord.SCRATCH, PTR), offset, I8)
        profile = read(f, state, StateWord.PROFILE)
        private = read(f, state, StateWord.PRIVATE_SLOT)
        with f.when(private.ge(0)):
            f.store(f.element(scratch, read(f, state, StateWord.PRIVATE), I8), f.element(slots, private, I8))
        own = (state, worker, workers, area, counters, slots, pointers, scratch, profile)
        walk = _Walk(f, processor, alone, *own)
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
            kind.eq(Entry.END),
            lambda: _end(walk, entry, order, failed),
            lambda: f.either(
                kind.eq(Entry.HALT),
                lambda: [entry, order, failed, halted],
                lambda: _begin(walk, entry, order, failed),
            ),
        )

    return f.either(kind.le(Entry.WHOLE), lambda: _call(walk, entry, order, failed), loop)


def _meet(walk: _Walk, flag: Val) -> Val:
    """_ON where the walk goes on behind an entry's barrier, i32. A worker alone looks whether it is to stop."""
    f = walk.f
    on = f.constant(_ON, I32)
    if walk.alone:
        stop = atomic_load(f, I64, word(f, walk.state, StateWord.STOP), "monotonic")
        return f.select(stop.eq(Stop.NOW), f.constant(Status.STOPPED, I32), on)
    return f.either(flag.ne(0), lambda: [_barrier(walk, polling=False)], lambda: [on])[0]


def _barrier(walk: _Walk, polling: bool) -> Val:
    """_ON, or the status with which all workers leave at a barrier."""
    f = walk.f
    return _or_on(f, f.call("chainrule_barrier", I32, walk.state, walk.worker, walk.workers, f.constant(polling, I64)))


def _or_on(f: Function, status: Val) -> Val:
    return f.select(status.eq(Status.DONE), f.constant(_ON, I32), status)


def _next(f: Function, entry: Val) -> Val:
    return f.element(entry, read(f, entry, LoopWord.NBYTES), I8)


# --- kernels ----------------------------------------------------------------------------------------------------------


def _call(walk: _Walk, entry: Val, order: Val, failed: Val) -> list[Val]:
    """A worker that met an error does nothing more, but goes on to the next barrier, where all of them leave."""
    f = walk.f
    zero = f.constant(0, I64)
    met = _meet(walk, read(f, entry, CallWord.BARRIER))

    def work() -> list[Val]:
        begin, end = _share(walk, entry, read(f, entry, CallWord.PARTS))
        return f.either(begin.lt(end), lambda: [_invoke(walk, entry, order, begin, end)], lambda: [zero])

    if walk.alone:
        (bad,) = f.either(met.eq(_ON), work, lambda: [zero])
        status = f.select(bad.ne(0), f.constant(Status.ERROR, I32), met)
        return [_next(f, entry), zero, bad, status]
    (bad,) = f.either(met.eq(_ON) & failed.eq(0), work, lambda: [failed])
    return [_next(f, entry), order + 1, bad, met]


def _share(walk: _Walk, entry: Val, parts: Val) -> list[Val]:
    """Which parts this worker does: [parts w / T, parts (w + 1) / T); a single one is worker 0's."""
    f, worker, workers = walk.f, walk.worker, walk.workers
    zero = f.constant(0, I64)
    if walk.alone:
        return [zero, parts]

    def shared() -> list[Val]:
        return f.either(
            parts.eq(1), lambda: [zero, worker.eq(0).cast("zext", I64)], lambda: _slice(parts, worker, workers)
        )

    whole = read(f, entry, CallWord.ENTRY).eq(Entry.WHOLE)
    return f.either(whole, lambda: [zero, parts], shared)


def _slice(count: Val, worker: Val, workers: Val) -> list[Val]:
    """The worker's share of so many things."""
    return [(count * worker).udiv(workers), (count * (worker + 1)).udiv(workers)]


def _invoke(walk: _Walk, entry: Val, order: Val, begin: Val, end: Val) -> Val:
    """Calls a kernel: 1 where it found an error, which is noted, else 0."""
    f = walk.f
    with f.loop(0, read(f, entry, CallWord.POINTERS)) as loop:
        pair = f.element(f.element(entry, FIRST, I64), loop.index << 1, I64)
        base = f.load(I64, f.element(walk.slots, f.load(I64, pair), I8))
        f.store(base + read(f, pair, 1), f.element(walk.pointers, loop.index, I64))
    words = f.element(entry, read(f, entry, CallWord.WORDS), I8)
    profiled = walk.profile.ne(0)
    (start,) = f.either(profiled, lambda: [walk.processor.clock(f)], lambda: [begin])
    kernel = read(f, entry, CallWord.KERNEL, PTR)
    result = f.call_at(kernel, I64, walk.pointers, words, begin, end, walk.scratch)
    with f.when(profiled):
        f.run("chainrule_measure", walk.state, entry, walk.worker, start)
    with f.when(result.ne(0)):
        f.run("chainrule_note", walk.state, entry, walk.area, order, result)
    return result.ne(0).cast("zext", I64)


def _write_measure(module: Module, processor: Processor) -> None:
    """Writes `void measure(state, entry, worker, start)`: the cycles since `start` go to the profile."""
    with module.function("chainrule_measure", None, internal=True, state=PTR, item=PTR, worker=I64, start=I64) as f:
        state, entry, worker, start = f.arguments
        row = read(f, entry, CallWord.NUMBER) * read(f, state, StateWord.PROFILE_STEP)
        cell = f.element(read(f, state, StateWord.PROFILE, PTR), row + worker * (PROFILE_WORDS * WORD), I8)
        write(f, cell, 0, read(f, cell, 0) + (processor.clock(f) - start))
        write(f, cell, 1, read(f, cell, 1) + 1)
        f.ret()


def _write_note(module: Module) -> None:
    """Writes `void note(state, entry, area, order, found)`: a worker met an error."""
    parameters = {"state": PTR, "item": PTR, "area": PTR, "order": I64, "found": I64}
    with module.function("chainrule_note", None, internal=True, **parameters) as f:
        state, entry, area, order, found = f.arguments
        write(f, area, AreaWord.ORDER, order)
        write(f, area, AreaWord.CALL, read(f, entry, CallWord.NUMBER))
        write(f, area, AreaWord.INDEX, found - 1)
        atomic_store(f, f.constant(1, I64), word(f, state, StateWord.FAILED))
        f.ret()


# --- loops ------------------------------------------------------------------------------------------------------------


def _begin(walk: _Walk, entry: Val, order: Val, failed: Val) -> list[Val]:
    """The first iteration of a worker; one that has none goes over the loop."""
    f = walk.f
    status = _meet(walk, read(f, entry, LoopWord.BARRIER))
    length, jump = read(f, entry, LoopWord.LENGTH), read(f, entry, LoopWord.JUMP)
    calls, zero = read(f, entry, LoopWord.ORDER), f.constant(0, I64)
    if walk.alone:
        f.run("chainrule_enter", entry, walk.counters, walk.slots, zero, length)
        return [_next(f, entry), order, failed, status]

    def own() -> list[Val]:
        nothing = jump.ne(0) & walk.worker.ne(0)
        return [zero, f.select(nothing, zero, length)]

    shared = read(f, entry, LoopWord.ENTRY).eq(Entry.SHARE)
    first, last = f.either(shared, lambda: _slice(length, walk.worker, walk.workers), own)

    def over() -> list[Val]:
        return [f.element(entry, jump, I8), order + length * calls]

    def enter() -> list[Val]:
        f.run("chainrule_enter", entry, walk.counters, walk.slots, first, last)
        return [_next(f, entry), order + first * calls]

    return [*f.either(first.lt(last), enter, over), failed, status]


def _write_enter(module: Module) -> None:
    """Writes `void enter(entry, counters, slots, first, last)`: a loop begins, with iterations from first to last."""
    parameters = {"item": PTR, "counters": PTR, "slots": PTR, "first": I64, "last": I64}
    with module.function("chainrule_enter", None, internal=True, **parameters) as f:
        entry, counters, slots, first, last = f.arguments
        counter = f.element(counters, read(f, entry, LoopWord.COUNTER), I8)
        write(f, counter, 0, first)
        write(f, counter, 1, last)
        with f.loop(0, read(f, entry, LoopWord.ADVANCES)) as loop:
            move = f.element(f.element(entry, FIRST, I64), loop.index << 2, I64)
            source = f.load(I64, f.element(slots, read(f, move, 1), I8))
            place = source + read(f, move, 2) + first * read(f, move, 3)
            f.store(place, f.element(slots, read(f, move, 0), I8))
        f.ret()


def _end(walk: _Walk, entry: Val, order: Val, failed: Val) -> list[Val]:
    """The next iteration, or what is behind the loop."""
    f = walk.f
    on = f.constant(_ON, I32)
    more = f.call("chainrule_again", I64, entry, walk.counters, walk.slots)

    def again() -> list[Val]:
        (polled,) = f.either(read(f, entry, LoopWord.BARRIER).ne(0), lambda: [_poll(walk)], lambda: [on])
        return [f.element(entry, read(f, entry, LoopWord.JUMP), I8), polled, order]

    def behind() -> list[Val]:
        if walk.alone:
            return [_next(f, entry), on, order]
        counter = f.element(walk.counters, read(f, entry, LoopWord.COUNTER), I8)
        others = read(f, entry, LoopWord.LENGTH) - read(f, counter, 1)
        return [_next(f, entry), on, order + others * read(f, entry, LoopWord.ORDER)]

    following, status, order = f.either(more.ne(0), again, behind)
    return [following, order, failed, status]


def _write_again(module: Module) -> None:
    """Writes `i64 again(entry, counters, slots)`: whether there is another iteration; then the slots move on."""
    with module.function("chainrule_again", I64, internal=True, item=PTR, counters=PTR, slots=PTR) as f:
        entry, counters, slots = f.arguments
        place = f.element(counters, read(f, entry, LoopWord.COUNTER), I8)
        done = f.load(I64, place) + 1
        f.store(done, place)
        with f.when(done.ge(read(f, place, 1))):
            f.ret(0)
        which = f.constant(2, I64) - (done & 1)
        with f.loop(0, read(f, entry, LoopWord.ADVANCES)) as loop:
            move = f.element(f.element(entry, FIRST, I64), loop.index << 2, I64)
            slot = f.element(slots, read(f, move, 0), I8)
            f.store(f.load(I64, slot) + f.load(I64, f.element(move, which, I64)), slot)
        f.ret(1)


def _poll(walk: _Walk) -> Val:
    """Whether to yield: one worker alone decides by itself, several ones at a barrier."""
    if walk.alone:
        return _or_on(walk.f, walk.f.call("chainrule_poll", I32, walk.state))
    return _barrier(walk, polling=True)
