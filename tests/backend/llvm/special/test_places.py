"""Gather, scatter, permute_along, in_range: the bits of NumPy, whatever the layout, dtype, size and split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from special_kernels import drawn, layouts, run, same
from special_values import DTYPES, INDEX_DTYPES, index, values

from chainrule.backend.llvm.special import check
from chainrule.errors import OutOfRangeError
from chainrule.ir.node import Node, input_value
from chainrule.ir.op import OPS, Op
from chainrule.testing.draws import draws
from chainrule.types import type_of
from chainrule.where import Where

PLACED = tuple(OPS[name] for name in ("gather", "scatter_add", "scatter_set", "permute_along", "in_range"))


SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, ...], ...]], ...] = (
    ((7,), (0,), ((),)),
    ((7,), (0,), ((1,),)),
    ((50,), (0,), ((20000,),)),
    ((50, 1), (0,), ((3, 40),)),
    ((50, 13), (0,), ((33,),)),
    ((50, 784), (0,), ((64,),)),
    ((5, 70000), (0,), ((3,),)),
    ((5, 300, 70), (0,), ((3, 2),)),
    ((6, 5, 4), (1,), ((2, 3),)),
    ((6, 5, 4), (2, 0), ((2, 1), (3,))),
    ((6, 5), (0, 1), ((40,), (40,))),
    ((6, 5, 4, 3), (2, 0), ((3, 1, 2), (4, 1))),
    ((6, 0), (0,), ((3,),)),
    ((6, 4), (0,), ((0,),)),
    ((0, 4), (0,), ((0, 3),)),
)


@pytest.mark.parametrize("op", PLACED, ids=str)
def test_the_cases_of_the_record(op: Op) -> None:
    for draw in draws(op):
        same(op, draw.operands, draw.attrs)


@pytest.mark.parametrize(("shape", "axes", "shapes"), SHAPES, ids=str)
def test_gather(shape: tuple[int, ...], axes: tuple[int, ...], shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    for number, dtype in enumerate(DTYPES):
        kind = INDEX_DTYPES[number % 3]
        indices = [index(rng, own, shape[axis], kind) for own, axis in zip(shapes, axes, strict=True)]
        x = values(rng, shape, dtype)
        for layout in layouts(x) if x.size < 100_000 else [x]:
            same(OPS["gather"], [layout, *indices], {"axes": axes}, rng)
        for layout in layouts(indices[0]):
            same(OPS["gather"], [x, layout, *indices[1:]], {"axes": axes}, rng)


@pytest.mark.parametrize("op", [OPS["scatter_add"], OPS["scatter_set"]], ids=str)
@pytest.mark.parametrize(("shape", "axes", "shapes"), SHAPES, ids=str)
def test_scatter(op: Op, shape: tuple[int, ...], axes: tuple[int, ...], shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    rest = tuple(n for axis, n in enumerate(shape) if axis not in axes)
    for number, dtype in enumerate(DTYPES):
        kind = INDEX_DTYPES[number % 3]
        indices = [index(rng, own, shape[axis], kind) for own, axis in zip(shapes, axes, strict=True)]
        x = values(rng, shape, dtype)
        updates = values(rng, np.broadcast_shapes(*shapes) + rest, dtype)
        for layout in layouts(updates) if updates.size < 100_000 else [updates]:
            same(op, [x, layout, *indices], {"axes": axes}, rng)
        for layout in layouts(x)[1:] if x.size < 100_000 else ():
            same(op, [layout, updates, *indices], {"axes": axes}, rng)


@pytest.mark.parametrize("op", [OPS["scatter_add"], OPS["scatter_set"]], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("other", DTYPES)
def test_scatter_of_updates_of_another_dtype(op: Op, dtype: str, other: str) -> None:
    rng = np.random.default_rng(1)
    for shape, rest in (((9,), ()), ((9, 37), (37,))):
        x, updates = values(rng, shape, dtype), values(rng, (100, *rest), other)
        same(op, [x, updates, index(rng, (100,), 9, "int64")], {"axes": (0,)})


def test_scatter_of_a_python_number_is_added_as_numpy_adds_it() -> None:
    rng = np.random.default_rng(2)
    for number in (0.1, 3):
        for op in (OPS["scatter_add"], OPS["scatter_set"]):
            for _ in range(20):
                x = rng.normal(size=4).astype(np.float32)
                same(op, [x, number, np.int64(rng.integers(-4, 4))], {"axes": (0,)})


def test_permute_along() -> None:
    rng = np.random.default_rng(3)
    for shape, axis in (((1,), 0), ((9000,), 0), ((40, 300), 1), ((40, 300), 0), ((3, 0), 1), ((4, 5, 6), 1)):
        for dtype in DTYPES:
            x, order = values(rng, shape, dtype), rng.random(shape).argsort(axis)
            for layout in layouts(x):
                same(OPS["permute_along"], [layout, order], {"axis": axis}, rng)
            turned = order.astype(np.int32) - (order % 2 * shape[axis]).astype(np.int32)
            same(OPS["permute_along"], [x, turned], {"axis": axis}, rng)


def test_in_range() -> None:
    rng = np.random.default_rng(4)
    for shape in ((), (0,), (1,), (20000,), (30, 40), (3, 4, 5)):
        for dtype in INDEX_DTYPES:
            x = rng.integers(0, 10, shape).astype(dtype)
            for layout in layouts(x):
                same(OPS["in_range"], [layout], {"length": 10}, rng)
            same(OPS["in_range"], [x], {"length": 2**40}, rng)


def refuse(op: Op, operands: list[Any], attrs: dict[str, Any], position: int) -> None:
    _, status = run(op, operands, attrs)
    assert status == position + 1
    assert run(op, operands, attrs, drawn(np.random.default_rng(0)))[1]
    types = [type_of(x) for x in operands]
    out = op.infer(*types, **attrs)
    assert not isinstance(out, tuple)
    node = Node(op, tuple(map(input_value, types)), attrs, (out,))
    with pytest.raises((OutOfRangeError, IndexError)):
        check(node, operands)


@pytest.mark.parametrize("rest", [(), (5,), (0,), (40_000,), (3, 4)])
def test_an_index_out_of_range_is_found_wherever_it_is(rest: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    x = values(rng, (6, *rest), "float32")
    for position in range(8):
        for wrong in (6, -7, 2**40, -(2**40), 2**63 - 1, -(2**63)):
            rows = index(rng, (2, 4), 6, "int64")
            rows.reshape(-1)[position] = wrong
            updates = values(rng, (2, 4, *rest), "float32")
            refuse(OPS["gather"], [x, rows], {"axes": (0,)}, position)
            refuse(OPS["scatter_add"], [x, updates, rows], {"axes": (0,)}, position)
            refuse(OPS["scatter_set"], [x, updates, rows], {"axes": (0,)}, position)


def test_the_error_names_the_line_of_the_node() -> None:
    types = [type_of(np.zeros(3)), type_of(np.zeros(2, np.int64))]
    inputs = tuple(map(input_value, types))
    node = Node(OPS["gather"], inputs, {"axes": (0,)}, (type_of(np.zeros(2)),), Where("model.py", 7))
    with pytest.raises(OutOfRangeError, match=r"got 5 at model\.py:7"):
        check(node, [np.zeros(3), np.array([0, 5])])
    check(node, [np.zeros(3), np.array([0, 2])])


def test_each_of_several_indices_is_looked_at() -> None:
    x = np.zeros((3, 4, 5))
    for number, n in enumerate((3, 5)):
        for wrong in (n, -n - 1):
            indices = [np.zeros((2, 1), np.int32), np.zeros(3, np.int32)]
            indices[number][-1] = wrong
            refuse(OPS["gather"], [x, *indices], {"axes": (0, 2)}, 3 if number == 0 else 2)


def test_nothing_can_be_taken_from_an_axis_of_no_element() -> None:
    refuse(OPS["gather"], [np.zeros((0, 3)), np.zeros(2, np.uint8)], {"axes": (0,)}, 0)
    refuse(OPS["in_range"], [np.zeros(2, np.uint8)], {"length": 0}, 0)


def test_labels_out_of_range_are_found_wherever_they_are() -> None:
    for dtype in INDEX_DTYPES:
        for wrong in (10, 200, -1):
            if dtype == "uint8" and wrong < 0:
                continue
            for position in range(12):
                x = np.zeros((3, 4), dtype)
                x.reshape(-1)[position] = wrong
                refuse(OPS["in_range"], [x], {"length": 10}, position)
    order = np.arange(6).reshape(2, 3) % 3
    order[1, 0] = 3
    refuse(OPS["permute_along"], [np.zeros((2, 3)), order], {"axis": 1}, 3)
