"""`NativeCourse`: a call of a program that is made slice by slice."""

from __future__ import annotations

import time
from typing import Any, Final

from chainrule.backend.base import Array, Misfit
from chainrule.backend.llvm.build import Built
from chainrule.backend.llvm.elements import elements
from chainrule.backend.llvm.failure import failure
from chainrule.backend.llvm.runtime.layout import Status
from chainrule.backend.llvm.runtime.program import SLICE, State
from chainrule.backend.llvm.signature import Leaves, Signature
from chainrule.backend.pieces import late, unfinished
from chainrule.ir.graph import Graph
from chainrule.schedule.plan import Loop, Place

_STARTED: Final = (Status.YIELD, Status.DONE)


class NativeCourse:
    """A call that is under way; see backend/base.py."""

    def __init__(
        self,
        graph: Graph,
        built: Built,
        signature: Signature,
        state: State,
        results: tuple[Array, ...],
        inputs: Leaves,
    ) -> None:
        self._graph, self._built, self._signature, self._state = graph, built, signature, state
        self._inputs = inputs
        self._leaves = (*signature.given(inputs), *signature.constants, *results)
        if state.ready(signature.form, self._leaves) is not None:
            fitted = signature.fitted(inputs)
            if any(fitted[i] is not inputs[i] for i in signature.donated):
                raise Misfit  # what is donated is to hold the last whole iteration
            self._leaves = (*fitted, *signature.constants, *results)
            if state.ready(signature.form, self._leaves) is not None:
                raise Misfit
        self._status: Status | None = None
        self._loops = [step for step in built.plan.steps if isinstance(step, Loop) and not step.parallel]

    @property
    def iterations(self) -> int:
        """How many iterations are done; see backend/base.py."""
        if self._status == Status.DONE:
            return self._loops[-1].length if self._loops else 0
        return self._state.iterations() if self._status == Status.YIELD else 0

    def proceed(self, seconds: float) -> bool:
        """Whether all is done, after going on for about so long; Python looks for Ctrl-C every 50 ms."""
        until = time.perf_counter() + seconds
        while self._status != Status.DONE:
            left = until - time.perf_counter()
            self._status = self._state.proceed(0 if left > 0 else 1, max(0.0, min(left, SLICE)))
            if self._status not in _STARTED:
                raise failure(self._built, self._state, self._state.outcome(self._status))
            if time.perf_counter() >= until:
                break
        return self._status == Status.DONE

    def outputs(self) -> list[Any]:
        """What the call gives, or what there is of it; see backend/base.py."""
        if self._status == Status.DONE:
            given = (*self._inputs, *self._leaves[len(self._inputs) :])
            return list(self._signature.outputs(given))
        if self._status != Status.YIELD or len(self._loops) != 1:
            raise unfinished("none so far" if len(self._loops) == 1 else f"{len(self._loops)} loops")
        return [self._output(number) for number in range(len(self._graph.outputs))]

    def _output(self, number: int) -> Any:
        """An output as it is after the last whole iteration."""
        (loop,) = self._loops
        assert loop.node is not None
        type = self._graph.outputs[number].type
        value = self._built.plan.graph.outputs[number]
        if value in self._built.plan.graph.inputs:
            place = self._built.plan.graph.inputs.index(value)
            return self._inputs[place]
        if value not in loop.node.results:
            raise late(number)
        which = loop.node.results.index(value)
        place = loop.results[which]
        buffer = self._built.plan.renamed.get(place.buffer, place.buffer)
        if buffer.kind == "input":
            return self._inputs[buffer.number]
        if which < loop.node.attrs["carry"]:
            x = self._read(self._carried(loop, place), type.shape)
            return x.item() if type.weak else x[()]
        return self._read(*self._done(loop, place, type.shape))

    def _carried(self, loop: Loop, place: Place) -> Place:
        """Where a carried value is by now, if `place` is where it is at the end: it may have two places in turn."""
        for slot in loop.slots:
            if slot.turns and slot.source is place.buffer and slot.start == 0:
                return Place(
                    place.buffer, place.dtype, place.strides, slot.at(self._state.iterations()) // place.dtype.itemsize
                )
        return place

    def _done(self, loop: Loop, place: Place, shape: tuple[int, ...]) -> tuple[Place, tuple[int, ...]]:
        """Where the slices are that are stacked so far, and their shape: a reversed loop began with the last one."""
        done = self._state.iterations()
        first = (loop.length - done) * place.strides[0] if loop.reverse else 0
        return Place(place.buffer, place.dtype, place.strides, place.offset + first), (done, *shape[1:])

    def _read(self, place: Place, shape: tuple[int, ...]) -> Array:
        slot, offset = self._built.address(place.buffer)
        return elements(self._state.slot(slot) + offset, place, shape)
