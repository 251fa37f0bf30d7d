"""`build`: a graph as a program: kernels with their code, their memory, and the table that the driver walks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.backend.base import Donations
from chainrule.backend.llvm.arena import Arena, place_buffers
from chainrule.backend.llvm.code import addresses
from chainrule.backend.llvm.lower import Begin, End, Line, Lowered, Work, lower
from chainrule.backend.llvm.machine import Machine
from chainrule.backend.llvm.runtime.program import Program
from chainrule.backend.llvm.runtime.table import Advance, Call, Item, LoopBegin, LoopEnd
from chainrule.ir.graph import Graph
from chainrule.schedule.plan import Buffer, Plan
from chainrule.schedule.schedule import schedule

ARENA: Final = 0
"""The slot of the arena; those of inputs, of outputs that are written over no input, and of constants follow, then
those that the program sets itself."""


@dataclass(frozen=True, eq=False)
class Built:
    """A program, and what the slots of a run are: `inputs`, `outputs` (by number) and `constants`, behind the arena.

    `private` is memory of each worker's own; `address` gives the slot and the offset at which a buffer begins.
    """

    program: Program
    plan: Plan
    works: tuple[Work, ...]
    arena: Arena
    private: Arena
    outputs: tuple[int, ...]
    constants: tuple[Buffer, ...]
    compiled: int
    address: Callable[[Buffer], tuple[int, int]]


def build(graph: Graph, donations: Donations = (), machine: Machine | None = None, apart: int = 0) -> Built:
    """The program of a graph; with `apart`, buffers in the arena do not share memory and have gaps between them."""
    plan = schedule(graph, donations)
    lowered = lower(plan, machine)
    arena, private = place_buffers(lowered.uses, apart), place_buffers(lowered.private, apart)
    works = tuple(line for line in lowered.lines if isinstance(line, Work))
    code, compiled = addresses([work.kernel for work in works])
    over = {made for _, made in donations}
    outputs = tuple(i for i in range(len(graph.outputs)) if i not in over)
    slots = _Slots(plan, lowered, arena, private, outputs)
    items = [_item(line, slots.address, code) for line in lowered.lines]
    program = Program(items, slots.count, (slots.private, private.nbytes) if private.nbytes else None)
    return Built(program, plan, works, arena, private, outputs, lowered.constants, compiled, slots.address)


class _Slots:
    """The slot and the offset at which each buffer begins."""

    def __init__(self, plan: Plan, lowered: Lowered, arena: Arena, private: Arena, outputs: Sequence[int]) -> None:
        self._renamed: Mapping[Buffer, Buffer] = plan.renamed
        self._found = {buffer: (ARENA, offset) for buffer, offset in arena.offsets.items()}
        self.count = 1
        loops = [line.loop for line in lowered.lines if isinstance(line, Begin)]
        slices = [slot.buffer for loop in loops for slot in loop.slots]
        for buffer in (*plan.inputs, *[plan.outputs[i] for i in outputs], *lowered.constants, *slices):
            self._found[buffer] = (self.count, 0)
            self.count += 1
        self.private = self.count
        self._found.update((buffer, (self.private, offset)) for buffer, offset in private.offsets.items())
        self.count += 1

    def address(self, buffer: Buffer) -> tuple[int, int]:
        return self._found[self._renamed.get(buffer, buffer)]


def _item(line: Line, address: Callable[[Buffer], tuple[int, int]], code: Mapping[str, int]) -> Item:
    match line:
        case Work(kernel):
            places = [(address(buffer), offset) for buffer, offset in kernel.pointers]
            pointers = tuple([(slot, base + offset) for (slot, base), offset in places])
            return Call(code[kernel.structure], pointers, kernel.words, kernel.parts, kernel.scratch)
        case Begin(loop):
            advances: list[Advance] = []
            for slot in loop.slots:
                source, offset = address(slot.source)
                advances.append(Advance(address(slot.buffer)[0], source, offset + slot.start, slot.step, slot.turns))
            return LoopBegin(loop.length, loop.reverse, tuple(advances), parallel=loop.parallel)
        case End():
            return LoopEnd()
