from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import INPUTS, arguments, random_graph, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.ir.check import verify
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import CONSTANT, Graph, Node, input_value
from chainrule.ops import arithmetic as ops
from chainrule.ops.contraction import dot_general
from chainrule.ops.control import scan
from chainrule.ops.identity import stop_gradient, tap
from chainrule.ops.movement import full, transpose
from chainrule.ops.reduction import sum_
from chainrule.ops.trigonometric import tanh
from chainrule.trace import stage
from chainrule.transform.simplify import PASSES, Pass, simplify, simplify_bodies, without_markers
from chainrule.transform.vjp import Tape, backward
from chainrule.types import Type

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
NUMBERS = st.lists(st.integers(0, 10**6), min_size=5, max_size=80)
PROPERTY = settings(max_examples=40)


def agree(before: Graph, after: Graph, seed: int) -> bool:
    """Whether two graphs have the same inputs, types and bits, for ordinary and special values in either order."""
    verify(after)
    assert after.inputs == before.inputs
    assert [value.type for value in after.outputs] == [value.type for value in before.outputs]
    for special, order in ((False, "C"), (False, "F"), (True, "C")):
        values = arguments(before, seed, special, order)
        with np.errstate(all="ignore"):
            pairs = zip(evaluate(before, values), evaluate(after, values), strict=True)
            if not all(same_bits(x, y) for x, y in pairs):
                return False
    return True


def twice(x: Any) -> Any:
    """-(-x)"""
    return ops.negative(ops.negative(x))


# --- every pass, and all of them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", PASSES, ids=[step.run.__name__ for step in PASSES])
@PROPERTY
@given(NUMBERS, st.integers(1, 30))
def test_a_pass_keeps_every_bit(step: Pass, numbers: list[int], length: int) -> None:
    graph = random_graph(numbers, length)
    assert agree(graph, step.run(graph), length)


@settings(PROPERTY, max_examples=150)
@given(NUMBERS, st.integers(1, 40))
def test_simplify_keeps_every_bit(numbers: list[int], length: int) -> None:
    graph = random_graph(numbers, length)
    assert agree(graph, simplify(graph), length)
    assert agree(graph, simplify(graph, drop_markers=True), length)


def test_every_pass_says_what_it_is_for() -> None:
    assert all(step.purpose and (step.run.__doc__ or "").startswith("The graph") for step in PASSES)


def test_what_is_simple_stays_the_same_object() -> None:
    graph = stage(lambda x, y: [tanh(dot_general(x, y, contract=((1,), (0,)), batch=((), ())))], INPUTS[:2]).graph
    assert simplify(graph) is graph


def test_order_and_places_of_what_remains_stay() -> None:
    def function(x: Any, y: Any) -> list[Any]:
        first = tanh(x)
        root = ops.sqrt(twice(first))
        other = ops.sign(y)
        second = tanh(x)  # the same as the first
        return [ops.square(root), ops.absolute(second), other]

    simple = simplify(stage(function, [Type((3,), F64)] * 2).graph)
    assert [node.op.name for node in simple.nodes] == ["tanh", "sqrt", "sign", "square", "abs"]
    lines = [node.where.source() for node in simple.nodes if node.where]
    last = "return [ops.square(root), ops.absolute(second), other]"
    assert lines == ["first = tanh(x)", "root = ops.sqrt(twice(first))", "other = ops.sign(y)", last, last]


# --- merging --------------------------------------------------------------------------------------------------------


def merged(function: Callable[..., list[Any]], *types: Type) -> int:
    """How many different values the outputs are after merging."""
    return len(set(simplify(stage(function, types or [Type((3,), F64)]).graph).outputs))


def test_what_is_computed_twice_is_computed_once() -> None:
    assert merged(lambda x: [ops.square(tanh(x)), ops.square(tanh(x))]) == 1
    assert merged(lambda x: [sum_(x, axes=(0,)), sum_(x, axes=(0,))]) == 1
    assert merged(lambda x: [x + 1.5, x + 1.5, 1.5 + x]) == 2


def test_different_attributes_are_different() -> None:
    wide = Type((3, 3), F64)
    assert merged(lambda x: [sum_(x, axes=(0,)), sum_(x, axes=(1,))], wide) == 2
    assert merged(lambda x: [tap(x, name="a"), tap(x, name="b")]) == 2
    assert merged(lambda x: [full.beside(x, shape=(3,), value=v, dtype="float32") for v in FULL]) == len(FULL)
    assert merged(lambda x: [full.beside(x, shape=(3,), value=v, dtype="float32") for v in (1, 1, 0.5, 0.5)]) == 2


FULL = (0.0, -0.0, 1.0, np.float32(-2.0), float("nan"), 3)


@pytest.mark.parametrize(("one", "other"), [(1.0, 1), (0.0, -0.0), (1.0, np.float64(1)), (1, True), (0, np.int64(0))])
def test_numbers_that_only_look_the_same_are_different(one: Any, other: Any) -> None:
    nodes = [stage(lambda _, n=n: [n], [Type((), F64)]).graph.outputs[0] for n in (one, other)]
    assert len(set(simplify(Graph((), tuple(nodes))).outputs)) == 2
    assert len(set(simplify(Graph((), (nodes[0], nodes[0]))).outputs)) == 1


def test_nan_is_merged_with_itself() -> None:
    nan = float("nan")
    assert merged(lambda x: [ops.maximum(x, nan), ops.maximum(x, float("nan"))]) == 1


def test_arrays_from_outside_are_merged_by_identity() -> None:
    a, b = np.ones(3), np.ones(3)
    assert merged(lambda x: [x * a, x * b]) == 2
    pair = [stage(lambda x: [x * a], [Type((3,), F64)]).graph for _ in range(2)]
    constants = [next(node for node in graph.nodes if node.op is CONSTANT).results[0] for graph in pair]
    assert len(set(simplify(Graph((), tuple(constants))).outputs)) == 1


def test_python_scalars_are_not_merged_with_numpys() -> None:
    def function(weak: Any, x: Any) -> list[Any]:
        return [x * ops.square(weak), x * ops.square(ops.cast(weak, dtype="float64"))]

    assert merged(function, Type((), F64, weak=True), Type((3,), F32)) == 2


# --- markers --------------------------------------------------------------------------------------------------------


def test_markers_go_when_asked() -> None:
    graph = stage(lambda x: [tap(tanh(stop_gradient(x)), name="here")], [Type((3,), F64)]).graph
    assert [node.op.name for node in simplify(graph).nodes] == ["stop_gradient", "tanh", "tap"]
    assert [node.op.name for node in simplify(graph, drop_markers=True).nodes] == ["tanh"]
    assert [node.op.name for node in without_markers(graph).nodes] == ["tanh"]


def test_each_tap_is_a_place_of_its_own() -> None:
    graph = stage(lambda x: [tap(x, name="here") + tap(x, name="here")], [Type((3,), F64)]).graph
    assert [node.op.name for node in simplify(graph).nodes] == ["tap", "tap", "add"]


# --- cost -----------------------------------------------------------------------------------------------------------


def chain(depth: int, *arrays: Any) -> Any:
    """y = f_depth(... f_1(x)) with f_i = tanh(A_i x + b_i); the arrays are x, A_1, b_1, A_2, b_2, ..."""
    x = arrays[0]
    for i in range(depth):
        product = dot_general(arrays[2 * i + 1], x, contract=((1,), (0,)), batch=((), ()))
        x = tanh(product + arrays[2 * i + 2])
    return sum_(ops.square(x), axes=tuple(range(len(x.shape))))


def with_gradient(function: Callable[..., Any], *arrays: Any) -> list[Any]:
    tape = Tape()
    inputs = [tape.input(x) for x in arrays]
    out = function(*inputs)
    slots = [x.extra for x in inputs]
    cts = backward(tape, [(out.extra, 1.0)], slots)
    return [out.value, *(cts[slot] for slot in slots)]


@pytest.mark.parametrize("depth", [1, 2, 3, 10, 30, 100])
@pytest.mark.parametrize("shape", [(5,), (5, 4)])
def test_a_gradient_costs_twice_its_value(depth: int, shape: tuple[int, ...]) -> None:
    bias = Type((5, *[1] * (len(shape) - 1)), F64)
    types = [Type(shape, F64), *[Type((5, 5), F64), bias] * depth]
    value = simplify(stage(lambda *arrays: [chain(depth, *arrays)], types).graph)
    both = simplify(stage(lambda *arrays: with_gradient(lambda *x: chain(depth, *x), *arrays), types).graph)
    assert value.cost().multiply_adds == depth * 25 * int(np.prod(shape[1:]))
    assert both.cost().multiply_adds == 3 * value.cost().multiply_adds
    assert both.cost().nodes["tanh"] == depth


def test_transposes_of_a_layers_gradient_are_gone() -> None:
    def layer(x: Any, weight: Any) -> Any:
        out = dot_general(x, transpose(weight, axes=(1, 0)), contract=((1,), (0,)), batch=((), ()))
        return sum_(tanh(out), axes=(0, 1))

    types = [Type((8, 3), F64), Type((5, 3), F64)]
    graph = stage(lambda *arrays: with_gradient(layer, *arrays), types).graph
    simple = simplify(graph)
    assert graph.cost().nodes["transpose"] > simple.cost().nodes.get("transpose", 0)
    assert agree(graph, simple, 0)
    forward = simplify(stage(lambda x, w: [layer(x, w)], types).graph)
    assert "transpose" not in forward.cost().nodes


# --- size -----------------------------------------------------------------------------------------------------------


def test_100000_nodes() -> None:
    matrix = Type((2, 2), F64)
    x = value = input_value(matrix)
    steps = ((ops.sqrt, {}), (transpose, {"axes": (1, 0)}), (ops.negative, {}), (ops.absolute, {}))
    for op, attrs in steps * 25_000:
        value = Node(op, (value,), attrs, (matrix,)).results[0]
    graph = Graph((x,), (value,))
    assert len(graph.nodes) == 100_000
    assert len(simplify(graph).nodes) == 75_000


def test_a_long_chain_that_vanishes() -> None:
    def function(x: Any) -> list[Any]:
        y = x
        for _ in range(2000):
            y = transpose(twice(y), axes=(1, 0))
        return [y]

    assert simplify(stage(function, [Type((2, 2), F64)]).graph).nodes == ()


def test_bodies_that_are_shared_stay_shared() -> None:
    inner = stage(lambda c: [transpose(-c, axes=(0,))], [Type((2,), F64)]).graph
    attrs = {"body": inner, "consts": 0, "carry": 1, "length": 3, "reverse": False}

    def function(x: Any, y: Any) -> list[Any]:
        return [scan(x, **attrs)[0], scan(y, **attrs)[0]]

    graph = simplify_bodies(stage(function, [Type((2,), F64)] * 2).graph)
    bodies = [node.attrs["body"] for node in graph.nodes]
    assert bodies[0] is bodies[1] is not inner
