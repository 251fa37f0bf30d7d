"""`kernels`: what is run for an operation that has a kernel of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.special.copy import copy_kernel
from chainrule.backend.llvm.special.gather import gather_kernels, permute_kernels
from chainrule.backend.llvm.special.labels import label_kernels
from chainrule.backend.llvm.special.position import position_kernels
from chainrule.backend.llvm.special.random import draw_kernels, fold_kernels
from chainrule.backend.llvm.special.scan import scan_kernels
from chainrule.backend.llvm.special.scatter import scatter_kernels
from chainrule.backend.llvm.special.search import search_kernels
from chainrule.backend.llvm.special.sort import sort_kernels
from chainrule.ir.node import Node
from chainrule.schedule.plan import Buffer, Special
from chainrule.where import replays

__all__ = ["SPECIAL", "Allocate", "check", "copy_kernel", "kernels"]

Allocate: TypeAlias = Callable[[int], Buffer]

_ALONE: Final[Mapping[str, Callable[[Special], list[Kernel]]]] = {
    "gather": gather_kernels,
    "permute_along": permute_kernels,
    "scatter_add": scatter_kernels,
    "scatter_set": scatter_kernels,
    "in_range": label_kernels,
    "cumsum": scan_kernels,
    "cumprod": scan_kernels,
    "argmax": position_kernels,
    "argmin": position_kernels,
    "searchsorted": search_kernels,
    "random_bits": draw_kernels,
    "random_uniform": draw_kernels,
    "random_fold": fold_kernels,
}
_WITH_MEMORY: Final[Mapping[str, Callable[[Special, Allocate], list[Kernel]]]] = {
    "sort": sort_kernels,
    "argsort": sort_kernels,
}

SPECIAL: Final = frozenset({*_ALONE, *_WITH_MEMORY})
"""The names of the operations that have kernels here."""


def kernels(step: Special, allocate: Allocate) -> list[Kernel]:
    """The kernels of a step, to be run one after the other; `allocate(nbytes)` gives memory that they share."""
    name = step.node.op.name
    found = _ALONE[name](step) if name in _ALONE else _WITH_MEMORY[name](step, allocate)
    return [kernel for kernel in found if kernel.parts]


@replays
def check(node: Node, operands: Sequence[Any]) -> None:
    """Raises what the reference backend raises for these operands: to be called where a kernel returned a status."""
    with np.errstate(all="ignore"):
        node.op.numpy(*operands, **node.attrs)
