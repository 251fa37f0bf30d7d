from __future__ import annotations

import numpy as np
from nest_parts import BOOL, F32, F64, Arrays, apply, stepped

from chainrule.backend.llvm.nest.form import SCATTERED, make_form
from chainrule.schedule.plan import Fold, Nest, Number, Position, Read, Stage, Store


def test_lanes_follow_the_widest_that_differs_along_the_vector() -> None:
    arrays = Arrays()
    for dtype, lanes in ((F32, 16), (BOOL, 16), (F64, 8), (np.dtype("i8"), 8)):
        x = arrays.new(40, dtype=dtype)
        stage = Stage(True, ((0, Read(x)),), (), (Store(0, x),))
        assert make_form(Nest((), (40,), (stage,), "columns"), 0, 1, 1)[0].lanes == lanes
    counted = Stage(True, ((0, Position(0)),), (), (Store(0, arrays.new(40, dtype=np.dtype("i8"))),))
    assert make_form(Nest((), (40,), (counted,), "columns"), 0, 1, 1)[0].lanes == 8


def test_a_wide_sum_of_narrow_numbers_is_wide() -> None:
    arrays = Arrays()
    x, out = arrays.new(40, dtype=BOOL), arrays.new(dtype=np.dtype("i8"))
    fold = Stage(True, ((0, Read(x)),), (Fold(0, "add", np.dtype("i8"), 1),))
    nest = Nest((), (40,), (fold, Stage(False, (), (), (Store(1, out),))), "columns")
    assert make_form(nest, -1, 1, 1)[0].lanes == 8


def test_strides_along_the_vector_are_classes_and_others_words() -> None:
    arrays = Arrays()
    x = arrays.new(200)
    places = [stepped(x, 20, 1), stepped(x, 0, -1, offset=9), stepped(x, 1, 2), stepped(x, 0, 0)]
    stage = Stage(True, tuple((i, Read(place)) for i, place in enumerate(places)), (), (Store(0, places[0]),))
    form, arguments = make_form(Nest((5,), (10,), (stage,), "columns"), 0, 1, 1)
    assert [x.lane for x in form.passes[0].accesses] == [1, -1, SCATTERED, 0, 1]
    assert arguments.words == [1, 5, 10, 20, 1, 2]
    assert arguments.pointers == [(x.buffer, 0), (x.buffer, 36)]


def test_what_does_not_change_in_a_loop_is_before_it() -> None:
    arrays = Arrays()
    x, r, s = arrays.new(5, 10), arrays.new(5), arrays.new()
    values = (
        (0, Read(stepped(s, 0, 0))),
        (1, apply("exp", 0)),
        (2, Read(stepped(r, 1, 0))),
        (3, apply("multiply", 1, 2)),
        (4, Number(0.1, F32)),
        (5, Read(x)),
        (6, apply("multiply", 5, 3)),
    )
    form, arguments = make_form(Nest((5,), (10,), (Stage(True, values, (), (Store(6, x),)),), "columns"), 0, 1, 1)
    items = form.passes[0].items
    assert [item.depth for item in items] == [0, 0, 1, 1, 0, 2, 2]
    assert [item.varies for item in items] == [False] * 5 + [True] * 2
    assert arguments.words[-2] == int(np.float32(0.1).view(np.int32))


def test_what_an_earlier_stage_writes_is_not_read_before_it() -> None:
    arrays = Arrays()
    x, r = arrays.new(5, 10), arrays.new(5)
    first = Stage(False, ((0, Read(r)), (1, apply("negative", 0))), (), (Store(1, r),))
    second = Stage(True, ((2, Read(stepped(r, 1, 0))), (3, Read(x))), (Fold(3, "add", F32, 4),), (Store(2, x),))
    form, _ = make_form(Nest((5,), (10,), (first, second), "columns"), 0, 1, 1)
    assert [item.early for item in form.passes[1].items] == [False, True]
