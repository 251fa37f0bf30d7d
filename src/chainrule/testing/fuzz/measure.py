"""`Truth`: what the outputs of a graph have to be, and how near: the measure of the fuzzer.

Four things are known of every floating element: `reference` (NumPy in the graph's dtypes), `wide` (the graph with
float64 in place of float32), the backend's, and how far it moves when every operation rounds otherwise (`reach`, see
rounding.py). The backend is right where

    |element - wide| <= 4 |reference - wide| + 2 reach,

`reach` being up to 8 roundings times the largest magnitude summed on the way, carried to the element by the graph's own
condition. What follows from that:

- **exact**: where nothing on the way is rounded, `reach` is 0, and the element has to be the reference's, bit for bit
  but for NaN's. Integers and booleans that do not hang on rounded numbers are of this kind.
- **special**: NaN and infinities have to be the reference's, and zeros, where they do not move, have to have its sign.
- **undecided**: where other roundings give NaN, an infinity, another integer or another boolean, nothing is asked.
  These elements are counted (`counts`); a decision that is far from its edge is never among them.
- **unlike**: where float64 differs from the reference by more than rounding explains (it does not overflow where
  float32 does; a Python scalar keeps digits that float32 drops), the reference takes the place of `wide`.

A few random roundings are tried first. Only where the backend is too far off are there more, and more again, before it
counts as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph
from chainrule.testing.fuzz.builder import REFUSALS
from chainrule.testing.fuzz.layouts import plain
from chainrule.testing.fuzz.rounding import Otherwise
from chainrule.testing.fuzz.widen import wide_inputs, widened
from chainrule.types import FLOAT64, Type

Array = np.ndarray[Any, Any]

FACTOR: Final = 4.0
REACHES: Final = 2.0
TRIES: Final = (0, 4, 32, 128)
"""How many other roundings are tried in all: at first none, and each time the backend is too far off, more."""

EPS32: Final = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Wrong:
    """One element of one output that is not what it has to be; `place` is None where the whole output is not."""

    output: int
    place: tuple[int, ...] | None
    text: str

    def __str__(self) -> str:
        where = "" if self.place is None else f" at [{', '.join(map(str, self.place))}]"
        return f"output {self.output}{where}: {self.text}"


@dataclass(eq=False)
class _Output:
    """What is known of one output."""

    type: Type
    reference: Array
    wide: Array
    exact: Array = field(init=False)  # the reference in float64, or as it is
    reach: Array = field(init=False)
    decided: Array = field(init=False)
    signed: Array = field(init=False)

    def __post_init__(self) -> None:
        shape = self.reference.shape
        self.exact = self.reference.astype(FLOAT64) if self.floating else self.reference
        self.reach = np.zeros(shape if self.floating else ())
        self.decided = np.ones(shape, bool)
        self.signed = np.ones(shape, bool) if self.floating else np.ones((), bool)

    @property
    def floating(self) -> bool:
        return self.reference.dtype.kind == "f"

    def learn(self, other: Array) -> None:
        """Notes what another rounding gives."""
        if not self.floating:
            self.decided &= np.equal(other, self.reference)
            return
        same = np.equal(other, self.reference)
        finite = np.isfinite(other) & np.isfinite(self.reference)
        self.decided &= same | finite | (np.isnan(other) & np.isnan(self.reference))
        self.signed &= np.signbit(other) == np.signbit(self.reference)
        if not same.all():
            np.maximum(self.reach, np.abs(np.where(finite, other.astype(FLOAT64) - self.exact, 0)), out=self.reach)

    def unlike(self) -> Array:
        """Where float64 is not what float32 could have come from by rounding."""
        gap = np.abs(self.exact - self.wide)
        near = gap <= FACTOR * (self.reach + EPS32 * np.abs(self.wide))
        return self.decided & ~(near | np.equal(self.exact, self.wide) | (np.isnan(self.exact) & np.isnan(self.wide)))

    def wrong(self, got: Array) -> Array:
        """Where the elements are not what they have to be."""
        if not self.floating:
            return self.decided & np.not_equal(got, self.reference)
        same = np.equal(got, self.reference) & ((self.reference != 0) | (np.signbit(got) == np.signbit(self.reference)))
        same |= np.isnan(got) & np.isnan(self.reference)
        if same.all():
            return ~same
        value = got.astype(FLOAT64)
        right = np.where(self.unlike(), self.exact, self.wide)
        error, own = np.abs(value - right), np.abs(self.exact - right)
        own = np.where(np.isfinite(own), own, 0)
        near = np.isfinite(value) & np.isfinite(self.exact) & (error <= FACTOR * own + REACHES * self.reach)
        near &= self.reach > 0
        zeros = np.equal(got, 0) & np.equal(self.reference, 0) & ~self.signed
        return self.decided & ~(same | near | zeros)


class Truth:
    """What the outputs of a graph have to be for given inputs.

    Cost: two evaluations by NumPy, and a handful more where the backend's bits are others.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Any], seed: int = 0) -> None:
        self.graph = graph
        self.inputs = [plain(x) for x in inputs]
        self._rng = np.random.default_rng(seed)
        self._tried = 0
        self._otherwise: Otherwise | None = None
        with np.errstate(all="ignore"):
            reference = evaluate(graph, self.inputs)
            wide_graph = widened(graph)
            wide = reference if wide_graph is graph else self._wide(wide_graph, reference)
        self._outputs = [
            _Output(value.type, np.asarray(x), np.asarray(y))
            for value, x, y in zip(graph.outputs, reference, wide, strict=True)
        ]

    def _wide(self, graph: Graph, reference: list[Any]) -> list[Any]:
        try:
            return evaluate(graph, wide_inputs(self.inputs))
        except REFUSALS:  # a Python scalar that fits float64 alone, an index that rounding decides
            return [np.asarray(x, FLOAT64) if np.asarray(x).dtype.kind == "f" else x for x in reference]

    def _try(self, times: int) -> None:
        """Rounds otherwise until it was done so often."""
        if self._otherwise is None and times:
            self._otherwise = Otherwise(self.graph, self.inputs)
        while self._otherwise is not None and self._tried < times:
            self._tried += 1
            try:
                found = self._otherwise(self._rng)
            except REFUSALS:
                continue
            with np.errstate(all="ignore"):
                for output, other in zip(self._outputs, found, strict=True):
                    output.learn(np.asarray(other))

    def check(self, outputs: Sequence[Any]) -> list[Wrong]:
        """What is wrong with the outputs: at most one element of each."""
        if len(outputs) != len(self._outputs):
            return [Wrong(0, None, f"{len(outputs)} outputs, expected {len(self._outputs)}")]
        found = [_misfit(place, output, x) for place, (output, x) in enumerate(self._pairs(outputs))]
        if any(found):
            return [wrong for wrong in found if wrong is not None]
        masks: list[Array] = []
        for times in TRIES:
            self._try(times)
            with np.errstate(all="ignore"):
                masks = [output.wrong(x) for output, x in self._pairs(outputs)]
            if not any(mask.any() for mask in masks):
                return []
        return [
            _describe(place, output, x, mask)
            for place, ((output, x), mask) in enumerate(zip(self._pairs(outputs), masks, strict=True))
            if mask.any()
        ]

    def _pairs(self, outputs: Sequence[Any]) -> list[tuple[_Output, Array]]:
        return [(output, np.asarray(x)) for output, x in zip(self._outputs, outputs, strict=True)]

    def counts(self) -> tuple[int, int, int]:
        """The numbers of elements of all outputs, of those left out (undecided), and of those unlike float64's."""
        self._try(TRIES[1])
        with np.errstate(all="ignore"):
            unlike = sum(int(np.count_nonzero(output.unlike())) for output in self._outputs if output.floating)
        total = sum(output.reference.size for output in self._outputs)
        return total, total - sum(int(np.count_nonzero(output.decided)) for output in self._outputs), unlike


def _misfit(place: int, output: _Output, x: Array) -> Wrong | None:
    found = Type(x.shape, x.dtype)
    wanted = Type(output.type.shape, output.type.dtype)
    return None if found == wanted else Wrong(place, None, f"of type {found}, expected {wanted}")


def _describe(place: int, output: _Output, x: Array, mask: Array) -> Wrong:
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape)) if mask.shape else ()
    text = f"{x[at]!r}, by the reference {output.reference[at]!r}"
    if output.floating:
        text += f", in float64 {output.wide[at]!r}; other roundings reach {output.reach[at]:.3g} far"
    return Wrong(place, at, f"{text} ({int(np.count_nonzero(mask))} of {mask.size} elements are wrong)")
