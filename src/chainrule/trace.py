"""`stage`: a function of arrays, called once with types in place of numbers, becomes a `Graph`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import EscapedTracerError, message
from chainrule.ir.graph import CONSTANT, ArrayRef, Graph, Node, Value, input_value
from chainrule.ir.op import Op, Trace, Traced
from chainrule.numpy.array import Tracer
from chainrule.numpy.draft import settled
from chainrule.types import Type, type_of
from chainrule.where import user_location


class Recorder(Trace):
    """The trace that records a node for every operation.

    What the function finds outside itself is captured. Traced values of an outer trace become further inputs of the
    graph; arrays too where the recorder `hoists`, else they are constants that are read at every call.

    An array that the function writes to between two uses, or after one, is another input at each: a copy, as it was.
    """

    def __init__(self, hoists: bool) -> None:
        super().__init__()
        self.hoists = hoists
        self.captured: list[tuple[Any, Value]] = []
        self.numbers: list[Any] = []
        self._constants: dict[Hashable, Value] = {}  # by id of what `captured`, or the node itself, keeps alive
        self._states: dict[int, list[tuple[Any, Value]]] = {}  # of an array by id: copies, and what stands for them

    def input(self, type: Type) -> Tracer:
        """A new input of the graph."""
        return Tracer(self, input_value(type, user_location()))

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        check_open(self)
        values = tuple([self.lift(x) for x in inputs])
        types = op.infer(*[value.type for value in values], **attrs)
        node = Node(op, values, attrs, types if isinstance(types, tuple) else (types,), user_location())
        results = tuple(Tracer(self, value) for value in node.results)
        return results if op.several else results[0]

    def lift(self, x: Any) -> Value:
        """The graph's value for anything that an operation is given."""
        if isinstance(x, Traced):
            x.refresh()
            if x.owner is self:
                return x.value
            check_open(x.owner)
            return self._capture((x.owner.level, id(x.value), id(x.extra)), x.clone())
        array: Any = x
        if isinstance(x, np.ndarray):
            return self._array(array) if self.hoists else self._constant(id(array), array)
        if isinstance(x, np.generic):
            self.numbers.append(array)
        type_of(x)  # says what cannot be lifted
        return Node(CONSTANT, (), {"value": x}, (type_of(x),), user_location()).results[0]

    def _capture(self, key: Hashable, source: Any) -> Value:
        if key not in self._constants:
            self._constants[key] = input_value(type_of(source), user_location())
            self.captured.append((source, self._constants[key]))
        return self._constants[key]

    def _array(self, array: Any) -> Value:
        states = self._states.setdefault(id(array), [])
        for copy, value in states:
            if same_bits(copy, array):
                return value
        value = self._capture((id(array), len(states)), array)
        fixed = not array.flags.writeable or array.nbytes > _LARGE
        states.append((array if fixed else array.copy(), value))
        return value

    def sources(self) -> tuple[Any, ...]:
        """What the captured inputs are: of an array that was written to after it had been used, the copy."""
        copies = {value: copy for states in self._states.values() for copy, value in states}
        pairs = [(x, copies.get(value, x)) for x, value in self.captured]
        return tuple([x if copy is x or same_bits(copy, x) else copy for x, copy in pairs])

    def _constant(self, key: int, array: Any) -> Value:
        if key not in self._constants:
            node = Node(CONSTANT, (), {"value": ArrayRef(array)}, (type_of(array),), user_location())
            self._constants[key] = node.results[0]
        return self._constants[key]


@dataclass(frozen=True, eq=False)
class Staged:
    """A graph, and what its last inputs are: arrays and outer traced values that the function found outside itself."""

    graph: Graph
    captured: tuple[Any, ...]
    numbers: tuple[Any, ...]  # NumPy's scalars that became constants


_LARGE: Final = 1 << 26
"""Bytes of an array that no function uses as a scratch pad: no copies of such a one are made to see whether it does."""


def same_bits(x: Any, y: Any) -> bool:
    """Whether two arrays are alike, bit for bit."""
    if x is y or x.shape != y.shape or x.dtype != y.dtype:
        return x is y
    if x.itemsize in (1, 2, 4, 8) and not x.dtype.hasobject:
        return np.array_equal(x.view(f"u{x.itemsize}"), y.view(f"u{x.itemsize}"))
    return bool(x.tobytes() == y.tobytes())


def stage(function: Callable[..., Sequence[Any]], types: Sequence[Type], hoists: bool = False) -> Staged:
    """The graph of `function(*traced) -> sequence of arrays` for inputs of the given types."""
    recorder = Recorder(hoists)
    inputs = [recorder.input(type) for type in types]
    given = tuple(x.value for x in inputs)
    with recorder:
        outputs = tuple(recorder.lift(settled(out)) for out in function(*inputs))
    graph = Graph(given + tuple(value for _, value in recorder.captured), outputs)
    return Staged(graph, recorder.sources(), tuple(recorder.numbers))


def entered(values: Sequence[Any]) -> Sequence[Any]:
    """The operands of an operation, plain arrays among them as values of the graph that is being recorded, if one is.

    What a derivative makes of such an array is then recorded too, and follows the array when it is written to.
    """
    recorder = max((r for x in values if (r := _recorder(x)) is not None), key=lambda r: r.level, default=None)
    if recorder is None:
        return values
    return [Tracer(recorder, recorder.lift(x)) if isinstance(x, np.ndarray) else x for x in values]


def _recorder(x: Any) -> Recorder | None:
    """The trace that records a graph here or below."""
    while isinstance(x, Tracer):
        if isinstance(x.owner, Recorder):
            return x.owner
        x = x.value
    return None


def check_open(trace: Trace) -> None:
    """Raises where a traced array outlived the function it was traced in."""
    if trace.closed:
        raise EscapedTracerError(
            message(
                "a traced array used inside the call that traced it",
                "one kept from a call that has ended",
                user_location(),
                "returning it from the function, or cr.value(x) where only its numbers are wanted",
            )
        )
