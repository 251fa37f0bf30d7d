"""`explain`: the chain rule that was applied to a model, a line for each layer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from chainrule.api.derivatives import value_and_grad, vjp
from chainrule.api.jit import graph
from chainrule.api.values import value
from chainrule.errors import ShapeError, TreeError, message
from chainrule.explanation.formula import behind, formulas
from chainrule.ir.cost import Cost
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, reachable
from chainrule.numpy.array import Tracer
from chainrule.observers import observing_layers
from chainrule.trace import stage
from chainrule.transform.simplify import simplify
from chainrule.transform.vjp import Tape, backward
from chainrule.tree import LEAF, flatten, tree_map, unflatten
from chainrule.types import shape_of, type_of
from chainrule.where import user_location


@dataclass(frozen=True)
class LayerLine:
    """What the chain rule did at one layer.

    `formula` is the layer's; `factors` the cotangents it passes on, by name (`x`, then its parameters), as formulas in
    its own cotangent `dy`; `norms` their Euclidean norms, and that of `dy`; `reused` what was there from the forward
    pass.
    """

    path: str
    kind: str
    taken: str
    result: str
    formula: str
    factors: dict[str, str]
    norms: dict[str, float]
    reused: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Explanation:
    """The lines of all layers, first to last, the loss's at the end, and what value and gradient cost."""

    lines: tuple[LayerLine, ...]
    loss: float
    value_cost: Cost
    gradient_cost: Cost

    def __repr__(self) -> str:
        return f"Explanation({len(self.lines)} lines, loss {self.loss:.6g})"

    def __str__(self) -> str:
        rows = [("layer", "formula", "shapes", "by its input", "by its parameters", "|dy| -> |dx|", "reused")]
        rows += [_row(line) for line in self.lines]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        value, both = self.value_cost.multiply_adds, self.gradient_cost.multiply_adds
        ratio = f" ({both / value:.2f} times)" if value else ""
        foot = f"loss {self.loss:.6g}; multiply-adds of the value {value:,}, of value and gradient together {both:,}"
        return "\n".join([*table, foot + ratio])


def explain(model: Any, loss: Callable[..., Any], x: Any, *targets: Any, file: TextIO | None = None) -> Explanation:
    """The chain rule for `loss(model(x), *targets)`, printed to `file` (standard output) with one line for each layer.

    A line reads: the layer's formula y = f(x), shapes, the cotangent dx that it passes to its input and those of its
    parameters, written with its own cotangent dy, their norms, and what is reused from the forward pass. The formulas
    are read from the graph that is differentiated, so they are what was computed. A layer that is called twice has two
    lines, and one that does more than call others (a skip connection) one of its own, after theirs.
    """
    if not callable(model) or not flatten(model)[1].size or flatten(model)[1] == LEAF:
        got = f"a {type(model).__name__}"
        raise TreeError(message("a model with parameters", got, user_location(), "cr.explain(model, loss, x, target)"))
    run = _Run(model, loss, x, targets)
    own = {node.where.layer for node in graph(_output)(model, x).nodes if node.where}
    lines = [_layer_line(call, run.cts) for call in run.calls_that_compute(own)]
    lines.append(_loss_line(loss, run.output, targets, run.cts))

    def scalar(m: Any, x: Any) -> Any:
        return loss(m(x), *targets)

    explanation = Explanation(
        tuple(lines),
        float(value(run.loss)),
        graph(scalar)(model, x).cost(),
        graph(value_and_grad(scalar, argnums=(0, 1)))(model, x).cost(),
    )
    print(explanation, file=file or sys.stdout)
    return explanation


def _output(model: Any, x: Any) -> Any:
    return model(x)


@dataclass(frozen=True, slots=True)
class _Call:
    """One layer's call, with handles of the tape in it."""

    path: str
    layer: Any
    argument: Tracer
    others: tuple[Any, ...]
    result: Tracer


class _Run:
    """The model and the loss on a tape, every layer's call noted, and the cotangents of all of it."""

    def __init__(self, model: Any, loss: Callable[..., Any], x: Any, targets: tuple[Any, ...]) -> None:
        tape = Tape()
        self.calls: list[_Call] = []
        leaves, structure = flatten(model)
        kinds = structure.kinds()
        handles = [tape.input(leaf) if kind == "param" else leaf for leaf, kind in zip(leaves, kinds, strict=True)]
        with tape:
            with observing_layers(self._note):
                self.output = unflatten(structure, handles)(tape.input(x))
            self.loss = loss(self.output, *targets)
        if shape_of(self.loss) != () or not isinstance(self.loss, Tracer):
            raise ShapeError(message("a scalar loss of the model's output", str(type_of(self.loss)), user_location()))
        seeds = [(self.loss.extra, np.ones((), self.loss.dtype)[()])]
        self.cts = backward(tape, seeds, range(tape.slots))

    def _note(self, path: str, layer: object, arguments: tuple[object, ...], result: object) -> None:
        x = arguments[0] if arguments else None
        if isinstance(x, Tracer) and x.type.is_float and isinstance(result, Tracer):
            others = tree_map(value, arguments[1:])
            self.calls.append(_Call(path, layer, x.clone(), others, result.clone()))

    def calls_that_compute(self, own: set[str]) -> list[_Call]:
        """The calls, in order, of layers that call no further one, or that do something of their `own` besides."""
        paths = {call.path for call in self.calls}
        return [
            call for call in self.calls if call.path in own or not any(_is_below(other, call.path) for other in paths)
        ]


def _is_below(other: str, path: str) -> bool:
    return other != path and (not path or other.startswith(f"{path}."))


def _layer_line(call: _Call, cts: dict[int, Any]) -> LayerLine:
    handles, structure = flatten(call.layer)
    names = structure.paths() if structure.size else []
    params = [i for i, kind in enumerate(structure.kinds()) if kind == "param"]

    def passed(x: Any, dy: Any, *given: Any) -> list[Any]:
        leaves = list(handles)
        for place, leaf in zip(params, given, strict=True):
            leaves[place] = leaf

        def applied(x: Any, *p: Any) -> Any:
            return unflatten(structure, _replaced(leaves, params, p))(x, *call.others)

        out, pullback = vjp(applied, x, *given)
        return [out, *pullback(dy)]

    types = [call.argument.type, call.result.type, *(handles[i].type for i in params)]
    staged = stage(passed, types, hoists=True)
    joint = simplify(staged.graph)
    wanted = ["x", *(names[i] for i in params)]
    given = ["x", "dy", *wanted[1:], *(f"c{i}" for i in range(len(staged.captured)))]
    texts = formulas(joint, given, ["y", *(f"d{name}" for name in wanted)])
    dy = cts.get(call.result.extra)
    norms = dict.fromkeys(wanted, 0.0)
    if dy is not None:
        numbers = [value(x) for x in (call.argument, dy, *(handles[i] for i in params), *staged.captured)]
        norms = dict(zip(wanted, map(_norm, evaluate(joint, numbers)[1:]), strict=True))
    return LayerLine(
        call.path,
        type(call.layer).__name__,
        str(call.argument.type),
        str(call.result.type),
        texts[0],
        dict(zip(wanted, texts[1:], strict=True)),
        {"y": _norm(dy), **norms},
        _reused(joint, given),
    )


def _loss_line(loss: Callable[..., Any], output: Tracer, targets: tuple[Any, ...], cts: dict[int, Any]) -> LayerLine:
    leaves, structure = flatten(targets)

    def passed(x: Any, *given: Any) -> list[Any]:
        def of_output(x: Any) -> Any:
            return loss(x, *unflatten(structure, given))

        return [*value_and_grad(of_output)(x)]

    names = ["x", *("t" if len(leaves) == 1 else f"t{i}" for i in range(len(leaves)))]
    joint = simplify(stage(passed, [output.type, *(type_of(leaf) for leaf in leaves)], hoists=True).graph)
    names += [f"c{i}" for i in range(len(joint.inputs) - len(names))]
    texts = formulas(joint, names, ["L", "dx"])
    return LayerLine(
        "loss",
        getattr(loss, "__name__", type(loss).__name__),
        str(output.type),
        str(joint.outputs[0].type),
        texts[0],
        {"x": texts[1]},
        {"y": 1.0, "x": _norm(cts.get(output.extra))},
        _reused(joint, names),
    )


def _reused(joint: Graph, names: list[str]) -> tuple[str, ...]:
    """What the backward part reads of the inputs and of the forward part, by name or operation."""
    forward = set(reachable(joint.outputs[:1]))
    backward_nodes = [node for node in joint.nodes if node not in forward]
    read = {behind(value) for node in backward_nodes for value in node.inputs}
    found = [name for name, value in zip(names, joint.inputs, strict=True) if value in read and name != "dy"]
    computed = [value for node in joint.nodes if node in forward for value in node.results if value in read]
    names = ["y" if value is joint.outputs[0] else value.node.op.name for value in computed if value.node.inputs]
    return (*found, *names)


def _replaced(leaves: list[Any], places: list[int], values: Sequence[Any]) -> list[Any]:
    replaced = list(leaves)
    for place, new in zip(places, values, strict=True):
        replaced[place] = new
    return replaced


def _norm(ct: Any) -> float:
    return 0.0 if ct is None else float(np.linalg.norm(np.ravel(ct).astype(np.float64)))


def _row(line: LayerLine) -> tuple[str, ...]:
    by_parameters = [f"{text} ({line.norms[name]:.2g})" for name, text in line.factors.items() if name != "x"]
    return (
        f"{line.path} {line.kind}".strip(),
        line.formula,
        f"{line.taken} -> {line.result}",
        line.factors["x"],
        ", ".join(by_parameters) or "-",
        f"{line.norms['y']:.3g} -> {line.norms['x']:.3g}",
        ", ".join(line.reused) or "-",
    )
