"""NumPy's products: matmul, dot, tensordot, einsum."""

from __future__ import annotations

from typing import Any

from chainrule.ops.contraction import dot_general


def matmul(x: Any, y: Any) -> Any:
    """The matrix product."""
    return dot_general(x, y, contract=((len(x.shape) - 1,), (max(len(y.shape) - 2, 0),)), batch=((), ()))
