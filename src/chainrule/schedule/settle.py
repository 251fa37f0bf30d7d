"""`settle`: outputs computed where they belong, or copied there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.schedule.emit import column_strides, passes, result_strides
from chainrule.schedule.fuse import Fuser, is_simple
from chainrule.schedule.group import Group, Member
from chainrule.schedule.items import Call, Copy, Item, Items, Product, Repeat, Target
from chainrule.schedule.plan import Buffer, Place
from chainrule.schedule.views import OUTSIDE, Base, View, arena, is_dense, located, whole

Renamed = dict[Buffer, Buffer]


def settle(outputs: Sequence[View], targets: Sequence[Target], fuser: Fuser, renamed: Renamed) -> None:
    """Lets what computes an output write it to its target (`renamed`), and copies what is not computed there.

    An output whose target is the memory of an input is written there only once nothing reads that input any more.
    """
    outputs = [view if is_simple(view) else fuser.readable(view) for view in outputs]
    for view in outputs:
        if view.base.number is None and not view.base.counts:
            fuser.base_place(view.base)
    overwritten = {target.place.buffer for target in targets if target.replaces is not None}
    late: list[tuple[View, Target]] = []
    for view, target in zip(outputs, targets, strict=True):
        if _is_kept(view, target, overwritten):
            fuser.items.add_first(Copy(view, target.place))
        elif not _is_there(view, target):
            late.append((view, target))
    kept = {_buffer(view) for view, _ in late}
    readings = _readings(fuser.items)
    copies: list[tuple[View, Target]] = []
    taken = {target.place.buffer for target in targets}
    for view, target in late:
        buffer = _own_buffer(view)
        replaced = target.place.buffer
        free = _is_free(view, target, readings.get(replaced, ()), kept)
        found = replaced if free else target.instead
        if buffer is None or buffer in taken or found is None:
            copies.append((view, target))
        else:
            renamed[buffer] = found
            taken.add(buffer)
    sources = [_set_aside(view, overwritten, fuser.items) for view, _ in copies]
    for source, (_, target) in zip(sources, copies, strict=True):
        fuser.items.add(Copy(source, target.place))


def _own_buffer(view: View) -> Buffer | None:
    """The buffer of an array that the region makes, if it has the view's elements in order, and nothing else."""
    if view.base.place is None or view.base.position == OUTSIDE:
        return None
    place = located(view, view.base.place)
    size = math.prod(view.shape) * place.dtype.itemsize
    same = place.offset == 0 and is_dense(place, view.shape) and place.buffer.nbytes == size
    return place.buffer if same and place.buffer.kind == "arena" else None


def _is_there(view: View, target: Target) -> bool:
    """Whether the output is the input whose memory is its target."""
    place = view.base.place
    return place is not None and place.buffer is target.place.buffer and view.whole and is_dense(place, view.shape)


def _is_kept(view: View, target: Target, overwritten: set[Buffer]) -> bool:
    """Whether the output is what was in an input that is written over: it is copied before that."""
    return target.replaces is None and view.base.position == OUTSIDE and _buffer(view) in overwritten


def _set_aside(view: View, overwritten: set[Buffer], items: Items) -> View:
    """The view, or a copy of it where its memory is written to before it is read."""
    if _buffer(view) not in overwritten:
        return view
    place = arena(view.shape, view.base.dtype)
    items.add(Copy(view, place))
    return whole(Base(view.shape, view.base.dtype, place=place))


@dataclass(frozen=True, eq=False)
class _Reading:
    """That an item reads a buffer: as an operand of a member of a group, or otherwise."""

    position: int
    member: Member | None = None
    view: View | None = None

    def is_of(self, place: Place, writer: Member, number: Mapping[Member, int]) -> bool:
        """Whether a member of the writer's group reads the element that is written, no later than in the same pass."""
        reader, view = self.member, self.view
        if reader is None or view is None or view.base.place is None or number[reader] > number[writer]:
            return False
        found = located(view, view.base.place)
        if reader.level == "column" or reader.folds:  # what is made of it may be computed again, in a later pass
            return number[writer] == max(number.values()) and _is_same(view, found, place, writer)
        same = writer.level == "row" and view.shape == writer.base.shape == reader.base.shape
        return same and reader.axes == writer.axes and (found.strides, found.offset) == (place.strides, place.offset)


def _is_same(view: View, found: Place, place: Place, writer: Member) -> bool:
    """Whether what a walk over the columns reads is the element that is written at that column, or for that row."""
    domain = writer.group.domain
    pairs = zip(
        column_strides(writer.group, view), result_strides(place, writer.axes, len(domain)), domain, strict=True
    )
    return found.offset == place.offset and all(x == y or n == 1 for x, y, n in pairs)


def _readings(items: Items) -> dict[Buffer, list[_Reading]]:
    """Who reads each buffer."""
    found: dict[Buffer, list[_Reading]] = {}
    for position, item in items:
        group = item if isinstance(item, Group) else item.group if isinstance(item, Product) else None
        for buffer in _read_buffers(item):
            found.setdefault(buffer, []).append(_Reading(position))
        for member in group.members if group is not None else ():
            for view in member.operands:
                if view.base.place is not None:
                    found.setdefault(view.base.place.buffer, []).append(_Reading(position, member, view))
    return found


def _is_free(view: View, target: Target, readings: Sequence[_Reading], kept: set[Buffer | None]) -> bool:
    """Whether nothing reads the input behind a target once the output is written there, but for its own element."""
    if target.replaces is None:
        return True
    member: Member | None = view.base.member
    place = view.base.place
    if member is None or place is None or target.place.buffer in kept:
        return False
    group = member.group
    number = passes(group)
    for reading in readings:
        if reading.position == group.position and reading.is_of(place, member, number):
            continue
        if reading.position >= group.position:
            return False
    return True


def _buffer(view: View) -> Buffer | None:
    return view.base.place.buffer if view.base.place is not None else None


def _read_buffers(item: Item) -> list[Buffer]:
    """The buffers that an item reads whole."""
    match item:
        case Group():
            views: Sequence[View] = ()
        case Product():
            views = (item.left, item.right)
        case Copy():
            views = (item.source,)
        case Call():
            views = item.operands
        case Repeat():
            return [place.buffer for place in item.reads]
    return [view.base.place.buffer for view in views if view.base.place is not None]
