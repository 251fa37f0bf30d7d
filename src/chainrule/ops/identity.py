"""Operations that leave the numbers as they are and say something about the derivative."""

from __future__ import annotations

from chainrule.ir.kinds import Case, IndexMap, Linear, Zero
from chainrule.ir.op import Op

_CASES = (Case(((),)), Case(((2, 3),)))

stop_gradient = Op("stop_gradient", lambda x: x, lambda x: x, Zero(), IndexMap(), _CASES, "x, with the derivative zero")

tap = Op(
    "tap",
    lambda x, *, name: x,
    lambda x, *, name: x,
    Linear(lambda ct, x, *, name: (ct,)),
    IndexMap(),
    tuple(Case(case.shapes, {"name": "here"}) for case in _CASES),
    "x, with a name by which `value_and_grad(..., taps=True)` gives the gradient at this place",
)
