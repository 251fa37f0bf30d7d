"""argmax and argmin: the first of equals, NaN before all, in any layout and split."""

from __future__ import annotations

import numpy as np
import pytest
from special_kernels import layouts, same
from special_values import DTYPES, few, values

from chainrule.ir.op import OPS, Op
from chainrule.testing.draws import draws

CHOICES = (OPS["argmax"], OPS["argmin"])


@pytest.mark.parametrize("op", CHOICES, ids=str)
def test_the_cases_of_the_record(op: Op) -> None:
    for draw in draws(op):
        same(op, draw.operands, draw.attrs)


@pytest.mark.parametrize("op", CHOICES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_shape_axis_and_layout(op: Op, dtype: str) -> None:
    rng = np.random.default_rng(0)
    shapes = (((1,), 0), ((20000,), 0), ((0, 3), 1), ((300, 10), 1), ((300, 10), 0), ((9, 2500), 1), ((9, 2500), 0))
    for shape, axis in (*shapes, ((6, 7, 37), 1), ((2, 3, 4, 5), 2), ((3, 1), 1), ((40, 100), 1)):
        for make in (values, few):
            for x in layouts(make(rng, shape, dtype)):
                same(op, [x], {"axis": axis}, rng)


@pytest.mark.parametrize("op", CHOICES, ids=str)
def test_the_first_of_equals_wherever_it_is(op: Op) -> None:
    rng = np.random.default_rng(1)
    for n in (1, 7, 16, 17, 64, 1040, 5000):
        for special in (9.0, -9.0, np.nan):
            x = rng.normal(size=(6, n)).astype(np.float32)
            for row in x:
                row[rng.integers(0, n, 3)] = special
            same(op, [x], {"axis": 1}, rng)


def test_the_largest_integers() -> None:
    for dtype in (np.int32, np.int64):
        ends = np.iinfo(dtype)
        x = np.array([[0, ends.min, ends.max, ends.max, ends.min] * 20], dtype)
        for op in CHOICES:
            same(op, [x], {"axis": 1})
