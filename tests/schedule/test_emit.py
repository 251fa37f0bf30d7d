from __future__ import annotations

import pytest
from planned import apply, nest, new, number, planned

from chainrule.schedule.plan import Compute, Number, Position, Read


def test_passes_over_the_columns_and_what_is_computed_once_for_a_row() -> None:
    x = new(7, 30)
    total = apply("reshape", apply("sum", apply("square", x), axes=(1,)), shape=(7, 1))
    found = nest(planned([x], [apply("multiply", x, apply("sqrt", total))]))
    assert (found.rows, found.columns, found.along) == ((7,), (30,), "columns")
    assert [stage.columns for stage in found.stages] == [True, False, True]
    assert [len(stage.folds) for stage in found.stages] == [1, 0, 0]


def test_the_vector_lies_along_what_is_contiguous() -> None:
    x = new(40, 30)
    assert nest(planned([x], [apply("sum", x, axes=(0,))])).along == "rows"
    assert nest(planned([x], [apply("sum", x, axes=(1,))])).along == "columns"
    turned = apply("transpose", x, axes=(1, 0))
    found = nest(planned([x], [apply("sum", turned, axes=(0,))]))
    assert (found.rows, found.columns, found.along) == ((40,), (30,), "columns")


def test_few_columns_are_summed_in_many_rows_at_once() -> None:
    x = new(40, 5)
    assert nest(planned([x], [apply("softmax", x, axes=(1,))])).along == "rows"


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_how_many_rows_there_are_makes_no_difference(rows: int) -> None:
    x = new(rows, 5)
    assert nest(planned([x], [apply("softmax", x, axes=(1,))])).along == "rows"
    found = nest(planned([x], [apply("sum", x, axes=(0, 1))]))
    assert (found.rows, found.columns, found.along) == ((), (rows, 5), "columns")


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_one_column_is_no_axis(rows: int) -> None:
    x = new(rows, 1)
    found = nest(planned([x], [apply("sum", x, axes=(0,))]))
    assert (found.rows, found.columns, found.along) == ((), (rows,), "columns")
    found = nest(planned([x], [apply("sum", x, axes=(1,))]))
    assert (found.rows, found.columns, found.along) == ((rows,), (1,), "rows")


def test_equal_numbers_are_two_values() -> None:
    x = new(7)
    out = apply("add", apply("multiply", x, number(2)), apply("divide", x, number(2.0)))
    values = [value for _, value in nest(planned([x], [out])).stages[0].values]
    assert [value.value for value in values if isinstance(value, Number)] == [2.0, 2.0]


def test_values_that_are_dear_are_kept_for_a_later_pass_and_cheap_ones_computed_again() -> None:
    x = new(7, 30)

    def computed(name: str) -> int:
        y = apply(name, x)
        total = apply("reshape", apply("sum", y, axes=(1,)), shape=(7, 1))
        found = nest(planned([x], [apply("multiply", y, total)]))
        values = [value for stage in found.stages for _, value in stage.values]
        return sum(isinstance(value, Compute) and value.op.name == name for value in values)

    assert (computed("exp"), computed("square")) == (1, 2)


def test_an_array_that_is_read_twice_is_loaded_once() -> None:
    x = new(7)
    found = nest(planned([x], [apply("multiply", x, apply("add", x, x))]))
    assert sum(isinstance(value, Read) for _, value in found.stages[0].values) == 1


def test_counts_are_positions() -> None:
    x = new(7, 5)
    found = nest(planned([x], [apply("add", x, apply("iota", length=5, dtype="float32"))]))
    (position,) = [value for _, value in found.stages[0].values if isinstance(value, Position)]
    assert position.axis == 1
    turned = apply("transpose", x, axes=(1, 0))
    planned([x], [apply("sum", apply("add", turned, apply("iota", length=7, dtype="float32")), axes=(0,))])


def test_a_reduction_along_no_axis() -> None:
    x = new(3, 4)
    total = apply("sum", apply("square", x), axes=())
    planned([x], [total, apply("divide", x, total)])


def test_an_array_without_axes_is_one_column() -> None:
    x = new()
    assert (nest(planned([x], [apply("tanh", x)])).rows, nest(planned([x], [apply("tanh", x)])).columns) == ((), (1,))
