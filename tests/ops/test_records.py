"""The tests that follow from the records: every operation, by every check that has a meaning for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from op_table import MODES as COLUMNS
from op_table import OP_CHECKS

from chainrule.ir.graph import INPUT
from chainrule.ir.kinds import REALS
from chainrule.ir.op import Op
from chainrule.testing.catalog import records
from chainrule.testing.draws import APART, NEAR, draws
from chainrule.testing.suite import MODES, modes

RECORDS = [op for op in records() if op is not INPUT]


@pytest.mark.parametrize("op", RECORDS, ids=str)
def test_record_has_cases(op: Op) -> None:
    assert op.cases, f"{op}: give the record cases, its tests are made from them"


@pytest.mark.parametrize(
    ("op", "mode"), [pytest.param(op, mode, id=f"{op}-{mode}") for op in RECORDS for mode in modes(op)]
)
def test_record(op: Op, mode: str, record_property: Callable[[str, object], None]) -> None:
    count = MODES[mode](op)
    assert count > 0
    record_property(OP_CHECKS, (op.name, mode, count))


@pytest.mark.parametrize("op", RECORDS, ids=str)
def test_operands_come_from_the_whole_domain(op: Op) -> None:
    near = total = 0
    for draw in draws(op):
        for i in draw.floating if draw.case.make is None else ():
            domain = draw.case.domains[i] if i < len(draw.case.domains) else REALS
            x = draw.operands[i]
            assert np.all((domain.low < x) & (x < domain.high))
            assert all(np.all(np.abs(x - point) >= APART) for point in domain.avoid)
            near += np.sum(np.minimum(x - domain.low, domain.high - x) <= NEAR)
            total += x.size
    assert near >= total / 10


def test_every_record_is_drawn_alike_at_every_call() -> None:
    op = next(op for op in RECORDS if op.name == "log")
    first = [draw.operands for draw in draws(op)]
    draws.cache_clear()
    assert all(np.array_equal(x, y) for x, y in zip(first, (d.operands for d in draws(op)), strict=True))


def test_the_table_has_a_column_for_every_kind_of_check() -> None:
    assert tuple(MODES) == COLUMNS
