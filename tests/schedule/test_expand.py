from __future__ import annotations

import numpy as np
import pytest
from planned import apply, new, numbers_for

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, Value
from chainrule.schedule.expand import expand


def expanded(graph: Graph) -> list[str]:
    """The operations of the graph that is spelled out, after it was seen to give the same."""
    other = expand(graph)
    given = numbers_for(graph)
    for x, y in zip(evaluate(other, given), evaluate(graph, given), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-6)
    return [str(node.op) for node in other.nodes]


@pytest.mark.parametrize("name", ["softmax", "logsumexp", "norm"])
@pytest.mark.parametrize("axes", [(1,), (0,), (0, 1)])
def test_what_is_several_passes_is_spelled_out(name: str, axes: tuple[int, ...]) -> None:
    x = new(3, 5)
    assert name not in expanded(Graph((x,), (apply(name, x, axes=axes),)))


def test_softmax_and_logsumexp_of_one_array_share_their_exponentials() -> None:
    x = new(3, 5)
    names = expanded(Graph((x,), (apply("softmax", x, axes=(1,)), apply("logsumexp", x, axes=(1,)))))
    assert names.count("exp") == names.count("max") == 1


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("name", ["softmax", "logsumexp", "norm"])
def test_arrays_without_elements(name: str, shape: tuple[int, ...]) -> None:
    x = new(*shape)
    graph = Graph((x,), (apply(name, x, axes=(1,)),))
    (got,) = evaluate(expand(graph), [np.zeros(shape, np.float32)])
    assert np.array_equal(got, evaluate(graph, [np.zeros(shape, np.float32)])[0])


@pytest.mark.parametrize("row", [[np.inf, 1, np.inf], [-np.inf] * 3, [np.nan, 0, 1], [1e38, 1e38, -1e38]])
def test_infinite_elements_give_what_the_operation_gives(row: list[float]) -> None:
    x = new(1, 3)
    given = [np.array([row], np.float32)]
    for name in ("softmax", "logsumexp"):
        graph = Graph((x,), (apply(name, x, axes=(1,)),))
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(evaluate(expand(graph), given)[0], evaluate(graph, given)[0], rtol=1e-6)


def test_marks_are_left_out() -> None:
    x = new(3)
    assert expanded(Graph((x,), (apply("tap", apply("stop_gradient", x), name="here"),))) == []


def test_bodies_of_loops_stay_as_they_are() -> None:
    c = new(3)
    body = Graph((c,), (apply("softmax", c, axes=(0,)),))
    x = new(3)
    (out,) = apply("scan", x, body=body, consts=0, carry=1, length=2, reverse=False)
    (node,) = expand(Graph((x,), (out,))).nodes
    assert node.attrs["body"] is body


def test_what_stands_for_a_node_has_its_type() -> None:
    x: Value = new(2, 3, dtype="float64")
    for name in ("softmax", "logsumexp", "norm"):
        out = apply(name, x, axes=(0,))
        assert expand(Graph((x,), (out,))).outputs[0].type == out.type
