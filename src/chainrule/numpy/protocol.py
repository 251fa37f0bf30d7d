"""How NumPy's own functions reach chainrule's: the tables behind `__array_ufunc__` and `__array_function__`.

The tables are made from the names: `numpy.tanh` is answered by `chainrule.numpy.tanh`, a method by the function of its
name. What has no counterpart raises an error that says so; nothing falls back to numbers in silence.
"""

from __future__ import annotations

import sys
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.errors import TraceError, message
from chainrule.ir.op import Traced
from chainrule.numpy.draft import on_numbers, only_drafts, settled
from chainrule.ops.arithmetic import cast
from chainrule.where import user_location

METHODS = frozenset(
    "sum mean max min prod var std any all argmax argmin argsort cumsum cumprod dot ravel flatten squeeze swapaxes take "
    "choose clip put round repeat diagonal trace nonzero compress searchsorted ptp conj conjugate".split()
)
REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}
IN_PLACE = frozenset({np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal})


def namespace() -> ModuleType:
    """chainrule.numpy, whose import brought this module in."""
    return sys.modules["chainrule.numpy"]


@cache
def functions() -> dict[Any, Any]:
    """chainrule's function for each of NumPy's."""
    ours = namespace()
    table = {getattr(np, name, None): getattr(ours, name) for name in ours.__all__}
    table.update({getattr(np.linalg, name, None): getattr(ours.linalg, name) for name in ours.linalg.__all__})
    table.pop(None, None)
    return table


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """NumPy's ufunc, or one of its methods, on traced arrays."""
    out = kwargs.pop("out", None)
    if method == "at":
        return _at(ufunc, *inputs)
    if only_drafts(*inputs):
        result = on_numbers(getattr(ufunc, method), inputs, kwargs)
    else:
        result = _ufunc_result(ufunc, method, inputs, kwargs)
    if out is None:
        return result
    (target,) = out
    plain = settled(result)
    if isinstance(target, np.ndarray) and not isinstance(plain, Traced):
        np.copyto(target, plain, casting="same_kind")
        return target
    _check_target(target, f"out= of {ufunc.__name__}")
    target[...] = result
    return target


def _ufunc_result(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    ours = namespace()
    if kwargs.get("where", True) is not True:
        raise _no_counterpart(f"{ufunc.__name__} with where=", "cr.numpy.where(condition, result, other)")
    kwargs.pop("where", None)
    dtype = kwargs.pop("dtype", None)
    if method == "__call__":
        function = functions().get(ufunc)
        if function is None:
            raise _no_counterpart(f"numpy.{ufunc.__name__}")
        result = function(*inputs, **kwargs)
        return result if dtype is None else cast(result, dtype=np.dtype(dtype).name)
    if method == "reduce" and ufunc.__name__ in REDUCTIONS:
        kwargs.setdefault("axis", 0)
        dtypes = {} if dtype is None else {"dtype": dtype}
        return getattr(ours, REDUCTIONS[ufunc.__name__])(*inputs, **kwargs, **dtypes)
    if method == "accumulate" and ufunc in (np.add, np.multiply):
        kwargs.setdefault("axis", 0)
        return (ours.cumsum if ufunc is np.add else ours.cumprod)(*inputs, **kwargs)
    if method == "outer":
        x, y = inputs
        return functions()[ufunc](ours.reshape(x, (*np.shape(x), *[1] * np.ndim(y))), y)
    raise _no_counterpart(f"numpy.{ufunc.__name__}.{method}")


def _at(ufunc: Any, target: Any, key: Any, *values: Any) -> None:
    """`np.add.at(target, key, value)`: every occurrence of an index counts."""
    _check_target(target, f"numpy.{ufunc.__name__}.at")
    if ufunc is np.subtract:
        values = (-values[0],)
    elif ufunc is not np.add:
        raise _no_counterpart(f"numpy.{ufunc.__name__}.at")
    target.assign(namespace().add_at(target, key, values[0]))


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One of NumPy's functions on traced arrays."""
    ours = functions().get(function)
    if function in IN_PLACE:
        target = args[0] if args else kwargs.get("dst", kwargs.get("a", kwargs.get("arr")))
        if not isinstance(target, Traced) and only_drafts(*args, *kwargs.values()):
            return on_numbers(function, args, kwargs)
        _check_target(target, f"numpy.{function.__name__}")
        if ours is None:
            raise _no_counterpart(f"numpy.{function.__name__}", "x[index] = value on the traced array")
    if ours is None:
        if only_drafts(*args, *kwargs.values()):
            return on_numbers(function, args, kwargs)
        raise _no_counterpart(f"numpy.{function.__name__}")
    out = kwargs.pop("out", None)
    result = ours(*args, **kwargs)
    if out is None:
        return result
    _check_target(out, f"out= of {function.__name__}")
    out[...] = result
    return out


def method(x: Any, name: str) -> Any:
    """The method `name` of a traced array, which is the function of that name."""
    if name not in METHODS:
        raise AttributeError(f"a traced array has no attribute {name!r}")
    return partial(getattr(namespace(), name), x)


def _check_target(target: Any, what: str) -> None:
    if not isinstance(target, Traced):
        got = f"a plain {type(target).__name__} as the target of {what}"
        hint = "y = y + x, a new array, or a target made by cr.numpy.zeros"
        raise TraceError(message("a traced array to write a traced value to", got, user_location(), hint))


def _no_counterpart(what: str, hint: str = "") -> TraceError:
    return TraceError(
        message(
            "a function that chainrule can differentiate", what, user_location(), hint or "a composition of cr.numpy's"
        )
    )
