"""`Region`: the nodes of a graph, or of a loop's body, walked in order and given to groups and items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chainrule.ir.graph import CONSTANT, Graph, Node, Value
from chainrule.ir.kinds import Contract, Reduce, Scalar
from chainrule.ops.control import scan, sections
from chainrule.ops.indexing import in_range
from chainrule.ops.movement import full, iota, reshape, slice_set, transpose
from chainrule.schedule.assemble import ASSEMBLED, known_numbers
from chainrule.schedule.carry import Carry, carry
from chainrule.schedule.expand import expand
from chainrule.schedule.fuse import Fuser, is_simple
from chainrule.schedule.group import FOLDS, Group, Member
from chainrule.schedule.items import Call, Copy, Items, Pairs, Product, Repeat, Target
from chainrule.schedule.plan import LANES, Buffer, Place, Slot
from chainrule.schedule.settle import settle
from chainrule.schedule.views import OUTSIDE, Base, View, arena, is_dense, is_move, moved, reshaped, whole
from chainrule.types import Shape


class Region:
    """The items of a block. `inputs` are what the block's inputs are, `targets` where its outputs go.

    The blocks of loops are regions, too. `renamed` says of buffers that they are others: where outputs are to be.
    """

    def __init__(self, block: Graph, inputs: Sequence[View], targets: Sequence[Target]) -> None:
        self.items = Items()
        self.renamed: dict[Buffer, Buffer] = {}
        self._fuser = Fuser(self.items)
        self._views: dict[Value, View] = dict(zip(block.inputs, inputs, strict=True))
        self._uses = Counter([*block.outputs, *(value for node in block.nodes for value in node.inputs)])
        self._transposed = {
            node.inputs[0]: node.attrs["axes"]
            for node in block.nodes
            if node.op is transpose and self._uses[node.inputs[0]] == 1
        }
        self._wanted = dict(zip(reversed(block.outputs), reversed(targets), strict=True))
        for node in block.nodes:
            operands = tuple([self._views[value] for value in node.inputs])
            self._views.update(zip(node.results, self._take(node, operands), strict=True))
        settle([self._views[value] for value in block.outputs], targets, self._fuser, self.renamed)

    def _take(self, node: Node, operands: tuple[View, ...]) -> Sequence[View]:
        """The results of a node, which joins a group or becomes an item."""
        if is_move(node.op):
            return [self._move(node, operands[0])]
        if node.op in ASSEMBLED:
            return [whole(self._assemble(node, operands))]
        if node.op is scan:
            return self._repeat(node, operands)
        match node.op.lowering:
            case _ if node.op in (CONSTANT, full, iota):
                return [known_numbers(node)]
            case Scalar() if node.op is not in_range:
                return [self._fuser.take(node, operands)]
            case Reduce(combine) if combine in FOLDS:
                return [self._fuser.take(node, operands)]
            case Contract():
                return [self._product(node, operands)]
            case _:
                return self._call(node, operands)

    def _move(self, node: Node, view: View) -> View:
        found = moved(view, node)
        if found is not None:
            return found
        assert node.op is reshape
        shape: Shape = node.attrs["shape"]
        if view.base.number is not None:
            return View(view.base, shape, (None,) * len(shape), ())
        view = self._fuser.readable(view)
        place = reshaped(self._fuser.place(view), view.shape, shape)
        if place is not None:
            return whole(Base(shape, view.base.dtype, False, view.base.position, place))
        place = self._copied(view)
        return whole(Base(shape, view.base.dtype, False, self.items.position() - 1, reshaped(place, view.shape, shape)))

    def _copied(self, view: View) -> Place:
        """Where a dense copy of a view is."""
        place = arena(view.shape, view.base.dtype)
        self.items.add(Copy(view, place))
        return place

    def _product(self, node: Node, operands: tuple[View, ...]) -> View:
        """A contraction; where its result is only used transposed, with its operands exchanged."""
        left, right = (self._fuser.readable(view) for view in operands)
        contract: Pairs = node.attrs["contract"]
        batch: Pairs = node.attrs["batch"]
        shape, dtype = node.types[0].shape, node.types[0].dtype
        count = len(batch[0])
        rows = len(left.shape) - count - len(contract[0])
        axes = tuple(range(len(shape)))
        exchanged = axes[:count] + axes[count + rows :] + axes[count : count + rows]
        order = axes
        if rows and self._transposed.get(node.results[0]) == exchanged != axes:
            left, right = right, left
            contract, batch = (contract[1], contract[0]), (batch[1], batch[0])
            order = tuple([exchanged.index(axis) for axis in axes])
            shape = tuple([shape[axis] for axis in exchanged])
        columns = len(right.shape) - count - len(contract[1])
        # of vectors, and of few columns, there are too few elements in a tile to go on with
        closed = dtype.kind != "f" or not rows or not columns or shape[-1] < LANES[dtype.itemsize]
        group = Group(shape, self.items.position(), contraction=node, closed=closed)
        base = Base(shape, dtype, position=self.items.position())
        self.items.add(Product(node, left, right, contract, batch, group))
        base.member = Member(None, base, group, "column", (), tuple(range(len(shape))))
        group.members.append(base.member)
        return View(base, node.types[0].shape, tuple([(axis, 1) for axis in order]), (0,) * len(shape))

    def _call(self, node: Node, operands: tuple[View, ...]) -> list[View]:
        given = tuple([self._fuser.readable(view) for view in operands])
        early = all(view.base.position < 0 for view in given)
        position = self.items.position(early)
        results = tuple(
            [Base(type.shape, type.dtype, False, position, arena(type.shape, type.dtype)) for type in node.types]
        )
        self.items.add(Call(node, given, results), early)
        return [whole(base) for base in results]

    def _assemble(self, node: Node, operands: tuple[View, ...]) -> Base:
        """An array that is written part by part, the first operand's memory where nothing else needs that."""
        type = node.types[0]
        keeps = node.op is slice_set and operands[0].base.dtype == type.dtype
        mine = self._own_place(node.inputs[0], operands[0]) if keeps else None
        target = arena(type.shape, type.dtype) if mine is None else mine
        for source, part in ASSEMBLED[node.op](operands, target, type.shape, **node.attrs):
            if part is not mine:
                self._copy(source, part, node)
        return Base(type.shape, type.dtype, False, self.items.position() - 1, target)

    def _own_place(self, value: Value, view: View) -> Place | None:
        """The memory of a whole array that is made here and is used this once; None where it is not so."""
        base = view.base
        made = base.number is None and not base.counts and (base.place is None or base.position != OUTSIDE)
        if not made or not view.whole or not self._is_alone(value):
            return None
        place = self._fuser.base_place(base)
        return place if place.buffer.kind == "arena" and is_dense(place, base.shape) else None

    def _copy(self, source: View, target: Place, node: Node | None = None) -> None:
        if not is_simple(source):
            source = self._fuser.readable(source)
        elif source.base.number is None and not source.base.counts:
            self._fuser.base_place(source.base)
        self.items.add(Copy(source, target, node))

    # --- loops --------------------------------------------------------------------------------------------------------

    def _repeat(self, node: Node, operands: tuple[View, ...]) -> list[View]:
        """A loop: xs and ys are slices of arrays; see `carry` for what it carries."""
        body: Graph = node.attrs["body"]
        fixed, state, xs = sections(operands, node.attrs["consts"], node.attrs["carry"])
        consts = [view if view.base.number is not None else self._fuser.readable(view) for view in fixed]
        scanned = [self._fuser.readable(view) for view in xs]
        reads = [self._fuser.place(view) for view in (*consts, *scanned) if view.base.number is None]
        carries = [self._carried(node, i, view, reads) for i, view in enumerate(state, len(fixed))]
        ys = [self._stacked(value) for value in node.results[len(state) :]]
        position = self.items.position()
        slots = [self._slot(self._fuser.place(view)) for view in scanned] + [self._slot(place) for place in ys]
        inputs = [self._constant(view) for view in consts]
        inputs += [_placed(value, x.inside) for value, x in zip(body.inputs[len(fixed) :], carries, strict=False)]
        inner = body.inputs[len(fixed) + len(state) :]
        inside = [*inputs, *(_placed(value, slot) for value, (_, slot) in zip(inner, slots, strict=False))]
        targets = [Target(x.inside, view.base, x.other) for x, view in zip(carries, inputs[len(fixed) :], strict=True)]
        targets += [Target(slot) for _, slot in slots[len(scanned) :]]
        upright = {x for x, view in zip(body.inputs, inputs, strict=False) if _is_upright(view)}
        block = expand(body, upright)
        region = Region(block, inside, targets)
        settled = [x.settled(region.renamed, node.attrs["length"]) for x in carries]
        results = (*[place for place, _ in settled], *ys)
        moved = (*[slot for slot, _ in slots], *[slot for _, turning in settled for slot in turning])
        self.items.add(Repeat(node, region.items, region.renamed, moved, tuple(reads), block, results))
        return [
            whole(Base(value.shape, value.dtype, value.type.weak, position, place))
            for value, place in zip(node.results, results, strict=True)
        ]

    def _constant(self, view: View) -> View:
        """What a loop reads and does not change, as an input of its body."""
        if view.base.number is not None:
            return view
        place = self._fuser.place(view)
        return whole(Base(view.shape, view.base.dtype, view.base.weak, place=place))

    def _carried(self, node: Node, i: int, view: View, reads: Sequence[Place]) -> Carry:
        """Where a loop keeps what it carries, with the first value there: at the place of an input that it replaces."""
        first: int = node.attrs["consts"]
        result = node.results[i - first]
        target = self._wanted.get(result)
        alone, base = self._is_alone(node.inputs[i]), view.base
        if target is not None and target.replaces is not None:
            mine = base is target.replaces and view.whole and alone
            if mine and all(place.buffer is not target.place.buffer for place in reads):
                return Carry(target.place, target.place)
        place = arena(view.shape, result.dtype)
        if alone and view.whole and base.place is None and base.member is not None:
            base.place = place
            base.member.group.stores.append((base.member, place))
        else:
            self._copy(view, place)
        return carry(place, view.shape)

    def _is_alone(self, value: Value) -> bool:
        """Whether nothing else uses a value, or what it is a view of."""
        while self._uses[value] == 1 and is_move(value.node.op):
            (value,) = value.node.inputs
        return self._uses[value] == 1

    def _stacked(self, result: Value) -> Place:
        """Where the slices that a loop gives are stacked."""
        target = self._wanted.get(result)
        return target.place if target is not None and target.replaces is None else arena(result.shape, result.dtype)

    def _slot(self, place: Place) -> tuple[Slot, Place]:
        """A slice along the first axis that moves on from round to round, and where its elements are."""
        size = place.dtype.itemsize
        buffer = Buffer("slot", 0)
        slot = Slot(buffer, place.buffer, place.offset * size, place.strides[0] * size)
        return slot, Place(buffer, place.dtype, place.strides[1:])


def _placed(value: Value, place: Place) -> View:
    return whole(Base(value.shape, value.dtype, value.type.weak, place=place))


def _is_upright(view: View) -> bool:
    """Whether it is a matrix whose columns lie in memory as rows do."""
    place = view.base.place
    return place is not None and len(view.shape) == 2 and place.strides[0] == 1 != place.strides[1]
