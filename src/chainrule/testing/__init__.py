"""Derivatives against differences: `check_grads` for functions, `check_op` for the records of operations."""
