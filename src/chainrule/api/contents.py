"""Whether a graph still fits the arrays that its function found outside, now that somebody may have written to them.

An array that an operation was given is an input of the graph, read at every call. But what Python or NumPy computed
with one while the function was staged (`np.sum(W**2)`, `float(W[0])`, `W.T` of a W that is another array since) is in
the graph as it was then. So where a graph has constants of unknown origin, the arrays are compared at every call, large
ones by a sample, and a change makes the function be traced anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chainrule.api.captures import Captures
from chainrule.ir.graph import CONSTANT, Block
from chainrule.trace import Staged

_WHOLE: Final = 2**20  # bytes up to which an array is compared whole
_UNUSED: Final = 2**16  # bytes up to which one is that no operation was given
_SAMPLE: Final = 2**12  # elements, about, of the others

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """The ids of the arrays that are inputs of the graph and nothing else, and those to compare, as they were."""

    inputs: set[int]
    compared: tuple[tuple[Array, Array], ...]

    def follow(self, old: Any, new: Any) -> bool:
        """Whether another array of its type can take an array's place among the graph's inputs, as it does then."""
        if id(old) not in self.inputs:
            return False
        self.inputs.remove(id(old))
        self.inputs.add(id(new))
        return True

    def changed(self) -> bool:
        """Whether somebody wrote to an array that the graph does not read anew."""
        return any(not _same(_sample(x), before) for x, before in self.compared)


def contents_of(staged: Staged, captures: Captures) -> Contents:
    """What has to be looked at before the graph is run again."""
    arrays: dict[int, Array] = {id(place.expected): place.expected for place in captures.arrays}
    if not arrays:
        return Contents(set(), ())
    owners = {id(_owner(x)) for x in arrays.values()}
    lifted: list[Array] = [x for x in staged.captured if isinstance(x, np.ndarray)]
    viewed = {id(_owner(x)) for x in lifted if id(x) not in arrays}
    numbers = {id(place.expected) for place in captures.numbers}
    if not viewed <= owners or any(id(x) not in numbers for x in _scalars(staged.graph)):
        return Contents(set(), tuple((x, _sample(x).copy()) for x in arrays.values()))
    given = {id(x) for x in lifted}
    inputs = {key for key in given & arrays.keys() if id(_owner(arrays[key])) not in viewed}
    unused = [
        x for key, x in arrays.items() if key not in given and id(_owner(x)) not in viewed and x.nbytes <= _UNUSED
    ]
    return Contents(inputs, tuple((x, x.copy()) for x in unused))


def _owner(x: Array) -> Array:
    """The array whose memory x is a view of."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _scalars(block: Block) -> Iterator[np.generic]:
    """NumPy's scalars among the constants of a graph and of the loops in it."""
    for node in block.nodes:
        for attr in node.attrs.values():
            if isinstance(attr, Block):
                yield from _scalars(attr)
            elif node.op is CONSTANT and isinstance(attr, np.generic):
                yield attr


def _sample(x: Array) -> Array:
    """A view of the array, or of elements all over it."""
    if x.nbytes <= _WHOLE:
        return x
    each = int(_SAMPLE ** (1 / x.ndim))
    return x[tuple(slice(None, None, -(-n // each)) for n in x.shape)]


def _same(a: Array, b: Array) -> bool:
    return np.array_equal(a, b) or (a.dtype.kind == "f" and np.array_equal(a, b, equal_nan=True))
