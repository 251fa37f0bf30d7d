"""`simplify`: the same function, bit for bit, by fewer nodes.

What no output depends on is not part of a `Graph` to begin with: a pass leaves it behind by no longer reading it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, NamedTuple, cast

import numpy as np

from chainrule.ir.graph import ArrayRef, Graph, Node, Value
from chainrule.ops.identity import stop_gradient, tap
from chainrule.transform.rebuild import rebuild
from chainrule.transform.rewrite import rewrite, rewrite_body
from chainrule.transform.simplify_loops import has_tap, hoist_invariants, prune_loops, share_operands


class Pass(NamedTuple):
    """A function from graphs to graphs, what it is for, and the function that takes its place inside loops."""

    run: Callable[[Graph], Graph]
    purpose: str
    inside: Callable[[Graph], Graph] | None = None


def simplify(graph: Graph, drop_markers: bool = False) -> Graph:
    """The graph made smaller. Its inputs, the types of its outputs and every bit of their values stay.

    `drop_markers` is for a graph that is only run from here on: `stop_gradient` and `tap`, which speak to derivatives
    alone, go. The user's lines of what remains stay. Time and memory are linear in the number of nodes.
    """
    return _simplified(without_markers(graph) if drop_markers else graph, inside=False)


def _simplified(graph: Graph, inside: bool) -> Graph:
    for step in PASSES:
        graph = (step.inside or step.run)(graph) if inside else step.run(graph)
    return graph


def without_markers(graph: Graph) -> Graph:
    """The graph, its loops too, without `stop_gradient` and `tap`, which leave the numbers as they are."""
    plain = rebuild(graph, lambda node: node.inputs if node.op in (stop_gradient, tap) else None)
    return _with_bodies(plain, without_markers)


def merge(graph: Graph) -> Graph:
    """The graph in which what is computed twice is computed once, at the place of the first.

    Two nodes are the same if operation, inputs, attributes and types are; a Python scalar is not a NumPy scalar, -0 is
    not 0, and an array from outside is the same only as itself. The user's line takes no part. Each `tap` is a place of
    its own, which has a gradient of its own.
    """
    known: dict[Hashable, Node] = {}

    def change(node: Node) -> Sequence[Value] | None:
        if has_tap(node):
            return None
        attrs = tuple([(name, _key(node.attrs[name])) for name in sorted(node.attrs)])
        first = known.setdefault((node.op, node.inputs, attrs, node.types), node)
        return None if first is node else first.results

    return rebuild(graph, change)


def _key(attr: Any) -> Hashable:
    """What tells the values of attributes apart."""
    if isinstance(attr, tuple):
        return tuple([_key(part) for part in cast("tuple[Any, ...]", attr)])
    if isinstance(attr, ArrayRef):
        return id(attr.array)
    if isinstance(attr, (float, np.floating)):
        return float, float(cast(Any, attr)).hex()
    return attr


def simplify_bodies(graph: Graph) -> Graph:
    """The graph with the bodies of its loops simplified; one that is shared stays shared."""
    return _with_bodies(graph, lambda body: _simplified(body, inside=True))


def _with_bodies(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """The graph with the graphs among its nodes' attributes changed."""
    known: dict[Graph, Graph] = {}

    def changed(node: Node) -> Sequence[Value] | None:
        bodies = {name: attr for name, attr in node.attrs.items() if isinstance(attr, Graph)}
        for name, body in bodies.items():
            if body not in known:
                known[body] = change(body)
            bodies[name] = known[body]
        if all(body is node.attrs[name] for name, body in bodies.items()):
            return None
        return Node(node.op, node.inputs, {**node.attrs, **bodies}, node.types, node.where).results

    return rebuild(graph, changed)


PASSES: Final[tuple[Pass, ...]] = (
    Pass(rewrite, "fewer operations, by the equations of transform/rules.py", inside=rewrite_body),
    Pass(merge, "what is computed twice is computed once; loops see equal operands as one"),
    Pass(share_operands, "what a loop carries unchanged is a constant of its body"),
    Pass(prune_loops, "loops give what is read, so that their bodies have nothing else to compute"),
    Pass(simplify_bodies, "all of this inside the loops"),
    Pass(share_operands, "what the simpler bodies turn out to carry unchanged"),
    Pass(hoist_invariants, "what is the same in every iteration is computed once, before the loop"),
    Pass(prune_loops, "loops take what their bodies, simpler now, still read"),
    Pass(rewrite, "what came out of the loops, by the equations again", inside=rewrite_body),
    Pass(merge, "and computed once, be it needed by many loops"),
)
"""The order of the work."""
