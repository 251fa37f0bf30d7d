"""Running sums and products: the bits of NumPy's, in any layout and split."""

from __future__ import annotations

import numpy as np
import pytest
from special_kernels import layouts, same
from special_values import DTYPES, values

from chainrule.ir.op import OPS, Op
from chainrule.testing.draws import draws

RUNNING = (OPS["cumsum"], OPS["cumprod"])


@pytest.mark.parametrize("op", RUNNING, ids=str)
def test_the_cases_of_the_record(op: Op) -> None:
    for draw in draws(op):
        same(op, draw.operands, draw.attrs)


@pytest.mark.parametrize("op", RUNNING, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_shape_axis_and_layout(op: Op, dtype: str) -> None:
    rng = np.random.default_rng(0)
    shapes = (((1,), 0), ((0,), 0), ((20000,), 0), ((3, 0), 0), ((300, 40), 0), ((300, 40), 1), ((5, 2500), 0))
    for shape, axis in (*shapes, ((6, 7, 37), 1), ((2, 3, 4, 5), 2), ((10000, 3), 1)):
        for x in layouts(values(rng, shape, dtype)):
            same(op, [x], {"axis": axis}, rng)
