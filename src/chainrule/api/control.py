"""`scan` and `fori_loop`: loops that are traced once, whatever their length."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from chainrule.api.arguments import check_function
from chainrule.api.captures import find_captures
from chainrule.api.effects import check_stored, without_effects
from chainrule.api.leaves import own
from chainrule.errors import ArgumentError, DTypeError, ShapeError, StagingError, TreeError, message
from chainrule.ir.graph import Graph
from chainrule.numpy.array import Tracer
from chainrule.ops import control
from chainrule.ops.arithmetic import cast
from chainrule.ops.scalar import PYTHON_TYPES
from chainrule.trace import Staged, stage
from chainrule.tree import Structure, flatten, unflatten
from chainrule.types import Type, type_of
from chainrule.where import user_location

State = TypeVar("State")
Step = Callable[[Sequence[Any], Sequence[Any]], tuple[list[Any], list[Any]]]


def scan(
    f: Callable[[State, Any], tuple[State, Any]],
    init: State,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[State, Any]:
    """`(carry, ys)`: the last carry of `carry, y = f(carry, x)` over the first axis of xs, and every y, stacked.

    `init`, `xs` and the ys are trees of arrays. `f` is called once, with traced values, whatever the length; what it
    finds outside itself is read once, before the loop. The carry keeps its structure, shapes and dtypes; a Python
    number in `init` takes the dtype that `f` gives it. Without xs, `length` says how often f is applied, to None.
    With `reverse` the last x comes first, and ys[i] still belongs to xs[i].

    Raises a TreeError, ShapeError or DTypeError that names the leaf where carry or xs do not fit.

    >>> import numpy as np
    >>> scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    check_function(f, "scan")
    carry, structure = flatten(init)
    columns, rows = flatten(xs)
    steps = _common_length(columns, rows, length)
    outcome: dict[str, Structure] = {}

    def step(state: Sequence[Any], row: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        pair: Any = f(unflatten(structure, state), unflatten(rows, row))
        if not _is_pair(pair):
            got = f"a {type(pair).__name__}"
            expected, hint = "a pair (carry, y) from the function of a scan", "return carry, None"
            raise TreeError(message(expected, got, user_location(), hint))
        new, found = flatten(pair[0])
        _check_structure(structure, found)
        ys, outcome["ys"] = flatten(pair[1])
        return new, ys

    last, ys = _loop(f, step, carry, structure.paths(), columns, steps, reverse)
    return unflatten(structure, last), unflatten(outcome["ys"], ys)


def fori_loop(lower: int, upper: int, body: Callable[[Any, State], State], init: State) -> State:
    """The state after `state = body(i, state)` for i = lower, ..., upper - 1, traced once; `init` if there is none.

    The bounds are numbers, not staged values. The state keeps its structure, shapes and dtypes.

    >>> fori_loop(1, 5, lambda i, product: product * i, 1)
    24
    """
    check_function(body, "fori_loop")
    first, last = _bound(lower), _bound(upper)
    state, structure = flatten(init)

    def step(carry: Sequence[Any], _: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        index, *leaves = carry
        new, found = flatten(body(index, unflatten(structure, leaves)))
        _check_structure(structure, found)
        return [index + 1, *new], []

    names = ["the index", *structure.paths()]
    (_, *out), _ = _loop(body, step, [first, *state], names, [], max(last - first, 0), False)
    return unflatten(structure, out)


def _loop(
    f: Callable[..., Any],
    step: Step,
    carry: list[Any],
    names: list[str],
    columns: list[Any],
    length: int,
    reverse: bool,
) -> tuple[list[Any], list[Any]]:
    """The last carry and the stacked ys of `step`, which is f as a function of leaves."""
    rows = [type_of(x).with_shape(type_of(x).shape[1:]) for x in columns]
    held = find_captures(f)

    def run() -> tuple[Staged, list[Type]]:
        return _stage_body(step, [type_of(x) for x in carry], names, rows)

    staged, types = without_effects(run, held.sources, held.arrays.values())
    check_stored(run, held.groups, [], list)
    carry = [cast(x, dtype=t.dtype.name) if type_of(x) != t else x for x, t in zip(carry, types, strict=True)]
    count = len(carry)
    given, captured = staged.graph.inputs[: count + len(rows)], staged.graph.inputs[count + len(rows) :]
    outputs = staged.graph.outputs
    still = [i for i in range(count) if outputs[i] is given[i]]  # the body hands these on as they are
    moving = [i for i in range(count) if i not in still]
    if not moving and len(outputs) == count:
        return [own(x) for x in carry], []
    body = Graph(
        (*captured, *(given[i] for i in still), *(given[i] for i in moving), *given[count:]),
        (*(outputs[i] for i in moving), *outputs[count:]),
    )
    operands = [*staged.captured, *(carry[i] for i in still), *(carry[i] for i in moving), *columns]
    counts = {"consts": len(captured) + len(still), "carry": len(moving)}
    out = control.scan(*operands, body=body, length=length, reverse=reverse, **counts)
    last = [own(x) for x in carry]
    for i, x in zip(moving, out, strict=False):
        last[i] = x
    return last, list(out[len(moving) :])


def _stage_body(step: Step, types: list[Type], names: list[str], rows: list[Type]) -> tuple[Staged, list[Type]]:
    """The body's graph, and the types of the carry: a Python number takes the dtype that the body gives it."""
    while True:
        wanted = types

        def flat(*leaves: Any, wanted: list[Type] = wanted) -> list[Any]:
            new, ys = step(leaves[: len(wanted)], leaves[len(wanted) :])
            fitted = [_yield_to(x, type) for x, type in zip(new, wanted, strict=True)]
            return [*fitted, *ys]

        staged = stage(flat, [*types, *rows], hoists=True)
        found = [value.type for value in staged.graph.outputs[: len(types)]]
        types = [_joined(name, old, new) for name, old, new in zip(names, types, found, strict=True)]
        if types == wanted:
            return staged, types


def _yield_to(x: Any, type: Type) -> Any:
    """A Python number in the dtype of the carry, where NumPy's promotion allows; anything else as it is."""
    found = type_of(x)
    if found.weak and not type.weak and _promoted(type, found) == type.dtype:
        return cast(x, dtype=type.dtype.name)
    return x


def _joined(name: str, old: Type, new: Type) -> Type:
    """The type of a carry for the next attempt: its own, or the dtype that a Python number becomes."""
    if new == old:
        return old
    if old.weak and new.shape == () and _promoted(old, new) == new.dtype:
        return new
    path = f"the carry `{name}`" if name else "the carry"
    hint = f"x.astype(np.{old.dtype.name}) in the function, or an initial value of type {new}"
    if new.shape != old.shape:
        hint = f"an initial value of shape {new.shape}"
    raise (ShapeError if new.shape != old.shape else DTypeError)(
        message(f"{path} to stay {old}", f"{new} from the function", user_location(), hint)
    )


def _promoted(a: Type, b: Type) -> np.dtype[Any]:
    return np.result_type(*[PYTHON_TYPES[t.dtype.kind](0) if t.weak else t.dtype for t in (a, b)])


def _is_pair(x: Any) -> bool:
    found: Any = x
    return isinstance(x, tuple) and len(found) == 2


def _check_structure(expected: Structure, got: Structure) -> None:
    if got != expected:
        hint = "returning the carry with the same keys and lengths as it came in"
        raise TreeError(message(f"a carry like {expected}", got, user_location(), hint))


def _common_length(columns: list[Any], rows: Structure, length: int | None) -> int:
    """The length of the first axis of all xs."""
    if length is not None and (length := _whole(length, "length")) < 0:
        raise ShapeError(message("a length of 0 or more", length, user_location(), "length=10"))
    found = length
    for x, path in zip(columns, rows.paths(), strict=True):
        name = f"xs `{path}`" if path else "xs"
        type = type_of(x)
        if not type.shape:
            hint = "an array, its first axis being scanned over"
            raise ShapeError(message(f"{name} with at least one axis", str(type), user_location(), hint))
        if found is not None and type.shape[0] != found:
            expected = f"{name} of length {found}, like the others or length="
            raise ShapeError(message(expected, str(type), user_location(), "arrays of the same length"))
        found = type.shape[0]
    if found is None:
        raise ShapeError(message("xs or length=", "neither", user_location(), "length=10"))
    return found


def _bound(x: Any) -> int:
    if isinstance(x, Tracer) and x.staged:
        hint = "static_argnames= for the bound, or the largest bound and cr.numpy.where(i < n, new, old)"
        expected = "bounds of fori_loop that are numbers"
        raise StagingError(message(expected, f"a staged {type_of(x)}", user_location(), hint))
    return _whole(x, "bound")


def _whole(x: Any, what: str) -> int:
    try:
        return operator.index(x)
    except TypeError:
        hint = f"int({x!r})" if isinstance(x, float) else "a Python int"
        raise ArgumentError(message(f"a whole number as the {what}", repr(x), user_location(), hint)) from None
