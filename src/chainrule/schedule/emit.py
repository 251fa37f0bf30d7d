"""`nests`: a group as loops: which axes are rows, along which the vector lies, and the passes over the columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from chainrule.ops.arithmetic import cast
from chainrule.schedule.group import EXPENSIVE, Group, Member, last_axis
from chainrule.schedule.plan import (
    LANES,
    SHORT,
    Compute,
    Expression,
    Fold,
    Nest,
    Number,
    Place,
    Position,
    Read,
    Stage,
    Store,
)
from chainrule.schedule.promote import as_number, promoted
from chainrule.schedule.views import View, arena, located
from chainrule.types import INT64, Type


class Frame:
    """How a group's domain lies: its axes in the order of the nest's loops, and how long those are."""

    def __init__(self, group: Group) -> None:
        self.group = group
        if group.contraction is not None:
            self.rows, self.columns = list(range(len(group.domain))), list[int]()
            return
        best = self._vector_axis()
        self.along: Literal["rows", "columns"] = "columns"
        rows, columns = _long(group.kept, group.domain), _long(group.reduced or (), group.domain)
        if group.reduced is None:
            rows, columns = rows[:-1], rows[-1:]
        elif not rows or (best in columns and not self._is_short(rows, columns)):
            columns = [axis for axis in columns if axis != best] + [axis for axis in columns if axis == best]
        else:
            last = best if best in rows else rows[-1]
            rows = [axis for axis in rows if axis != last] + [last]
            self.along = "rows"
        self.rows, self.columns = rows, columns

    def _is_short(self, rows: Sequence[int], columns: Sequence[int]) -> bool:
        """Whether the columns are too few to lie along a vector, and the rows are not: then those do.

        Rows along the first axis alone may be those of a batch or the last few of them, which makes no difference.
        """
        domain = self.group.domain
        many = rows == [0] or (bool(rows) and domain[rows[-1]] >= LANES[8])
        return many and math.prod(domain[a] for a in columns) <= SHORT

    def _vector_axis(self) -> int:
        """The axis along which most of the elements that are read or written lie one behind the other."""
        group = self.group
        last = last_axis(group.domain)
        votes = Counter({last: 0})
        for member in group.members:
            for view in member.operands:
                outside = view.base.place is not None and not group.owns(view.base)
                if outside and (member.level == "column" or member.folds):
                    votes.update(_unit_axes(column_strides(group, view), group.domain))
        for member, place in group.stores:
            if member.level == "column":
                votes.update(_unit_axes(place.strides, group.domain))
        return max(votes, key=lambda axis: (votes[axis], axis == last, group.domain[axis] if group.domain else 0))

    def arranged(self, strides: Sequence[int]) -> tuple[int, ...]:
        """Strides over the domain in the order of the nest's axes."""
        found = [strides[axis] for axis in (*self.rows, *self.columns)]
        return tuple(found if self.columns or self.group.contraction is not None else [*found, 0])

    def lengths(self, axes: Sequence[int]) -> tuple[int, ...]:
        return tuple([self.group.domain[axis] for axis in axes])


def _long(axes: Sequence[int], domain: Sequence[int]) -> list[int]:
    """The axes that are longer than 1, and the first one, which may be that of a batch: its length changes nothing."""
    return [axis for axis in axes if axis == 0 or domain[axis] != 1]


def _unit_axes(strides: Sequence[int], domain: Sequence[int]) -> list[int]:
    return [axis for axis, stride in enumerate(strides) if abs(stride) == 1 and domain[axis] != 1]


def column_strides(group: Group, view: View) -> tuple[int, ...]:
    """The strides of an operand over the domain, to which it is broadcast from the right."""
    assert view.base.place is not None
    return _spread(located(view, view.base.place), view, range(len(group.domain)), group.domain)


def _spread(place: Place, view: View, axes: Sequence[int | None], domain: Sequence[int]) -> tuple[int, ...]:
    """Strides over the domain's axes of a view that is broadcast to a result whose axes go along `axes`.

    Along an axis of length 1 of both they are what they would be along a longer one.
    """
    strides = [0] * len(domain)
    missing = len(axes) - len(view.shape)
    for j, (stride, n) in enumerate(zip(place.strides, view.shape, strict=True)):
        axis = axes[missing + j]
        if axis is not None and n == domain[axis]:
            strides[axis] = stride
    return tuple(strides)


class Writer:
    """Writes the stages of a group."""

    def __init__(self, group: Group, frame: Frame) -> None:
        self.group, self.frame = group, frame
        self.stored = dict(group.stores)
        self.numbers = 0
        self.rows: dict[Member, int] = {}
        self.passes = passes(group)
        self._values: list[tuple[int, Expression]] = []
        self._known: dict[Any, int] = {}

    def stages(self) -> tuple[Stage, ...]:
        """Passes over the columns, and between them what is computed once for a row."""
        numbers = range(max(self.passes.values(), default=0) + 1)
        found = [stage for number in numbers for stage in (self._columns(number), self._row(number))]
        return tuple([stage for stage in found if stage.values or stage.folds or stage.stores])

    def _columns(self, number: int) -> Stage:
        """What one pass over the columns folds and stores, and what that takes."""
        self._values, self._known = [], {}
        folds: list[Fold] = []
        stores: list[Store] = []
        for member in self.group.members:
            if self.passes[member] != number:
                continue
            if member.folds:
                folds.append(self._fold(member, number))
            elif member.level == "column" and member in self.stored:
                place = self.stored[member]
                stores.append(Store(self.member(member, number), self._placed(place, place.strides)))
        return Stage(True, tuple(self._values), tuple(folds), tuple(stores))

    def epilogue(self, total: Member) -> Stage:
        """The one pass of a contraction's group: value 0 is the sum."""
        self._values, self._known = [], {("member", total): 0}
        self.numbers = 1
        stores: list[Store] = []
        for member, place in self.group.stores:
            stores.append(Store(self.member(member, 0), place))
        return Stage(True, tuple(self._values), (), tuple(stores))

    def _row(self, number: int) -> Stage:
        self._values, self._known = [], {}
        stores: list[Store] = []
        for member in self.group.members:
            if self.passes[member] != number or member.level != "row":
                continue
            if not member.folds:
                self.rows[member] = self._computed(member, number)
            if member in self.stored:
                place = self.stored[member]
                strides = result_strides(place, member.axes, len(self.group.domain))
                stores.append(Store(self.rows[member], self._row_placed(place, strides)))
        return Stage(False, tuple(self._values), (), tuple(stores))

    def _fold(self, member: Member, number: int) -> Fold:
        assert member.node is not None
        combine: str = getattr(member.node.op.lowering, "combine")  # noqa: B009
        value = self.operand(member, 0, number, member.base.dtype)
        self.rows[member] = self._fresh()
        return Fold(value, combine, member.base.dtype, self.rows[member])

    def member(self, member: Member, number: int) -> int:
        """The number of a value of this pass: a value of an earlier pass is read back where it was kept."""
        if member.level == "row":
            return self.rows[member]
        key = ("member", member)
        if key not in self._known:
            if self.passes[member] < number and member in self.stored:
                place = self.stored[member]
                self._known[key] = self._read(self._placed(place, place.strides))
            else:
                self._known[key] = self._computed(member, number)
        return self._known[key]

    def _computed(self, member: Member, number: int) -> int:
        node = member.node
        assert node is not None
        types = [Type(view.shape, view.base.dtype, view.base.weak) for view in member.operands]
        wanted = promoted(node, types, [view.base.number is not None for view in member.operands])
        operands = tuple([self.operand(member, i, number, dtype) for i, dtype in enumerate(wanted)])
        return self._append(Compute(node.op, operands, node.attrs, member.base.dtype))

    def operand(self, member: Member, i: int, number: int, dtype: Any) -> int:
        """The number of an operand's value in a dtype."""
        view = member.operands[i]
        base = view.base
        if base.number is not None:
            value, dtype = as_number(base.number, dtype) if base.weak else (base.number.item(), base.dtype)
            # another number, were it equal, is another value: that they are equal may follow from a length alone
            found = self._once(("number", base, dtype), Number(value, dtype))
            have = dtype
        elif self.group.owns(base):
            found, have = self.member(base.member, number), base.dtype
        elif base.counts:
            found, have = self._count(member, view), base.dtype
        else:
            found, have = self._outside(member, view), base.dtype
        return found if have == dtype else self._cast(found, dtype)

    def _outside(self, member: Member, view: View) -> int:
        assert view.base.place is not None
        place = located(view, view.base.place)
        if member.level == "column" or member.folds:
            return self._read(self._placed(place, column_strides(self.group, view)))
        strides = _spread(place, view, member.axes, self.group.domain)
        return self._read(self._row_placed(place, strides))

    def _count(self, member: Member, view: View) -> int:
        """0, 1, 2, ... along the axis of the domain that the view's last axis goes along."""
        axes = range(len(self.group.domain)) if member.level == "column" or member.folds else member.axes
        axis = axes[-1]
        assert axis is not None
        order = [*self.frame.rows, *self.frame.columns]
        found = self._position(order.index(axis))
        return found if view.base.dtype == INT64 else self._cast(found, view.base.dtype)

    def _position(self, axis: int) -> int:
        return self._once(("position", axis), Position(axis))

    def _placed(self, place: Place, strides: Sequence[int]) -> Place:
        return Place(place.buffer, place.dtype, self.frame.arranged(strides), place.offset)

    def _row_placed(self, place: Place, strides: Sequence[int]) -> Place:
        return Place(place.buffer, place.dtype, tuple([strides[axis] for axis in self.frame.rows]), place.offset)

    def _read(self, place: Place) -> int:
        return self._once(("read", place.buffer, place.dtype, place.strides, place.offset), Read(place))

    def _cast(self, value: int, dtype: Any) -> int:
        return self._once(("cast", value, dtype), Compute(cast, (value,), {"dtype": dtype.name}, dtype))

    def _once(self, key: Any, expression: Expression) -> int:
        if key not in self._known:
            self._known[key] = self._append(expression)
        return self._known[key]

    def _append(self, expression: Expression) -> int:
        number = self._fresh()
        self._values.append((number, expression))
        return number

    def _fresh(self) -> int:
        self.numbers += 1
        return self.numbers - 1


def result_strides(place: Place, axes: Sequence[int | None], count: int) -> tuple[int, ...]:
    """Strides over the domain's axes of a result whose axes go along `axes`."""
    strides = [0] * count
    for stride, axis in zip(place.strides, axes, strict=True):
        if axis is not None:
            strides[axis] = stride
    return tuple(strides)


def passes(group: Group) -> dict[Member, int]:
    """For each member the pass over the columns in which, or after which, it is computed."""
    found: dict[Member, int] = {}
    for member in group.members:
        number = 0
        for view in member.operands:
            if group.owns(view.base):
                source: Member = view.base.member
                later = source.level == "row" and (member.level == "column" or member.folds)
                number = max(number, found[source] + later)
        found[member] = number
    return found


def keep_expensive(group: Group) -> None:
    """Stores values that are dear and read by a later pass than their own."""
    number = passes(group)
    stored = {member for member, _ in group.stores}
    dear = dict[Member, bool]()
    for member in group.members:
        own = member.node is not None and member.node.op.name in EXPENSIVE
        sources = [view.base.member for view in member.operands if group.owns(view.base)]
        dear[member] = own or any(dear[s] for s in sources if s.level == "column" and s not in stored)
        for source in sources:
            late = source.level == "column" and number[source] < number[member]
            if late and dear[source] and source not in stored:
                source.base.place = source.base.place or arena(source.base.shape, source.base.dtype)
                group.stores.append((source, source.base.place))
                stored.add(source)


def nests(group: Group) -> list[Nest]:
    """The loops of a group; none where nothing of it is stored."""
    if not group.stores:
        return []
    keep_expensive(group)
    frame = Frame(group)
    writer = Writer(group, frame)
    nodes = tuple([member.node for member in group.members if member.node is not None])
    rows, columns = frame.lengths(frame.rows), frame.lengths(frame.columns)
    return [Nest(rows, columns or (1,), writer.stages(), frame.along, None, nodes, group.cut)]
