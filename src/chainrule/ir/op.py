"""`Op`: everything that is known about one operation, in one record, and how it is applied.

From a record follow both derivative modes, the type of a result, its value under NumPy, native code, its page in the
documentation and its tests. Adding an operation is adding a record.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import numpy as np

from chainrule.errors import ChainruleError, NumberError, TraceError, message
from chainrule.ir.kinds import Case, Derivative, Lowering, Scalar
from chainrule.types import Type, type_of
from chainrule.where import Where, raised_at, user_location

_PYTHON_SCALARS: Final = (float, int)  # the weak ones: a bool is as strong as an array
_SWALLOWING: Final = frozenset({ValueError, TypeError, IndexError})  # what C code raises in place of our errors

OPS: Final[dict[str, Op]] = {}
"""Every operation by name: read by the text form's parser, the generated tests and the generated documentation."""


_OPEN: Final[ContextVar[int]] = ContextVar("chainrule_open_traces", default=0)


def tracing() -> bool:
    """Whether a function is being traced at this moment, in this thread."""
    return _OPEN.get() > 0


class Trace(ABC):
    """What it means to apply an operation to values of one trace. A later trace is inside all earlier ones.

    `with trace:` is the time in which the function runs; after it the trace is closed. The level of drafts (see
    numpy/draft.py) is negative: they belong to no call, and yield to every trace.
    """

    _levels: ClassVar = count()

    def __init__(self) -> None:
        self.level = next(Trace._levels)
        self.closed = False
        self._refused: tuple[type[TraceError], str, Where | None] | None = None

    def __enter__(self) -> Self:
        _OPEN.set(_OPEN.get() + 1)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        _OPEN.set(_OPEN.get() - 1)
        self.closed = True
        if self._refused is not None and type(error) in _SWALLOWING:
            refusal, text, where = self._refused
            if where is not None and where.same_line(raised_at(traceback)):
                raise refusal(text).with_traceback(traceback) from None

    def refusal(self, kind: type[TraceError], expected: str, got: str, hint: str) -> TraceError:
        """The error to raise where a value of this trace cannot be what Python or NumPy asks for.

        C code that asks may put an error of its own in its place (for y[i] = x "setting an array element with a
        sequence"). Where such a one leaves the function from the same line, ours, which says what to do, takes over.
        """
        where = user_location()
        self._refused = kind, message(expected, got, where, hint), where
        return kind(self._refused[1])

    @abstractmethod
    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """The result of `op`, or the tuple of its results; some of `inputs` belong to this trace."""


class Traced:
    """A value that belongs to a trace. The user's handle on it is chainrule.numpy.array.Tracer."""

    __slots__ = ("extra", "owner", "value", "view_of")

    owner: Trace
    value: Any  # what is traced, and the trace's companion to it
    extra: Any
    view_of: Any  # where this is a view of another traced array: how to read it anew

    def refresh(self) -> None:
        """Reads a view again if the array behind it was assigned to."""

    def clone(self) -> Any:
        """A handle of its own on the value as it is now."""

    def create(self, op: Op, attrs: dict[str, Any]) -> Any:
        """The result of an operation without inputs, recorded where this value is."""

    @property
    def staged(self) -> bool:
        """Whether no numbers are known."""
        return False

    def settle(self, beside: Traced) -> Any:
        """What a draft stands for in an operation on `beside`: its numbers, or how they are made."""

    def concrete(self, what: str, hint: str) -> Any:
        """The numbers; while staging an error that there is `no {what}` and what to do."""


@dataclass(frozen=True, eq=False, repr=False)
class Op:
    """One operation; called, it is applied: `tanh(x)`, `reshape(x, shape=(3, 4))`.

    `infer(*types, **attrs)` gives the type of the result (a tuple of types where there are `several`) or raises;
    `numpy(*arrays, **attrs)` its value; `derivative` and `lowering` are records of ir/kinds.py; `doc` is the formula.
    """

    name: str
    infer: Callable[..., Type | tuple[Type, ...]]
    numpy: Callable[..., Any]
    derivative: Derivative
    lowering: Lowering
    cases: tuple[Case, ...]
    doc: str
    several: bool = False
    yields: bool = field(init=False)  # whether a result of weak operands is weak

    def __post_init__(self) -> None:
        object.__setattr__(self, "yields", isinstance(self.lowering, Scalar) and self.name != "cast")
        if self.name in OPS:
            raise ValueError(f"two operations are named {self.name}")
        OPS[self.name] = self

    def __repr__(self) -> str:
        return self.name

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        """The result, or the tuple of results.

        The innermost trace among the inputs (the one that was begun last) decides what it means: record a node, carry
        a tangent, append to a tape. Where nothing is traced it is the operation's NumPy meaning.
        """
        innermost: Trace | None = None
        drafts = False
        foreign: Any = None
        for x in inputs:
            if isinstance(x, Traced):
                if x.view_of is not None:
                    x.refresh()
                trace = x.owner
                if trace.level < 0:
                    drafts = True
                if innermost is None or trace.level > innermost.level:
                    innermost = trace
            elif type(x) is not np.ndarray and isinstance(x, np.ndarray):
                foreign = x
        if innermost is not None:
            if foreign is not None:
                type_of(foreign)  # a masked array, a matrix: an error
            if drafts and innermost.level >= 0:
                inputs = _settled(inputs, innermost)
            return innermost.process(self, inputs, attrs)
        try:
            out = self.numpy(*inputs, **attrs)
        except OverflowError as error:
            raise too_large(error) from None
        except (ValueError, TypeError, IndexError) as error:
            if not isinstance(error, ChainruleError):
                self.infer(*(type_of(x) for x in inputs), **attrs)  # says the same with the user's line
            raise
        if self.yields and isinstance(out, np.generic):
            for x in inputs:
                if type(x) not in _PYTHON_SCALARS:
                    return out
            return out.item()
        return out

    def beside(self, x: Any, **attrs: Any) -> Any:
        """The result of an operation without inputs (`full`, `iota`): a node where x is staged, else an array."""
        return x.create(self, attrs) if isinstance(x, Traced) else self(**attrs)


def too_large(error: OverflowError) -> NumberError:
    """The error of NumPy's with the user's line."""
    hint = "a float, or x.astype(np.int64)"
    return NumberError(message("a number that its partner's dtype can hold", f"{error}", user_location(), hint))


def _settled(inputs: tuple[Any, ...], trace: Trace) -> tuple[Any, ...]:
    """The inputs with what the drafts among them stand for."""
    beside = next(x for x in inputs if isinstance(x, Traced) and x.owner is trace)
    return tuple(x.settle(beside) if isinstance(x, Traced) and x.owner.level < 0 else x for x in inputs)
