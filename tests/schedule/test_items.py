from __future__ import annotations

import numpy as np

from chainrule.schedule.items import Copy, Items
from chainrule.schedule.views import OUTSIDE, Base, arena, whole


def copy() -> Copy:
    place = arena((3,), np.dtype("f4"))
    return Copy(whole(Base((3,), place.dtype, place=place)), place)


def test_early_items_come_before_late_ones_and_first_ones_before_all() -> None:
    items, (a, b, c, d) = Items(), (copy() for _ in range(4))
    assert items.position() == 0
    items.add(a)
    early = items.position(early=True)
    items.add(b, early=True)
    items.add(c)
    items.add_first(d)
    assert [item for _, item in items] == [d, b, a, c]
    positions = [position for position, _ in items]
    assert positions == sorted(positions) and positions[1:] == [early, 0, 1]
    assert OUTSIDE < positions[0] < early < 0
