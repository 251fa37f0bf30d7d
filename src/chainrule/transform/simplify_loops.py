"""What a loop can do without: carries that stay as they are, results nobody reads, work that is the same each time.

A loop's operands are constants, carry and xs; its results the last carry and the stacked ys (ops/control.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import NamedTuple

from chainrule.ir.graph import Graph, Node, Value, input_value, reachable
from chainrule.ir.kinds import IndexMap
from chainrule.ops.control import scan
from chainrule.ops.identity import tap
from chainrule.transform.rebuild import rebuild, renamed, renewed
from chainrule.types import Type


class Loop(NamedTuple):
    """A loop taken apart: its operands, the body's inputs and outputs, by constants, carry, and xs or ys."""

    consts: list[tuple[Value, Value]]  # operand, body's input
    carry: list[tuple[Value, Value, Value]]  # operand, body's input, body's output
    xs: list[tuple[Value, Value]]
    ys: list[Value]

    def build(self, node: Node) -> Node:
        """The loop put together; attributes and place are those of `node`."""
        operands = [pair[0] for part in (self.consts, self.carry, self.xs) for pair in part]
        inputs = [pair[1] for part in (self.consts, self.carry, self.xs) for pair in part]
        body = Graph(tuple(inputs), (*[row[2] for row in self.carry], *self.ys))
        attrs = {**node.attrs, "body": body, "consts": len(self.consts), "carry": len(self.carry)}
        types = scan.infer(*[value.type for value in operands], **attrs)
        return Node(scan, tuple(operands), attrs, types if isinstance(types, tuple) else (types,), node.where)

    def reads(self) -> set[Value]:
        """What the body reads of its inputs for more than to hand a carry on as it is."""
        outputs = [out for _, inner, out in self.carry if out is not inner]
        nodes = reachable([*(row[2] for row in self.carry), *self.ys], [pair[1].node for pair in self._pairs()])
        return {*outputs, *self.ys, *(value for node in nodes for value in node.inputs)}

    def _pairs(self) -> list[tuple[Value, Value]]:
        return [*self.consts, *((operand, inner) for operand, inner, _ in self.carry), *self.xs]


def take_apart(node: Node) -> Loop:
    """The loop that a `scan` node is."""
    body: Graph = node.attrs["body"]
    first: int = node.attrs["consts"]
    count: int = node.attrs["carry"]
    pairs = list(zip(node.inputs, body.inputs, strict=True))
    carry = [(*pair, out) for pair, out in zip(pairs[first : first + count], body.outputs, strict=False)]
    return Loop(pairs[:first], carry, pairs[first + count :], list(body.outputs[count:]))


def substituted(loop: Loop, new: Mapping[Value, Value]) -> Loop:
    """The loop whose body reads other values in place of some; a carry that is handed on as it is stays one."""
    names = dict(new)
    for node in reachable([*(row[2] for row in loop.carry), *loop.ys]):
        if node.inputs and node.results[0] not in names:
            names.update(zip(node.results, renewed(node, names).results, strict=True))
    carry = [(operand, inner, out if out is inner else names.get(out, out)) for operand, inner, out in loop.carry]
    return loop._replace(carry=carry, ys=list(renamed(loop.ys, names)))


def has_tap(node: Node) -> bool:
    """Whether the node is a `tap`, or runs one: a place of its own, which has a gradient of its own."""
    bodies = [attr for attr in node.attrs.values() if isinstance(attr, Graph)]
    return node.op is tap or any(has_tap(inside) for body in bodies for inside in body.nodes)


# --- what stays as it is ----------------------------------------------------------------------------------------------


def share_operands(graph: Graph) -> Graph:
    """The graph whose loops take each constant and each x once, and what is carried along unchanged as a constant.

    The carry itself stays, for its result may be read.
    """
    return rebuild(graph, lambda node: _shared(take_apart(node), node) if node.op is scan else None)


def _shared(loop: Loop, node: Node) -> Sequence[Value] | None:
    consts: dict[tuple[Value, Type], Value] = {}
    xs: dict[tuple[Value, Type], Value] = {}
    new: dict[Value, Value] = {}
    for pairs, known in ((loop.consts, consts), (loop.xs, xs)):
        for operand, inner in pairs:
            if known.setdefault((operand, inner.type), inner) is not inner:
                new[inner] = known[operand, inner.type]
    reads = loop.reads()
    for operand, inner, out in loop.carry:
        if out is inner and inner in reads and operand.type == inner.type:
            new[inner] = consts.setdefault((operand, inner.type), input_value(inner.type, inner.node.where))
    if not new:
        return None
    found = substituted(loop, new)
    pairs = [[(operand, inner) for (operand, _), inner in known.items()] for known in (consts, xs)]
    return found._replace(consts=pairs[0], xs=pairs[1]).build(node).results


# --- what nobody reads ------------------------------------------------------------------------------------------------


class _Needed(NamedTuple):
    """Which inputs of a body, and which of its outputs, the results that are read depend on."""

    inputs: list[bool]
    outputs: list[bool]


def prune_loops(graph: Graph) -> Graph:
    """The graph whose loops give only what is read, carry only what that depends on, and take only what is used."""
    read = set(graph.outputs)
    plans: list[_Needed] = []
    for node in reversed(graph.nodes):
        live = [value in read for value in node.results]
        if node.op is scan:
            plans.append(_needed(node, live))
            read.update(value for value, needed in zip(node.inputs, plans[-1].inputs, strict=True) if needed)
        elif any(live):
            read.update(node.inputs)
    return rebuild(graph, lambda node: _pruned(node, plans.pop()) if node.op is scan else None)


def _needed(node: Node, live: list[bool]) -> _Needed:
    """What the live results depend on, through as many iterations as it takes."""
    body: Graph = node.attrs["body"]
    first: int = node.attrs["consts"]
    count: int = node.attrs["carry"]
    places = {value: place for place, value in enumerate(body.inputs)}
    inputs, outputs = [False] * len(body.inputs), list(live)
    pending = [value for value, wanted in zip(body.outputs, outputs, strict=True) if wanted]
    seen = set[Node]()
    while pending:
        value = pending.pop()
        place = places.get(value)
        if place is not None:
            inputs[place] = True
            after = place - first
            if 0 <= after < count and not outputs[after]:
                outputs[after] = True
                pending.append(body.outputs[after])
        elif value.node not in seen:
            seen.add(value.node)
            pending.extend(value.node.inputs)
    carried = [wanted or needed for wanted, needed in zip(outputs[:count], inputs[first : first + count], strict=True)]
    inputs[first : first + count] = outputs[:count] = carried
    return _Needed(inputs, outputs)


def _pruned(node: Node, needed: _Needed) -> Sequence[Value] | None:
    if not any(needed.outputs) or all(needed.inputs + needed.outputs):
        return None
    loop = take_apart(node)
    first, last = len(loop.consts), len(loop.consts) + len(loop.carry)
    smaller = Loop(
        list(compress(loop.consts, needed.inputs)),
        list(compress(loop.carry, needed.inputs[first:])),
        list(compress(loop.xs, needed.inputs[last:])),
        list(compress(loop.ys, needed.outputs[len(loop.carry) :])),
    )
    results = iter(smaller.build(node).results)
    return [next(results) if kept else value for value, kept in zip(node.results, needed.outputs, strict=True)]


# --- what is the same each time ---------------------------------------------------------------------------------------


def hoist_invariants(graph: Graph) -> Graph:
    """The graph that computes what depends on a loop's constants alone once, before the loop.

    What only moves elements stays in the body, where it costs nothing, and so does a `tap`, with what depends on it: it
    has a gradient for each iteration.
    """
    return rebuild(graph, lambda node: _hoisted(take_apart(node), node) if node.op is scan else None)


def _hoisted(loop: Loop, node: Node) -> Sequence[Value] | None:
    if node.attrs["length"] < 2:
        return None
    body: Graph = node.attrs["body"]
    before = {inner: operand for operand, inner in loop.consts if operand.type == inner.type}
    steady = set(before)
    moved: list[Node] = []
    for inside in body.nodes:
        if steady.issuperset(inside.inputs) and not has_tap(inside):
            steady.update(inside.results)
            if inside.inputs and not isinstance(inside.op.lowering, IndexMap):
                moved.append(inside)
    if not moved:
        return None
    for inside in reachable((value for one in moved for value in one.results), [value.node for value in body.inputs]):
        if inside.results[0] not in before:
            before.update(zip(inside.results, renewed(inside, before).results, strict=True))
    given = {value: input_value(value.type, one.where) for one in moved for value in one.results}
    found = substituted(loop, given)
    reads = found.reads()
    consts = [(before[value], inner) for value, inner in given.items() if inner in reads]
    return found._replace(consts=[*loop.consts, *consts]).build(node).results
