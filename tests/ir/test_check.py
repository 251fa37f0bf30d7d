from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import random_graph

from chainrule.errors import GraphError
from chainrule.ir.check import verify
from chainrule.ir.graph import CONSTANT, ArrayRef, Graph, Node, Value, input_value
from chainrule.ir.op import OPS
from chainrule.ops import arithmetic as ops
from chainrule.ops.control import scan
from chainrule.ops.identity import tap
from chainrule.trace import stage
from chainrule.types import Type
from chainrule.where import Where

F64 = np.dtype(np.float64)
VECTOR = Type((3,), F64)
HERE = Where("model.py", 12, "layers.0")


def node(op: Any, *inputs: Value, types: tuple[Type, ...] = (VECTOR,), **attrs: Any) -> Node:
    return Node(op, inputs, attrs, types, HERE)


def test_traced_graphs_are_well_formed() -> None:
    for seed in range(30):
        verify(random_graph(np.random.default_rng(seed).integers(0, 1000, 60).tolist(), 20))


def wrong_type() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(ops.negative, x, types=(Type((4,), F64),)).results)


def wrong_weakness() -> Graph:
    x = input_value(Type((), F64))
    return Graph((x,), node(ops.negative, x, types=(Type((), F64, weak=True),)).results)


def wrong_shape() -> Graph:
    return Graph((), node(OPS["full"], types=(Type((-1,), F64),), shape=(-1,), value=0.0, dtype="float64").results)


def too_many_inputs() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(ops.negative, x, x).results)


def too_many_results() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(ops.negative, x, types=(VECTOR, VECTOR)).results)


def unknown_attribute() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(ops.negative, x, axis=0).results)


def attribute_that_changes() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(tap, x, name=["a"]).results)


def attribute_that_holds_one_that_changes() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(tap, x, name=("a", {})).results)


def free_input() -> Graph:
    return Graph((), node(ops.negative, input_value(VECTOR)).results)


def input_twice() -> Graph:
    x = input_value(VECTOR)
    return Graph((x, x), (x,))


def input_that_is_computed() -> Graph:
    x = node(ops.negative, input_value(VECTOR)).results[0]
    return Graph((x,), (x,))


def use_before_definition() -> Graph:
    x = input_value(VECTOR)
    first = node(ops.negative, x)
    second = node(ops.negative, first.results[0])
    object.__setattr__(first, "inputs", second.results)
    return Graph((x,), second.results)


def value_of_no_node() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(ops.negative, Value(x.node, 0)).results)


def output_of_no_node() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), (Value(node(ops.negative, x), 1),))


def donation_of_nothing() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), (x,), frozenset({1}))


def array_that_changed_its_shape() -> Graph:
    return Graph((), node(CONSTANT, value=ArrayRef(np.ones(4))).results)


def graph_where_none_is_run() -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(tap, x, name=Graph((x,), (x,))).results)


def loop_around(body: Graph) -> Graph:
    x = input_value(VECTOR)
    return Graph((x,), node(scan, x, body=body, consts=0, carry=1, length=2, reverse=False).results)


def nested(depth: int) -> Graph:
    x = input_value(VECTOR)
    graph = Graph((x,), node(ops.negative, x).results)
    for _ in range(depth - 1):
        graph = loop_around(graph)
    return graph


LINE = " at model.py:12 (layers.0)"
BROKEN: tuple[tuple[Callable[[], Graph], str], ...] = (
    (wrong_type, "expected the type f64[3], got f64[4] in `%1: f64[4] = negative(%0)`" + LINE),
    (wrong_weakness, "expected the type f64, got ~f64 in `%1: ~f64 = negative(%0)`" + LINE),
    (wrong_shape, "expected shapes of lengths that are 0 or more, got (-1,) in `%0: f64[-1] = full("),
    (too_many_inputs, "expected arguments that `negative` takes, got "),
    (too_many_results, "expected the type f64[3], got f64[3], f64[3] in `%1, %2: f64[3], f64[3] = negative(%0)`"),
    (unknown_attribute, "expected arguments that `negative` takes, got TypeError"),
    (
        attribute_that_changes,
        "expected an immutable value of `name`, got a list in `%1: f64[3] = tap(%0, name=<",
    ),
    (attribute_that_holds_one_that_changes, "expected an immutable value of `name`, got a tuple in `%1"),
    (free_input, "expected a graph whose inputs are all listed, got a free input in `%0: f64[3] = input()`"),
    (input_twice, "expected each input once, got one that is listed twice in `%0: f64[3] = input()`"),
    (input_that_is_computed, "expected an `input` node as an input, got `negative` in `%0: f64[3] = negative(%?)`"),
    (use_before_definition, "expected inputs that are made before they are used, got a later `negative` in `%1"),
    (
        value_of_no_node,
        "expected one of the results of `input`, got result 0, not its own in `%1: f64[3] = neg",
    ),
    (output_of_no_node, "expected one of the results of `negative`, got result 1, not its own in `%1"),
    (donation_of_nothing, "expected donated positions below 1, got [1]"),
    (array_that_changed_its_shape, "expected the type f64[4], got f64[3] in `%0: f64[3] = constant(value=@c0)`"),
    (graph_where_none_is_run, "expected a graph among the attributes of an operation that runs graphs, got another in"),
)


@pytest.mark.parametrize(("make", "problem"), BROKEN, ids=[make.__name__ for make, _ in BROKEN])
def test_broken_graphs(make: Callable[[], Graph], problem: str) -> None:
    with pytest.raises(GraphError) as caught:
        verify(make())
    assert str(caught.value).startswith(problem)


def test_bodies_are_looked_into() -> None:
    with pytest.raises(GraphError, match="expected arguments that `negative` takes"):
        verify(loop_around(loop_around(too_many_inputs())))
    with pytest.raises(GraphError, match="expected a graph whose inputs are all listed"):
        verify(loop_around(Graph((input_value(VECTOR),), free_input().outputs)))


def test_nesting_has_an_end() -> None:
    verify(nested(64))
    with pytest.raises(GraphError, match="expected graphs nested at most 64 deep, got 65"):
        verify(nested(65))


def test_a_long_graph() -> None:
    graph = stage(lambda x: [repeated(x, 30_000)], [VECTOR]).graph
    assert len(graph.nodes) == 30_000
    verify(graph)


def repeated(x: Any, times: int) -> Any:
    for _ in range(times):
        x = ops.negative(x)
    return x
