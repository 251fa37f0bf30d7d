"""`settle`: outputs computed where they belong, or copied there."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.schedule.emit import passes
from chainrule.schedule.fuse import Fuser
from chainrule.schedule.group import Group, Member
from chainrule.schedule.items import Call, Copy, Items, Product, Repeat, Target
from chainrule.schedule.plan import Buffer, Place
from chainrule.schedule.views import OUTSIDE, Base, View, arena, is_dense, located, whole

Renamed = dict[Buffer, Buffer]


def settle(outputs: Sequence[View], targets: Sequence[Target], fuser: Fuser, renamed: Renamed) -> None:
    """Lets what computes an output write it to its target (`renamed`), and copies what is not computed there.

    An output whose target is the memory of an input is written there only once nothing reads that input any more.
    """
    for view in outputs:
        if view.base.number is None and not view.base.counts:
            fuser.base_place(view.base)
    late = [(view, target) for view, target in zip(outputs, targets, strict=True) if not _is_there(view, target)]
    kept = {_buffer(view) for view, _ in late}
    copies: list[tuple[View, Target]] = []
    for view, target in late:
        place = view.base.place
        mine = view.base.position != OUTSIDE and place is not None and place.buffer.kind == "arena"
        if mine and view.whole and place.buffer not in renamed and _is_free(view, target, fuser.items, kept):
            renamed[place.buffer] = target.place.buffer
        else:
            copies.append((view, target))
    overwritten = {target.place.buffer for target in targets if target.replaces is not None}
    sources = [_set_aside(view, overwritten, fuser.items) for view, _ in copies]
    for source, (_, target) in zip(sources, copies, strict=True):
        fuser.items.add(Copy(source, target.place))


def _is_there(view: View, target: Target) -> bool:
    """Whether the output is the input whose memory is its target."""
    place = view.base.place
    return place is not None and place.buffer is target.place.buffer and view.whole and is_dense(place, view.shape)


def _set_aside(view: View, overwritten: set[Buffer], items: Items) -> View:
    """The view, or a copy of it where its memory is written to before it is read."""
    if _buffer(view) not in overwritten:
        return view
    place = arena(view.shape, view.base.dtype)
    items.add(Copy(view, place))
    return whole(Base(view.shape, view.base.dtype, place=place))


def _is_free(view: View, target: Target, items: Items, kept: set[Buffer | None]) -> bool:
    """Whether nothing reads the input behind a target once the output is written there, but for its own element."""
    if target.replaces is None:
        return True
    buffer, member = target.place.buffer, view.base.member
    if member is None or buffer in kept or (member.group.reduced is not None and member.level == "column"):
        return False
    group: Group = member.group
    for position, item in items:
        multiplied = [_buffer(x) for x in (item.left, item.right)] if isinstance(item, Product) else []
        if position >= group.position and buffer in multiplied:
            return False
        if isinstance(item, Group | Product):
            reader = item if isinstance(item, Group) else item.group
            reads = [(other, x) for other in reader.members for x in other.operands if _buffer(x) is buffer]
            same = reader is group and all(_same_element(x, other, target.place, member) for other, x in reads)
            if reads and (position > group.position or (position == group.position and not same)):
                return False
        elif position > group.position and buffer in _read_buffers(item):
            return False
    return True


def _same_element(view: View, reader: Member, place: Place, writer: Member) -> bool:
    """Whether a member of the writer's group reads the element that is written, no later than in the same pass."""
    assert view.base.place is not None
    found = located(view, view.base.place)
    number = passes(writer.group)
    return (
        reader.level == writer.level
        and not reader.folds
        and view.shape == writer.base.shape == reader.base.shape
        and reader.axes == writer.axes
        and number[reader] <= number[writer]
        and (found.strides, found.offset) == (place.strides, place.offset)
    )


def _buffer(view: View) -> Buffer | None:
    return view.base.place.buffer if view.base.place is not None else None


def _read_buffers(item: Copy | Call | Repeat) -> list[Buffer | None]:
    match item:
        case Copy():
            return [_buffer(item.source)]
        case Call():
            return [_buffer(view) for view in item.operands]
        case Repeat():
            return [place.buffer for place in item.reads]
