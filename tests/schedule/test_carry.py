"""What loops carry: at one place or at two in turn, with the values that NumPy gives (see `planned`)."""

from __future__ import annotations

import pytest
from planned import apply, doubling, loop, matmul, new, planned, words

from chainrule.ir.graph import Graph, Value
from chainrule.schedule.plan import ROW_WHOLE, Loop, Plan


def turning(plan: Plan) -> int:
    """How many values have two places in turn."""
    return sum(slot.turns and slot.start == 0 for step in plan.steps if isinstance(step, Loop) for slot in step.slots)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 8])
def test_a_product_of_what_is_carried_has_two_places_in_turn(turns: int) -> None:
    w, c, given, start = new(3, 3), new(3, 3), new(3, 3), new(3, 3)
    outputs = loop(Graph((w, c), (matmul(c, w),)), given, start, consts=1, length=turns)
    plan = planned([given, start], outputs)
    assert turning(plan) == (turns > 0)
    inside = [f"loop {turns}", "  product dot_general"] if turns else []
    assert words(plan) == ["copy", *inside, "copy"]


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_read_and_written_element_by_element_has_one_place(reverse: bool) -> None:
    assert turning(planned([x := new(4)], loop(doubling(4), x, reverse=reverse))) == 0


def test_what_is_donated_has_one_place() -> None:
    w, c = new(3, 3), new(3, 3)
    given, start = new(3, 3), new(3, 3)
    outputs = loop(Graph((w, c), (matmul(c, w),)), given, start, consts=1)
    assert turning(planned([given, start], outputs, [(1, 0)])) == 0


def test_arrays_of_many_rows_have_one_place() -> None:
    w, c = new(2, 2), new(ROW_WHOLE + 1, 2)
    given, start = new(2, 2), new(ROW_WHOLE + 1, 2)
    outputs = loop(Graph((w, c), (matmul(c, w),)), given, start, consts=1)
    assert turning(planned([given, start], outputs)) == 0


@pytest.mark.parametrize("length", [1, 2, 5])
def test_several_values_that_need_each_other(length: int) -> None:
    a, b, c = new(3, 3), new(3, 3), new(3)
    body = Graph((a, b, c), (matmul(a, b), apply("add", matmul(b, a), c), apply("flip", c, axes=(0,))))
    x, y, z = new(3, 3), new(3, 3), new(3)
    for reverse in (False, True):
        outputs = loop(body, x, y, z, carry=3, length=length, reverse=reverse)
        plan = planned([x, y, z], [*outputs, apply("tanh", outputs[0])])
        assert turning(plan) == 1  # the sum is a nest of its own, that writes where it reads


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_loop_in_a_loop(length: int) -> None:
    def inner(c: Value, w: Value) -> Value:
        d, v = new(3, 3), new(3, 3)
        return loop(Graph((v, d), (apply("tanh", matmul(v, d)),)), w, c, consts=1, length=length)[0]

    w, c, x, start = new(3, 3), new(3, 3), new(3, 3), new(3, 3)
    for body in (inner(c, w), matmul(inner(c, w), c), apply("add", inner(c, w), c)):
        planned([x, start], loop(Graph((w, c), (body, body)), x, start, consts=1, carry=1, length=3))
