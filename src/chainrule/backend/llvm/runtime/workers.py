"""The text of `run` and `repeat`, which Python calls, and of `worker`, which every thread of the pool runs."""

from __future__ import annotations

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.runtime.atomics import atomic_load, atomic_store, exchange, fetch_add, read, word, write
from chainrule.backend.llvm.runtime.layout import (
    NEVER,
    STATE_WORDS,
    AreaWord,
    MailWord,
    PoolWord,
    StateWord,
    Status,
)
from chainrule.backend.llvm.runtime.processor import Processor
from chainrule.backend.llvm.runtime.waiting import mailbox_of, wait, wake
from chainrule.backend.llvm.values import I8, I32, I64, PTR, Val


def write_worker(module: Module) -> None:
    """Writes `ptr worker(mailbox)`, the start routine of a thread: it waits for a job, does it, tells so, and again."""
    with module.function("chainrule_worker", PTR, mailbox=PTR) as f:
        (mailbox,) = f.arguments
        posted, done = word(f, mailbox, MailWord.POSTED), word(f, mailbox, MailWord.DONE)
        pool = read(f, mailbox, MailWord.POOL, PTR)
        with f.repeat([f.constant(0, I32)]) as jobs:
            (last,) = jobs.carried
            job = wait(f, posted, last, read(f, mailbox, MailWord.SPIN), pool, mailbox)
            state, worker = read(f, mailbox, MailWord.STATE, PTR), read(f, mailbox, MailWord.WORKER)
            f.call("chainrule_driver", I64, state, worker)
            atomic_store(f, job, done, "seq_cst")
            wake(f, pool, mailbox_of(f, pool, 0))
            jobs.next = [job]
            jobs.until = f.constant(0, I32).ne(0)
        f.ret(f.constant(0, PTR))


def write_run(module: Module, processor: Processor) -> None:
    """Writes `i64 run(state)`: the status of a run, or of a slice of it, on as many threads as the state asks for.

    Whoever comes while the pool is taken runs alone, with the same result.
    """
    with module.function("chainrule_run", I64, state=PTR) as f:
        (state,) = f.arguments
        _prepare(f, processor, state)
        pool = read(f, state, StateWord.POOL, PTR)
        workers = _workers(f, state, pool)
        write(f, state, StateWord.WORKERS, workers)
        alone = workers.eq(1)
        with f.when(~alone):
            _post(f, state, pool, workers)
        own = f.call("chainrule_driver", I64, state, f.constant(0, I64))
        with f.when(~alone):
            _join(f, state, pool, workers)
            atomic_store(f, f.constant(0, I64), word(f, pool, PoolWord.BUSY))
        failed = read(f, state, StateWord.FAILED).ne(0)  # on whichever worker
        status = f.select(failed, f.constant(Status.ERROR, I64), own)
        with f.when(failed):
            _find_error(f, state, workers)
        started = read(f, state, StateWord.CYCLES)
        write(f, state, StateWord.CYCLES, processor.clock(f) - started)
        f.ret(status)


def write_repeat(module: Module) -> None:
    """Writes `i64 repeat(state)`, which is `run` from the program's beginning."""
    with module.function("chainrule_repeat", I64, state=PTR) as f:
        (state,) = f.arguments
        f.store(read(f, state, StateWord.TABLE, PTR), word(f, state, StateWord.POSITION))
        f.ret(f.call("chainrule_run", I64, state))


def _prepare(f: Function, processor: Processor, state: Val) -> None:
    """Counts the entry, and sets what one entry begins with."""
    write(f, state, StateWord.ENTRIES, read(f, state, StateWord.ENTRIES) + 1)
    now = processor.clock(f)
    write(f, state, StateWord.CYCLES, now)
    write(f, state, StateWord.DEADLINE, now + read(f, state, StateWord.BUDGET))
    write(f, state, StateWord.ROUNDS_LEFT, read(f, state, StateWord.ROUNDS))
    write(f, state, StateWord.FAILED, 0)


def _workers(f: Function, state: Val, pool: Val) -> Val:
    """How many workers there are: those asked for, as far as there are threads, or one where the pool is taken."""
    asked, one = read(f, state, StateWord.THREADS), f.constant(1, I64)

    def take() -> list[Val]:
        free = exchange(f, word(f, pool, PoolWord.BUSY), one).eq(0)
        there = read(f, pool, PoolWord.COUNT) + 1
        return [f.select(free, f.select(asked.lt(there), asked, there), 1)]

    def look() -> list[Val]:
        return f.either(read(f, pool, PoolWord.COUNT).gt(0), take, lambda: [one])

    wanted = asked.gt(1) & pool.cast("ptrtoint", I64).ne(0)
    return f.either(wanted, look, lambda: [one])[0]


def _post(f: Function, state: Val, pool: Val, workers: Val) -> None:
    """Gives every other worker the job. What was written to memory before is seen by who sees the count."""
    with f.loop(1, workers) as loop:
        mailbox = mailbox_of(f, pool, loop.index)
        f.store(state, word(f, mailbox, MailWord.STATE))
        write(f, mailbox, MailWord.WORKER, loop.index)
        write(f, mailbox, MailWord.SPIN, read(f, state, StateWord.SPIN))
        fetch_add(f, word(f, mailbox, MailWord.POSTED), f.constant(1, I32))
        wake(f, pool, mailbox)


def _join(f: Function, state: Val, pool: Val, workers: Val) -> None:
    """Waits until every other worker is done: none of them looks at the state after that."""
    own = mailbox_of(f, pool, 0)
    with f.loop(1, workers) as loop:
        mailbox = mailbox_of(f, pool, loop.index)
        posted, done = f.load(I32, word(f, mailbox, MailWord.POSTED)), word(f, mailbox, MailWord.DONE)
        with f.when(atomic_load(f, I32, done).ne(posted)):
            wait(f, done, posted - 1, read(f, state, StateWord.SPIN), pool, own)


def _find_error(f: Function, state: Val, workers: Val) -> None:
    """Sets the call and the index of the first error: the earliest call that was run, its smallest index."""
    home = f.element(state, STATE_WORDS, I64)
    size = read(f, state, StateWord.AREA)
    first = f.select(workers.eq(1), home, f.element(home, size, I8))
    start = [f.constant(n, I64) for n in (NEVER, -1, -1)]
    with f.loop(0, workers, carried=start) as loop:
        area = f.element(first, loop.index * size, I8)
        order, call, index = (read(f, area, n) for n in (AreaWord.ORDER, AreaWord.CALL, AreaWord.INDEX))
        same = order.eq(loop.carried[0]) & index.lt(loop.carried[2])
        better = order.lt(loop.carried[0]) | same
        found = zip([order, call, index], loop.carried, strict=True)
        loop.next = [f.select(better, new, old) for new, old in found]
    write(f, state, StateWord.CALL, loop.results[1])
    write(f, state, StateWord.INDEX, loop.results[2])
