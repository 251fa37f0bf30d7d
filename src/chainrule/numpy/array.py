"""`Tracer`: what a traced function sees in place of an array: a handle with an array's operators and methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from chainrule.errors import ShapeError, TraceError, message
from chainrule.numpy import elementwise, index, protocol
from chainrule.numpy.contract import matmul
from chainrule.numpy.draft import is_draft
from chainrule.numpy.handle import Handle
from chainrule.numpy.key import is_basic
from chainrule.numpy.shape import permutation, resolve_shape
from chainrule.numpy.ufuncs import raised
from chainrule.numpy.view import reshaped, transposed
from chainrule.ops import arithmetic as ops
from chainrule.where import user_location


class Tracer(Handle):
    """A traced array. It has an array's attributes, operators and methods, and answers NumPy's protocols."""

    __slots__ = ()

    def __repr__(self) -> str:
        if is_draft(self):
            return repr(self.value)
        return f"Tracer({self.type})" if self.staged else f"Tracer({self.type}, value={self.value!r})"

    def __getitem__(self, key: Any) -> Any:
        if not is_basic(key):
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
    def T(self) -> Tracer:
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

    # --- Python asks for numbers --------------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        numbers = self.concrete("Python branch", "cr.numpy.where, cr.scan, or static_argnames= for an option")
        if self.size != 1:
            got, hint = f"{self.size} of them, {self.type}", "x.any() or x.all()"
            raise ShapeError(message("one truth value", got, user_location(), hint))
        return bool(numbers)

    def __index__(self) -> int:
        hint = "int(n) for the argument n (a Python int is static), cr.numpy.take(x, i), or static_argnames="
        return np.asarray(self.concrete("Python index", hint)).__index__()

    def _plain(self, name: str) -> Any:
        """The array of a draft; of a traced value an error."""
        if is_draft(self):
            return self.value
        hint = "a function of cr.numpy, y made by cr.numpy.zeros to assign to y[i], or cr.value(x) for its number"
        raise self.owner.refusal(TraceError, f"no {name}() of a traced array", str(self.type), hint)

    def __float__(self) -> float:
        return float(self._plain("float"))

    def __int__(self) -> int:
        return int(self._plain("int"))

    def __complex__(self) -> complex:
        return complex(self._plain("complex"))

    def __round__(self, ndigits: int | None = None) -> Any:
        return round(self._plain("round")) if ndigits is None else protocol.namespace().round(self, ndigits)

    def __trunc__(self) -> int:
        return math.trunc(self._plain("trunc"))

    def item(self, *args: Any) -> Any:
        return self._plain("item").item(*args)

    def tolist(self) -> Any:
        return self._plain("tolist").tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if is_draft(self):
            return np.array(self.value, dtype, copy=copy)
        hint = (
            "cr.numpy.array, cr.numpy.stack, cr.numpy.full or cr.numpy.zeros in place of numpy's "
            "(`import chainrule.numpy as np`), or cr.value(x) for its numbers"
        )
        if self.dtype.kind in "biu":
            hint = "cr.numpy.take(a, i, axis=0) for a[i] of a plain array, cr.numpy.where for a mask, or " + hint
        raise self.owner.refusal(TraceError, "a plain array or number", f"a traced {self.type}", hint)

    def __copy__(self) -> Tracer:
        return self.clone()

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self.clone()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise self.owner.refusal(TraceError, "no pickling of a traced array", str(self.type), "cr.value(x)")

    def __len__(self) -> int:
        if not self.shape:
            expected, hint = "an array with an axis to take the len() of", "x.size"
            raise TypeError(message(expected, str(self.type), user_location(), hint))
        return self.shape[0]

    def __iter__(self) -> Iterator[Tracer]:
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:
        hint = "a key that is a number or a string"
        raise self.owner.refusal(TraceError, "no hash of a traced array", str(self.type), hint)

    def __format__(self, spec: str) -> str:
        return repr(self) if self.staged or not spec else format(self.concrete("number", ""), spec)

    # --- NumPy asks ---------------------------------------------------------------------------------------------------

    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if not kwargs and method == "__call__" and self.owner.level >= 0:  # what it nearly always is
            function = protocol.functions().get(ufunc)
            if function is not None:
                return function(*inputs)
        return protocol.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return protocol.call_function(function, args, kwargs)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return protocol.namespace()

    def __getattr__(self, name: str) -> Any:
        if name not in protocol.COMPUTED and not name.startswith("__") and is_draft(self):
            return getattr(self.value, name)
        return protocol.method(self, name)

    # --- operators ----------------------------------------------------------------------------------------------------

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

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __mod__(self, other: Any) -> Any:
        return ops.remainder(self, operand(other))

    def __rmod__(self, other: Any) -> Any:
        return ops.remainder(operand(other), self)

    def __pow__(self, other: Any) -> Any:
        return raised(self, operand(other))

    def __rpow__(self, other: Any) -> Any:
        return raised(operand(other), self)

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
        return ops.invert(self)

    def __and__(self, other: Any) -> Any:
        return ops.bitwise_and(self, operand(other))

    __rand__ = __and__

    def __or__(self, other: Any) -> Any:
        return ops.bitwise_or(self, operand(other))

    __ror__ = __or__

    def __xor__(self, other: Any) -> Any:
        return ops.bitwise_xor(self, operand(other))

    __rxor__ = __xor__

    def __lshift__(self, other: Any) -> Any:
        return ops.left_shift(self, operand(other))

    def __rlshift__(self, other: Any) -> Any:
        return ops.left_shift(operand(other), self)

    def __rshift__(self, other: Any) -> Any:
        return ops.right_shift(self, operand(other))

    def __rrshift__(self, other: Any) -> Any:
        return ops.right_shift(operand(other), self)


def _in_place(name: str) -> Callable[[Tracer, Any], Tracer]:
    """`x += y` and its like: the handle, and every view of it, moves on; the dtype stays."""

    def update(self: Tracer, other: Any) -> Tracer:
        new = getattr(self, f"__{name}__")(other)
        if not self.shape and self.view_of is None:  # a number in NumPy's eyes: rebound, not changed under another name
            return new
        self[...] = elementwise.cast_in_place(new, self.dtype, name)
        return self

    return update


_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
for _name in (*_ARITHMETIC, "and", "or", "xor", "lshift", "rshift"):
    setattr(Tracer, f"__i{_name}__", _in_place(_name))


def operand(x: Any) -> Any:
    """An operator's other operand: lists become arrays, everything else is left as it is."""
    return np.asarray(cast("list[Any]", x)) if isinstance(x, (list, tuple)) else x
