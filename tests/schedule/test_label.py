from __future__ import annotations

import numpy as np
import pytest
from planned import apply, new, planned, words

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph, Value
from chainrule.schedule.label import MOST_CLASSES, picked, put


def rows(count: int) -> Value:
    return apply("reshape", apply("iota", length=count, dtype="int64"), shape=(count, 1))


def picking(count: int, classes: int, known: bool = True) -> tuple[tuple[Value, ...], Value]:
    """The elements of each row that labels name, which are known to be in range."""
    x, labels = new(count, classes), new(count, dtype="int64")
    index = apply("in_range", labels, length=classes) if known else labels
    index = apply("reshape", index, shape=(count, 1))
    return (x, labels), apply("gather", x, rows(count), index, axes=(0, 1))


def test_an_element_of_each_row_is_the_largest_of_selected_ones() -> None:
    inputs, out = picking(4, 3)
    assert words(planned(inputs, (out,))) == ["special in_range", "nest equal select max"]


@pytest.mark.parametrize("value", [-0.0, 0.0, np.inf, np.nan, 3.5])
def test_what_is_picked_is_the_element_itself(value: float) -> None:
    (x, labels), out = picking(2, 3)
    given = [np.array([[np.nan, value, np.inf], [value, np.nan, 1]], np.float32), np.array([1, 0])]
    found = picked(out.node)
    assert found is not None
    (got,) = evaluate(Graph((x, labels), (found,)), given)
    assert got.tobytes() == np.full((2, 1), value, np.float32).tobytes()


def test_labels_that_may_be_out_of_range_are_gathered() -> None:
    inputs, out = picking(4, 3, known=False)
    assert picked(out.node) is None
    assert words(planned(inputs, (out,)))[-1] == "special gather"


def test_many_classes_are_gathered() -> None:
    assert picked(picking(2, MOST_CLASSES + 1)[1].node) is None


def test_other_rows_than_its_own_are_gathered() -> None:
    x, labels = new(4, 3), new(4, dtype="int64")
    index = apply("reshape", apply("in_range", labels, length=3), shape=(4, 1))
    other = apply("reshape", apply("iota", length=3, dtype="int64"), shape=(3, 1))
    assert picked(apply("gather", x, other, part_of(index), axes=(0, 1)).node) is None


def part_of(index: Value) -> Value:
    return apply("slice", index, starts=(0, 0), stops=(3, 1), steps=(1, 1))


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_numbers_put_at_labels_are_selected(zero: float) -> None:
    updates, labels = new(4, 1), new(4, dtype="int64")
    index = apply("reshape", apply("in_range", labels, length=3), shape=(4, 1))
    blank = apply("full", shape=(4, 3), value=zero, dtype="float32")
    out = apply("scatter_add", blank, updates, rows(4), index, axes=(0, 1))
    given = [np.array([[1.0], [-0.0], [np.inf], [np.nan]], np.float32), np.array([2, 0, 1, 0])]
    found = put(out.node)
    assert found is not None
    got, wanted = (evaluate(Graph((updates, labels), (value,)), given)[0] for value in (found, out))
    assert np.array_equal(got, wanted, equal_nan=True)
    assert np.array_equal(np.signbit(got), np.signbit(wanted))


def test_numbers_added_to_others_are_scattered() -> None:
    x, updates, labels = new(4, 3), new(4, 1), new(4, dtype="int64")
    index = apply("reshape", apply("in_range", labels, length=3), shape=(4, 1))
    assert put(apply("scatter_add", x, updates, rows(4), index, axes=(0, 1)).node) is None
