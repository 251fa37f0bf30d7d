"""How arrays lie in memory: what is bound as it lies there, and what is copied for an executable that refuses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.api.call import Call
from chainrule.backend.base import Array, Executable, Misfit
from chainrule.errors import ArgumentError, BackendError, message
from chainrule.ir.graph import Value
from chainrule.ir.op import Traced
from chainrule.where import user_location


def run_on_copies(
    executable: Executable, inputs: Sequence[Any], values: Sequence[Value], over: Mapping[int, int]
) -> list[Any]:
    """The outputs for inputs in other layouts than the executable takes: copies of these are given in their place.

    `over` has the inputs that outputs are to be written over.
    """
    plain = tuple([_plain(x, value) for x, value in zip(inputs, values, strict=True)])
    try:
        outs = list(executable(plain))
    except Misfit:
        got = f"a {type(executable).__name__} that refuses them"
        raise BackendError(message("a backend that takes inputs of the graph's types", got, user_location())) from None
    for out, place in over.items():
        if plain[place] is not inputs[place]:
            np.copyto(inputs[place], outs[out])
            outs[out] = inputs[place]
    return outs


def plain_inputs(inputs: Sequence[Any], values: Sequence[Value], over: Mapping[int, int]) -> tuple[Any, ...]:
    """Inputs for a call that is made in pieces: as they are, but copies where they lie in another way.

    What is to be overwritten piece by piece has to lie as the call needs it.
    """
    found = tuple([_plain(x, value) for x, value in zip(inputs, values, strict=True)])
    for place in over.values():
        if found[place] is not inputs[place]:
            fixed_input(inputs[place], values[place], " to be overwritten")
    return found


def fixed_input(x: Any, value: Value, name: str) -> Array:
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


def fixed_inputs(call: Call, captured: Sequence[Any], inputs: tuple[Value, ...]) -> list[Array]:
    """All inputs of a graph as arrays whose memory can be read as it lies there."""
    names = [f" for argument `{call.form.name(i)}`" for i in range(len(call.arrays))]
    names += [" found outside the function"] * len(captured)
    return [fixed_input(*row) for row in zip((*call.arrays, *captured), inputs, names, strict=True)]


def _plain(x: Any, value: Value) -> Any:
    """A Python number where the type is weak; else an array that is contiguous, aligned and in this machine's order."""
    weak = value.type.weak and not isinstance(x, (np.ndarray, np.generic))
    return x if weak else np.require(np.asarray(x), value.dtype, ["C", "A"])
