from __future__ import annotations

import itertools

import numpy as np
import pytest
from planned import apply, check, new, number

from chainrule.ir.graph import Graph
from chainrule.schedule.promote import as_number, promoted
from chainrule.schedule.schedule import schedule
from chainrule.types import Type


def dtypes_of(name: str, *values: object) -> list[str]:
    operands = [x if hasattr(x, "node") else number(x) for x in values]
    node = apply(name, *operands).node
    return [d.name for d in promoted(node, [x.type for x in operands], [not hasattr(x, "node") for x in values])]


def test_a_python_scalar_takes_its_partners_dtype() -> None:
    assert dtypes_of("add", new(3), 1.5) == ["float32", "float32"]
    assert dtypes_of("add", new(3, dtype="uint8"), 1) == ["uint8", "uint8"]
    assert dtypes_of("add", new(3, dtype="int32"), 0.5) == ["int32", "float64"]
    assert dtypes_of("select", new(3, dtype="bool"), new(3), 0) == ["bool", "float32", "float32"]


def test_two_scalars_keep_theirs() -> None:
    assert dtypes_of("add", 1, 2.5) == ["int64", "float64"]


@pytest.mark.parametrize(("value", "dtype"), [(255, "uint8"), (256, "int64"), (-1, "int64")])
def test_numbers_that_a_dtype_does_not_hold_stay_whole(value: int, dtype: str) -> None:
    assert as_number(value, np.dtype(np.uint8)) == (value, np.dtype(dtype))


DTYPES = ("uint8", "int32", "int64", "bool", "float32")
OPERATIONS = ("divide", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal")


@pytest.mark.parametrize(("name", "dtype"), list(itertools.product(OPERATIONS, DTYPES)))
def test_whole_numbers_out_of_range(name: str, dtype: str) -> None:
    x = new(6, dtype=dtype)
    array = np.array([0, 1, 2, 127, 255, 100]).astype(dtype)
    for value in (-1, 0, 255, 256, 2**31, -(2**40)):
        y = new(dtype="int64", weak=True)
        for operands in ((x, y), (y, x)):
            graph = Graph((x, y), (apply(name, *operands),))
            check(schedule(graph), graph, [array, value])
        graph = Graph((x,), (apply(name, x, number(value)),))
        check(schedule(graph), graph, [array])


def test_weak_operands_in_every_place() -> None:
    for dtype in ("float32", "float64", "int32", "int64", "uint8", "bool"):
        for value in (2, 0.5):
            x, y = new(5, dtype=dtype), new(dtype=Type((), np.asarray(value).dtype).dtype.name, weak=True)
            outputs = [apply("multiply", x, y), apply("add", y, x), apply("select", new_mask(x), y, x)]
            graph = Graph((x, y), tuple(outputs))
            check(schedule(graph), graph, [np.arange(5).astype(dtype), value])


def new_mask(x):
    return apply("greater", x, apply("cast", number(1), dtype=x.dtype.name) if x.dtype.kind != "b" else number(False))
