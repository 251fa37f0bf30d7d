"""`Tracer`: what a traced function sees in place of an array.

A tracer is a mutable handle over an immutable value, so that `y = x.copy(); y[i] = v` and views behave as in NumPy: an
assignment computes a new value and the handle moves on to it. What each trace keeps in a handle is its own business:
`value` is the primal (or the graph's Value), `extra` the trace's companion (a tape slot, a tangent).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.errors import StagingError, TraceError, message
from chainrule.ir.graph import Value
from chainrule.ir.op import Op, Trace, Traced
from chainrule.numpy import elementwise, index, protocol
from chainrule.numpy.contract import matmul
from chainrule.numpy.draft import is_draft
from chainrule.numpy.shape import permutation, resolve_shape
from chainrule.numpy.view import Strides, View, reshaped, row_major, transposed
from chainrule.ops import arithmetic as ops
from chainrule.types import Shape, Type, type_of
from chainrule.where import user_location


class Tracer(Traced):
    """A traced array. It has an array's attributes, operators and methods, and answers NumPy's protocols."""

    __slots__ = ("extra", "value", "version")

    def __init__(self, trace: Trace, value: Any, extra: Any = None) -> None:
        self.trace = trace
        self.value = value
        self.extra = extra
        self.view: View | None = None
        self.version = 0

    # --- what it is ---------------------------------------------------------------------------------------------------------

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
    def staged(self) -> bool:
        """Whether no numbers are known, here or below."""
        value = self.value
        return value.staged if isinstance(value, Tracer) else isinstance(value, Value)

    def __repr__(self) -> str:
        if is_draft(self):
            return repr(self.value)
        return f"Tracer({self.type})" if self.staged else f"Tracer({self.type}, value={self.value!r})"

    # --- handle and value -----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Reads a view again if the array behind it was assigned to."""
        view = self.view
        if view is not None:
            view.base.refresh()
            if view.version != view.base.version:
                self._become(view.read(view.base))
                view.version = view.base.version

    def clone(self) -> Tracer:
        """A handle of its own on the value as it is now: what a copy is."""
        self.refresh()
        return Tracer(self.trace, self.value, self.extra)

    def create(self, op: Op, attrs: dict[str, Any]) -> Any:
        """The result of an operation without inputs: a node of the graph if there is one at the bottom."""
        bottom = self
        while isinstance(bottom.value, Tracer):
            bottom = bottom.value
        return bottom.trace.process(op, (), attrs) if isinstance(bottom.value, Value) else op(**attrs)

    def settle(self, beside: Traced) -> Any:
        """What a draft stands for in an operation on `beside`: where that is staged how it is made, if known."""
        return beside.create(*self.extra) if self.extra is not None and beside.staged else self.value

    def scalar(self) -> Any:
        """The element that this is, on its own: of a draft a NumPy scalar."""
        return self.value[()] if is_draft(self) else self.clone()

    def assign(self, new: Any) -> None:
        """Moves this handle, and the arrays that it is a view of, on to a new value; all or, in an error, none."""
        self.refresh()
        moves: list[tuple[Tracer, Any]] = [(self, new)]
        while (view := moves[-1][0].view) is not None:
            moves.append((view.base, view.write(view.base, moves[-1][1])))
        for handle, value in moves:
            handle._become(value)
        for handle, _ in moves[:-1]:
            if handle.view is not None:
                handle.view.version = handle.view.base.version

    def viewed(
        self, read: Callable[[Any], Any], write: Callable[[Any, Any], Any], strides: Callable[[Strides], Strides]
    ) -> Tracer:
        """The view of this handle that `read` gives, written back by `write(base, part)`; `strides` as View has it."""
        out = read(self)
        if out is self:
            out = self.clone()
        out.view = View(self, read, write, strides, self.version)
        return out

    def strides_in_numpy(self) -> Strides:
        """The strides, in elements, that NumPy's array would have."""
        return self.view.strides(self.view.base.strides_in_numpy()) if self.view is not None else row_major(self.shape)

    def _become(self, new: Tracer) -> None:
        self.trace, self.value, self.extra = new.trace, new.value, new.extra
        self.version += 1

    def __getitem__(self, key: Any) -> Any:
        if not index.is_basic(key):
            return index.getitem(self, key)
        if index.is_element(key, self.ndim):
            return index.getitem(self, key).scalar()
        return self.viewed(
            lambda x: index.getitem(x, key),
            lambda x, part: index.setitem(x, key, part),
            lambda strides: index.view_strides(self, key, strides),
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        self.assign(index.setitem(self, key, value))

    @property
    def T(self) -> Tracer:  # noqa: N802 (NumPy's name)
        return self.transpose()

    def transpose(self, *axes: Any) -> Tracer:
        """A view with the axes permuted."""
        return transposed(self, permutation(self.ndim, axes[0] if len(axes) == 1 else axes or None))

    def reshape(self, *new: Any, order: str = "C") -> Tracer:
        """An array of another shape: a view where NumPy gives one."""
        wanted = resolve_shape(self.size, new[0] if len(new) == 1 else new)
        if order == "F":
            return reshaped(self.T, wanted[::-1]).T
        return reshaped(self, wanted)

    def fill(self, value: Any) -> None:
        """Writes one value everywhere."""
        self[...] = value

    def copy(self, order: str = "C") -> Tracer:
        """An array of its own."""
        return self.clone()

    def sort(self, axis: int = -1, kind: str | None = None, *, stable: bool | None = None) -> None:
        """Sorts the array in place, as the method does in NumPy."""
        self[...] = protocol.namespace().sort(self, axis, kind, stable=stable)

    def astype(self, dtype: Any, copy: bool = True) -> Tracer:
        """The array in another dtype."""
        return self if not copy and np.dtype(dtype) == self.dtype else elementwise.astype(self, dtype)

    # --- Python asks for numbers ------------------------------------------------------------------------------------------------

    def concrete(self, what: str, hint: str) -> Any:
        """The array of numbers behind an eager tracer; an error naming the line while staging."""
        self.refresh()
        if self.staged:
            raise StagingError(message(f"no {what} on a staged value", str(self.type), user_location(), hint))
        value = self.value
        while isinstance(value, Tracer):
            value.refresh()
            value = value.value
        return value

    def __bool__(self) -> bool:
        return bool(self.concrete("Python branch", "cr.numpy.where, cr.scan, or static_argnames= for an option"))

    def __index__(self) -> int:
        return np.asarray(self.concrete("Python index", "x[i] with cr.numpy.take, or static_argnames=")).__index__()

    def _plain(self, name: str) -> Any:
        """The array of a draft; of a traced value an error."""
        if is_draft(self):
            return self.value
        hint = "a function of cr.numpy, y made by cr.numpy.zeros to assign to y[i], or cr.value(x) for its number"
        raise TraceError(message(f"no {name}() of a traced array", str(self.type), user_location(), hint))

    def __float__(self) -> float:
        return float(self._plain("float"))

    def __int__(self) -> int:
        return int(self._plain("int"))

    def __complex__(self) -> complex:
        return complex(self._plain("complex"))

    def item(self, *args: Any) -> Any:
        return self._plain("item").item(*args)

    def tolist(self) -> Any:
        return self._plain("tolist").tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if is_draft(self):
            return np.array(self.value, dtype, copy=copy)
        raise TraceError(
            message(
                "a plain array or number",
                f"a traced {self.type}",
                user_location(),
                "cr.numpy.array, cr.numpy.stack, cr.numpy.full or cr.numpy.zeros in place of numpy's "
                "(`import chainrule.numpy as np`), or cr.value(x) for its numbers",
            )
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tracer]:
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:
        raise TypeError("unhashable type: a traced array")

    def __format__(self, spec: str) -> str:
        return repr(self) if self.staged or not spec else format(self.concrete("number", ""), spec)

    # --- NumPy asks ---------------------------------------------------------------------------------------------------------------

    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if not kwargs and method == "__call__" and self.trace.level >= 0:  # what it nearly always is
            function = protocol.functions().get(ufunc)
            if function is not None:
                return function(*inputs)
        return protocol.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return protocol.call_function(function, args, kwargs)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return protocol.namespace()

    def __getattr__(self, name: str) -> Any:
        if name not in protocol.METHODS and not name.startswith("__") and is_draft(self):
            return getattr(self.value, name)
        return protocol.method(self, name)

    # --- operators ------------------------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        return ops.add(self, operand(other))

    def __radd__(self, other: Any) -> Any:
        return ops.add(operand(other), self)

    def __sub__(self, other: Any) -> Any:
        return ops.subtract(self, operand(other))

    def __rsub__(self, other: Any) -> Any:
        return ops.subtract(operand(other), self)

    def __mul__(self, other: Any) -> Any:
        return ops.multiply(self, operand(other))

    def __rmul__(self, other: Any) -> Any:
        return ops.multiply(operand(other), self)

    def __truediv__(self, other: Any) -> Any:
        return ops.divide(self, operand(other))

    def __rtruediv__(self, other: Any) -> Any:
        return ops.divide(operand(other), self)

    def __floordiv__(self, other: Any) -> Any:
        return ops.floor_divide(self, operand(other))

    def __rfloordiv__(self, other: Any) -> Any:
        return ops.floor_divide(operand(other), self)

    def __mod__(self, other: Any) -> Any:
        return ops.remainder(self, operand(other))

    def __rmod__(self, other: Any) -> Any:
        return ops.remainder(operand(other), self)

    def __pow__(self, other: Any) -> Any:
        return elementwise.power(self, operand(other))

    def __rpow__(self, other: Any) -> Any:
        return elementwise.power(operand(other), self)

    def __matmul__(self, other: Any) -> Any:
        return matmul(self, operand(other))

    def __rmatmul__(self, other: Any) -> Any:
        return matmul(operand(other), self)

    def __neg__(self) -> Any:
        return ops.negative(self)

    def __pos__(self) -> Any:
        return self.clone()

    def __abs__(self) -> Any:
        return ops.absolute(self)

    def __eq__(self, other: Any) -> Any:
        return ops.equal(self, operand(other))

    def __ne__(self, other: Any) -> Any:
        return ops.not_equal(self, operand(other))

    def __lt__(self, other: Any) -> Any:
        return ops.less(self, operand(other))

    def __le__(self, other: Any) -> Any:
        return ops.less_equal(self, operand(other))

    def __gt__(self, other: Any) -> Any:
        return ops.greater(self, operand(other))

    def __ge__(self, other: Any) -> Any:
        return ops.greater_equal(self, operand(other))

    def __invert__(self) -> Any:
        return elementwise.invert(self)

    def __and__(self, other: Any) -> Any:
        return elementwise.bitwise_and(self, operand(other))

    __rand__ = __and__

    def __or__(self, other: Any) -> Any:
        return elementwise.bitwise_or(self, operand(other))

    __ror__ = __or__

    def __xor__(self, other: Any) -> Any:
        return elementwise.bitwise_xor(self, operand(other))

    __rxor__ = __xor__


def _in_place(name: str) -> Callable[[Tracer, Any], Tracer]:
    """`x += y` and its like: the handle, and every view of it, moves on; the dtype stays."""

    def update(self: Tracer, other: Any) -> Tracer:
        new = getattr(self, f"__{name}__")(other)
        if not self.shape and self.view is None:  # a number in NumPy's eyes: rebound, not changed behind another name
            return new
        self[...] = elementwise.cast_in_place(new, self.dtype, name)
        return self

    return update


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    setattr(Tracer, f"__i{_name}__", _in_place(_name))


def operand(x: Any) -> Any:
    """An operator's other operand: lists become arrays, everything else is left as it is."""
    return np.asarray(x) if isinstance(x, (list, tuple)) else x
