from __future__ import annotations

import pytest
from planned import apply, nest, new, planned, words

from chainrule.schedule.cut import merge_columns
from chainrule.schedule.plan import COLUMN_CHUNK, CONTRACT_STRIP, ROW_WHOLE, Contraction, Nest


@pytest.mark.parametrize("length", [COLUMN_CHUNK, COLUMN_CHUNK + 1, 3 * COLUMN_CHUNK + 17])
@pytest.mark.parametrize("name", ["sum", "max"])
def test_long_reductions_along_the_vector_are_cut(length: int, name: str) -> None:
    x = new(length)
    plan = planned([x], [apply(name, apply("square", x), axes=(0,))])
    parts = -(-length // COLUMN_CHUNK)
    assert len(plan.steps) == (1 if parts == 1 else 2)
    first = nest(plan)
    if parts > 1:
        assert (first.rows, first.columns, first.clip) == ((parts,), (COLUMN_CHUNK,), length)
        assert nest(plan, 1).columns == (parts,)


@pytest.mark.parametrize("rows", [ROW_WHOLE, ROW_WHOLE + 1, 5 * ROW_WHOLE + 3])
def test_reductions_over_many_rows_are_cut(rows: int) -> None:
    x = new(rows, 40)
    plan = planned([x], [apply("sum", apply("exp", x), axes=(0,))])
    assert (nest(plan).clip is None) == (rows <= ROW_WHOLE)


def test_what_follows_a_long_reduction_follows_its_parts() -> None:
    x, b = new(20_000), new()
    plan = planned([x, b], [apply("subtract", b, apply("sum", x, axes=(0,)))], [(1, 0)])
    assert words(plan) == ["nest sum subtract"] * 2
    assert len(nest(plan, 1).stages) == 2


def test_elements_that_are_stored_on_the_way() -> None:
    x = new(20_001)
    y = apply("tanh", x)
    planned([x], [y, apply("sum", y, axes=(0,)), apply("max", y, axes=(0,))])


def test_counts_go_on_from_part_to_part() -> None:
    x = new(3 * COLUMN_CHUNK + 5)
    count = apply("iota", length=x.shape[0], dtype="float32")
    plan = planned([x], [apply("sum", apply("multiply", x, count), axes=(0,)), apply("max", count, axes=(0,))])
    assert any(isinstance(step, Nest) and step.clip is not None for step in plan.steps)


def test_columns_of_several_axes() -> None:
    for shape, axes in (((30, 7, 100), (0, 1, 2)), ((30, 7, 100), (0, 2)), ((700, 3, 2), (0,)), ((5, 600, 4), (1, 2))):
        x = new(*shape)
        planned([x], [apply("sum", x, axes=axes), apply("any", apply("isinf", x), axes=axes)])
        turned = apply("transpose", x, axes=(2, 0, 1))
        planned([x], [apply("sum", turned, axes=axes)])


def test_neighbouring_columns_become_one_axis() -> None:
    x = new(3, 4, 5)
    found = nest(planned([x], [apply("sum", x, axes=(1, 2))]))
    assert found.columns == (4, 5)
    assert merge_columns(found).columns == (20,)
    turned = apply("transpose", x, axes=(0, 2, 1))
    y = new(3, 5, 4)
    assert len(merge_columns(nest(planned([x, y], [apply("sum", apply("add", turned, y), axes=(1, 2))]))).columns) == 2


def test_long_products_have_what_follows_behind_them() -> None:
    long = CONTRACT_STRIP + 1
    for shape in ((2, long), (long,)):
        x, y = new(*shape), new(long, 3)
        axis = len(shape) - 1
        z = apply("dot_general", x, y, contract=((axis,), (0,)), batch=((), ()))
        plan = planned([x, y], [apply("tanh", z)])
        assert words(plan)[-1] == "nest tanh"
    x, y = new(long), new(long)
    out = apply("tanh", apply("dot_general", x, y, contract=((0,), (0,)), batch=((), ())))
    assert not any(isinstance(step, Contraction) and step.epilogue for step in planned([x, y], [out]).steps)
