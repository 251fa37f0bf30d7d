"""`generate`: a graph and its inputs from a seed, uniform over the kinds of lowering, then over their operations.

One in `ROWS` is of another kind: nodes over one long axis (rows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Final

import numpy as np

from chainrule.backend.base import Donations
from chainrule.ir.graph import INPUT, Graph, Value
from chainrule.ir.kinds import Contract, Generate, IndexMap, Library, Reduce, Runs, Scalar, Scatter
from chainrule.ir.op import OPS, Op
from chainrule.testing.catalog import records
from chainrule.testing.fuzz.builder import Builder
from chainrule.testing.fuzz.elementwise import elementwise, from_case
from chainrule.testing.fuzz.layouts import shares_memory
from chainrule.testing.fuzz.loops import loop
from chainrule.testing.fuzz.moves import INDEX_MAPS, library, scatter
from chainrule.testing.fuzz.moves import generate as random_numbers
from chainrule.testing.fuzz.rows import ELEMENTS, grow_rows
from chainrule.testing.fuzz.shapes import draw_scale, draw_shape
from chainrule.testing.fuzz.sums import contraction, reduction
from chainrule.testing.fuzz.values import Array, draw_array, draw_dtype

ROWS: Final = 16

Maker = Callable[[Builder, Op], list[Value] | None]

NODES: Final = (1, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25)
"""How many nodes a graph is drawn with; helpers, such as the remainder that keeps an index in range, come on top."""

ATTEMPTS: Final = 4
"""How often a node is tried, with other operands, before another operation is."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A graph with inputs for it. The arrays may share memory, and need not be contiguous, aligned or writable.

    `donations` are pairs (input, output) of what may be written over: see backend/base.py.
    """

    seed: int
    graph: Graph
    inputs: tuple[Any, ...]
    donations: Donations = ()

    def saved(self) -> list[Array]:
        """Copies of the inputs' elements."""
        return [np.array(x) for x in self.inputs]

    def restore(self, saved: Sequence[Array]) -> None:
        """Writes the copies back to the inputs that were given up."""
        for place, _ in self.donations:
            self.inputs[place][...] = saved[place]


@cache
def kinds() -> dict[type, tuple[Op, ...]]:
    """The operations by their kind of lowering."""
    records()  # they are known once their modules are imported
    found: dict[type, list[Op]] = {}
    for op in OPS.values():
        found.setdefault(type(op.lowering), []).append(op)
    return {kind: tuple(ops) for kind, ops in found.items()}


def generate(seed: int, focus: Op | None = None) -> Sample:
    """The graph number `seed`; with `focus`, one whose last drawn node is of that operation."""
    pick = Random(seed)
    if focus is None and seed % ROWS == ROWS - 1:
        builder = Builder(pick, np.random.default_rng(seed), ELEMENTS)
        grow_rows(builder)
    else:
        builder = Builder(pick, np.random.default_rng(seed), draw_scale(pick))
        grow(builder, pick.choice(NODES) if focus is None else pick.choice((0, 1, 3)))
    chosen = _focused(builder, focus) if focus is not None else ()
    if pick.random() < 0.15:
        builder.new_input(draw_array(builder.rng, pick, draw_shape(pick, builder.limit), draw_dtype(pick)))
    if not builder.pool:
        return generate(seed + 2**32, focus)
    outputs = _outputs(builder, chosen)
    inputs = tuple(builder.inputs)
    numbers = tuple(builder.known[value].number for value in inputs)
    donations = _donations(pick, numbers, inputs, outputs)
    return Sample(seed, Graph(inputs, outputs, frozenset(place for place, _ in donations)), numbers, donations)


def grow(builder: Builder, count: int) -> None:
    """Adds `count` nodes."""
    table = kinds()
    for _ in range(count):
        for _ in range(3):
            op = builder.pick.choice(table[builder.pick.choice(tuple(table))])
            if make(builder, op):
                break


def make(builder: Builder, op: Op) -> list[Value] | None:
    """The results of a new node of the operation, on drawn operands."""
    maker = _maker(op)
    for _ in range(ATTEMPTS):
        made = maker(builder, op)
        if made:
            return made
    return None


def _maker(op: Op) -> Maker:
    match op.lowering:
        case Scalar():
            return elementwise
        case IndexMap():
            return INDEX_MAPS.get(op.name, from_case)
        case Generate():
            return random_numbers
        case Reduce():
            return reduction
        case Contract():
            return contraction
        case Scatter():
            return scatter
        case Runs():
            return _loop if op.name == "scan" else from_case
        case Library():
            return library if op.name in ("sort", "argsort", "searchsorted") else from_case


def _loop(builder: Builder, op: Op) -> list[Value] | None:
    return loop(builder, op, grow)


def _focused(builder: Builder, op: Op) -> Sequence[Value]:
    made = None
    while not made:
        made = make(builder, op)
    return made


def _outputs(builder: Builder, chosen: Sequence[Value]) -> tuple[Value, ...]:
    """The values that nothing reads, or some of them, mixed with others: read ones, inputs, the same one twice."""
    pick = builder.pick
    read = {operand for value in builder.pool for operand in value.node.inputs}
    ends = [value for value in builder.pool if value not in read and value.node.op is not INPUT]
    ends = ends or [pick.choice(builder.pool)]
    outputs = ends if pick.random() < 0.7 else pick.sample(ends, pick.randint(1, len(ends)))
    outputs = [*outputs, *chosen]
    if pick.random() < 0.25:
        outputs.append(pick.choice(builder.pool))
    if pick.random() < 0.1 and builder.inputs:
        outputs.append(pick.choice(builder.inputs))
    if pick.random() < 0.1:
        outputs.append(pick.choice(outputs))
    pick.shuffle(outputs)
    return tuple(outputs) if chosen or pick.random() < 0.9 else tuple(dict.fromkeys(outputs))


def _donations(pick: Random, numbers: Sequence[Any], inputs: Sequence[Value], outputs: Sequence[Value]) -> Donations:
    """Pairs of inputs that can be given up (writable arrays whose memory is their own) with outputs of their types."""
    found: list[tuple[int, int]] = []
    left = set(range(len(outputs))) if pick.random() < 0.3 else set[int]()
    for place, x in enumerate(numbers):
        fits = [i for i in sorted(left) if outputs[i].type == inputs[place].type]
        others = [y for i, y in enumerate(numbers) if i != place]
        free = isinstance(x, np.ndarray) and x.flags.writeable and x.dtype.isnative and not shares_memory(x, others)
        if fits and free and pick.random() < 0.7:
            found.append((place, pick.choice(fits)))
            left.remove(found[-1][1])
    return tuple(found)
