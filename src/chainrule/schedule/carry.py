"""`carry`: where a loop keeps a value that it carries: at one place, or at two in turn.

An iteration that makes the new value where the old one is, or after nothing reads that any more, needs one place. Else
the new value is made beside the old one, and the next iteration finds it there: nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chainrule.schedule.plan import ROW_WHOLE, Buffer, Place, Slot
from chainrule.schedule.views import arena
from chainrule.types import Shape

_APART: Final = 64
"""The two places are a multiple of so many bytes apart."""


@dataclass(frozen=True, eq=False)
class Carry:
    """A value that a loop carries: `place` has the first one, an iteration reads it `inside`.

    The buffer `other` is where an iteration may write the new value while it still reads the old one; None if nowhere.
    """

    place: Place
    inside: Place
    other: Buffer | None = None

    def settled(self, renamed: dict[Buffer, Buffer], length: int) -> tuple[Place, Sequence[Slot]]:
        """Where the value is after so many iterations, and the slots of its two places.

        `renamed` says which buffers of the body are others; what is found out here is added to it.
        """
        place = self.place
        if self.inside is place:
            return place, ()
        if self.other is None or self.other not in renamed.values():
            renamed[self.inside.buffer] = place.buffer
            return place, ()
        apart = -(-place.buffer.nbytes // _APART) * _APART
        both, old = Buffer("arena", 2 * apart), Buffer("slot", 0)
        renamed[place.buffer], renamed[self.inside.buffer] = both, old
        slots = (Slot(old, both, 0, apart, True), Slot(self.other, both, apart, -apart, True))
        return Place(both, place.dtype, place.strides, slots[0].at(length) // place.dtype.itemsize), slots


def carry(place: Place, shape: Shape) -> Carry:
    """The carry whose first value is at a place of its own.

    Arrays of many rows have one place: steps that read and write them may be run in tiles.
    """
    if shape and shape[0] > ROW_WHOLE:
        return Carry(place, place)
    return Carry(place, arena(shape, place.dtype), Buffer("slot", 0))
