from __future__ import annotations

import pytest
from planned import apply, new, planned, words

from chainrule.ir.graph import Value
from chainrule.schedule.group import MOST_MEMBERS, MOST_PLACES, Group, is_long
from chainrule.schedule.plan import COLUMN_CHUNK, ROW_WHOLE
from chainrule.schedule.views import Base, View, whole


def outside(value: Value) -> View:
    return whole(Base(value.shape, value.dtype, place=object()))  # pyright: ignore[reportArgumentType]


def join(group: Group, out: Value, *operands: View) -> View | None:
    base = Base(out.shape, out.dtype)
    return whole(base) if group.join(out.node, base, operands) else None


def test_elements_and_what_reduces_them_share_a_walk() -> None:
    x = new(4, 6)
    group = Group((4, 6), 3)
    square = apply("square", x)
    seen = join(group, square, outside(x))
    assert seen is not None and seen.base.position == 3
    total = join(group, apply("sum", square, axes=(1,)), seen)
    assert total is not None and (group.reduced, group.kept) == ((1,), (0,))
    back = View(total.base, (4, 1), ((0, 1), None), (0,))
    assert join(group, apply("divide", square, new(4, 1)), seen, back) is not None
    assert [member.level for member in group.members] == ["column", "row", "column"]


def test_what_lies_otherwise_does_not_join() -> None:
    x = new(4, 4)
    group = Group((4, 4), 0)
    seen = join(group, apply("square", x), outside(x))
    assert seen is not None
    turned = View(seen.base, (4, 4), ((1, 1), (0, 1)), (0, 0))
    backwards = View(seen.base, (4, 4), ((0, -1), (1, 1)), (3, 0))
    row = View(seen.base, (1, 4), (None, (1, 1)), (2, 0))
    for view in (turned, backwards, row):
        assert join(group, apply("add", x, new(*view.shape)), outside(x), view) is None


def test_one_row_of_a_member_is_not_at_hand_in_the_others() -> None:
    x = new(4, 6)
    square = apply("square", x)
    first = apply("slice", square, starts=(0, 0), stops=(1, 6), steps=(1, 1))
    assert len(words(planned([x], [apply("add", square, first)]))) == 2


def test_what_comes_later_cannot_be_read() -> None:
    x = new(4)
    late = whole(Base((4,), x.dtype, position=5, place=object()))  # pyright: ignore[reportArgumentType]
    assert join(Group((4,), 5), apply("square", x), late) is None
    assert join(Group((4,), 6), apply("square", x), late) is not None


def test_a_second_pass_is_none_of_a_group_whose_reduction_is_cut() -> None:
    x = new(9000)
    out = apply("divide", x, apply("sum", x, axes=(0,)))
    assert words(planned([x], [out]))[-1] == "nest divide"
    short = new(90)
    assert words(planned([short], [apply("divide", short, apply("sum", short, axes=(0,)))])) == ["nest sum divide"]


def test_a_group_can_be_what_it_was() -> None:
    x = new(4, 6)
    group = Group((4, 6), 0)
    before = group.mark()
    seen = join(group, apply("sum", x, axes=(0,)), outside(x))
    assert seen is not None
    group.reset(before)
    assert (group.members, group.reduced, seen.base.member) == ([], None, None)


def test_there_is_room_for_so_many_members_and_arrays() -> None:
    x = new(4)
    group = Group((4,), 0)
    view = outside(x)
    for _ in range(MOST_MEMBERS):
        assert join(group, apply("square", x), view) is not None
    assert join(group, apply("square", x), view) is None
    group = Group((4,), 0)
    assert all(join(group, apply("square", x), outside(x)) is not None for _ in range(MOST_PLACES))
    assert join(group, apply("square", x), outside(x)) is None


@pytest.mark.parametrize("extra", [0, 1])
def test_where_reductions_are_long(extra: int) -> None:
    assert is_long((3, COLUMN_CHUNK + extra), (1,)) == bool(extra)
    assert is_long((ROW_WHOLE + extra, 3), (0,)) == bool(extra)
