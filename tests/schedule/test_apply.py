from __future__ import annotations

import numpy as np
from planned import new

from chainrule.ops.arithmetic import add
from chainrule.schedule.apply import Apply
from chainrule.types import Type
from chainrule.where import Where


def test_nodes_are_at_the_line_of_the_one_that_they_stand_for() -> None:
    where = Where("step.py", 7)
    x = new(3)
    out = Apply(where)(add, x, x)
    assert (out.node.where, out.type, out.node.inputs) == (where, x.type, (x, x))


def test_a_number_has_the_dtype_of_its_partner() -> None:
    assert Apply(None).number(2.0, new(3, dtype="float64")).type == Type((), np.dtype(np.float64))
