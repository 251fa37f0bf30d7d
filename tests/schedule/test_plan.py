from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planned import apply, new, planned

from chainrule.schedule import plan
from chainrule.schedule.plan import Buffer, Place


def test_the_numbers_that_decide_bits() -> None:
    """Another one is another version of every result: change these only with the version."""
    assert plan.LANES == {4: 16, 8: 8}
    assert (plan.COLUMN_CHUNK, plan.ROW_CHUNK, plan.ROW_WHOLE, plan.SHORT) == (1024, 128, 512, 16)
    assert (plan.CONTRACT_CHUNK, plan.CONTRACT_STRIP) == (128, 8192)


def test_records_do_not_change_and_are_equal_to_themselves_alone() -> None:
    place = Place(Buffer("arena", 4), np.dtype("f4"), (1,))
    with pytest.raises(dataclasses.FrozenInstanceError):
        place.offset = 1  # pyright: ignore[reportAttributeAccessIssue]
    assert place != Place(place.buffer, place.dtype, (1,))


def test_buffers_are_short_in_print() -> None:
    assert (repr(Buffer("input", 12, 3)), repr(Buffer("arena", 8))) == ("input3[12]", "arena[8]")


def test_a_plan_knows_its_graph_spelled_out_and_the_nodes_of_loops() -> None:
    c, x = new(3), new(3)
    from chainrule.ir.graph import Graph

    body = Graph((c,), (apply("softmax", c, axes=(0,)),))
    found = planned([x], apply("scan", x, body=body, consts=0, carry=1, length=2, reverse=False))
    names = [str(node.op) for node in found.nodes]
    assert names[0] == "scan" and "exp" in names and "softmax" not in names
