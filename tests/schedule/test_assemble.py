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


def test_an_array_that_is_not_used_again_is_overwritten_where_it_is() -> None:
    x = y = new(6, 4)
    y = apply("tanh", x)
    for i in range(5):
        at = {"starts": (i, 0), "stops": (i + 1, 4), "steps": (1, 1)}
        y = apply("slice_set", y, part(x, (i, i + 1), (0, 4)), **at)
    assert words(planned([x], [y])) == ["nest tanh", *["nest slice_set"] * 5]


def test_an_array_that_becomes_wider_is_copied() -> None:
    x, y = new(6), new(3, dtype="float64")
    whole = apply("cast", apply("rint", x), dtype="int64")
    planned([x, y], [apply("slice_set", whole, y, starts=(0,), stops=(6,), steps=(2,))])


def test_an_array_that_is_used_again_is_copied_before_it_is_overwritten() -> None:
    x = new(6, 4)
    at = {"starts": (1, 0), "stops": (2, 4), "steps": (1, 1)}
    y, row = apply("tanh", x), part(x, (0, 1), (0, 4))
    late = apply("sum", apply("slice_set", y, row, **at), axes=(0,))
    planned([x], [apply("add", y, late)])
    planned([x], [apply("slice_set", y, row, **at), y])
    same = apply("flip", apply("flip", y, axes=(0,)), axes=(0,))
    planned([x], [apply("slice_set", same, row, **at), apply("multiply", y, late)])
    planned([x], [apply("slice_set", y, part(y, (0, 1), (0, 4)), **at)])
    planned([x], [apply("slice_set", x, row, **at)], [(0, 0)])
    for number_of in ("full", "iota"):
        attrs = {"shape": (6,), "value": 1.0} if number_of == "full" else {"length": 6}
        blank = apply(number_of, dtype="float32", **attrs)
        planned([x], [apply("slice_set", blank, part(late, (0, 2)), starts=(1,), stops=(3,), steps=(1,))])


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
