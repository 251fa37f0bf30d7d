from __future__ import annotations

import pytest
from nest_parts import F32, Arrays, apply, stepped

from chainrule.backend.llvm.nest.collapse import collapse
from chainrule.backend.llvm.nest.work import split, title
from chainrule.schedule.plan import Fold, Nest, Read, Stage, Store


def added(*shape: int) -> Nest:
    arrays = Arrays()
    x, out = arrays.new(*shape), arrays.new(*shape)
    b = stepped(arrays.new(shape[-1]), *[0] * (len(shape) - 1), 1)
    stage = Stage(True, ((0, Read(x)), (1, Read(b)), (2, apply("add", 0, 1))), (), (Store(2, out),))
    return Nest((), shape, (stage,), "columns")


@pytest.mark.parametrize("shape", [(10,), (5000,), (10**6,), (3, 10**5), (10**5, 3), (50, 2000)])
def test_parts_cover_everything_once(shape: tuple[int, ...]) -> None:
    nest = collapse(added(*shape))
    axis, unit, parts = split(nest)
    length = (*nest.rows, *nest.columns)[axis]
    assert (parts - 1) * unit < length <= parts * unit
    assert 1 <= parts <= 256


def test_small_work_is_not_cut_and_large_is() -> None:
    assert split(collapse(added(32, 10)))[2] == 1
    assert split(collapse(added(10**6)))[2] > 16
    axis, _, parts = split(collapse(added(2, 10**6)))
    assert axis == 1 and parts > 16


def test_titles() -> None:
    arrays = Arrays()
    x, out = arrays.new(128, 32), arrays.new(128)
    fold = Stage(True, ((0, Read(x)), (1, apply("tanh", 0))), (Fold(1, "add", F32, 2),))
    nest = Nest((128,), (32,), (fold, Stage(False, (), (), (Store(2, out),))), "columns")
    assert title(nest) == "tanh, sum over 32 of [128]"
    assert title(added(3, 4)) == "add of [3,4]"


def test_few_rows_are_cut_like_many() -> None:
    assert {split(collapse(added(rows, 512)))[0] for rows in (2, 7, 32, 128, 5000)} == {0}
