"""Generated programs of loops in loops, on several threads and in slices, against a model in Python."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from toy_kernels import toys

from chainrule.backend.llvm.runtime.layout import Status
from chainrule.backend.llvm.runtime.program import Program
from chainrule.backend.llvm.runtime.table import Advance, Call, Item, LoopBegin, LoopEnd

SIZE = 300


def generate(rng: random.Random, depth: int = 0) -> list[Item]:
    """Calls and loops; a loop's slot, one more than its depth, moves within the slot of the loop around it."""
    items: list[Item] = []
    for _ in range(rng.randint(1, 4)):
        if rng.random() < 0.35 and depth < 3:
            move = Advance(1 + depth, depth, 8 * rng.randint(0, 3), 8 * rng.randint(0, 3), rng.random() < 0.3)
            yields = rng.choice([None, None, True, False])
            begin = LoopBegin(rng.choice([0, 1, 2, 3, 5]), rng.random() < 0.5, (move,), yields)
            items += [begin, *generate(rng, depth + 1), LoopEnd()]
        else:
            kernel = rng.choice([toys().add, toys().double])
            place = (rng.randint(0, depth), 8 * rng.randint(0, 5))
            items.append(Call(kernel, (place,), (rng.randint(-9, 9),), rng.choice([1, 1, 2, 7, 40])))
    return items


def model(items: Sequence[Item], x: np.ndarray, slots: dict[int, int]) -> None:
    """What the items do to x, the slots being bytes into it."""
    place = 0
    while place < len(items):
        item = items[place]
        place += 1
        if isinstance(item, Call):
            slot, offset = item.pointers[0]
            first = (slots[slot] + offset) // 8
            part = x[first : first + item.parts]
            part[...] = part * (2 if item.kernel == toys().double else 1) + item.words[0]
        elif isinstance(item, LoopBegin):
            end = _end(items, place)
            (move,) = item.advances
            order = range(item.length)
            for done, i in enumerate(reversed(order) if item.reverse else order):
                slots[move.slot] = slots[move.source] + move.start + (done % 2 if move.turns else i) * move.step
                model(items[place : end - 1], x, slots)
            place = end


def _end(items: Sequence[Item], place: int) -> int:
    open_loops = 1
    while open_loops:
        open_loops += isinstance(items[place], LoopBegin) - isinstance(items[place], LoopEnd)
        place += 1
    return place


@pytest.mark.parametrize("seed", range(30))
def test_a_program_does_what_its_model_does(seed: int) -> None:
    rng = random.Random(seed)
    items = generate(rng)
    expected = np.zeros(SIZE, np.int64)
    model(items, expected, {0: 0})
    program = Program(items, 5)
    for threads in (1, 2, 3, 8):
        x = np.zeros(SIZE, np.int64)
        state = program.state(threads)
        state.start([x.ctypes.data])
        while (status := state.proceed(rounds=rng.randint(0, 3))) == Status.YIELD:
            pass
        assert status == Status.DONE
        assert x.tolist() == expected.tolist()
        program.give_back(state)
