"""`widened`: the graph that computes in float64 whatever it computed in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.ir.graph import CONSTANT, ArrayRef, Graph, Node, Value, constant_value, input_value
from chainrule.ops.arithmetic import cast
from chainrule.types import FLOAT32, FLOAT64, Type, type_of


def widened(graph: Graph) -> Graph:
    """The graph with float64 in place of every float32, in the bodies of loops too.

    What float32 numbers are made of nothing stays as it is, and is made wider then: constants, `full`, random numbers
    (those of float64 are others). A Python scalar keeps all its digits, of which float32 had dropped some.
    """
    return _widened(graph) if any(_narrow(graph)) else graph


def wide_inputs(inputs: Sequence[Any]) -> list[Any]:
    """The inputs of the widened graph."""
    return [x.astype(FLOAT64) if isinstance(x, np.ndarray) and x.dtype == FLOAT32 else x for x in inputs]


def _narrow(graph: Graph) -> list[bool]:
    """For every input and node whether float32 occurs."""
    found = [value.dtype == FLOAT32 for value in graph.inputs]
    for node in graph.nodes:
        bodies = [attr for attr in node.attrs.values() if isinstance(attr, Graph)]
        found.append(any(t.dtype == FLOAT32 for t in node.types) or any(any(_narrow(body)) for body in bodies))
    return found


def _widened(graph: Graph) -> Graph:
    inputs = tuple(input_value(_wide_type(value.type)) for value in graph.inputs)
    new: dict[Value, Value] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        new.update(zip(node.results, _node(node, [new[value] for value in node.inputs]), strict=True))
    return Graph(inputs, tuple(new[value] for value in graph.outputs))


def _node(node: Node, inputs: list[Value]) -> tuple[Value, ...]:
    if node.op is CONSTANT:
        value = constant_value(node.attrs["value"])
        if type_of(value).dtype != FLOAT32:
            return _made(node, inputs, node.attrs)
        wide = np.asarray(value).astype(FLOAT64)
        return _made(node, inputs, {"value": ArrayRef(wide) if wide.shape else wide[()]})
    if node.op is not cast and node.attrs.get("dtype") == "float32":
        out = _made(node, inputs, node.attrs)
        attrs = {"dtype": "float64"}
        return _made(Node(cast, out, attrs, (Type(out[0].shape, FLOAT64),)), out, attrs)
    return _made(node, inputs, {name: _attr(value) for name, value in node.attrs.items()})


def _made(node: Node, inputs: Sequence[Value], attrs: Mapping[str, Any]) -> tuple[Value, ...]:
    found = node.op.infer(*[value.type for value in inputs], **attrs)
    return Node(node.op, tuple(inputs), attrs, found if isinstance(found, tuple) else (found,)).results


def _attr(attr: Any) -> Any:
    if isinstance(attr, Graph):
        return _widened(attr)
    return "float64" if attr == "float32" else attr


def _wide_type(type: Type) -> Type:
    return Type(type.shape, FLOAT64, type.weak) if type.dtype == FLOAT32 else type
