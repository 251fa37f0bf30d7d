"""One operation under each transformation, eager and staged: what the checks of records run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.backend.reference import ReferenceBackend
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph
from chainrule.ir.op import Op
from chainrule.numpy.array import Tracer
from chainrule.ops.arithmetic import add, multiply
from chainrule.ops.movement import zeros
from chainrule.testing.comparison import all_bits, listed, require
from chainrule.trace import stage
from chainrule.transform.jvp import Forward
from chainrule.transform.simplify import simplify
from chainrule.transform.vjp import Tape, backward
from chainrule.types import dtype_of, type_of

Attrs = dict[str, Any]


def is_float(x: Any) -> bool:
    """Whether derivatives by x have a meaning."""
    return dtype_of(x).kind == "f"


def outcomes(op: Op, operands: Sequence[Any], attrs: Attrs) -> tuple[Any, ...]:
    """The results, as a tuple also where there is one."""
    out = op(*operands, **attrs)
    return tuple(out) if op.several else (out,)


def reverse(
    op: Op,
    attrs: Attrs,
    operands: Sequence[Any],
    weights: Sequence[Any],
    by: Sequence[int] | None = None,
    curved: bool = False,
    disturb: Callable[[], None] | None = None,
) -> list[Any]:
    """The gradient of sum(w f), or where `curved` of sum(w (f + f f / 2)), over the floating results f.

    By the operands at `by`, all floating ones where None; an entry is None where nothing flows back. `disturb` is
    called between the way there and the way back.
    """
    tape = Tape()
    places = [i for i, x in enumerate(operands) if is_float(x)] if by is None else by
    handles = [tape.input(x) if i in places else x for i, x in enumerate(operands)]
    outs = [out for out in outcomes(op, handles, attrs) if is_float(out)]
    seeds = [
        (out.extra, add(w, multiply(w, out.value)) if curved else w)
        for out, w in zip(outs, weights, strict=True)
        if isinstance(out, Tracer) and out.owner is tape and out.extra >= 0
    ]
    if disturb is not None:
        disturb()
    slots = [handles[i].extra for i in places]
    found = backward(tape, seeds, slots)
    return [found[slot] for slot in slots]


def forward(op: Op, attrs: Attrs, operands: Sequence[Any], dots: Sequence[Any]) -> list[Any]:
    """The tangents of the floating results, given those of the operands (None: constant); None where there is none."""
    trace = Forward()
    handles = [x if dot is None else trace.input(x, dot) for x, dot in zip(operands, dots, strict=True)]
    outs = [out for out in outcomes(op, handles, attrs) if is_float(out)]
    return [out.extra if isinstance(out, Tracer) and out.owner is trace else None for out in outs]


def filled(found: Sequence[Any], likes: Sequence[Any]) -> list[Any]:
    """The (co)tangents with zeros like their primals in place of None."""
    return [zeros(type_of(x), x) if ct is None else ct for ct, x in zip(found, likes, strict=True)]


def gradient(op: Op, attrs: Attrs, operands: Sequence[Any], weights: Sequence[Any]) -> list[Any]:
    """The gradient of the curved sum by the floating operands: what second derivatives are taken of."""
    floating = [x for x in operands if is_float(x)]
    return filled(reverse(op, attrs, operands, weights, curved=True), floating)


def forward_over_reverse(
    op: Op, attrs: Attrs, operands: Sequence[Any], weights: Sequence[Any], dots: Sequence[Any]
) -> list[Any]:
    """The Hessian of the curved sum times the dots: the tangent of the gradient."""
    trace = Forward()
    handles = [x if dot is None else trace.input(x, dot) for x, dot in zip(operands, dots, strict=True)]
    found = gradient(op, attrs, handles, weights)
    tangents = [g.extra if isinstance(g, Tracer) and g.owner is trace else None for g in found]
    return filled(tangents, [x for x in operands if is_float(x)])


def reverse_over_reverse(
    op: Op, attrs: Attrs, operands: Sequence[Any], weights: Sequence[Any], dots: Sequence[Any]
) -> list[Any]:
    """The Hessian of the curved sum times the dots: the gradient of the sum of gradient times dots."""
    tape = Tape()
    handles = [x if dot is None else tape.input(x) for x, dot in zip(operands, dots, strict=True)]
    found = gradient(op, attrs, handles, weights)
    seeds = [
        (g.extra, dot)
        for g, dot in zip(found, (dot for dot in dots if dot is not None), strict=True)
        if isinstance(g, Tracer) and g.owner is tape and g.extra >= 0
    ]
    slots = [h.extra for h, dot in zip(handles, dots, strict=True) if dot is not None]
    cts = backward(tape, seeds, slots)
    return filled([cts[slot] for slot in slots], [x for x in operands if is_float(x)])


def staged(function: Callable[..., Sequence[Any]], inputs: Sequence[Any]) -> list[Any]:
    """The outputs of the function staged for these inputs: simplified and compiled, as `jit` runs it.

    Every value in the graph, before and after, must have the type that its node says, and no bit of the outputs change.
    """
    graph = stage(function, [type_of(x) for x in inputs]).graph
    plain = check_types(graph, inputs)
    simplified = simplify(graph)
    check_types(simplified, inputs)
    outputs = ReferenceBackend().compile(simplified)(inputs)
    require(all_bits(plain, outputs), f"simplified, a graph gives {listed(outputs)}, as it was {listed(plain)}")
    return outputs


def run(function: Callable[..., Sequence[Any]], inputs: Sequence[Any], stages: bool) -> list[Any]:
    """The results of the function on these inputs, staged or not."""
    return staged(function, inputs) if stages else list(function(*inputs))


def check_types(graph: Graph, inputs: Sequence[Any]) -> list[Any]:
    """The graph's outputs; raises where a value of the graph has another type than its node says."""
    values = [value for node in graph.nodes for value in node.results]
    with np.errstate(all="ignore"):
        found = evaluate(Graph(graph.inputs, (*values, *graph.outputs)), inputs)
    for value, x in zip(values, found[: len(values)], strict=True):
        given = listed([operand.type for operand in value.node.inputs])
        require(type_of(x) == value.type, f"{value.node.op}({given}) has type {type_of(x)}, its rule says {value.type}")
    return found[len(values) :]
