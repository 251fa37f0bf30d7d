"""One call of a function of NumPy's, written once and made with numpy and with chainrule.numpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from both_modes import check_both_modes
from same_as_numpy import check_same

import chainrule.numpy as cnp
from chainrule.api.jit import jit

Call = Callable[..., Any]


def check_call(call: Call, *operands: Any) -> None:
    """Asserts that `call(module, *operands)` means the same with numpy and with chainrule.numpy, derivatives included.

    Plain and staged; NumPy's own function given traced arrays; both modes and second order, of the result's cube where
    the operands are floating, since what moves elements is linear.
    """
    check_same(partial(call, cnp), partial(call, np), *operands)
    want = np.asarray(call(np, *operands))
    np.testing.assert_allclose(jit(partial(call, np))(*operands), want, rtol=1e-12)
    if all(np.asarray(x).dtype.kind == "f" for x in operands):
        check_both_modes(lambda *xs: call(cnp, *xs) ** 3, *operands)


def table(*calls: Call) -> dict[str, Any]:
    """The calls as parameters of a test, each named by its line."""
    return {"argvalues": calls, "ids": [f"line {call.__code__.co_firstlineno}" for call in calls]}
