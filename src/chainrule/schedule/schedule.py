"""`schedule`: a graph becomes a `Plan`. It is a function of the graph alone, on every machine the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from chainrule.ir.graph import Graph, Node
from chainrule.ops.arithmetic import cast
from chainrule.schedule.cut import cut
from chainrule.schedule.emit import Frame, Writer, nests
from chainrule.schedule.expand import expand
from chainrule.schedule.group import Group
from chainrule.schedule.items import Call, Copy, Item, Items, Product, Repeat, Target
from chainrule.schedule.plan import (
    Buffer,
    Compute,
    Contraction,
    Expression,
    Loop,
    Nest,
    Number,
    Place,
    Plan,
    Position,
    Read,
    Special,
    Stage,
    Step,
    Store,
)
from chainrule.schedule.promote import as_number
from chainrule.schedule.region import Region
from chainrule.schedule.tile import tile
from chainrule.schedule.views import Base, View, dense, located, whole
from chainrule.types import INT64, Type

Donations: TypeAlias = Sequence[tuple[int, int]]


def schedule(graph: Graph, donations: Donations = ()) -> Plan:
    """The plan of a graph. Of each pair in `donations` (input, output) the output is written over the input."""
    graph = expand(graph)
    inputs = [Buffer("input", value.type.nbytes, i) for i, value in enumerate(graph.inputs)]
    outputs = [Buffer("output", value.type.nbytes, i) for i, value in enumerate(graph.outputs)]
    bases = [_base(value.type, buffer) for value, buffer in zip(graph.inputs, inputs, strict=True)]
    targets = [Target(_dense(value.type, buffer)) for value, buffer in zip(graph.outputs, outputs, strict=True)]
    for given, made in donations:
        outputs[made] = inputs[given]
        targets[made] = Target(_dense(graph.outputs[made].type, inputs[given]), bases[given])
    region = Region(graph, [whole(base) for base in bases], targets)
    renamed = _renamed(region.items, region.renamed)
    renamed = {buffer: _last(buffer, renamed) for buffer in renamed}
    steps = cut(tile(_steps(region.items), renamed))
    return Plan(steps, inputs, outputs, renamed, graph, tuple(_nodes(graph, region.items)))


def _nodes(block: Graph, items: Items) -> list[Node]:
    """The nodes of a region, and of its loops, that have an element which is not known already."""
    found = [node for node in block.nodes if node not in items.known and any(x.type.size for x in node.results)]
    for _, item in items:
        if isinstance(item, Repeat) and item.node.attrs["length"]:
            found += _nodes(item.block, item.body)
    return found


def _renamed(items: Items, renamed: Mapping[Buffer, Buffer]) -> dict[Buffer, Buffer]:
    """Which buffers are others, in a region and in its loops."""
    found = dict(renamed)
    for _, item in items:
        if isinstance(item, Repeat):
            found.update(_renamed(item.body, item.renamed))
    return found


def _last(buffer: Buffer, renamed: dict[Buffer, Buffer]) -> Buffer:
    while buffer in renamed:
        buffer = renamed[buffer]
    return buffer


def _base(type: Type, buffer: Buffer) -> Base:
    return Base(type.shape, type.dtype, type.weak, place=_dense(type, buffer))


def _dense(type: Type, buffer: Buffer) -> Place:
    return Place(buffer, type.dtype, dense(type.shape))


def _steps(items: Items) -> tuple[Step, ...]:
    """The steps of items, in order."""
    return tuple([step for _, item in items for step in _item_steps(item) if not _is_empty(step)])


def _item_steps(item: Item) -> Sequence[Step]:
    match item:
        case Group():
            return nests(item)
        case Product():
            return [_contraction(item)]
        case Copy(source, target, node):
            return [_copy(source, target, node)]
        case Call(node, operands, results):
            return [Special(node, tuple([_place(view) for view in operands]), tuple(map(_place_of, results)))]
        case Repeat(node, body, _, slots, results=results):
            length, reverse = node.attrs["length"], node.attrs["reverse"]
            return [Loop(length, reverse, slots, _steps(body), node, results=results)]


def _place_of(base: Base) -> Place:
    assert base.place is not None
    return base.place


def _place(view: View) -> Place:
    return located(view, _place_of(view.base))


def _contraction(product: Product) -> Contraction:
    node, group = product.node, product.group
    left, right = product.left, product.right
    (x_inner, y_inner), (x_batch, y_batch) = product.contract, product.batch
    x_free = _others(left, x_inner, x_batch)
    y_free = _others(right, y_inner, y_batch)
    total = group.members[0]
    nodes = (node, *(member.node for member in group.members if member.node is not None))
    plain = len(group.members) == 1
    return Contraction(
        _lengths(left, x_batch),
        _lengths(left, x_free),
        _lengths(right, y_free),
        _lengths(left, x_inner),
        _ordered(left, (*x_batch, *x_free, *x_inner)),
        _ordered(right, (*y_batch, *y_inner, *y_free)),
        _place_of(total.base) if plain and group.stores else None,
        None if plain else Writer(group, Frame(group)).epilogue(total),
        nodes,
    )


def _others(view: View, *taken: Sequence[int]) -> tuple[int, ...]:
    return tuple([axis for axis in range(len(view.shape)) if not any(axis in axes for axes in taken)])


def _lengths(view: View, axes: Sequence[int]) -> tuple[int, ...]:
    return tuple([view.shape[axis] for axis in axes])


def _ordered(view: View, axes: Sequence[int]) -> Place:
    place = _place(view)
    return Place(place.buffer, place.dtype, tuple([place.strides[axis] for axis in axes]), place.offset)


def _copy(source: View, target: Place, node: Node | None) -> Nest:
    """The loops that write a view to a place of its shape."""
    values: list[tuple[int, Expression]] = []
    base = source.base
    if base.number is not None:
        value, dtype = as_number(base.number, target.dtype) if base.weak else (base.number.item(), base.dtype)
        values.append((0, Number(value, dtype)))
    elif base.counts:
        dtype = INT64
        values.append((0, Position(len(source.shape) - 1)))
    else:
        place, dtype = _place(source), base.dtype
        values.append((0, Read(_with_last(place, source.shape))))
    if dtype != target.dtype:
        values.append((1, Compute(cast, (0,), {"dtype": target.dtype.name}, target.dtype)))
    stage = Stage(True, tuple(values), (), (Store(len(values) - 1, _with_last(target, source.shape)),))
    rows, columns = (source.shape[:-1], source.shape[-1:]) if source.shape else ((), (1,))
    return Nest(rows, columns, (stage,), "columns", None, () if node is None else (node,))


def _with_last(place: Place, shape: Sequence[int]) -> Place:
    return place if shape else Place(place.buffer, place.dtype, (0,), place.offset)


def _is_empty(step: Step) -> bool:
    """Whether there is nothing to do."""
    if isinstance(step, Nest):
        folds = any(stage.folds for stage in step.stages)
        return not math.prod(step.rows) or (not folds and not math.prod(step.columns))
    if isinstance(step, Contraction):
        return not math.prod((*step.batch, *step.rows, *step.columns))
    return isinstance(step, Loop) and (not step.length or not step.steps)
