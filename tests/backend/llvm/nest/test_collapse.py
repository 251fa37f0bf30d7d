from __future__ import annotations

import numpy as np
import pytest
from nest_calls import compare
from nest_generator import generated
from nest_meaning import run
from nest_parts import Arrays, apply, stepped

from chainrule.backend.llvm.nest.collapse import collapse, is_free
from chainrule.schedule.plan import Fold, Nest, Number, Position, Read, Stage, Store


def elementwise(rows: tuple[int, ...], x: tuple[int, ...], y: tuple[int, ...]) -> Nest:
    arrays = Arrays()
    place, out = arrays.new(64), arrays.new(64)
    stage = Stage(True, ((0, Read(stepped(place, *x))),), (), (Store(0, stepped(out, *y)),))
    return Nest((), rows, (stage,), "columns")


def axes_of(nest: Nest) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return nest.rows, nest.columns


def test_dense_axes_are_one() -> None:
    assert axes_of(collapse(elementwise((2, 1, 4, 8), (32, 32, 8, 1), (32, 0, 8, 1)))) == ((), (64,))


def test_a_repeated_axis_stays() -> None:
    assert axes_of(collapse(elementwise((4, 8), (0, 1), (8, 1)))) == ((4,), (8,))


def test_arrays_in_another_order_are_one() -> None:
    assert axes_of(collapse(elementwise((8, 4), (1, 8), (1, 8)))) == ((), (32,))


def test_the_vector_lies_where_it_is_written_side_by_side() -> None:
    nest = collapse(elementwise((8, 4), (4, 1), (1, 8)))
    assert axes_of(nest) == ((4,), (8,))
    assert nest.stages[0].stores[0].place.strides == (8, 1)


def test_what_all_goes_backwards_goes_forwards() -> None:
    nest = collapse(elementwise((8,), (-1,), (-2,)))
    place = nest.stages[0].stores[0].place
    assert (place.strides, place.offset) == ((2,), -14)


def test_an_index_keeps_its_axis() -> None:
    arrays = Arrays()
    out = arrays.new(4, 8)
    stage = Stage(True, ((0, Position(1)), (1, Position(0))), (), (Store(0, out), Store(1, arrays.new(4, 8))))
    nest = collapse(Nest((4,), (8, 1), (stage,), "columns"))
    assert axes_of(nest) == ((4,), (8,))
    gone = Stage(True, ((0, Position(1)),), (), (Store(0, stepped(out, 1, 1)),))
    assert isinstance(collapse(Nest((8,), (1,), (gone,), "columns")).stages[0].values[0][1], Number)


def test_reduced_axes_keep_their_order() -> None:
    arrays = Arrays()
    x, out = arrays.new(4, 2, 3, 5), arrays.new(4)
    fold = Stage(True, ((0, Read(x)),), (Fold(0, "add", x.dtype, 1),))
    nest = Nest((4,), (2, 3, 5), (fold, Stage(False, (), (), (Store(1, out),))), "columns")
    assert axes_of(collapse(nest)) == ((4,), (30,))
    turned = Stage(True, ((0, Read(stepped(x, 30, 1, 10, 2))),), (Fold(0, "add", x.dtype, 1),))
    nest = Nest((4,), (2, 3, 5), (turned, Stage(False, (), (), (Store(1, out),))), "columns")
    assert axes_of(collapse(nest)) == ((4,), (2, 15))


def test_a_cut_reduction_counts_its_chunks() -> None:
    arrays = Arrays()
    x, out = arrays.new(60), arrays.new(3)
    fold = Stage(True, ((0, Read(stepped(x, 20, 5, 1))),), (Fold(0, "add", x.dtype, 1),))
    rest = Stage(False, (), (), (Store(1, out),))
    nest = collapse(Nest((3,), (4, 5), (fold, rest), "columns", clip=11))
    assert (*axes_of(nest), nest.clip) == ((3,), (20,), 55)
    single = collapse(Nest((1,), (4, 5), (fold, rest), "columns", clip=3))
    assert (*axes_of(single), single.clip) == ((1,), (15,), None)


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_the_meaning_stays(first: int) -> None:
    for seed in range(first, first + 50):
        nest, memory = generated(seed)
        if not is_free(nest) and nest.along == "columns":
            continue  # what is in which lane follows from the collapsed nest
        small = {buffer: bytes_.copy() for buffer, bytes_ in memory.items()}
        run(nest, memory, 0)
        run(collapse(nest), small, 0)
        compare(collapse(nest), small, memory)


def test_operations_are_not_touched() -> None:
    arrays = Arrays()
    x = arrays.new(8)
    stage = Stage(True, ((0, Read(x)), (1, apply("add", 0, 0))), (), (Store(1, x),))
    nest = collapse(Nest((), (8,), (stage,), "columns"))
    assert nest.stages[0].values[1] == stage.values[1]
    assert np.array_equal(nest.columns, (8,))
