"""`jit`: a function staged once for each combination of types, then run as a graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from chainrule.api.arguments import check_function, donated_numbers, parameter_names, static_names, thread_count
from chainrule.api.bound import Bound
from chainrule.api.call import STATIC, Call, check_results, take_apart
from chainrule.api.captures import find_captures
from chainrule.api.donation import Result, check_donated, kept_objects, pair_up
from chainrule.api.effects import check_stored, without_effects
from chainrule.api.guard import Guard
from chainrule.api.layout import fixed_inputs, plain_inputs, run_on_copies
from chainrule.api.places import Captures
from chainrule.api.precision import warn_of_float64
from chainrule.api.running import Running
from chainrule.api.stagings import Stagings
from chainrule.api.written import Build, Take, write_build, write_take
from chainrule.backend.aligned import empty
from chainrule.backend.base import Donations, Executable, Memory, Misfit
from chainrule.backend.choose import backend
from chainrule.errors import DTypeError, message
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph
from chainrule.ir.op import Traced
from chainrule.observers import looked_into
from chainrule.trace import Staged, entered, stage
from chainrule.transform.simplify import simplify
from chainrule.tree import flatten, unflatten
from chainrule.types import type_of
from chainrule.where import user_location

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(eq=False, slots=True)
class Route:
    """A graph that is compiled, and all that a call needs which is like one before.

    `take` gives the inputs where the arguments are as they were; `unchanged` (the guard's) says whether what was found
    outside is; `build` makes the result of the outputs.
    """

    take: Take
    guard: Guard
    executable: Executable
    build: Build
    special: Specialised
    unchanged: Callable[[], bool] = field(init=False)

    def __post_init__(self) -> None:
        self.unchanged = self.guard.unchanged


@dataclass(eq=False, slots=True)
class Specialised:
    """A function staged for one combination of argument types."""

    graph: Graph
    captured: list[Any]  # the graph's last inputs
    result: Result
    captures: Captures
    over: Mapping[int, int]  # outputs that are written over inputs
    route: Route | None = None

    @property
    def donations(self) -> Donations:
        """Pairs of an input and the output that is written over it."""
        return tuple(sorted((place, out) for out, place in self.over.items()))

    def still_fits(self) -> bool:
        """Whether the graph is what tracing would give; names bound to other arrays since are followed."""
        if not self.captures.follow(self.captured):
            return False
        inputs = self.graph.inputs[len(self.graph.inputs) - len(self.captured) :]
        if not all(type_of(x) == value.type for x, value in zip(self.captured, inputs, strict=True)):
            return False
        if self.route is not None:
            self.route.guard.update()
        return True


class Jitted(Generic[P, R]):
    """A staged function. It is called like the function it was made from.

    `stagings` counts the graphs that were made of it; `compiles` those for which machine code had to be made.
    """

    __wrapped__: Callable[P, R]

    def __init__(
        self, function: Callable[P, R], donate: tuple[int, ...], static_argnames: frozenset[str], threads: int | None
    ) -> None:
        functools.update_wrapper(self, function)
        self.threads = threads
        self.compiles = 0
        self._function = function
        self._donate = donate
        self._static = static_argnames
        self._parameters = parameter_names(function)
        self._cache: dict[Any, Specialised] = {}
        self._routes: tuple[Route, ...] = ()  # the last that were taken first
        self._stagings = Stagings(getattr(function, "__qualname__", repr(function)))
        self._warned = False

    @property
    def stagings(self) -> int:
        """How many graphs were made of the function: one for each combination of types and static values."""
        return self._stagings.count

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if looked_into():
            return self._function(*args, **kwargs)
        for route in self._routes:
            if not route.unchanged():
                continue
            inputs = route.take(args, kwargs, route.special.captured)  # after it, should a thread follow another array
            if inputs is None:
                continue
            try:
                outs = route.executable(inputs)
            except Misfit:  # arrays of other types, traced ones, or donated ones that an error is to be raised for
                continue
            if route is not self._routes[0]:
                self._put_first(route)
            return route.build(outs, args)
        return self._call(take_apart(self._parameters, self._static, args, kwargs), args)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method: bound to the instance, which is the first argument."""
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"jit({getattr(self._function, '__qualname__', repr(self._function))})"

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The graph that is run for these arguments."""
        return self._specialised(take_apart(self._parameters, self._static, args, kwargs)).graph

    def report(self, *args: P.args, **kwargs: P.kwargs) -> object:
        """What is run for these arguments; printed, it is a table."""
        return self._executable(args, kwargs).report()

    def memory(self, *args: P.args, **kwargs: P.kwargs) -> Memory:
        """The bytes that a call with these arguments uses."""
        return self._executable(args, kwargs).memory()

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Bound[R]:
        """The call with these arrays, without arguments: it reads them, as they are at each call, where they lie.

        Donated arrays are overwritten; the other results are written to arrays of the call's own: `b()` returns the
        same objects every time, overwritten by the next call. The arrays have to be C-contiguous and aligned. Numbers,
        and what the function found outside itself, are what they were when they were bound.
        """
        call = take_apart(self._parameters, self._static, args, kwargs)
        special = self._specialised(call)
        inputs = fixed_inputs(call, special.captured, special.graph.inputs)
        check_donated(inputs, special.over)
        outputs = [
            inputs[special.over[i]] if i in special.over else empty(out.type.shape, out.type.dtype)
            for i, out in enumerate(special.graph.outputs)
        ]
        route = self._route(special, call)
        return Bound(route.executable.bind(inputs, outputs), route.build(outputs, args))

    def begin(self, *args: P.args, **kwargs: P.kwargs) -> Running[R]:
        """The call in pieces, to be looked at in between.

        For a bar that moves, or a loop that is broken off::

            running = epoch.begin(model, batches)
            while not running.proceed(0.05):
                print(running.iterations)
            model = running.result()
        """
        for route in self._routes:
            inputs = route.take(args, kwargs, route.special.captured) if route.unchanged() else None
            if inputs is not None:
                with suppress(Misfit):
                    return Running(route.executable.begin(inputs), functools.partial(_built, route, args))
        call = take_apart(self._parameters, self._static, args, kwargs)
        special = self._specialised(call)
        inputs = self._arrays((*call.arrays, *special.captured), special)
        route = self._route(special, call)
        try:
            course = route.executable.begin(inputs)
        except Misfit:
            course = route.executable.begin(plain_inputs(inputs, special.graph.inputs, special.over))
        if not any(isinstance(x, Traced) for x in special.captured):
            self._put_first(route)
        return Running(course, functools.partial(_built, route, args))

    def _arrays(self, inputs: tuple[Any, ...], special: Specialised) -> tuple[Any, ...]:
        """The inputs, numbers that are given up as arrays; an OwnershipError where one cannot be overwritten."""
        given_up = special.over.values()
        inputs = tuple([x if i not in given_up or _is_array(x) else np.array(x) for i, x in enumerate(inputs)])
        check_donated(inputs, special.over)
        return inputs

    def _call(self, call: Call, args: tuple[Any, ...]) -> Any:
        """The result of a call that is made for the first time, or for the first time in a while."""
        special = self._specialised(call)
        inputs = (*call.arrays, *special.captured)
        if any(isinstance(x, Traced) for x in inputs):
            outs = evaluate(special.graph, entered(inputs))
            result = special.result
            leaves = [result.constants.get(place) for place in range(result.structure.size)]
            for place, number in result.leaves.items():
                leaves[place] = outs[number]
            return unflatten(result.structure, leaves)
        inputs = self._arrays(inputs, special)
        route = self._route(special, call)
        try:
            outs = route.executable(inputs)
        except Misfit:
            outs = run_on_copies(route.executable, inputs, special.graph.inputs, special.over)
        if not any(isinstance(x, Traced) for x in special.captured):
            self._put_first(route)
        return route.build(outs, args)

    def _executable(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Executable:
        call = take_apart(self._parameters, self._static, args, kwargs)
        return self._route(self._specialised(call), call).executable

    def _route(self, special: Specialised, call: Call) -> Route:
        """How the graph is run; the first time it is compiled for that."""
        if special.route is None:
            executable = backend().compile(special.graph, special.donations, self.threads)
            self.compiles += executable.compiled > 0
            kept = kept_objects(call, self._donate, special.over, special.result)
            build = write_build(special.result.structure, special.result.leaves, special.result.constants, kept)
            take = write_take(call.form.structure, call.statics(), bool(special.captured))
            special.route = Route(take, Guard(special.captures), executable, build, special)
        return special.route

    def _put_first(self, route: Route) -> None:
        self._routes = (route, *[other for other in self._routes if other is not route][: _ROUTES - 1])

    def _specialised(self, call: Call) -> Specialised:
        key = (call.form, call.types)
        special = self._cache.get(key)
        if special is not None and special.still_fits():
            return special
        self._routes = tuple([route for route in self._routes if route.special is not special])
        special = self._stage(call, changed=special is not None)
        if not any(isinstance(x, Traced) for x in special.captured):
            self._cache[key] = special
        return special

    def _stage(self, call: Call, changed: bool) -> Specialised:
        self._stagings.add(call, changed)
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
        result = Result.of(outcome["structure"], outcome["constants"])
        over = pair_up(call, self._donate, result, graph.outputs)
        graph = Graph(graph.inputs, graph.outputs, frozenset(over.values()))
        return Specialised(graph, list(staged.captured), result, captures, over)


def _built(route: Route, args: tuple[Any, ...], outs: Sequence[Any]) -> Any:
    return route.build(outs, args)


_ROUTES = 8  # that a call tries before it is taken apart


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


@overload
def jit(
    function: Callable[P, R],
    *,
    donate: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    threads: int | None = None,
) -> Jitted[P, R]: ...
@overload
def jit(
    function: None = None,
    *,
    donate: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    threads: int | None = None,
) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(
    function: Callable[..., Any] | None = None,
    *,
    donate: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    threads: int | None = None,
) -> Any:
    """The function, staged: traced once for each combination of types, then run as a graph.

    Arrays and Python floats are traced; Python int, bool and str arguments, and those named in `static_argnames`, are
    static: each value is a graph of its own. Arrays from outside are read at every call, numbers from outside are
    compared at every call. The arrays of the arguments numbered in `donate` are overwritten by the results of their
    types, and returned; where all arrays of such an argument are, in a result that is a tree like it, the argument
    itself is returned. At most `threads` threads work on a call; None: as many as the process may use.
    """
    if function is None:
        return functools.partial(jit, donate=donate, static_argnames=static_argnames, threads=threads)
    check_function(function, "jit")
    names = static_names(static_argnames, function)
    return Jitted(function, donated_numbers(donate, function), names, thread_count(threads))


def graph(function: Callable[P, Any], *, static_argnames: str | Sequence[str] = ()) -> Callable[P, Graph]:
    """The function that returns the graph of `function` for its arguments' types: printed, it is the program.

    `cr.graph(cr.grad(f))(x)` is the graph of the backward pass.
    """
    check_function(function, "graph")
    names = static_names(static_argnames, function)
    parameters = parameter_names(function)

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
