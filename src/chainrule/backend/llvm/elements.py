"""`elements`: what lies in memory at a place of a plan, as an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.backend.base import Array
from chainrule.schedule.plan import Place
from chainrule.types import Shape


class _Memory:
    """Memory at an address, to be read through NumPy's array interface."""

    def __init__(self, interface: dict[str, Any]) -> None:
        self.__array_interface__ = interface


def elements(address: int, place: Place, shape: Shape) -> Array:
    """A copy of the elements at a place, whose buffer begins at an address."""
    size = place.dtype.itemsize
    interface = {
        "version": 3,
        "typestr": place.dtype.str,
        "shape": shape,
        "strides": tuple([size * stride for stride in place.strides]),
        "data": (address + size * place.offset, True),
    }
    return np.empty(shape, place.dtype) if 0 in shape else np.array(_Memory(interface))
