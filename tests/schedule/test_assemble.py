from __future__ import annotations

import numpy as np
import pytest
from planned import apply, new, number, part, planned, words

from chainrule.ir.graph import ArrayRef
from chainrule.schedule.assemble import known_numbers


def test_numbers_and_counts_are_nowhere_in_memory() -> None:
    x = new(3)
    ones = apply("full", shape=(3,), value=1.0, dtype="float32")
    counts = apply("iota", length=3, dtype="float32")
    assert words(planned([x], [apply("add", apply("multiply", x, ones), counts)])) == ["nest multiply add"]


def test_one_count_is_the_number_zero() -> None:
    view = known_numbers(apply("iota", length=1, dtype="int32").node)
    assert view.base.number == 0 and view.base.number.dtype == np.int32
    x = new(5)
    planned([x], [apply("add", x, apply("iota", length=1, dtype="float32"))])


def test_arrays_that_are_held_are_read_where_they_are() -> None:
    x = new(3)
    held = np.arange(3, dtype=np.float32)[::-1]
    plan = planned([x], [apply("add", x, number(ArrayRef(held)))])
    (buffer,) = {x.place.buffer for _, x in plan.steps[0].stages[0].values if hasattr(x, "place")} - {plan.inputs[0]}
    assert (buffer.kind, buffer.array is held) == ("constant", True)


@pytest.mark.parametrize("axis", [0, 1])
def test_joined_arrays_are_written_part_by_part(axis: int) -> None:
    x, y = new(3, 3), new(3, 3, dtype="float64")
    empty = part(x, (0, 0), (0, 3)) if axis == 0 else part(x, (0, 3), (0, 0))
    plan = planned([x, y], [apply("concatenate", x, empty, y, axis=axis)])
    assert words(plan) == ["nest concatenate"] * 2


def test_padding_and_overwriting() -> None:
    x = new(3, 4)
    planned([x], [apply("pad", x, number(2.5), widths=((1, 0), (0, 2)))])
    attrs = {"starts": (0, 1), "stops": (3, 4), "steps": (2, 2)}
    planned([x], [apply("slice_set", x, part(x, (1, 3), (0, 2)), **attrs)])


COUNTS = {
    "backwards": lambda i: apply("flip", i, axes=(0,)),
    "in part": lambda i: part(i, (1, 5, 2)),
    "one": lambda i: part(i, (3, 4)),
    "the first": lambda i: part(i, (0, 1)),
    "alone": lambda i: apply("reshape", part(i, (3, 4)), shape=()),
    "in columns": lambda i: apply("broadcast_to", apply("reshape", i, shape=(5, 1)), shape=(5, 3)),
    "in rows": lambda i: apply("broadcast_to", i, shape=(2, 5)),
}


@pytest.mark.parametrize("way", COUNTS)
def test_counts_seen_in_any_way(way: str) -> None:
    """As an output, as an operand, and joined with others."""
    seen = COUNTS[way](apply("iota", length=5, dtype="float32"))
    x = new(*seen.shape)
    planned([x], [seen])
    planned([x], [apply("add", x, seen)])
    if seen.shape:
        planned([x], [apply("concatenate", x, seen, axis=0)])
