"""The `scan` record by itself: values, types, ownership, and the line of what goes wrong inside a body."""

from __future__ import annotations

from inspect import currentframe
from typing import Any

import numpy as np
import pytest

from chainrule.errors import GraphError, OutOfRangeError, ShapeError
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph
from chainrule.ops.control import scan
from chainrule.ops.indexing import gather
from chainrule.ops.movement import full, reshape
from chainrule.trace import stage
from chainrule.types import FLOAT32, FLOAT64, INT64, Type

PAIR = Type((2,), FLOAT64)


def body(function: Any, *types: Type) -> Graph:
    return stage(function, types).graph


DECAY = body(lambda w, c, x: (c * w + x, c * 2.0), PAIR, PAIR, PAIR)
ATTRS: dict[str, Any] = {"body": DECAY, "consts": 1, "carry": 1, "length": 3, "reverse": False}


def operands() -> tuple[Any, Any, Any]:
    return np.array([0.5, 2.0]), np.array([1.0, -1.0]), np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize("reverse", [False, True])
def test_values_are_those_of_the_loop(reverse: bool) -> None:
    w, c, xs = operands()
    last, ys = scan(w, c, xs, **{**ATTRS, "reverse": reverse})
    expected = np.empty((3, 2))
    for i in reversed(range(3)) if reverse else range(3):
        expected[i] = c * 2.0
        c = c * w + xs[i]
    assert np.array_equal(last, c) and np.array_equal(ys, expected)


def test_no_iterations_give_the_first_carry_and_no_ys() -> None:
    w, c, xs = operands()
    last, ys = scan(w, c, xs[:0], **{**ATTRS, "length": 0})
    assert np.array_equal(last, c) and last is not c and ys.shape == (0, 2) and ys.dtype == np.float64


def test_results_share_no_memory_with_operands() -> None:
    swap = body(lambda a, b, x: (x, reshape(a, shape=(2,)), b), PAIR, PAIR, PAIR)
    a, b, xs = operands()
    out = scan(a, b, xs, body=swap, consts=0, carry=2, length=3, reverse=False)
    again = scan(a, b, xs[:1], body=swap, consts=0, carry=2, length=1, reverse=False)
    for result in (*out, *again):
        assert not any(np.shares_memory(result, operand) for operand in (a, b, xs))


def test_types_follow_from_the_body() -> None:
    single = Type((2,), FLOAT32)
    stacked = Type((3, 2), FLOAT64)
    assert scan.infer(PAIR, PAIR, stacked, **ATTRS) == (PAIR, stacked)
    for wrong in ((single, PAIR, stacked), (PAIR, PAIR, Type((4, 2), FLOAT64)), (PAIR, PAIR, Type((), FLOAT64))):
        with pytest.raises(ShapeError, match=r"test_control\.py"):
            scan.infer(*wrong, **ATTRS)
    growing = body(lambda c: (reshape(c, shape=(2, 1)),), PAIR)
    with pytest.raises(ShapeError, match=r"expected a carry that keeps its types, \(f64\[2\]\), got \(f64\[2,1\]\)"):
        scan.infer(PAIR, body=growing, consts=0, carry=1, length=2, reverse=False)


def test_an_error_inside_a_body_names_the_line_in_the_body() -> None:
    table, index = Type((4,), FLOAT64), Type((), INT64)
    lines = []

    def pick(table: Any, i: Any) -> Any:
        lines.append(currentframe().f_lineno + 1)  # type: ignore[union-attr]
        return i + 3, gather(table, i, axes=(0,))

    picking = body(pick, table, index)
    with pytest.raises(OutOfRangeError, match=rf"index from -4 to 3 .*, got 6 at .*test_control.py:{lines[0]}"):
        scan(np.arange(4.0), np.int64(0), body=picking, consts=1, carry=1, length=4, reverse=False)


def test_a_body_that_is_run_again_keeps_its_lines() -> None:
    def double(x: Any) -> Any:
        return (x * 2.0,)

    first = stage(double, [PAIR]).graph
    again = stage(lambda x: evaluate(first, [x]), [PAIR]).graph
    assert [node.where for node in again.nodes] == [node.where for node in first.nodes]


# --- evaluate, which runs the bodies ----------------------------------------------------------------------------------


def test_a_graph_on_traced_values_records_its_constants() -> None:
    graph = stage(lambda x: (x * full(shape=(2,), value=3, dtype="float64"),), [PAIR]).graph
    inner = stage(lambda x: (x * full.beside(x, shape=(2,), value=3, dtype="float64"),), [PAIR]).graph
    again = stage(lambda x: evaluate(inner, [x]), [PAIR], hoists=True)
    assert not again.captured and [node.op.name for node in again.graph.nodes] == ["full", "multiply"]
    assert np.array_equal(evaluate(graph, [np.ones(2)])[0], evaluate(again.graph, [np.ones(2)])[0])


def test_a_graph_with_an_input_listed_twice_and_one_unused() -> None:
    graph = stage(lambda x, y: (x + 1.0,), [PAIR, PAIR]).graph
    twice = Graph((graph.inputs[0], graph.inputs[0]), graph.outputs)
    assert np.array_equal(evaluate(graph, [np.zeros(2), np.ones(2)])[0], np.ones(2))
    assert np.array_equal(evaluate(twice, [np.ones(2), np.ones(2)])[0], np.full(2, 2.0))
    with pytest.raises(GraphError, match="expected 2 inputs, got 1"):
        evaluate(graph, [np.zeros(2)])


def test_python_numbers_stay_python_numbers_in_a_graph() -> None:
    weak = Type((), FLOAT64, weak=True)
    graph = stage(lambda x, y: (x * 2.0, x * 2.0 * y), [weak, Type((2,), FLOAT32)]).graph
    scalar, array = evaluate(graph, [1.5, np.ones(2, np.float32)])
    assert type(scalar) is float and array.dtype == np.float32
