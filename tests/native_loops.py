"""`loop`: an elementwise operation as a native function of dense arrays, in vectors of any width."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.engine import compile_text, load
from chainrule.backend.llvm.scalar import from_memory, memory_type, register_type, scalar, to_memory
from chainrule.backend.llvm.target import level, target
from chainrule.backend.llvm.values import I64, PTR
from chainrule.ir.op import OPS
from chainrule.types import Type

Array = np.ndarray[Any, Any]

_NUMBERS: Final = itertools.count()


def text(name: str, op: str, attrs: dict[str, Any], dtypes: Sequence[np.dtype[Any]], lanes: int) -> str:
    """The module with one function: pointers of operands, of the result, and the number of elements."""
    out = result_dtype(op, attrs, dtypes)
    module = Module()
    parameters = {f"x{i}": PTR for i in range(len(dtypes))}
    with module.function(name, I64, **parameters, out=PTR, count=I64) as f:
        *pointers, result, count = f.arguments
        with f.loop(0, count, lanes or 1) as loop:
            given = [
                from_memory(f, f.load(memory_type(d).of(lanes), f.element(p, loop.index, memory_type(d))), d)
                for p, d in zip(pointers, dtypes, strict=True)
            ]
            found = scalar(f, op, attrs, given, list(dtypes), out)
            assert found.ty == register_type(out).of(lanes)
            f.store(to_memory(f, found, out), f.element(result, loop.index, memory_type(out)), memory_type(out).nbytes)
        f.ret(0)
    return str(module)


def result_dtype(op: str, attrs: dict[str, Any], dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """The dtype by the operation's record."""
    found = OPS[op].infer(*(Type((), d) for d in dtypes), **attrs)
    assert isinstance(found, Type)
    return found.dtype


@cache
def _compiled(
    op: str, attrs: tuple[tuple[str, Any], ...], dtypes: tuple[np.dtype[Any], ...], lanes: int, level_name: str
) -> Any:
    name = f"loop{next(_NUMBERS)}"
    made_for = level(level_name) if level_name else target()
    (address,) = load(compile_text(text(name, op, dict(attrs), dtypes, lanes), made_for), [name])
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * (len(dtypes) + 1), ctypes.c_int64)(address)


def loop(op: str, dtypes: Sequence[Any], lanes: int, level_name: str = "", **attrs: Any) -> Callable[..., Array]:
    """The native function of arrays of one shape and these dtypes; the number of elements is rounded up to vectors.

    `level_name` says what it is made for, if not for this processor.
    """
    given = tuple(np.dtype(d) for d in dtypes)
    out = result_dtype(op, attrs, given)
    function = _compiled(op, tuple(sorted(attrs.items())), given, lanes, level_name)

    def run(*arrays: Any) -> Array:
        operands = [np.ascontiguousarray(x, d) for x, d in zip(arrays, given, strict=True)]
        count = operands[0].size
        whole = -(-count // lanes) * lanes if lanes else count
        if whole != count:
            operands = [np.resize(x, whole) for x in operands]
        result = np.empty(whole, out)
        function(*(x.ctypes.data for x in operands), result.ctypes.data, whole)
        return result[:count].reshape(np.shape(arrays[0]))

    return run
