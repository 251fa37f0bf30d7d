from __future__ import annotations

import itertools

import numpy as np
import pytest
from plan_meaning import run
from plan_memory import Memory
from planned import apply, new
from training_graphs import STEPS

from chainrule.backend.llvm.build import ARENA, Built, build
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph
from chainrule.schedule.plan import Buffer
from chainrule.testing.fuzz import generate
from chainrule.testing.fuzz.layouts import plain


def spots(built: Built) -> dict[Buffer, tuple[Memory, int]]:
    """Where the arena's buffers are: in one piece of memory, and those of a worker in another one."""
    found: dict[Buffer, tuple[Memory, int]] = {}
    for arena in (built.arena, built.private):
        memory = Memory(arena.nbytes)
        found.update((buffer, (memory, offset)) for buffer, offset in arena.offsets.items())
    return found


def check_sharing(graph: Graph, inputs: list[object], donations: object = ()) -> Built:
    """That a plan gives the same with its buffers on top of one another as with memory for each."""
    built = build(graph, donations)  # pyright: ignore[reportArgumentType]
    shared = run(built.plan, graph, inputs, spots(built))
    apart = run(built.plan, graph, inputs)
    for x, y in zip(shared, apart, strict=True):
        assert x.tobytes() == y.tobytes()
    return built


@pytest.mark.parametrize("name", [name for name in STEPS if name != "orbit"])
def test_buffers_share_memory_only_when_none_needs_it(name: str) -> None:
    step = STEPS[name]()
    built = check_sharing(step.graph, step.inputs, step.donations)
    nbytes = sum(buffer.nbytes for buffer in built.arena.offsets)
    assert built.arena.nbytes <= nbytes + 64 * len(built.arena.offsets)


def test_generated_graphs_share_memory_rightly() -> None:
    for seed in range(40):
        sample = generate(seed)
        if not any(value.type.size > 20_000 for node in sample.graph.nodes for value in node.results):
            check_sharing(sample.graph, [plain(x) for x in sample.inputs], sample.donations)


def test_slots_are_those_of_inputs_outputs_and_constants_behind_the_arena() -> None:
    x, y = new(3), new(3)
    built = build(Graph((x, y), (apply("add", x, y), apply("tanh", y))), [(0, 0)])
    assert ARENA == 0
    assert [built.address(buffer) for buffer in built.plan.inputs] == [(1, 0), (2, 0)]
    assert built.outputs == (1,)
    assert built.address(built.plan.outputs[0]) == (1, 0)
    assert built.address(built.plan.outputs[1]) == (3, 0)


def test_a_renamed_buffer_is_where_the_output_is() -> None:
    x = new(3)
    built = build(Graph((x,), (apply("tanh", x),)))
    (buffer,) = built.plan.renamed
    assert built.address(buffer) == built.address(built.plan.outputs[0])


def test_another_batch_size_compiles_nothing() -> None:
    def step(rows: int) -> Graph:
        x, w, b = new(rows, 48), new(48, 32), new(32)
        z = apply("dot_general", x, w, contract=((1,), (0,)), batch=((), ()))
        return Graph((x, w, b), (apply("sum", apply("tanh", apply("add", z, b)), axes=(1,)),))

    build(step(64))
    assert [build(step(rows)).compiled for rows in (96, 640, 64)] == [0, 0, 0]


def test_apart_no_two_buffers_share_memory() -> None:
    step = STEPS["mlp tanh"]()
    built = build(step.graph, step.donations, apart=128)
    ends = sorted((offset, offset + buffer.nbytes) for buffer, offset in built.arena.offsets.items())
    assert all(end + 128 <= begin for (_, end), (begin, _) in itertools.pairwise(ends))


def test_private_memory_is_a_slot_of_its_own() -> None:
    step = STEPS["logistic tall"]()
    built = build(step.graph, step.donations)
    slots = {built.address(buffer)[0] for buffer in built.private.offsets}
    assert len(slots) == 1 and slots.isdisjoint({ARENA, *range(1, len(step.graph.inputs) + 1)})


def test_a_graph_of_nothing() -> None:
    x = new(3)
    built = build(Graph((x,), ()))
    assert (built.works, built.arena.nbytes) == ((), 0)
    assert evaluate(Graph((x,), ()), [np.zeros(3, np.float32)]) == []
