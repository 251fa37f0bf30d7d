"""`failure`: the error of a kernel that met an index out of range."""

from __future__ import annotations

from chainrule.backend.llvm.build import Built
from chainrule.errors import OutOfRangeError, message
from chainrule.schedule.plan import Special


def failure(built: Built, call: int, index: int) -> Exception:
    """What to raise where call number `call` gave the place of an element."""
    step = built.works[call].step
    where = step.node.where if isinstance(step, Special) else None
    if isinstance(step, Special) and step.node.op.name == "in_range":
        expected = f"labels from 0 to {step.node.attrs['length'] - 1}"
        hint = "labels counted from 0, or as many outputs as there are classes"
        return OutOfRangeError(message(expected, f"another one at position {index}", where, hint))
    return OutOfRangeError(
        message("an index within its axis", f"another one at position {index}", where, "a smaller index")
    )
