"""`failure`: the error of a kernel that met an index out of range: what the reference backend says of its operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.backend.llvm import special
from chainrule.backend.llvm.build import Built
from chainrule.backend.llvm.elements import elements
from chainrule.backend.llvm.runtime.program import Outcome, State
from chainrule.errors import ChainruleError, OptionError, OutOfRangeError, message
from chainrule.schedule.expand import ANY_EXPONENT
from chainrule.schedule.plan import Special


def failure(built: Built, state: State, outcome: Outcome) -> Exception:
    """What to raise after a run that ended so; its operands are where they were when the kernel met them."""
    step = built.works[outcome.call].step
    if isinstance(step, Special):
        if step.node.attrs.get("length") == ANY_EXPONENT:
            (exponents,) = _operands(built, state, step)
            got = np.asarray(exponents).ravel()[outcome.index]
            return OptionError(message("exponents of at least 0 for integers", got, step.node.where, "x.astype(float)"))
        try:
            special.check(step.node, _operands(built, state, step))
        except ChainruleError as error:
            return error.with_traceback(None)
    where = step.node.where if isinstance(step, Special) else None
    return OutOfRangeError(message("an index within its axis", f"another one at position {outcome.index}", where))


def _operands(built: Built, state: State, step: Special) -> list[Any]:
    found: list[Any] = []
    for place, value in zip(step.operands, step.node.inputs, strict=True):
        slot, offset = built.address(place.buffer)
        x = elements(state.slot(slot) + offset, place, value.shape)
        found.append(x.item() if value.type.weak else x)
    return found
