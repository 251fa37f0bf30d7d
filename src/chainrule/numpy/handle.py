"""`Handle`: a traced value as a program holds it, with views and assignment as in NumPy.

A handle is mutable, its value is not: an assignment computes a new value and the handle moves on to it, and so do the
arrays that it is a view of. What each trace keeps in a handle is its own business: `value` is the primal (or the
graph's Value), `extra` the trace's companion (a tape slot, a tangent).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from chainrule.errors import StagingError
from chainrule.ir.graph import Value
from chainrule.ir.op import Op, Trace, Traced
from chainrule.numpy.draft import is_draft
from chainrule.numpy.view import Strides, View, row_major
from chainrule.types import Shape, Type, type_of


class Handle(Traced):
    """A mutable handle over an immutable value; its one subclass is numpy/array.py's Tracer."""

    __slots__ = ("version",)

    def __init__(self, trace: Trace, value: Any, extra: Any = None) -> None:
        self.owner = trace
        self.value = value
        self.extra = extra
        self.view_of: View | None = None
        self.version = 0

    @property
    def type(self) -> Type:
        """Shape, dtype and weakness."""
        self.refresh()
        return type_of(self.value)

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return self.type.size

    @property
    def nbytes(self) -> int:
        return self.type.nbytes

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def staged(self) -> bool:
        """Whether no numbers are known, here or below."""
        value = self.value
        return value.staged if isinstance(value, Handle) else isinstance(value, Value)

    def refresh(self) -> None:
        """Reads a view again if the array behind it was assigned to."""
        view = self.view_of
        if view is None:
            return
        behind: list[tuple[Handle, View]] = []  # this view and those it is a view of
        handle: Handle = self
        while view is not None:
            behind.append((handle, view))
            handle = view.base
            view = handle.view_of
        for handle, view in reversed(behind):
            if view.version != view.base.version:
                handle._become(view.read(view.base))
                view.version = view.base.version

    def clone(self) -> Self:
        """A handle of its own on the value as it is now: what a copy is."""
        self.refresh()
        return type(self)(self.owner, self.value, self.extra)

    def create(self, op: Op, attrs: dict[str, Any]) -> Any:
        """The result of an operation without inputs: a node of the graph if there is one at the bottom."""
        bottom = self
        while isinstance(bottom.value, Handle):
            bottom = bottom.value
        return bottom.owner.process(op, (), attrs) if isinstance(bottom.value, Value) else op(**attrs)

    def settle(self, beside: Traced) -> Any:
        """What a draft stands for in an operation on `beside`: where that is staged how it is made, if known."""
        return beside.create(*self.extra) if self.extra is not None and beside.staged else self.value

    def scalar(self) -> Any:
        """The element that this is, on its own: of a draft a NumPy scalar."""
        return self.value[()] if is_draft(self) else self.clone()

    def assign(self, new: Any) -> None:
        """Moves this handle, and the arrays that it is a view of, on to a new value; all or, in an error, none."""
        self.refresh()
        moves: list[tuple[Handle, Any]] = [(self, new)]
        while (view := moves[-1][0].view_of) is not None:
            moves.append((view.base, view.write(view.base, moves[-1][1])))
        for handle, value in moves:
            handle._become(value)
        for handle, _ in moves[:-1]:
            if handle.view_of is not None:
                handle.view_of.version = handle.view_of.base.version

    def viewed(
        self, read: Callable[[Any], Any], write: Callable[[Any, Any], Any], strides: Callable[[Strides], Strides]
    ) -> Self:
        """The view of this handle that `read` gives, written back by `write(base, part)`; `strides` as View has it."""
        out = read(self)
        if out is self:
            out = self.clone()
        out.view_of = View(self, read, write, strides, self.version)
        return out

    def strides_in_numpy(self) -> Strides:
        """The strides, in elements, that NumPy's array would have."""
        views: list[View] = []
        handle: Handle = self
        while handle.view_of is not None:
            views.append(handle.view_of)
            handle = handle.view_of.base
        strides = row_major(handle.shape)
        for view in reversed(views):
            strides = view.strides(strides)
        return strides

    def concrete(self, what: str, hint: str) -> Any:
        """The array of numbers behind an eager tracer; an error naming the line while staging."""
        self.refresh()
        if self.staged:
            raise self.owner.refusal(StagingError, f"no {what} on a staged value", str(self.type), hint)
        value = self.value
        while isinstance(value, Handle):
            value.refresh()
            value = value.value
        return value

    def _become(self, new: Handle) -> None:
        self.owner, self.value, self.extra = new.owner, new.value, new.extra
        self.version += 1
