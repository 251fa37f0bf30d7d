from __future__ import annotations

import numpy as np
from planned import apply, matmul, new
from training_graphs import STEPS

from chainrule.backend.llvm.arena import Use
from chainrule.backend.llvm.lower import Begin, End, Lowered, Work, lower
from chainrule.ir.graph import CONSTANT, ArrayRef, Graph, Node, Value
from chainrule.schedule.plan import Buffer, Loop, Plan, Step
from chainrule.schedule.schedule import schedule
from chainrule.types import Type


def lowered(inputs: list[Value], outputs: list[Value]) -> tuple[Plan, Lowered]:
    plan = schedule(Graph(tuple(inputs), tuple(outputs)))
    return plan, lower(plan)


def steps_of(steps: tuple[Step, ...]) -> list[Step]:
    return [inner for step in steps for inner in (steps_of(step.steps) if isinstance(step, Loop) else [step])]


def test_lines_are_the_steps_in_order() -> None:
    for name in ("mlp tall", "epoch", "recurrent gated", "orbit"):
        step = STEPS[name]()
        plan = schedule(step.graph, step.donations)
        found = lower(plan)
        works = [line.step for line in found.lines if isinstance(line, Work)]
        assert list(dict.fromkeys(works)) == steps_of(plan.steps)


def test_loops_begin_and_end_around_their_lines() -> None:
    step = STEPS["recurrent"]()
    open_loops: list[Loop] = []
    for line in lower(schedule(step.graph)).lines:
        if isinstance(line, Begin):
            open_loops.append(line.loop)
        elif isinstance(line, End):
            assert open_loops.pop() is line.loop
        elif open_loops:
            assert line.step in open_loops[-1].steps
    assert not open_loops


def test_a_buffer_is_used_where_kernels_point_to_it() -> None:
    x, w, v = new(40, 16), new(16, 16), new(16, 16)
    plan, found = lowered([x, w, v], [matmul(apply("tanh", matmul(x, w)), v)])
    first, second = plan.steps
    between = first.epilogue.stores[0].place.buffer
    times = [time for time, line in enumerate(found.lines) if isinstance(line, Work) and line.step in (first, second)]
    assert [use.time for use in found.uses[between]][:: len(times) - 1] == [times[0], times[-1]]
    assert all(buffer.kind == "arena" for buffer in found.uses)


def test_a_buffer_that_is_an_output_is_none_of_the_arena() -> None:
    x = new(3)
    plan, found = lowered([x], [apply("tanh", x)])
    assert plan.renamed and not found.uses and not found.private


def test_what_a_loop_slices_is_used_from_its_beginning_to_its_end() -> None:
    c, x = new(3), new(3)
    body = Graph((c, x), (apply("add", c, x),))
    start, xs = new(3), new(5, 3)
    seen = apply("tanh", xs)
    _, found = lowered(
        [start, xs], list(apply("scan", start, seen, body=body, consts=0, carry=1, length=5, reverse=False))
    )
    begin = next(time for time, line in enumerate(found.lines) if isinstance(line, Begin))
    end = next(time for time, line in enumerate(found.lines) if isinstance(line, End))
    (sliced,) = [buffer for buffer in found.uses if buffer.nbytes == 60]
    uses = found.uses[sliced]
    assert (uses[0].time, uses[0].loops) == (0, ())
    assert any((use.time, use.loops) == (begin, ()) for use in uses)
    assert uses[-1].time == end and uses[-1].loops == ()
    assert all(isinstance(use, Use) for use in uses)


def test_what_one_parallel_loop_uses_alone_is_private() -> None:
    step = STEPS["mlp tall"]()
    plan = schedule(step.graph, step.donations)
    found = lower(plan)
    (begin,) = [time for time, line in enumerate(found.lines) if isinstance(line, Begin)]
    (end,) = [time for time, line in enumerate(found.lines) if isinstance(line, End)]
    assert found.private and not set(found.private) & set(found.uses)
    assert all(begin < use.time < end for uses in found.private.values() for use in uses)


def test_constants_are_listed_once_also_behind_a_slot() -> None:
    held = Node(
        CONSTANT, (), {"value": ArrayRef(np.ones((4, 3), np.float32))}, (Type((4, 3), np.dtype("f4")),)
    ).results[0]
    c, x = new(3), new(3)
    body = Graph((c, x), (apply("add", c, x),))
    start = new(3)
    (out,) = apply("scan", start, held, body=body, consts=0, carry=1, length=4, reverse=False)
    _, found = lowered([start], [out, apply("add", held, held)])
    assert [buffer.kind for buffer in found.constants] == ["constant"]


def test_kernels_of_the_same_structure_are_written_once_for_all_layers() -> None:
    x, *weights = new(32, 64), *(new(64, 64) for _ in range(6))
    y = x
    for w in weights:
        y = apply("tanh", matmul(y, w))
    _, found = lowered([x, *weights], [y])
    works = [line for line in found.lines if isinstance(line, Work)]
    assert len({work.kernel.structure for work in works}) <= len(works) // 3


def test_kernels_point_to_buffers_that_have_a_place() -> None:
    step = STEPS["normalised tall"]()
    plan = schedule(step.graph, step.donations)
    found = lower(plan)
    slots = {slot.buffer for line in found.lines if isinstance(line, Begin) for slot in line.loop.slots}
    known: set[Buffer] = {*plan.inputs, *plan.outputs, *found.uses, *found.private, *found.constants, *slots}
    for line in found.lines:
        if isinstance(line, Work):
            assert {plan.renamed.get(buffer, buffer) for buffer, _ in line.kernel.pointers} <= known
