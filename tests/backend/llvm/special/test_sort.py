"""sort, argsort, searchsorted: stable, NaN last, zeros of both signs equal, whatever the layout and the split."""

from __future__ import annotations

import numpy as np
import pytest
from special_kernels import layouts, same
from special_values import DTYPES, few, values

from chainrule.ir.op import OPS, Op
from chainrule.testing.draws import draws

SORTS = (OPS["sort"], OPS["argsort"])
SEARCH = OPS["searchsorted"]


@pytest.mark.parametrize("op", [*SORTS, SEARCH], ids=str)
def test_the_cases_of_the_record(op: Op) -> None:
    for draw in draws(op):
        same(op, draw.operands, draw.attrs)


@pytest.mark.parametrize("op", SORTS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_shape_axis_and_layout(op: Op, dtype: str) -> None:
    rng = np.random.default_rng(0)
    shapes = (((1,), 0), ((0,), 0), ((3, 0), 0), ((300, 10), 1), ((300, 10), 0), ((6, 7, 37), 1), ((5, 2500), 1))
    for shape, axis in shapes:
        for make in (values, few):
            for x in layouts(make(rng, shape, dtype)):
                same(op, [x], {"axis": axis}, rng)


@pytest.mark.parametrize("op", SORTS, ids=str)
@pytest.mark.parametrize("n", [*range(2, 20), 31, 64, 100, 1000, 16384, 16385, 40000, 70000])
def test_rows_of_any_length(op: Op, n: int) -> None:
    rng = np.random.default_rng(n)
    for dtype in ("float32", "int64", "float64") if n < 40000 else ("float64",):
        for x in (few(rng, (2, n), dtype), values(rng, (2, n), dtype), np.sort(values(rng, (2, n), dtype))[:, ::-1]):
            same(op, [x], {"axis": 1}, rng)
    if n >= 40000:
        same(op, [values(rng, (n, 2), "float32")], {"axis": 0}, rng)


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side: str) -> None:
    rng = np.random.default_rng(2)
    for dtype in DTYPES:
        for other in sorted({dtype, "float64", "int32"}):
            for n in (0, 1, 2, 3, 50):
                x = np.sort(few(rng, (n,), dtype))
                for shape in ((), (0,), (2, 300)):
                    for y in layouts(few(rng, shape, other))[:2]:
                        same(SEARCH, [x, y], {"side": side}, rng)
    x = np.sort(values(rng, (5000,), "float32"))
    for layout in (x, np.repeat(x, 2)[::2], np.ascontiguousarray(x[::-1])[::-1]):
        same(SEARCH, [layout, values(rng, (3000,), "float64")], {"side": side}, rng)
        same(SEARCH, [layout, 0.1], {"side": side}, rng)
        same(SEARCH, [layout, 1], {"side": side}, rng)
