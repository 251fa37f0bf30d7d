from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir.graph import Graph
from chainrule.ops import arithmetic as ops
from chainrule.ops.contraction import dot_general
from chainrule.ops.control import scan
from chainrule.ops.reduction import sum_
from chainrule.trace import stage
from chainrule.types import Type

F32 = np.dtype(np.float32)
A, X = Type((5, 4), F32), Type((4, 3), F32)


def product(a: Any, x: Any) -> Any:
    return dot_general(a, x, contract=((1,), (0,)), batch=((), ()))


def test_a_layer_counted_by_hand() -> None:
    cost = stage(lambda a, x: [sum_(ops.square(product(a, x)), axes=(0,))], [A, X]).graph.cost()
    assert dict(cost.nodes) == {"dot_general": 1, "square": 1, "sum": 1}
    assert cost.multiply_adds == 5 * 4 * 3
    assert cost.elementwise == 5 * 3
    assert cost.reduced == 5 * 3
    assert cost.bytes_read == 4 * ((20 + 12) + 15 + 15)
    assert cost.bytes_written == 4 * (15 + 15 + 3)


def test_contractions_over_several_axes_and_batches() -> None:
    shapes = [Type((2, 3, 4, 5), F32), Type((7, 5, 2, 3), F32)]
    pairs = {"contract": ((3, 1), (1, 3)), "batch": ((0,), (2,))}
    cost = stage(lambda x, y: [dot_general(x, y, **pairs)], shapes).graph.cost()
    assert cost.multiply_adds == 2 * (3 * 5) * 4 * 7
    outer = stage(lambda x: [dot_general(x, x, contract=((), ()), batch=((), ()))], [Type((6,), F32)]).graph
    assert outer.cost().multiply_adds == 36


def loop(length: int, inside: int) -> Graph:
    """A loop that multiplies by a matrix, around one that does."""
    square = Type((4, 4), F32)
    attrs = {"consts": 1, "carry": 1, "reverse": False}
    inner = stage(lambda a, x: [product(a, x)], [square, square]).graph

    def body(a: Any, x: Any) -> list[Any]:
        return [product(a, scan(a, x, body=inner, length=inside, **attrs)[0])]

    outer = stage(body, [square, square]).graph
    return stage(lambda a, x: [scan(a, x, body=outer, length=length, **attrs)[0]], [square, square]).graph


def test_a_loop_counts_as_often_as_it_runs() -> None:
    cost = loop(10, 3).cost()
    assert dict(cost.nodes) == {"scan": 2, "dot_general": 2}
    assert cost.multiply_adds == 10 * (3 + 1) * 4**3
    assert cost.bytes_written == 10 * (3 + 1) * 16 * 4
    assert loop(0, 3).cost().multiply_adds == 0


def test_numbers_and_arrays_from_outside_cost_nothing_by_themselves() -> None:
    cost = stage(lambda x: [ops.multiply(x, 2.0)], [Type((6,), F32)]).graph.cost()
    assert cost.bytes_read == 6 * 4 + 8
    assert cost.bytes_written == 6 * 4
    assert stage(lambda x: [x, 2.0, np.ones(9)], [Type((6,), F32)]).graph.cost().bytes_written == 0


def test_the_table() -> None:
    assert str(loop(1000, 3).cost()) == TABLE


TABLE = """\
operation              nodes
dot_general                2
scan                       2
all nodes                  4
elementwise results        0
reduced elements           0
multiply-adds        256,000
bytes read           512,000
bytes written        256,000"""
