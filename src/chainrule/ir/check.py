"""`verify`: whether a graph is what every transformation may rely on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, cast

from chainrule.errors import GraphError, message
from chainrule.ir.format import DEEPEST, format_node
from chainrule.ir.graph import INPUT, Graph, Node, Value, reachable
from chainrule.ir.kinds import Runs


def verify(graph: Graph) -> None:
    """Raises a GraphError, with the node's text and the user's line, where a graph is not well formed.

    Its inputs are different `input` nodes and no other is reached; every value that is used was made before, by the
    node it names; the types of every node are those that its operation infers; attributes are immutable. Graphs among
    the attributes of a node are verified too.
    """
    pending = [(graph, 1)]
    seen = set[Graph]()
    while pending:
        program, depth = pending.pop()
        if depth > DEEPEST:
            raise GraphError(message(f"graphs nested at most {DEEPEST} deep", depth))
        if program not in seen:
            seen.add(program)
            pending += [(body, depth + 1) for body in _verify_one(program)]


def _verify_one(graph: Graph) -> list[Graph]:
    """Checks a graph without looking into those among its attributes, which it returns."""
    _check_inputs(graph)
    made = {value.node for value in graph.inputs}
    bodies: list[Graph] = []
    for node in reachable(graph.outputs, made):
        if node not in made:
            if node.op is INPUT:
                raise _broken(graph, node, "a graph whose inputs are all listed", "a free input")
            _check_edges(graph, node, node.inputs, made)
            _check_attrs(graph, node)
            _check_types(graph, node)
            bodies += [attr for attr in node.attrs.values() if isinstance(attr, Graph)]
            made.add(node)
    for value in graph.outputs:
        _check_edges(graph, value.node, [value], made)
    return bodies


def _check_inputs(graph: Graph) -> None:
    for value in graph.inputs:
        if value.node.op is not INPUT:
            raise _broken(graph, value.node, "an `input` node as an input", f"`{value.node.op}`")
        if value.node.results[0] is not value:
            raise _broken(graph, value.node, "the first result of an `input` node", repr(value))
    if len(set(graph.inputs)) != len(graph.inputs):
        twice = next(value for i, value in enumerate(graph.inputs) if value in graph.inputs[:i])
        raise _broken(graph, twice.node, "each input once", "one that is listed twice")
    outside = [place for place in graph.donated if not 0 <= place < len(graph.inputs)]
    if outside:
        raise GraphError(message(f"donated positions below {len(graph.inputs)}", outside))


def _check_edges(graph: Graph, node: Node, values: Iterable[Value], made: set[Node]) -> None:
    for value in values:
        if value.node not in made:
            raise _broken(graph, node, "inputs that are made before they are used", f"a later `{value.node.op}`")
        if not 0 <= value.index < len(value.node.types) or value.node.results[value.index] is not value:
            raise _broken(graph, node, f"one of the results of `{value.node.op}`", f"result {value.index}, not its own")


def _check_attrs(graph: Graph, node: Node) -> None:
    for name, attr in node.attrs.items():
        if not _is_hashable(attr):
            raise _broken(graph, node, f"an immutable value of `{name}`", f"a {type(attr).__name__}")


def _is_hashable(attr: Any) -> bool:
    if not isinstance(attr, Hashable):
        return False
    try:
        hash(attr)
    except TypeError:  # a tuple around something that is not
        return False
    return True


def _check_types(graph: Graph, node: Node) -> None:
    try:
        found = node.op.infer(*[value.type for value in node.inputs], **node.attrs)
    except Exception as error:  # whatever a type rule meets in arguments that make no sense
        got = f"{type(error).__name__}: {error}"
        raise _broken(graph, node, f"arguments that `{node.op}` takes", got) from error
    if isinstance(found, tuple) != node.op.several:
        raise _broken(graph, node, "a tuple of types from an operation with several results", str(found))
    inferred = found if isinstance(found, tuple) else (found,)
    if not all(_is_shape(type.shape) for type in node.types):
        raise _broken(graph, node, "shapes of lengths that are 0 or more", ", ".join(repr(t.shape) for t in node.types))
    if inferred != node.types:
        wanted, stated = (", ".join(map(str, row)) for row in (inferred, node.types))
        raise _broken(graph, node, f"the type {wanted}", stated)
    if any(isinstance(attr, Graph) for attr in node.attrs.values()) != isinstance(node.op.lowering, Runs):
        raise _broken(graph, node, "a graph among the attributes of an operation that runs graphs", "another")


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in cast("tuple[Any, ...]", shape))


def _broken(graph: Graph, node: Node, expected: str, got: str) -> GraphError:
    return GraphError(message(expected, f"{got} in `{format_node(graph, node)}`", node.where))
