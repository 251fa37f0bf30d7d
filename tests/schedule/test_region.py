from __future__ import annotations

import numpy as np
import pytest
from planned import apply, doubling, loop, matmul, new, number, part, planned, words

from chainrule.ir.graph import Graph
from chainrule.schedule.plan import Contraction, Loop


def test_moves_cost_nothing() -> None:
    x = new(4, 6)
    y = apply("flip", apply("transpose", x, axes=(1, 0)), axes=(0,))
    assert words(planned([x], [apply("tanh", part(y, (1, 6, 2), (0, 4)))])) == ["nest tanh"]


def test_a_product_that_is_used_transposed_is_computed_so() -> None:
    x, w, b = new(16, 5), new(5, 4), new(4, 16)
    out = apply("add", apply("transpose", matmul(x, w), axes=(1, 0)), b)
    plan = planned([x, w, b], [out])
    assert words(plan) == ["product dot_general add"]
    (step,) = plan.steps
    assert isinstance(step, Contraction) and (step.rows, step.columns) == ((4,), (16,))


def test_a_product_that_is_used_both_ways_is_stored_once() -> None:
    x, w = new(4, 5), new(5, 4)
    z = matmul(x, w)
    planned([x, w], [apply("add", z, apply("transpose", z, axes=(1, 0)))])


def test_reshaping_reads_where_strides_say_how() -> None:
    x = new(4, 6)
    assert words(planned([x], [apply("tanh", apply("reshape", x, shape=(2, 12)))])) == ["nest tanh"]
    turned = apply("reshape", apply("transpose", x, axes=(1, 0)), shape=(24,))
    assert words(planned([x], [apply("tanh", turned)])) == ["copy", "nest tanh"]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), ()])
def test_arrays_with_no_and_with_one_element(shape: tuple[int, ...]) -> None:
    x = new(*shape)
    axes = tuple(range(len(shape)))
    total = apply("sum", apply("square", x), axes=axes)
    planned([x], [total, apply("add", x, total), apply("reshape", x, shape=(int(np.prod(shape)),))])


# --- loops ------------------------------------------------------------------------------------------------------------


def test_a_loop_carries_where_its_result_is_wanted() -> None:
    x = new(4)
    plan = planned([x], loop(doubling(4), x))
    assert words(plan) == ["copy", "loop 3", "  nest multiply add"]
    assert words(planned([x], loop(doubling(4), x), [(0, 0)])) == ["loop 3", "  nest multiply add"]


def test_the_first_value_is_computed_where_it_is_carried() -> None:
    x = new(4)
    assert words(planned([x], loop(doubling(4), apply("tanh", x))))[0] == "nest tanh"


TWICE = {
    "flip": lambda x: apply("flip", apply("flip", x, axes=(0,)), axes=(0,)),
    "reshape": lambda x: apply("reshape", apply("reshape", x, shape=(2, 2)), shape=(4,)),
    "broadcast": lambda x: apply("broadcast_to", x, shape=(4,)),
}


@pytest.mark.parametrize("way", TWICE)
@pytest.mark.parametrize("donated", [False, True])
def test_what_is_used_behind_the_loop_is_not_carried_in_place(way: str, donated: bool) -> None:
    """Also where the loop takes it by another name."""
    x = new(4)
    start = x if donated else apply("exp", x)
    (end,) = loop(doubling(4), TWICE[way](start))
    late = apply("multiply", start, end)
    planned([x], [end, late, apply("max", start, axes=(0,))], [(0, 0)] if donated else [])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_slices_of_what_is_scanned_over(reverse: bool, turned: bool) -> None:
    c, x = new(3), new(3)
    body = Graph((c, x), (apply("tanh", apply("add", c, x)), apply("multiply", c, x), c))
    start, xs = new(3), new(5, 3)
    seen = apply("flip", xs, axes=(0, 1)) if turned else xs
    plan = planned([start, xs], loop(body, start, seen, length=5, reverse=reverse))
    assert [line for line in words(plan) if line.startswith("  ")] == ["  copy", "  nest add tanh multiply"]


def test_a_carry_that_is_stacked_and_replaced_is_copied_once() -> None:
    """The old value goes to its slice before the new one is computed over it."""
    c = new(4)
    body = Graph((c,), (apply("tanh", c), c))
    x = new(4)
    assert words(planned([x], loop(body, x), [(0, 0)])) == ["loop 3", "  copy", "  nest tanh"]


def test_carries_that_change_places() -> None:
    a, b = new(4), new(4)
    x, y = new(4), new(4)
    planned([x, y], loop(Graph((a, b), (b, a)), x, y, carry=2), [(0, 0), (1, 1)])
    planned([x, y], loop(Graph((a, b), (b, apply("add", a, b))), x, y, carry=2), [(0, 1), (1, 0)])


@pytest.mark.parametrize("length", [0, 1, 4])
def test_a_loop_in_a_loop_whose_result_is_wanted_thrice(length: int) -> None:
    c = new(5)
    (inner,) = loop(doubling(5), c, length=2)
    body = Graph((c,), (inner, inner, inner))
    x = new(5)
    planned([x], loop(body, apply("multiply", x, number(0.01)), length=length))


def test_loops_that_give_back_what_they_are_given() -> None:
    k, c, x = new(2), new(2), new(2)
    body = Graph(
        (k, c, x), (c, k, x, apply("iota", length=2, dtype="float32"), apply("full", shape=(), value=1, dtype="int64"))
    )
    given = [new(2), new(2), new(3, 2)]
    planned(given, loop(body, *given, consts=1))


def test_the_body_of_a_loop_is_spelled_out() -> None:
    c = new(3)
    plan = planned([x := new(3)], loop(Graph((c,), (apply("softmax", c, axes=(0,)),)), x))
    (step,) = [step for step in plan.steps if isinstance(step, Loop)]
    assert len(step.steps) == 1
