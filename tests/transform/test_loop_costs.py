"""What the derivative of a loop computes, and what it keeps: nothing twice, nothing that nobody reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_programs import PROGRAMS, all_grads, close, graph_of, loops_of, matmul, total

from chainrule.api.control import scan
from chainrule.api.derivatives import grad, value_and_grad
from chainrule.ops.arithmetic import cast
from chainrule.ops.exponential import exp
from chainrule.ops.trigonometric import tanh


@pytest.mark.parametrize("length", [1, 7, 100])
def test_a_gradient_computes_at_most_three_times_the_contractions(length: int) -> None:
    def loss(w: Any, h: Any) -> Any:
        return total(scan(lambda h, _: (tanh(matmul(h, w)), None), h, length=length)[0])

    w, h = np.ones((5, 5)), np.ones((3, 5))
    value = graph_of(loss, w, h).cost().multiply_adds
    assert value == length * 3 * 5 * 5
    assert graph_of(value_and_grad(loss, argnums=(0, 1)), w, h).cost().multiply_adds == 3 * value
    assert graph_of(value_and_grad(loss, argnums=1), w, h).cost().multiply_adds == 2 * value


def test_a_gradient_computes_no_function_twice() -> None:
    program = PROGRAMS["recurrent"]
    graph = graph_of(all_grads(program.using(scan), 4), *program.arguments())
    nodes = graph.cost().nodes
    assert nodes["scan"] == 2 and nodes["tanh"] == 1


def test_what_is_the_same_in_every_iteration_is_kept_once() -> None:
    def loss(w: Any, h: Any) -> Any:
        return total(scan(lambda h, _: (h * exp(w), None), h, length=50)[0])

    graph = graph_of(all_grads(loss, 2), np.ones(3), np.ones(3))
    first, second = loops_of(graph)
    stacked = [t for t in first.types if t.shape[:1] == (50,)]
    assert [t.shape for t in stacked] == [(50, 3)]  # h before each multiplication; neither w nor exp(w)
    assert graph.cost().nodes["exp"] <= 2 and "exp" not in second.attrs["body"].cost().nodes


def test_what_the_loop_is_given_or_gives_is_not_kept_again() -> None:
    def loss(h: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = tanh(h * x)
            return h, h

        return total(scan(step, h, xs)[1])

    first, second = loops_of(graph_of(all_grads(loss, 2), np.ones(3), np.ones((6, 3))))
    assert [t.shape for t in first.types] == [(3,), (6, 3), (6, 3)]  # the carry, the ys, and h before each step
    assert first.inputs[1] in second.inputs  # the xs as they came


def test_results_without_a_cotangent_cost_nothing_on_the_way_back() -> None:
    def loss(w: Any, h: Any) -> Any:
        return total(scan(lambda h, _: (h * w, exp(h)), h, length=4)[0])

    second = loops_of(graph_of(all_grads(loss, 2), np.ones(3), np.ones(3)))[1]
    shapes = [value.shape for value in second.inputs]
    assert shapes.count((4, 3)) == 1  # h before each step: no cotangents of ys, no exp(h)


def test_a_loop_whose_results_do_not_depend_on_it_passes_nothing() -> None:
    def loss(w: Any) -> Any:
        (count, _), ys = scan(lambda c, _: ((c[0] + 1, c[1] * w), c[0]), (np.int64(0), w), length=3)
        return total(w) * cast(count + total(ys), dtype="float64")

    w = np.array([1.0, 2.0])
    close(grad(loss)(w), np.array([6.0, 6.0]))
    assert len(loops_of(graph_of(grad(loss), w))) == 1
