"""Derivatives against differences: `check_grads` for functions, `check_op` for the records of operations."""

from __future__ import annotations

from chainrule.testing.gradients import check_grads
from chainrule.testing.numerical import numerical_grad, numerical_jvp
from chainrule.testing.suite import check_op

__all__ = ["check_grads", "check_op", "numerical_grad", "numerical_jvp"]
