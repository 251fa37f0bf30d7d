"""`fits`: whether a value may stand for an input of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.ir.op import Traced
from chainrule.types import Type, type_of


def fits(x: Any, type: Type) -> bool:
    """Whether x is of the type, however it lies in memory; a traced value is of none."""
    if x.__class__ is np.ndarray and x.shape == type.shape and x.dtype is type.dtype and not type.weak:
        return True
    if isinstance(x, Traced):
        return False
    try:
        return type_of(x) == type
    except ChainruleError:
        return False
