"""NumPy's names, on plain and traced arrays alike: `import chainrule.numpy as np`."""

from __future__ import annotations

from chainrule.ops.arithmetic import add, multiply
from chainrule.numpy.contract import matmul

__all__ = ["add", "matmul", "multiply"]
