"""Programs on several threads: who does which parts, errors, slices, forks, other callers, and how a process ends."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from toy_kernels import toys

from chainrule.backend.llvm.runtime.layout import Status, Stop
from chainrule.backend.llvm.runtime.pool import HAS_POOL
from chainrule.backend.llvm.runtime.program import Outcome, Program, execute
from chainrule.backend.llvm.runtime.table import Advance, Call, Item, LoopBegin, LoopEnd
from chainrule.errors import OptionError

pytestmark = pytest.mark.skipif(not HAS_POOL, reason="no pool on this system")

THREADS = [1, 2, 3, 4, 8]
FOLDER = Path(__file__).resolve().parents[3]


def add(number: int, parts: int, slot: int = 0, offset: int = 0) -> Call:
    return Call(toys().add, ((slot, offset),), (number,), parts)


def double(number: int, parts: int) -> Call:
    return Call(toys().double, ((0, 0),), (number,), parts)


def fail(first: int, parts: int) -> Call:
    return Call(toys().fail, (), (first,), parts)


def mixed() -> list[Item]:
    """Parallel calls, serial ones, loops of both and of serial ones alone, all on one array of 100 elements."""
    inner = [LoopBegin(3, True, (Advance(1, 0, 8, 8),)), add(7, 1, 1), Call(toys().double, ((1, 0),), (2,)), LoopEnd()]
    outer = [LoopBegin(20), double(1, 100), add(-3, 1), *inner, add(2, 37), LoopEnd()]
    return [add(5, 100), add(1, 1, 0, 80), *outer, add(1, 1), *inner, double(-1, 13)]


@pytest.mark.parametrize("threads", THREADS)
def test_any_number_of_threads_does_the_same(threads: int) -> None:
    expected, x = np.zeros(100, np.int64), np.zeros(100, np.int64)
    program = Program(mixed(), 2)
    execute(program, [expected.ctypes.data], 1)
    for _ in range(20):
        x[:] = 0
        assert execute(program, [x.ctypes.data], threads) == Outcome(Status.DONE)
        assert x.tolist() == expected.tolist()


@pytest.mark.parametrize("threads", THREADS)
def test_each_worker_does_its_share(threads: int) -> None:
    who = np.zeros(100, np.int64)
    state = Program([Call(toys().share, ((0, 0),), (), 100, 8)], 1).state(threads)
    state.profile()
    state.start([who.ctypes.data])
    state.run()
    assert state.workers == threads
    shares = [np.flatnonzero(who == address) for address in np.unique(who)]
    expected = [list(range(100 * w // threads, 100 * (w + 1) // threads)) for w in range(threads)]
    assert sorted(share.tolist() for share in shares) == expected
    assert state.timings()[0].runs == (1,) * threads


def test_a_program_of_single_parts_runs_alone() -> None:
    assert Program([add(1, 1)], 1).state(8).threads == 1


@pytest.mark.parametrize("threads", THREADS)
def test_the_first_error_in_the_order_of_the_program_is_named(threads: int) -> None:
    x = np.zeros(100, np.int64)
    slots = [x.ctypes.data]
    assert execute(Program([fail(30, 100), add(1, 100)], 1), slots, threads) == Outcome(Status.ERROR, 0, 30)
    assert not x.any()
    for first in (0, 30, 99):
        assert execute(Program([fail(first, 100)], 1), slots, threads) == Outcome(Status.ERROR, 0, first)
    late = [LoopBegin(3), add(1, 100), LoopEnd(), add(1, 1), fail(99, 100), fail(0, 100), LoopBegin(9), LoopEnd()]
    assert execute(Program(late, 1), slots, threads) == Outcome(Status.ERROR, 2, 99)
    assert x.tolist() == [4] + [3] * 99


@pytest.mark.parametrize("threads", THREADS)
def test_where_nobody_meets_the_earlier_call_is_named(threads: int) -> None:
    items = [Call(toys().fail, (), (98,), 100, 0, False), Call(toys().fail, (), (0,), 100, 0, False), fail(0, 1)]
    for _ in range(20):
        assert execute(Program(items, 0), [], threads) == Outcome(Status.ERROR, 0, 98)


@pytest.mark.parametrize("threads", THREADS)
def test_a_run_goes_on_with_any_number_of_threads(threads: int) -> None:
    """Also where the pool is taken between two slices: state is what one worker leaves, too."""
    x = np.zeros((30, 4), np.int64)
    move = Advance(1, 0, 0, 32)
    program = Program([add(1, 100), LoopBegin(30, True, (move,)), add(2, 4, 1), add(1, 1, 1), LoopEnd(), add(3, 9)], 2)
    state = program.state(threads)
    state.start([x.ctypes.data])
    slices = 0
    while state.proceed(rounds=4) == Status.YIELD:
        slices += 1
        done = 30 - 4 * slices
        assert (x[done:, 3] >= 2).all() and not (x[:done] >= 2).any()
        assert state.iterations() == 4 * slices
        state._words[7] = 1 + slices % threads  # how many threads are asked for
    expected = np.zeros(120, np.int64)
    expected[:100] = 1
    expected += 2
    expected[::4] += 1
    expected[:9] += 3
    assert x.ravel().tolist() == expected.tolist()
    assert slices == 7


@pytest.mark.parametrize("threads", THREADS)
def test_another_thread_can_stop_a_run(threads: int) -> None:
    x = np.zeros(100, np.int64)
    state = Program([LoopBegin(10**12), add(1, 100), LoopEnd()], 1).state(threads)
    state.start([x.ctypes.data])
    timer = threading.Timer(0.02, state.stop, (Stop.BETWEEN,))
    timer.start()
    assert state.proceed() == Status.YIELD
    assert x[0] > 0 and (x == x[0]).all()
    state.stop(Stop.NOW)
    assert state.proceed() == Status.STOPPED
    timer.join()


def test_too_many_threads_are_an_error() -> None:
    with pytest.raises(OptionError, match="expected 1 to 256 threads, got threads=1000"):
        Program([add(1, 2)], 1).state(1000)


def test_two_callers_at_once_do_not_disturb_each_other() -> None:
    program = Program(mixed(), 2)
    expected = np.zeros(100, np.int64)
    execute(program, [expected.ctypes.data], 1)
    wrong: list[np.ndarray] = []

    def call() -> None:
        for _ in range(300):
            x = np.zeros(100, np.int64)
            outcome = execute(program, [x.ctypes.data], 2)
            if outcome != Outcome(Status.DONE) or not (x == expected).all():
                wrong.append(x)

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the register of x86-64")
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_kernels_see_the_default_modes_and_the_caller_keeps_its_own(threads: int) -> None:
    x = np.zeros(100, np.int64)
    kernel = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2, ctypes.c_void_p)(
        toys().modes
    )
    pointers = (ctypes.c_void_p * 1)(x.ctypes.data)
    program = Program([Call(toys().modes, ((0, 0),), (0xFFC0,), 100)], 1)
    state = program.state(threads)
    try:
        for _ in range(3):
            kernel(pointers, ctypes.byref(ctypes.c_int64(0x9FC0)), 0, 1, None)
            state.start([x.ctypes.data])
            state.run()
            assert (x == 0x1F80).all()
            kernel(pointers, ctypes.byref(ctypes.c_int64(0)), 0, 1, None)
            assert x[0] & ~0x3F == 0x9FC0 & ~0x3F
    finally:
        kernel(pointers, ctypes.byref(ctypes.c_int64(0x1F80)), 0, 1, None)


# --- processes of their own -------------------------------------------------------------------------------------------

PROLOGUE = """
import os, sys, time, threading
import numpy as np
from toy_kernels import toys
from chainrule.backend.llvm.runtime.program import *
from chainrule.backend.llvm.runtime.table import *
before = set(map(int, os.listdir("/proc/self/task")))
x = np.zeros(100, np.int64)
add = Call(toys().add, ((0, 0),), (1,), 100)
program = Program([LoopBegin(50), add, LoopEnd()], 1)
def run(threads=2):
    x[:] = 0
    execute(program, [x.ctypes.data], threads)
    assert (x == 50).all(), x
run()
"""


def start(code: str) -> subprocess.Popen[str]:
    text = f"import sys; sys.path.insert(0, {str(FOLDER)!r})\n{PROLOGUE}\n{textwrap.dedent(code)}"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text], stdout=subprocess.PIPE, text=True
    )


def output(code: str) -> str:
    with start(code) as process:
        text, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return text


def test_a_process_with_sleeping_or_spinning_workers_ends_at_once() -> None:
    for pause in (0.0, 0.0, 0.0, 0.2):
        with start(f"time.sleep({pause}); print('end', flush=True)") as process:
            assert process.stdout is not None and process.stdout.readline() == "end\n"
            begin = time.perf_counter()
            assert process.wait(timeout=60) == 0
            assert time.perf_counter() - begin < 2.0


def test_a_sleeping_pool_takes_no_time() -> None:
    text = output("""
        run(4)
        time.sleep(0.1)
        before = os.times()
        time.sleep(0.5)
        after = os.times()
        print(after.user - before.user + after.system - before.system)
    """)
    assert float(text) < 0.05


def test_a_worker_that_waits_for_another_one_takes_no_time() -> None:
    text = output("""
        slow = Call(toys().spend, ((0, 0),), (200_000_000,))
        before = time.process_time() - time.thread_time()
        execute(Program([add, slow, add], 1), [x.ctypes.data], 2)
        print(time.process_time() - time.thread_time() - before, time.thread_time())
    """)
    others, own = map(float, text.split())
    assert own > 0.05
    assert others < max(0.02, own / 5)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_a_worker_is_woken_on_another_core_and_may_use_all_of_its_own_after_that() -> None:
    text = output("""
        import ctypes
        here = ctypes.CDLL(None).sched_getcpu
        (worker,) = set(map(int, os.listdir("/proc/self/task"))) - before
        allowed = os.sched_getaffinity(worker)
        def core():
            with open(f"/proc/self/task/{worker}/stat") as file:
                return int(file.read().rpartition(")")[2].split()[36])
        def others():
            count = 0
            for _ in range(20):
                time.sleep(0.01)
                begin = here()
                run()
                count += core() != begin == here()
                assert os.sched_getaffinity(worker) == allowed
            return count
        print(any(others() > 10 for _ in range(10)), len(allowed))  # what else runs may move them about
    """)
    assert text.split() == ["True", str(len(os.sched_getaffinity(0)))]


def test_all_threads_keep_their_cores_whoever_wakes_them() -> None:
    text = output("""
        allowed = os.sched_getaffinity(0)
        end = time.perf_counter() + 2
        while time.perf_counter() < end:
            run(8)
        print([os.sched_getaffinity(int(thread)) == allowed for thread in os.listdir("/proc/self/task")])
    """)
    assert "False" not in text


def test_a_pool_works_on_one_core() -> None:
    text = output("""
        first = min(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {first})
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), {first})
        for _ in range(5):
            time.sleep(0.002)
            run(4)
        print([os.sched_getaffinity(int(thread)) == {first} for thread in os.listdir("/proc/self/task")])
    """)
    assert "False" not in text


def test_a_process_that_was_forked_has_a_pool_of_its_own() -> None:
    text = output("""
        child = os.fork()
        run()
        state = program.state(2)
        state.start([x.ctypes.data]); state.run()
        if child == 0:
            os._exit(state.workers)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), state.workers)
    """)
    assert text.split() == ["2", "2"]


def test_a_process_may_fork_while_another_thread_runs_a_program() -> None:
    text = output("""
        y = np.zeros(100, np.int64)
        other = Program([LoopBegin(10**12), add, LoopEnd()], 1).state(2)
        other.start([y.ctypes.data])
        thread = threading.Thread(target=other.proceed)
        thread.start()
        time.sleep(0.02)
        child = os.fork()
        run()
        if child == 0:
            state = program.state(2)
            state.start([x.ctypes.data]); state.run()
            os._exit(state.workers)
        other.stop(1)
        thread.join()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (y == y[0]).all())
    """)
    assert text.split() == ["2", "True"]


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_loop_after_a_whole_iteration(threads: int) -> None:
    code = f"""
        long = Program([LoopBegin(10**12), add, Call(toys().add, ((0, 400),), (1,), 50), LoopEnd()], 1)
        x[:] = 0
        print("begin", flush=True)
        try:
            execute(long, [x.ctypes.data], {threads})
        except KeyboardInterrupt:
            print("interrupted", x[0] > 0 and (x[:50] == x[0]).all() and (x[50:] == 2 * x[0]).all(), flush=True)
        run()
    """
    with start(code) as process:
        assert process.stdout is not None and process.stdout.readline() == "begin\n"
        time.sleep(0.2)
        begin = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted True\n"
        assert time.perf_counter() - begin < 2.0
        assert process.wait(timeout=60) == 0
