"""How NumPy's own functions reach chainrule's: the tables behind `__array_ufunc__` and `__array_function__`.

The tables are made from the names: `numpy.tanh` is answered by `chainrule.numpy.tanh`, a method by the function of its
name. What has no counterpart raises an error that says so; nothing falls back to numbers in silence.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, DTypeError, TraceError, message
from chainrule.ir.op import Traced
from chainrule.numpy.convert import as_array, as_dtype
from chainrule.numpy.draft import on_numbers, only_drafts, settled
from chainrule.ops.scalar import PYTHON_TYPES
from chainrule.types import dtype_of, supported, type_of
from chainrule.where import user_location

_METHODS = """
    sum mean max min prod var std any all argmax argmin argsort cumsum cumprod dot ravel flatten squeeze swapaxes take
    choose clip put round repeat diagonal trace nonzero compress searchsorted ptp conj conjugate
"""
METHODS = frozenset(_METHODS.split())
ATTRIBUTES = {"mT": "matrix_transpose", "real": "real", "imag": "imag"}
COMPUTED = METHODS | ATTRIBUTES.keys()
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
    if out is not None and len(out) > 1:
        raise _no_counterpart(f"{_name(ufunc)} with two arrays as out=", "a, b = the results without out=")
    target = None if out is None else out[0]
    on_plain = only_drafts(*inputs, *kwargs.values())
    if target is not None and not on_plain:
        _check_target(target, f"out= of {ufunc.__name__}")
    if on_plain:
        result = on_numbers(getattr(ufunc, method), inputs, kwargs)
    else:
        result = _ufunc_result(ufunc, method, inputs, kwargs)
    if target is None:
        return result
    if isinstance(target, np.ndarray):
        np.copyto(target, settled(result), casting="same_kind")
    else:
        _write(target, result, f"out= of {ufunc.__name__}")
    return target


def _write(target: Any, result: Any, what: str) -> None:
    """Writes a result to an array given as out=, which takes dtypes of the same kind only."""
    if not np.can_cast(dtype_of(result), dtype_of(target), "same_kind"):
        expected = f"a result that {what} takes, of dtype {dtype_of(target).name} or less"
        hint = "y[...] = result, which casts"
        raise DTypeError(message(expected, dtype_of(result).name, user_location(), hint))
    target[...] = result


def _in_loop_dtypes(ufunc: Any, inputs: Sequence[Any], dtype: Any) -> tuple[Any, ...]:
    """The inputs in the dtypes of the loop by which NumPy computes a result of the dtype."""
    given = [as_array(x) for x in inputs]
    kinds = [PYTHON_TYPES[t.dtype.kind] if t.weak else t.dtype for t in map(type_of, given)]
    try:
        outs = [supported(dtype)] * ufunc.nout
        found = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout), signature=(*[None] * ufunc.nin, *outs))
    except TypeError as error:
        got = f"{np.dtype(dtype).name} of {' and '.join(str(type_of(x)) for x in given)}"
        expected = f"a dtype= that {ufunc.__name__} gives"
        raise DTypeError(message(expected, got, user_location(), "astype of the result")) from error
    return tuple([as_dtype(x, wanted) for x, wanted in zip(given, found, strict=False)])


def _ufunc_result(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    ours = namespace()
    if kwargs.get("where", True) is not True:
        raise _no_counterpart(f"{ufunc.__name__} with where=", "cr.numpy.where(condition, result, other)")
    kwargs.pop("where", None)
    dtype = kwargs.pop("dtype", None)
    dtypes = {} if dtype is None else {"dtype": dtype}
    if method == "__call__":
        function = functions().get(ufunc)
        if function is None:  # the method clip of a plain array is a ufunc that is not numpy.clip
            known = ufunc.__name__ in ours.__all__
            raise _no_counterpart(_name(ufunc), f"cr.numpy.{ufunc.__name__}" if known else "")
        return _call(function, inputs if dtype is None else _in_loop_dtypes(ufunc, inputs, dtype), kwargs)
    if method == "reduce" and ufunc.__name__ in REDUCTIONS:
        kwargs.setdefault("axis", 0)
        return _call(getattr(ours, REDUCTIONS[ufunc.__name__]), inputs, {**kwargs, **dtypes})
    if method == "accumulate" and ufunc in (np.add, np.multiply):
        kwargs.setdefault("axis", 0)
        return _call(ours.cumsum if ufunc is np.add else ours.cumprod, inputs, {**kwargs, **dtypes})
    if method == "outer" and ufunc in functions():
        x, y = inputs
        x = ours.reshape(x, (*np.shape(x), *[1] * np.ndim(y)))
        return _ufunc_result(ufunc, "__call__", (x, y), {**kwargs, **dtypes})
    raise _no_counterpart(f"{_name(ufunc)}.{method}")


def _at(ufunc: Any, target: Any, key: Any, *values: Any) -> None:
    """`np.add.at(target, key, value)`: every occurrence of an index counts."""
    _check_target(target, f"numpy.{ufunc.__name__}.at")
    if ufunc is np.subtract:
        values = (-values[0],)
    elif ufunc is not np.add:
        raise _no_counterpart(f"{_name(ufunc)}.at")
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
            raise _no_counterpart(_name(function), "x[index] = value on the traced array")
    if ours is None:
        if only_drafts(*args, *kwargs.values()):
            return on_numbers(function, args, kwargs)
        raise _no_counterpart(_name(function))
    out = kwargs.pop("out", None)
    if out is None:
        return _call(ours, args, kwargs)
    _check_target(out, f"out= of {function.__name__}")
    _write(out, _call(ours, args, kwargs), f"out= of {function.__name__}")
    return out


def method(x: Any, name: str) -> Any:
    """The method `name` of a traced array, which is the function of that name; or an attribute that is computed."""
    if name == "compress":
        return partial(_compress, x)
    if name in METHODS:
        return partial(getattr(namespace(), name), x)
    if name in ATTRIBUTES:
        return getattr(namespace(), ATTRIBUTES[name])(x)
    if name.startswith("__"):  # NumPy and Python ask for many that nobody has
        raise AttributeError(name)
    hint = f"cr.value(x).{name} for its numbers" if hasattr(np.ndarray, name) else ""
    raise AttributeError(message("an attribute of a traced array", f"`{name}`", user_location(), hint))


def _compress(x: Any, condition: Any, axis: int | None = None) -> Any:
    """The method `compress`, whose function takes the condition first."""
    return namespace().compress(condition, x, axis)


def _call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The function's result; an error that names the line where it does not take such arguments, though NumPy's may."""
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        if not isinstance(error, ChainruleError):
            _check_arguments(function, args, kwargs)
        raise


def _check_arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        names = ", ".join(signature.parameters)
        expected = f"the arguments that cr.numpy.{function.__name__} takes on traced arrays ({names})"
        got, hint = str(error).removeprefix("got "), f"cr.numpy.{function.__name__} with these"
        raise TraceError(message(expected, got, user_location(), hint)) from None


def _name(function: Any) -> str:
    """The name by which a user knows a function or a ufunc."""
    if isinstance(function, np.ufunc):
        known = getattr(np, function.__name__, None) is function
        return f"numpy.{function.__name__}" if known else f"the ufunc {function.__name__}"
    return f"{function.__module__}.{function.__name__}"


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
