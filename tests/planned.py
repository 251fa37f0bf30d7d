"""Short words for graphs that are written by hand, and for what their plans are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from plan_meaning import run

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import CONSTANT, Graph, Node, Value, constant_value, input_value
from chainrule.ir.op import OPS
from chainrule.schedule.plan import Buffer, Contraction, Loop, Nest, Plan, Special, Step
from chainrule.schedule.schedule import schedule
from chainrule.types import Type, type_of

Array = np.ndarray[Any, Any]
Donations = Sequence[tuple[int, int]]


def new(*shape: int, dtype: str = "float32", weak: bool = False) -> Value:
    """A new input."""
    return input_value(Type(shape, np.dtype(dtype), weak))


def number(value: Any) -> Value:
    return Node(CONSTANT, (), {"value": value}, (type_of(constant_value(value)),)).results[0]


def apply(op: str, /, *values: Value, **attrs: Any) -> Any:
    """The result of an operation; its results, where it has several."""
    record = OPS[op]
    types = record.infer(*[value.type for value in values], **attrs)
    node = Node(record, values, attrs, types if isinstance(types, tuple) else (types,))
    return node.results if record.several else node.results[0]


def matmul(x: Value, y: Value) -> Value:
    return apply("dot_general", x, y, contract=((len(x.shape) - 1,), (0,)), batch=((), ()))


def part(x: Value, *slices: tuple[int, int] | tuple[int, int, int]) -> Value:
    """x from, to (and each so many) along its axes."""
    full = [(*s, 1)[:3] for s in slices]
    starts, stops, steps = zip(*full, strict=True)
    return apply("slice", x, starts=starts, stops=stops, steps=steps)


def numbers_for(graph: Graph) -> list[Any]:
    rng = np.random.default_rng(0)
    found: list[Any] = []
    for value in graph.inputs:
        x = rng.standard_normal(value.shape) * 2 if value.dtype.kind == "f" else rng.integers(0, 3, value.shape)
        found.append(np.asarray(x).item() if value.type.weak else np.asarray(x, value.dtype))
    return found


def planned(inputs: Sequence[Value], outputs: Sequence[Value], donations: Donations = ()) -> Plan:
    """The plan of a graph, after it was run by NumPy, and gave what the graph gives."""
    graph = Graph(tuple(inputs), tuple(outputs))
    plan = schedule(graph, donations)
    check(plan, graph, numbers_for(graph))
    return plan


def check(plan: Plan, graph: Graph, inputs: Sequence[Any]) -> None:
    """That a plan gives what the graph gives, nearly: sums may be in another order."""
    with np.errstate(all="ignore"):
        wanted = evaluate(graph, inputs)
    for x, y in zip(run(plan, graph, inputs), wanted, strict=True):
        assert (x.dtype, x.shape) == (np.asarray(y).dtype, np.shape(y))
        scale = np.abs(np.where(np.isfinite(x), x, 0)).max(initial=1e-30) if x.dtype.kind == "f" else 0
        eps = 1e-12 if x.dtype == np.float64 else 1e-4
        np.testing.assert_allclose(x, y, rtol=eps, atol=eps * scale)


def loop(body: Graph, *operands: Value, carry: int = 1, consts: int = 0, length: int = 3, reverse: bool = False):
    """The results of a loop."""
    return apply("scan", *operands, body=body, consts=consts, carry=carry, length=length, reverse=reverse)


def doubling(*shape: int) -> Graph:
    """A body that makes c * c + c of what it carries."""
    c = new(*shape)
    return Graph((c,), (apply("add", apply("multiply", c, c), c),))


def words(plan: Plan) -> list[str]:
    """A line for each step, and for those in a loop behind it: its kind and its operations."""
    return [line for step in plan.steps for line in _words(step)]


def _words(step: Step) -> list[str]:
    match step:
        case Loop():
            kind = "tiles" if step.parallel else "loop"
            return [f"{kind} {step.length}", *[f"  {line}" for inner in step.steps for line in _words(inner)]]
        case Special():
            return [f"special {step.node.op}"]
        case Nest() if not step.nodes:
            return ["copy"]
        case Nest() | Contraction():
            kind = "nest" if isinstance(step, Nest) else "product"
            return [f"{kind} {' '.join(str(node.op) for node in step.nodes)}"]


def nest(plan: Plan, index: int = 0) -> Nest:
    """One of the plan's nests."""
    return [step for step in plan.steps if isinstance(step, Nest)][index]


def written(plan: Plan, step: Nest | Contraction) -> list[Buffer]:
    """The buffers that a step writes to."""
    stages = step.stages if isinstance(step, Nest) else (() if step.epilogue is None else (step.epilogue,))
    places = [store.place for stage in stages for store in stage.stores]
    if isinstance(step, Contraction) and step.out is not None:
        places.append(step.out)
    return [plan.renamed.get(place.buffer, place.buffer) for place in places]
