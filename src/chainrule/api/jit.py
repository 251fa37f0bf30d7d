"""`jit`: a function staged once for each combination of types, then run as a graph."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

import numpy as np

from chainrule.api.arguments import argument_numbers, check_function
from chainrule.api.captures import find_captures
from chainrule.api.effects import check_stored, without_effects
from chainrule.api.places import Captures
from chainrule.api.precision import warn_of_float64
from chainrule.backend.base import Executable
from chainrule.backend.reference import ReferenceBackend
from chainrule.errors import ArgumentError, DTypeError, OptionError, OwnershipError, message
from chainrule.ir.evaluate import evaluate, give
from chainrule.ir.graph import Graph
from chainrule.ir.op import Traced
from chainrule.observers import looked_into
from chainrule.trace import Staged, entered, stage
from chainrule.transform.simplify import simplify
from chainrule.tree import Structure, flatten, mark, unflatten
from chainrule.types import Type, type_of
from chainrule.where import user_location

P = ParamSpec("P")
R = TypeVar("R")

STATIC: Final = (bool, int, str, bytes)


@dataclass(eq=False, slots=True)
class Specialised:
    """A function staged for one combination of argument types."""

    graph: Graph
    captured: list[Any]  # the graph's last inputs
    structure: Structure  # of the result
    constants: dict[int, Any]  # results that are no arrays, by place
    captures: Captures
    donated: tuple[tuple[int, int], ...]  # pairs of an input leaf and the output that is written over it
    executable: Executable | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call, taken apart: traced leaves, and the key of everything that is static."""

    arrays: list[Any]
    types: tuple[Type, ...]
    key: tuple[Any, ...]
    structure: Structure
    leaves: list[Any]  # all leaves; those that are traced are None
    places: list[int]  # of the traced leaves

    def rebuild(self, arrays: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with other values in place of the traced leaves."""
        leaves = list(self.leaves)
        for place, array in zip(self.places, arrays, strict=True):
            leaves[place] = array
        return unflatten(self.structure, leaves)


class Jitted(Generic[P, R]):
    """A staged function. It is called like the function it was made from."""

    __wrapped__: Callable[P, R]

    def __init__(self, function: Callable[P, R], donate: tuple[int, ...], static_argnames: frozenset[str]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._donate = donate
        self._static = static_argnames
        self._parameters = _parameter_names(function)
        self._cache: dict[Any, Specialised] = {}
        self._warned = False
        self.compiles = 0

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if looked_into():
            return self._function(*args, **kwargs)
        call = take_apart(self._parameters, self._static, args, kwargs)
        special = self._specialised(call)
        if any(isinstance(x, Traced) for x in (*call.arrays, *special.captured)):
            outs = evaluate(special.graph, entered([*call.arrays, *special.captured]))
        else:
            outs = self._run(special, call)
        leaves = [special.constants.get(place) for place in range(special.structure.size)]
        for place, out in zip((p for p in range(len(leaves)) if p not in special.constants), outs, strict=True):
            leaves[place] = out
        return unflatten(special.structure, leaves)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method: bound to the instance, which is the first argument."""
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"jit({getattr(self._function, '__qualname__', repr(self._function))})"

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The graph that is run for these arguments."""
        return self._specialised(take_apart(self._parameters, self._static, args, kwargs)).graph

    def _run(self, special: Specialised, call: Call) -> list[Any]:
        if special.executable is None:
            special.executable = ReferenceBackend().compile(special.graph)
        inputs = [*call.arrays, *special.captured]
        check_donated(call.arrays, special)
        outs = special.executable(inputs)
        written = {out: place for place, out in special.donated}
        given = give((out for i, out in enumerate(outs) if i not in written), held=inputs)
        kept = iter(given)
        results: list[Any] = [None if i in written else next(kept) for i in range(len(outs))]
        copies = {i: outs[i].copy() if _aliases(outs[i], inputs) else outs[i] for i in written}
        for i, place in written.items():
            np.copyto(call.arrays[place], copies[i])
            results[i] = call.arrays[place]
        return results

    def _specialised(self, call: Call) -> Specialised:
        special = self._cache.get(call.key)
        if special is not None and _still_fits(special):
            return special
        special = self._stage(call)
        if not any(isinstance(x, Traced) for x in special.captured):
            self._cache[call.key] = special
        return special

    def _stage(self, call: Call) -> Specialised:
        self.compiles += 1
        before = find_captures(self._function)
        outcome: dict[str, Any] = {}

        def function(*traced: Any) -> list[Any]:
            args, kwargs = call.rebuild(traced)
            leaves, outcome["structure"] = flatten(self._function(*args, **kwargs))
            check_results(leaves)
            outcome["constants"] = {i: x for i, x in enumerate(leaves) if isinstance(x, STATIC) or x is None}
            return [x for i, x in enumerate(leaves) if i not in outcome["constants"]]

        def run() -> Staged:
            return stage(function, call.types, hoists=True)

        staged = without_effects(run, before.sources, before.arrays.values())
        captures = find_captures(self._function)  # as they are now: tracing may have counted its own calls
        left = captures.left(but=before)
        check_stored(run, before.groups, left, lambda: find_captures(self._function).left(but=before))
        captures.watch(staged)
        graph = simplify(staged.graph)
        self._warned = self._warned or warn_of_float64(graph)
        donated = self._donations(call, graph)
        graph = Graph(graph.inputs, graph.outputs, frozenset(place for place, _ in donated))
        return Specialised(graph, list(staged.captured), outcome["structure"], outcome["constants"], captures, donated)

    def _donations(self, call: Call, graph: Graph) -> tuple[tuple[int, int], ...]:
        """Which output is written over which donated leaf: in order, each to the first of its type."""
        args = call.structure.children[0].children
        bounds = np.cumsum([0, *(child.size for child in args)])
        given_up = {leaf for n in self._donate if n < len(args) for leaf in range(bounds[n], bounds[n + 1])}
        free = [place for place, leaf in enumerate(call.places) if leaf in given_up]
        pairs: list[tuple[int, int]] = []
        for i, out in enumerate(graph.outputs):
            place = next(
                (p for p in free if call.types[p] == out.type and isinstance(call.arrays[p], np.ndarray)), None
            )
            if place is not None:
                free.remove(place)
                pairs.append((place, i))
        return tuple(pairs)


@overload
def jit(
    function: Callable[P, R], *, donate: int | Sequence[int] = (), static_argnames: str | Sequence[str] = ()
) -> Jitted[P, R]: ...
@overload
def jit(
    function: None = None, *, donate: int | Sequence[int] = (), static_argnames: str | Sequence[str] = ()
) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(
    function: Callable[..., Any] | None = None,
    *,
    donate: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> Any:
    """The function, staged: traced once for each combination of types, then run as a graph.

    Arrays and Python floats are traced; Python int, bool and str arguments, and those named in `static_argnames`, are
    static: each value is a graph of its own. Arrays from outside are read at every call, numbers from outside are
    compared at every call. The arrays of the arguments numbered in `donate` are overwritten by the results of their
    types, and returned.
    """
    if function is None:
        return functools.partial(jit, donate=donate, static_argnames=static_argnames)
    check_function(function, "jit")
    return Jitted(function, _donated_numbers(donate, function), _static_names(static_argnames, function))


def graph(function: Callable[P, Any], *, static_argnames: str | Sequence[str] = ()) -> Callable[P, Graph]:
    """The function that returns the graph of `function` for its arguments' types: printed, it is the program.

    `cr.graph(cr.grad(f))(x)` is the graph of the backward pass.
    """
    check_function(function, "graph")
    names = _static_names(static_argnames, function)
    parameters = _parameter_names(function)

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> Graph:
        call = take_apart(parameters, names, args, kwargs)

        def flat(*traced: Any) -> list[Any]:
            given, named = call.rebuild(traced)
            leaves = flatten(function(*given, **named))[0]
            check_results(leaves)
            found = [x for x in leaves if not isinstance(x, STATIC)]
            if not found:
                got = ", ".join(map(repr, leaves)) or "nothing"
                hint = "3.0 in place of 3: a Python int is part of the program"
                raise DTypeError(message("an array or a float as the result", got, user_location(), hint))
            return found

        held = find_captures(function)
        return simplify(without_effects(lambda: stage(flat, call.types), held.sources, held.arrays.values()).graph)

    return run


def take_apart(
    parameters: tuple[str, ...], static: frozenset[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call:
    """The arguments as traced leaves and a key of the rest."""
    fixed = tuple(
        _Static(x, parameters[i]) if i < len(parameters) and parameters[i] in static else x for i, x in enumerate(args)
    )
    named = {name: _Static(x, name) if name in static else x for name, x in kwargs.items()}
    leaves, structure = flatten((fixed, named))
    arrays: list[Any] = []
    types: list[Type] = []
    places: list[int] = []
    statics: list[Any] = []
    for place, leaf in enumerate(leaves):
        if isinstance(leaf, _Static):
            statics.append(leaf)
            leaves[place] = leaf.value
        elif isinstance(leaf, STATIC):
            statics.append((type(leaf), leaf))
        else:
            types.append(_argument_type(leaf, structure, place, parameters))
            arrays.append(leaf)
            places.append(place)
            leaves[place] = None
    key = (structure, structure.exact, tuple(types), tuple(statics), tuple(places))
    return Call(arrays, tuple(types), key, structure, leaves, places)


def check_results(leaves: list[Any]) -> None:
    """Raises a DTypeError where a function returned something that a graph cannot."""
    for leaf in leaves:
        if not isinstance(leaf, STATIC):
            type_of(leaf, " as a result of the function")


def check_donated(arrays: list[Any], special: Specialised) -> None:
    """Raises where a donated array cannot be overwritten or is passed twice."""
    for place, _ in special.donated:
        mine = arrays[place]
        if not mine.flags.writeable:
            raise OwnershipError(
                message("a donated array that is writable", "a read-only one", user_location(), "x.copy()")
            )
        others = (*arrays[:place], *arrays[place + 1 :], *special.captured)
        if any(isinstance(other, np.ndarray) and np.may_share_memory(mine, other) for other in others):
            hint = "passing a copy, or not donating it"
            got = f"one of type {type_of(mine)} that is passed twice"
            raise OwnershipError(message("a donated array that nothing else uses", got, user_location(), hint))


class _Static:
    """The value of an argument in static_argnames, compared and hashed. No dataclass, since those are trees."""

    __slots__ = ("value",)

    def __init__(self, value: Any, name: str) -> None:
        try:
            hash(value)
        except TypeError:
            hint = "a tuple in place of a list, or an argument that is traced"
            expected = f"a hashable value for the static argument `{name}`"
            raise ArgumentError(message(expected, type(value).__name__, user_location(), hint)) from None
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Static) or mark(self.value) != mark(other.value):
            return False
        return isinstance(self.value, float) or bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(mark(self.value) if isinstance(self.value, float) else self.value)


def _argument_type(leaf: Any, structure: Structure, place: int, parameters: tuple[str, ...]) -> Type:
    try:
        return type_of(leaf)
    except DTypeError:
        path = structure.paths()[place].partition(".")[2]
        hint = "static_argnames= for an option"
        if path == "0" and parameters[:1] == ("self",):  # static, it would hide what changes in its attributes
            hint = "self.method = cr.jit(self.method) in __init__, or making the class an nn.Module"
        return type_of(leaf, f" for argument `{path}`", hint)  # says the same of the place


def _still_fits(special: Specialised) -> bool:
    """Whether the graph is still what tracing would give; names bound to other arrays since are followed."""
    if not special.captures.follow(special.captured):
        return False
    return all(type_of(x) == value.type for x, value in zip(special.captured, _captured_inputs(special), strict=True))


def _captured_inputs(special: Specialised) -> tuple[Any, ...]:
    return special.graph.inputs[len(special.graph.inputs) - len(special.captured) :]


def _aliases(x: Any, inputs: list[Any]) -> bool:
    return isinstance(x, np.ndarray) and any(isinstance(y, np.ndarray) and np.may_share_memory(x, y) for y in inputs)


def _static_names(names: str | Sequence[str], function: Callable[..., Any]) -> frozenset[str]:
    """The names in static_argnames; an OptionError for one that the function does not have."""
    found = (names,) if isinstance(names, str) else tuple(names)
    kinds, known = _parameters(function)
    unknown = [name for name in found if name not in known]
    if unknown and kinds and inspect.Parameter.VAR_KEYWORD not in kinds:
        got, hint = repr(unknown[0]), f"one of {', '.join(known)}"
        raise OptionError(message("names of parameters in static_argnames", got, user_location(), hint))
    return frozenset(found)


def _donated_numbers(donate: int | Sequence[int], function: Callable[..., Any]) -> tuple[int, ...]:
    """The numbers in `donate`; an OptionError for one that the function has no argument of."""
    numbers = argument_numbers(donate, "donate")
    kinds, known = _parameters(function)
    for number in numbers:
        if number < 0 or (kinds and inspect.Parameter.VAR_POSITIONAL not in kinds and number >= len(known)):
            expected = f"numbers of arguments in donate, from 0 to {len(known) - 1}"
            raise OptionError(message(expected, number, user_location(), "donate=0 for the first argument"))
    return numbers


def _parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    return _parameters(function)[1]


def _parameters(function: Callable[..., Any]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Kinds and names of a function's parameters; nothing for a builtin without a signature."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return (), ()
    return tuple(p.kind for p in parameters.values()), tuple(parameters)
