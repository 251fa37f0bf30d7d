from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import arguments, op_named, same_bits

from chainrule.ir.check import verify
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, Node
from chainrule.ops import arithmetic as ops
from chainrule.ops.contraction import dot_general
from chainrule.ops.control import scan
from chainrule.ops.exponential import exp
from chainrule.ops.identity import tap
from chainrule.ops.movement import broadcast_to, transpose
from chainrule.ops.reduction import sum_
from chainrule.ops.trigonometric import tanh
from chainrule.trace import stage
from chainrule.transform.simplify import simplify
from chainrule.transform.simplify_loops import hoist_invariants, prune_loops, share_operands
from chainrule.transform.vjp import Tape, backward
from chainrule.types import Type

F64 = np.dtype(np.float64)
VECTOR, MATRIX = Type((3,), F64), Type((3, 3), F64)
LENGTH = 4
XS = Type((LENGTH, 3), F64)


def loop(body: Callable[..., list[Any]], consts: int, carry: int, operands: list[Any], **changed: Any) -> Any:
    """The results of a loop over the rows of the operands after the constants and the carry."""
    types = [x.type for x in operands[: consts + carry]]
    types += [Type(x.shape[1:], x.dtype) for x in operands[consts + carry :]]
    attrs = {"consts": consts, "carry": carry, "length": LENGTH, "reverse": False, **changed}
    return scan(*operands, body=stage(body, types).graph, **attrs)


def checked(change: Callable[[Graph], Graph], function: Callable[..., list[Any]], *types: Type) -> Graph:
    """The changed graph of a function, after its values were found to be the same."""
    graph = stage(function, types).graph
    simple = change(graph)
    verify(simple)
    for special in (False, True):
        values = arguments(graph, 3, special)
        with np.errstate(all="ignore"):
            pairs = zip(evaluate(graph, values), evaluate(simple, values), strict=True)
            assert all(same_bits(x, y) for x, y in pairs)
    return simple


def the_loop(graph: Graph) -> Node:
    (node,) = op_named("scan", graph)
    return node


def parts(node: Node) -> tuple[int, int, int, int]:
    """How many constants, carries, xs and ys a loop has."""
    consts, carry = node.attrs["consts"], node.attrs["carry"]
    return consts, carry, len(node.inputs) - consts - carry, len(node.results) - carry


# --- what nobody reads ------------------------------------------------------------------------------------------------


def three_of_each(*inputs: Any) -> list[Any]:
    """Three constants, carries, xs and ys that have nothing to do with each other."""
    a, b, c, i, j, k, x, y, z = inputs
    return [i * a, j * b, k * c, x * a, y * b, z * c]


@pytest.mark.parametrize(
    ("read", "left"),
    [
        ((0,), (1, 1, 0, 0)),
        ((3,), (1, 0, 1, 1)),
        ((0, 3), (1, 1, 1, 1)),
        ((1, 5), (2, 1, 1, 1)),
        ((0, 1, 2, 3, 4, 5), (3, 3, 3, 3)),
    ],
)
def test_a_loop_has_what_is_read(read: tuple[int, ...], left: tuple[int, ...]) -> None:
    def function(*arrays: Any) -> list[Any]:
        results = loop(three_of_each, 3, 3, list(arrays))
        return [results[i] for i in read]

    simple = checked(prune_loops, function, *[VECTOR] * 6, *[XS] * 3)
    assert parts(the_loop(simple)) == left
    assert len(the_loop(simple).attrs["body"].nodes) == len(read)


def test_a_carry_is_kept_for_another_that_reads_it_iterations_later() -> None:
    def body(a: Any, b: Any, c: Any, d: Any) -> list[Any]:
        return [a + b, b + c, c * 2.0, d * d]

    simple = checked(prune_loops, lambda *xs: [loop(body, 0, 4, list(xs))[0]], *[VECTOR] * 4)
    assert parts(the_loop(simple)) == (0, 3, 0, 0)


def test_a_carry_that_only_feeds_itself_goes() -> None:
    def body(a: Any, b: Any, x: Any) -> list[Any]:
        return [a + x, tanh(b + x), x * x]

    simple = checked(prune_loops, lambda *xs: [loop(body, 0, 2, list(xs))[2]], VECTOR, VECTOR, XS)
    assert parts(the_loop(simple)) == (0, 0, 1, 1)


def test_a_loop_that_only_feeds_what_nobody_reads_of_another_goes() -> None:
    def body(c: Any, x: Any) -> list[Any]:
        return [c + x, c * x]

    def function(c: Any, xs: Any) -> list[Any]:
        _, first = loop(body, 0, 1, [c, xs])
        last, _ = loop(lambda c, d, x, y: [c + x, d + y], 0, 2, [c, c, xs, first])
        return [last]

    assert parts(the_loop(checked(prune_loops, function, VECTOR, XS))) == (0, 1, 1, 0)


def test_bodies_of_bodies_are_pruned() -> None:
    def inner(c: Any, x: Any) -> list[Any]:
        return [c + x, exp(c), x * x]

    def outer(c: Any, d: Any, xs: Any) -> list[Any]:
        last, _, squares = loop(inner, 0, 1, [c, xs])
        return [last, d + sum_(squares, axes=(0,))]

    def function(c: Any, d: Any, xss: Any) -> list[Any]:
        return [loop(outer, 0, 2, [c, d, xss])[0]]

    simple = checked(simplify, function, VECTOR, VECTOR, Type((LENGTH, LENGTH, 3), F64))
    assert parts(the_loop(simple)) == (0, 1, 1, 0)
    assert parts(the_loop(the_loop(simple).attrs["body"])) == (0, 1, 1, 0)


# --- what stays as it is ----------------------------------------------------------------------------------------------


def test_an_operand_is_given_once() -> None:
    def function(a: Any, c: Any, xs: Any) -> list[Any]:
        return list(loop(lambda a, b, c, x, y: [c * a + c * b + x * y], 2, 1, [a, a, c, xs, xs]))

    simple = checked(share_operands, function, VECTOR, VECTOR, XS)
    assert parts(the_loop(simple)) == (1, 1, 1, 0)
    body = the_loop(checked(simplify, function, VECTOR, VECTOR, XS)).attrs["body"]
    assert [node.op.name for node in body.nodes].count("multiply") == 2


def test_a_carry_that_stays_is_a_constant() -> None:
    def body(w: Any, c: Any) -> list[Any]:
        return [w, tanh(c + w)]

    simple = checked(simplify, lambda w, c: [loop(body, 0, 2, [w, c])[1]], VECTOR, VECTOR)
    assert parts(the_loop(simple)) == (1, 1, 0, 0)


def test_the_result_of_a_carry_that_stays_may_be_read() -> None:
    def body(w: Any, c: Any) -> list[Any]:
        return [w, tanh(c + w)]

    simple = checked(simplify, lambda w, c: list(loop(body, 0, 2, [w, c])), VECTOR, VECTOR)
    assert parts(the_loop(simple)) == (1, 2, 0, 0)


def test_carries_that_change_places_are_no_constants() -> None:
    def body(a: Any, b: Any, c: Any) -> list[Any]:
        return [b, a, c + a]

    simple = checked(simplify, lambda *xs: [loop(body, 0, 3, list(xs), length=3)[2]], *[VECTOR] * 3)
    assert parts(the_loop(simple)) == (0, 3, 0, 0)


def test_a_body_shows_what_it_carries_unchanged_once_it_is_simple() -> None:
    def body(w: Any, c: Any) -> list[Any]:
        return [transpose(transpose(w, axes=(1, 0)), axes=(1, 0)), tanh(c + w)]

    simple = checked(simplify, lambda w, c: [loop(body, 0, 2, [w, c])[1]], MATRIX, MATRIX)
    assert parts(the_loop(simple)) == (1, 1, 0, 0)


# --- what is the same each time ---------------------------------------------------------------------------------------


def hoisting(w: Any, c: Any) -> list[Any]:
    def body(w: Any, c: Any) -> list[Any]:
        scaled = exp(w) * 2.0
        return [c + broadcast_to(scaled, shape=(2, 3)), ops.sqrt(w)]

    return list(loop(body, 1, 1, [w, c]))


def test_what_depends_on_constants_is_computed_before_the_loop() -> None:
    simple = checked(hoist_invariants, hoisting, VECTOR, Type((2, 3), F64))
    assert [node.op.name for node in simple.nodes] == ["exp", "constant", "multiply", "sqrt", "scan"]
    body = the_loop(simple).attrs["body"]
    assert [node.op.name for node in body.nodes] == ["broadcast_to", "add"]
    assert parts(the_loop(checked(simplify, hoisting, VECTOR, Type((2, 3), F64)))) == (2, 1, 0, 1)


@pytest.mark.parametrize(("length", "moves"), [(0, False), (1, False), (2, True)])
def test_a_loop_of_one_iteration_gains_nothing(length: int, moves: bool) -> None:
    def function(w: Any, c: Any) -> list[Any]:
        return list(loop(lambda w, c: [c + exp(w)], 1, 1, [w, c], length=length))

    simple = checked(hoist_invariants, function, VECTOR, VECTOR)
    assert bool(op_named("exp", simple)) == moves


def test_work_moves_out_of_a_loop_in_a_loop() -> None:
    def outer(w: Any, c: Any) -> list[Any]:
        return list(loop(lambda w, c: [c + exp(w)], 1, 1, [w, c]))

    simple = checked(simplify, lambda w, c: list(loop(outer, 1, 1, [w, c])), VECTOR, VECTOR)
    assert [node.op.name for node in simple.nodes] == ["exp", "scan"]


def test_a_tap_stays_in_its_loop_until_markers_are_dropped() -> None:
    def function(w: Any, c: Any) -> list[Any]:
        return list(loop(lambda w, c: [c + exp(tap(w, name="here"))], 1, 1, [w, c]))

    simple = checked(simplify, function, VECTOR, VECTOR)
    assert [node.op.name for node in the_loop(simple).attrs["body"].nodes] == ["tap", "exp", "add"]
    plain = checked(lambda graph: simplify(graph, drop_markers=True), function, VECTOR, VECTOR)
    assert [node.op.name for node in plain.nodes] == ["exp", "scan"]


def test_a_loop_with_a_tap_is_not_merged_with_its_like() -> None:
    inner = stage(lambda w, v: [v + tap(w, name="here")], [VECTOR] * 2).graph
    attrs = {"body": inner, "consts": 1, "carry": 1, "length": 2, "reverse": False}

    def function(w: Any, c: Any) -> list[Any]:
        return list(loop(lambda w, c: [c + scan(w, w, **attrs)[0] * scan(w, w, **attrs)[0]], 1, 1, [w, c]))

    simple = checked(simplify, function, VECTOR, VECTOR)
    assert len(op_named("scan", the_loop(simple).attrs["body"])) == 2
    plain = checked(lambda graph: simplify(graph, drop_markers=True), function, VECTOR, VECTOR)
    assert [node.op.name for node in plain.nodes] == ["scan", "multiply", "scan"]


def test_loops_share_what_came_out_of_them() -> None:
    def function(w: Any, c: Any) -> list[Any]:
        first = loop(lambda w, c: [c + exp(w)], 1, 1, [w, c])
        second = loop(lambda w, c: [c * exp(w)], 1, 1, [w, c])
        return [*first, *second]

    assert len(op_named("exp", checked(simplify, function, VECTOR, VECTOR))) == 1


# --- the derivative of a loop -----------------------------------------------------------------------------------------


def recurrent(w: Any, c: Any, xs: Any) -> Any:
    """The sum of squares of the states of a recurrent layer, the state once more in a carry that nobody reads."""

    def body(w: Any, c: Any, unread: Any, x: Any) -> list[Any]:
        new = tanh(dot_general(w, c, contract=((1,), (0,)), batch=((), ())) + x)
        return [new, unread + new, new]

    _, _, states = loop(body, 1, 2, [w, c, c, xs])
    return sum_(ops.square(states), axes=(0, 1))


def test_value_and_gradient_of_a_recurrent_layer() -> None:
    def function(*arrays: Any) -> list[Any]:
        tape = Tape()
        inputs = [tape.input(x) for x in arrays]
        out = recurrent(*inputs)
        slots = [x.extra for x in inputs]
        cts = backward(tape, [(out.extra, 1.0)], slots)
        return [out.value, *(cts[slot] for slot in slots)]

    both = checked(simplify, function, MATRIX, VECTOR, XS)
    value = checked(simplify, lambda *xs: [recurrent(*xs)], MATRIX, VECTOR, XS)
    assert value.cost().multiply_adds == LENGTH * 9
    assert both.cost().multiply_adds == 3 * LENGTH * 9
    assert parts(the_loop(value)) == (1, 1, 1, 1)
