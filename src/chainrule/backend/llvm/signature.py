"""`Signature`: what the calls of a program are given, as leaves of one form, and what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np

from chainrule.backend.base import Array, Donations, Misfit
from chainrule.backend.fits import fits
from chainrule.backend.llvm.build import Built
from chainrule.backend.llvm.runtime.arrays import Form, Leaf, fitted
from chainrule.backend.overlap import unusable
from chainrule.ir.graph import Graph

Leaves = tuple[Any, ...]

_SCALARS: Final = (np.generic, bool)


class Signature:
    """The leaves of a call: inputs, constants, and arrays for the results that are written over no input."""

    def __init__(self, graph: Graph, donations: Donations, built: Built) -> None:
        self.types = tuple([value.type for value in graph.inputs])
        self.results = tuple([graph.outputs[i].type for i in built.outputs])
        self.donated = {place for place, _ in donations}
        self.constants = tuple([_dense(buffer.array) for buffer in built.constants])
        inputs = [
            Leaf(1 + i, type.dtype, type.shape, i in self.donated, number=type.weak and type.is_float)
            for i, type in enumerate(self.types)
        ]
        first = 1 + len(inputs)
        results = [Leaf(first + i, type.dtype, type.shape, own=True) for i, type in enumerate(self.results)]
        first += len(results)
        constants = [Leaf(first + i, x.dtype, x.shape) for i, x in enumerate(self.constants)]
        self._inputs = tuple(inputs)
        self.form = Form([*inputs, *constants, *results])
        self._scalars = [i for i, leaf in enumerate(inputs) if not leaf.shape and not leaf.number and not leaf.donated]
        over = {out: place for place, out in donations}
        places = {out: len(inputs) + len(constants) + i for i, out in enumerate(built.outputs)}
        self._pick = _picker([over.get(out, places.get(out, 0)) for out in range(len(graph.outputs))])
        self._numbers = [(out, value.type.weak) for out, value in enumerate(graph.outputs) if not value.shape]
        self._numbers = [(out, weak) for out, weak in self._numbers if out not in over]

    def given(self, inputs: Leaves) -> Leaves:
        """The inputs, NumPy's scalars and Python's integers among them as arrays."""
        if not self._scalars:
            return inputs
        found = list(inputs)
        for i in self._scalars:
            x = inputs[i]
            if self.types[i].weak:
                if x.__class__ is not int:
                    raise Misfit
                found[i] = np.array(x)
            elif isinstance(x, _SCALARS):
                found[i] = np.asarray(x)
        return tuple(found)

    def fitted(self, inputs: Leaves) -> Leaves:
        """The inputs, copies in the place of those that lie in another way; a Misfit where they are others."""
        if len(inputs) != len(self.types) or not all(map(fits, inputs, self.types)):
            raise Misfit
        if unusable(inputs, self.donated) is not None:
            raise Misfit
        return tuple([fitted(leaf, x) for leaf, x in zip(self._inputs, inputs, strict=True)])

    def outputs(self, leaves: Leaves) -> Sequence[Any]:
        """What a call gives the caller, of its leaves: numbers as NumPy's or Python's."""
        picked = self._pick(leaves)
        if not self._numbers:
            return picked
        outs = list(picked)
        for out, weak in self._numbers:
            outs[out] = outs[out].item() if weak else outs[out][()]
        return outs


def _picker(places: list[int]) -> Callable[[Leaves], Sequence[Any]]:
    """What picks leaves by number."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda leaves: [leaves[place] for place in places]


def _dense(x: Any) -> Array:
    """A constant's array in row-major order and in this machine's byte order."""
    fits_as_it_is = x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative
    return x if fits_as_it_is else np.array(x, x.dtype.newbyteorder("="), order="C")
