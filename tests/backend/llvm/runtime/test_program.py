"""Programs of toy kernels: the order of calls, loops and their slots, errors, and slices between iterations."""

from __future__ import annotations

import numpy as np
import pytest
from toy_kernels import toys

from chainrule.backend.llvm.runtime.layout import Status, Stop
from chainrule.backend.llvm.runtime.program import Outcome, Program, execute
from chainrule.backend.llvm.runtime.table import Advance, Call, Item, LoopBegin, LoopEnd


def log(number: int) -> Call:
    return Call(toys().append, ((0, 0),), (number,))


def run(items: list[Item], *arrays: np.ndarray, slots: int = 8, threads: int = 1) -> Outcome:
    return execute(Program(items, slots), [a.ctypes.data for a in arrays], threads)


def logged(items: list[Item], threads: int = 1) -> list[int]:
    x = np.zeros(1000, np.int64)
    assert run(items, x, threads=threads) == Outcome(Status.DONE)
    return x[1 : 1 + x[0]].tolist()


def test_no_calls_are_a_program() -> None:
    assert run([]) == Outcome(Status.DONE)


def test_calls_are_run_in_their_order() -> None:
    assert logged([log(3), log(-1), log(2)]) == [3, -1, 2]


def test_a_loop_repeats_what_is_in_it() -> None:
    assert logged([log(1), LoopBegin(3), log(2), log(3), LoopEnd(), log(4)]) == [1, 2, 3, 2, 3, 2, 3, 4]


def test_loops_nest() -> None:
    items = [LoopBegin(2), log(1), LoopBegin(3), log(2), LoopEnd(), LoopBegin(1), log(3), LoopEnd(), LoopEnd()]
    assert logged(items) == [1, 2, 2, 2, 3] * 2


def test_a_loop_of_no_iterations_is_left_out_with_all_that_is_in_it() -> None:
    assert logged([LoopBegin(0), log(1), LoopBegin(3), log(2), LoopEnd(), LoopEnd(), log(3)]) == [3]
    assert logged([LoopBegin(3), LoopBegin(0), log(2), LoopEnd(), log(3), LoopEnd()]) == [3, 3, 3]


@pytest.mark.parametrize("reverse", [False, True])
def test_slots_move_on_with_the_iterations(reverse: bool) -> None:
    x = np.zeros(10, np.int64)
    move = Advance(1, 0, 16, 8)
    double = Call(toys().double, ((1, 0),), (1,))
    chain = Call(toys().add, ((1, 8),), (100,))
    run([LoopBegin(3, reverse, (move,)), double, chain, LoopEnd()], x)
    expected = np.zeros(10, np.int64)
    for i in [2, 1, 0] if reverse else [0, 1, 2]:
        expected[2 + i] = 2 * expected[2 + i] + 1
        expected[3 + i] += 100
    assert x.tolist() == expected.tolist()


def test_the_slots_of_an_inner_loop_start_from_those_of_the_outer_one() -> None:
    x = np.zeros((4, 5), np.int64)
    outer, inner = LoopBegin(3, False, (Advance(1, 0, 40, 40),)), LoopBegin(2, True, (Advance(2, 1, 8, 16),))
    run([outer, inner, Call(toys().add, ((2, 0),), (1,)), LoopEnd(), LoopEnd()], x)
    expected = np.zeros((4, 5), np.int64)
    expected[1:, 1:4:2] = 1
    assert x.tolist() == expected.tolist()


def test_words_are_64_bits_with_or_without_a_sign() -> None:
    assert logged([log(2**64 - 1), log(2**63), log(-(2**63))]) == [-1, -(2**63), -(2**63)]


def test_an_error_stops_the_program_and_names_the_call_and_the_element() -> None:
    x = np.zeros(10, np.int64)
    items = [log(1), Call(toys().fail, (), (9,), 5), Call(toys().fail, (), (3,), 5), log(2)]
    assert run(items, x) == Outcome(Status.ERROR, 2, 3)
    assert x[:3].tolist() == [1, 1, 0]


def test_calls_keep_their_numbers_behind_a_loop_that_is_left_out() -> None:
    fail = Call(toys().fail, (), (0,))
    assert run([LoopBegin(0), fail, LoopEnd(), fail]) == Outcome(Status.ERROR, 1, 0)


def test_a_run_goes_on_where_a_slice_ended() -> None:
    x = np.zeros(100, np.int64)
    items = [log(0), LoopBegin(5), log(1), LoopBegin(2), log(2), LoopEnd(), LoopEnd(), LoopBegin(2), log(3), LoopEnd()]
    state = Program(items, 1).state()
    state.start([x.ctypes.data])
    seen: list[tuple[int, int]] = []
    while state.proceed(rounds=2) == Status.YIELD:
        seen.append((int(x[0]), state.iterations()))
    assert seen == [(7, 2), (13, 4)]
    assert x[1:19].tolist() == [0, *[1, 2, 2] * 5, 3, 3]
    assert state.entries == 3


def test_time_ends_a_slice() -> None:
    x = np.zeros(4, np.int64)
    state = Program([LoopBegin(40), Call(toys().spend, ((0, 0),), (1_000_000,)), LoopEnd()], 1).state()
    state.start([x.ctypes.data])
    slices = 1
    while state.proceed(seconds=1e-6) == Status.YIELD:
        slices += 1
    assert (slices, x[0]) == (40, 40)


def test_a_stop_ends_a_slice_between_iterations_or_at_once() -> None:
    x = np.zeros(100, np.int64)
    state = Program([LoopBegin(3), log(1), log(2), LoopEnd()], 1).state()
    state.start([x.ctypes.data])
    state.stop(Stop.BETWEEN)
    assert state.proceed() == Status.YIELD
    assert x[:4].tolist() == [2, 1, 2, 0]
    state.stop(Stop.NOW)
    assert state.proceed() == Status.STOPPED
    assert x[0] == 2


def test_a_profile_counts_calls_and_their_time() -> None:
    x = np.zeros(100, np.int64)
    program = Program([LoopBegin(7), log(1), LoopEnd(), Call(toys().spend, ((0, 0),), (10_000,))], 1)
    state = program.state()
    state.profile()
    state.start([x.ctypes.data])
    state.run()
    first, second = state.timings()
    assert (first.runs, second.runs) == ((7,), (1,))
    assert 0 < first.seconds[0] + second.seconds[0] < 2 * state.seconds
    state.profile(False)
    assert state.timings() == ()


def test_scratch_memory_is_aligned_and_large_enough() -> None:
    x = np.zeros(3, np.int64)
    run([Call(toys().share, ((0, 0),), (), 3, 8), Call(toys().nothing, (), (), 1, 1000)], x)
    assert (x % 64 == 0).all() and (x == x[0]).all()
    run([Call(toys().fill, ((0, 0),), (100_000,), 3, 100_000)], x)
    assert x.tolist() == [n * 12_500 + 12_500 * 12_499 // 2 for n in range(3)]


def test_a_run_can_be_repeated_with_the_same_slots() -> None:
    x = np.zeros(100, np.int64)
    state = Program([LoopBegin(3), log(1), LoopEnd()], 1).state()
    state.start([x.ctypes.data])
    assert state.proceed(rounds=1) == Status.YIELD
    assert state.run() == Outcome(Status.DONE)
    assert [state.finish(state.repeater()()) for _ in range(2)] == [Outcome(Status.DONE)] * 2
    assert x[0] == 9
