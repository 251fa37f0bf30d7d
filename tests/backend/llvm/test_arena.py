from __future__ import annotations

import itertools
import random

import pytest

from chainrule.backend.llvm.arena import ALIGN, Arena, Use, place_buffers
from chainrule.schedule.plan import Buffer

Uses = dict[Buffer, list[Use]]


def used(*times: int, nbytes: int = 64) -> tuple[Buffer, list[Use]]:
    return Buffer("arena", nbytes), [Use(time) for time in times]


def places(arena: Arena, *buffers: Buffer) -> list[int]:
    return [arena.offsets[buffer] for buffer in buffers]


def test_what_is_needed_at_one_time_lies_apart() -> None:
    (a, x), (b, y), (c, z) = used(0, 2), used(1, 3), used(3, 4)
    arena = place_buffers({a: x, b: y, c: z})
    assert len(set(places(arena, a, b))) == len(set(places(arena, b, c))) == 2
    assert arena.offsets[a] == arena.offsets[c]
    assert arena.nbytes == 128


def test_a_buffer_that_is_last_read_where_another_one_is_written_is_kept() -> None:
    (a, x), (b, y) = used(0, 1), used(1, 2)
    assert place_buffers({a: x, b: y}).nbytes == 128


def test_places_are_aligned_and_holes_are_joined() -> None:
    (a, x), (b, y), (c, z) = used(0, 1, nbytes=100), used(0, 1, nbytes=28), used(0, 9, nbytes=16)
    d, u = used(2, 3, nbytes=192)
    arena = place_buffers({a: x, b: y, c: z, d: u})
    assert all(offset % ALIGN == 0 for offset in arena.offsets.values())
    assert arena.nbytes == 128 + 64 + 64
    assert places(arena, a, b, c, d) == [0, 128, 192, 0]


def test_the_last_hole_grows() -> None:
    (a, x), (b, y) = used(0, 1), used(2, 3, nbytes=640)
    assert place_buffers({a: x, b: y}).nbytes == 640


def test_buffers_without_bytes_have_a_place() -> None:
    (a, x), (b, y) = used(0, nbytes=0), used(0, nbytes=0)
    assert len(set(places(place_buffers({a: x, b: y}), a, b))) == 2


def test_nothing_is_nowhere() -> None:
    assert place_buffers({}).nbytes == 0


def test_apart_none_shares_its_place_and_there_are_gaps() -> None:
    buffers = dict(used(time, nbytes=time) for time in range(9))
    arena = place_buffers(buffers, 256)
    offsets = sorted((offset, buffer.nbytes) for buffer, offset in arena.offsets.items())
    assert offsets[0][0] >= 256
    assert all(second >= first + size + 256 for (first, size), (second, _) in itertools.pairwise(offsets))
    assert arena.nbytes >= sum(offsets[-1]) + 256


def test_what_a_loop_reads_is_kept_throughout_it() -> None:
    """Written at 0, read at 2 in a loop from 1 to 5: it is read again in the next round, after 4."""
    loop = ((1, 5),)
    a, b = Buffer("arena", 64), Buffer("arena", 64)
    arena = place_buffers({a: [Use(0), Use(2, loop)], b: [Use(3, loop), Use(4, loop)]})
    assert arena.offsets[a] != arena.offsets[b]


def test_what_is_used_in_a_loop_alone_is_kept_in_each_round_only() -> None:
    loop = ((1, 6),)
    a, b = Buffer("arena", 64), Buffer("arena", 64)
    arena = place_buffers({a: [Use(2, loop), Use(3, loop)], b: [Use(4, loop), Use(5, loop)]})
    assert arena.offsets[a] == arena.offsets[b]


def test_between_loops_in_a_loop() -> None:
    """Written in one inner loop, and read in another one: kept from the first one's beginning to the other's end."""
    outer, first, second = (0, 20), (1, 5), (9, 15)
    a, b = Buffer("arena", 64), Buffer("arena", 64)
    uses: Uses = {a: [Use(4, (outer, first)), Use(10, (outer, second))], b: [Use(12, (outer, second))]}
    assert place_buffers(uses).nbytes == 128
    uses[b] = [Use(17, (outer,))]
    assert place_buffers(uses).nbytes == 64


# --- drawn programs: whatever is written is what is read, in all rounds -----------------------------------------------

Program = list["int | Program"]


def draw(pick: random.Random, depth: int = 0) -> Program:
    """Lines, and loops of lines."""
    return [draw(pick, depth + 1) if depth < 3 and pick.random() < 0.25 else 0 for _ in range(pick.randrange(1, 7))]


@pytest.mark.parametrize("seed", range(60))
def test_no_two_that_live_at_once_overlap(seed: int) -> None:
    """Every line writes one buffer and reads some that were written before, in its loop or around it."""
    pick = random.Random(seed)
    uses: Uses = {}
    trace: list[tuple[Buffer, list[Buffer]]] = []

    def lay(
        program: Program, time: int, loops: tuple[tuple[int, int], ...], known: list[Buffer]
    ) -> tuple[int, Program]:
        """The lines of a program, its loops' ends filled in, and the time behind it."""
        found: list[object] = []
        seen = list(known)
        for item in program:
            if isinstance(item, list):
                end = time + length(item) + 1
                _, body = lay(item, time + 1, (*loops, (time, end)), seen)
                found.append(body)
                time = end + 1
            else:
                buffer = Buffer("arena", pick.choice((1, 64, 100, 500)))
                read = pick.sample(seen, min(len(seen), pick.randrange(3)))
                for one in (buffer, *read):
                    uses.setdefault(one, []).append(Use(time, loops))
                found.append((buffer, read))
                seen.append(buffer)
                time += 1
        return time, found  # pyright: ignore[reportReturnType]

    def length(program: Program) -> int:
        return sum(2 + length(item) if isinstance(item, list) else 1 for item in program)

    def run(program: Program) -> None:
        for item in program:
            if isinstance(item, list):
                for _ in range(2):
                    run(item)
            else:
                trace.append(item)  # pyright: ignore[reportArgumentType]

    program = draw(pick)
    run(lay(program, 0, (), [])[1])
    arena = place_buffers(uses)
    memory: list[object] = [None] * arena.nbytes
    for buffer, read in trace:
        for one in read:
            place = arena.offsets[one]
            assert memory[place : place + one.nbytes] == [one] * one.nbytes
        place = arena.offsets[buffer]
        assert place + buffer.nbytes <= arena.nbytes
        memory[place : place + buffer.nbytes] = [buffer] * buffer.nbytes
