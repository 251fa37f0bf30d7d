"""`Bound`: a staged function with fixed buffers, which is called without arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from chainrule.api.call import Call
from chainrule.errors import ArgumentError, message
from chainrule.ir.graph import Value
from chainrule.ir.op import Traced
from chainrule.where import user_location

R = TypeVar("R")


class Bound(Generic[R]):
    """A call that is made again and again on the same memory: `b()` reads, computes, writes, returns `result`.

    It is for one thread at a time. The result is the same objects at every call, overwritten by the next one: a number
    is an array without axes. What the function found outside itself is what it was when it was bound; arrays of it are
    read at every call where they were then.
    """

    __slots__ = ("_run", "result")

    def __init__(self, run: Callable[[], None], result: R) -> None:
        self._run = run
        self.result = result

    def __call__(self) -> R:
        self._run()
        return self.result


def fixed_input(x: Any, value: Value, name: str) -> np.ndarray[Any, Any]:
    """The array itself where its memory can be read as it lies there, an array of a number; else an ArgumentError."""
    if isinstance(x, Traced):
        hint = "calling the staged function itself"
        raise ArgumentError(message(f"an array{name} whose memory is bound", "a traced value", user_location(), hint))
    if not isinstance(x, np.ndarray):
        return np.array(x, value.dtype)
    array = np.asarray(x)
    hint = "np.require(x, requirements='CA'), a copy that is bound in its place"
    if not array.dtype.isnative:
        got, hint = "one in another byte order", "x.astype(x.dtype.newbyteorder('='))"
    elif not array.flags.c_contiguous:
        got = f"one of shape {array.shape} with strides {array.strides}"
    elif not array.flags.aligned:
        got = "one that is not aligned"
    else:
        return array
    raise ArgumentError(message(f"a C-contiguous, aligned array{name}", got, user_location(), hint))


def fixed_inputs(call: Call, captured: Sequence[Any], inputs: tuple[Value, ...]) -> list[np.ndarray[Any, Any]]:
    """All inputs of a graph as arrays whose memory can be read as it lies there."""
    names = [f" for argument `{call.form.name(i)}`" for i in range(len(call.arrays))]
    names += [" found outside the function"] * len(captured)
    return [fixed_input(*row) for row in zip((*call.arrays, *captured), inputs, names, strict=True)]
