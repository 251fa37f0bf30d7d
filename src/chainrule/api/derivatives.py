"""`grad`, `value_and_grad`, `vjp`, `jvp`, `linearize`: derivatives of functions over trees of arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

from chainrule.api.arguments import argument_numbers, check_function, pair, places, sequence
from chainrule.api.leaves import as_cotangent, as_differentiable, current, own, strip
from chainrule.errors import DTypeError, ShapeError, TreeError, message
from chainrule.ir.evaluate import evaluate, give
from chainrule.ir.op import Traced
from chainrule.numpy.array import Tracer
from chainrule.observers import collecting_taps
from chainrule.ops.movement import full, zeros
from chainrule.trace import stage
from chainrule.transform.jvp import Forward
from chainrule.transform.vjp import Tape, backward
from chainrule.tree import LEAF, Structure, flatten, unflatten
from chainrule.types import dtype_of, type_of
from chainrule.where import user_location

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A function's call on a tape: what the walk back starts from and where it ends."""

    tape: Tape
    leaves: list[Any]  # of the arguments that are differentiated
    slots: list[int | None]  # of those leaves; None where a leaf is state
    structure: Structure
    out: Any  # the function's result, with handles of the tape in it

    def gradients(self, seeds: Sequence[tuple[int, Any]], taps: bool = False) -> tuple[Any, dict[str, Any]]:
        """The cotangents of the arguments as a tree like them, and those of the taps by name."""
        wanted = [slot for slot in self.slots if slot is not None]
        tapped = self.tape.taps if taps else []
        cts = backward(self.tape, seeds, {*wanted, *(slot for _, slot, _ in tapped)})
        found = [
            None if slot is None else _present(cts[slot], x) for slot, x in zip(self.slots, self.leaves, strict=True)
        ]
        named: dict[str, Any] = {}
        for name, slot, meta in tapped:
            count = sum(known == name or known.startswith(f"{name}#") for known in named)
            named[f"{name}#{count + 1}" if count else name] = _present(cts[slot], meta)
        given = give([*found, *named.values()], held=[ct for _, ct in seeds])
        return unflatten(self.structure, given[: len(found)]), dict(zip(named, given[len(found) :], strict=True))


def value_and_grad(
    f: Callable[P, Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, taps: bool = False
) -> Callable[P, Any]:
    """The function that returns `(f(*args), gradient)`.

    `f` returns a scalar (with `has_aux`, a pair of a scalar and anything). The gradient is a tree like the argument
    number `argnums`, or a tuple of such trees; each leaf has its parameter's shape and dtype, and state of a model has
    None. With `taps`, the result is `(value, gradient, taps)`: the gradient at every `cr.tap(x, name)` and at every
    layer's input (`layers.0.input`), by name.

    Cost: at most three times the contractions of `f`, once for the value, once each for operands and parameters.
    Source: reverse accumulation, Linnainmaa (1970); Griewank and Walther (2008), ch. 3.
    """
    check_function(f, "value_and_grad")
    numbers = argument_numbers(argnums)
    single = not isinstance(argnums, Sequence)

    @functools.wraps(f)
    def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        chosen = places(numbers, len(args), f)
        tape = Tape()
        with collecting_taps(tape if taps else None):
            given = tuple([args[place] for place in chosen])
            recorded = _record(tape, functools.partial(_with_replaced, f, args, kwargs, chosen), given)
        loss, aux = pair(recorded.out) if has_aux else (recorded.out, None)
        seeds = [(loss.extra, _one(strip(loss, tape)))] if _is_scalar_loss(loss, tape, has_aux) else []
        gradient, named = recorded.gradients(seeds, taps)
        if single:
            gradient = gradient[0]
        value = strip(loss, tape)
        if has_aux:
            leaves, structure = flatten(aux)
            value = value, unflatten(structure, give(strip(leaf, tape) for leaf in leaves))
        return (value, gradient, named) if taps else (value, gradient)

    return run


def grad(f: Callable[P, Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The function that returns the gradient of the scalar `f` (with `has_aux`, the pair of gradient and auxiliary).

    >>> import numpy as np
    >>> grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    check_function(f, "grad")
    both = value_and_grad(f, argnums, has_aux)

    @functools.wraps(f)
    def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return run


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """`(f(*primals), pullback)`, with `has_aux` `(out, pullback, aux)`.

    `pullback(ct)` takes a cotangent for each leaf of the result (a tree like it) and returns the tuple of cotangents of
    the primals: ct times the Jacobian. It may be called any number of times; changing an input in place has no
    influence on it.
    """
    check_function(f, "vjp")
    tape = Tape()
    recorded = _record(tape, f, primals)
    result, aux = pair(recorded.out) if has_aux else (recorded.out, None)
    leaves, structure = flatten(result)
    outs = [strip(leaf, tape) for leaf in leaves]
    slots = [_slot(leaf, tape) for leaf in leaves]

    def pullback(ct: Any) -> tuple[Any, ...]:
        cts, found = flatten(ct)
        if found != structure:
            hint = "a tree of the same keys and lengths, * being an array"
            raise TreeError(message(f"a cotangent like the result, {structure}", found, user_location(), hint))
        pairs = zip(slots, cts, outs, strict=True)
        seeds = [(slot, as_cotangent(ct, out, "cotangent")) for slot, ct, out in pairs if slot is not None]
        return recorded.gradients(seeds)[0]

    out = unflatten(structure, [own(x) for x in outs])
    if not has_aux:
        return out, pullback
    leaves, structure_aux = flatten(aux)
    return out, pullback, unflatten(structure_aux, [own(strip(leaf, tape)) for leaf in leaves])


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """`(f(*primals), tangent)`: the Jacobian times the tangents, computed along with the value.

    `tangents` is a tuple of trees like the primals; None stands for a tree of zeros.
    """
    check_function(f, "jvp")
    trace = Forward()
    leaves, structure = flatten(sequence(primals, "primals"))
    dots = _tangent_leaves(leaves, structure, sequence(tangents, "tangents"))
    inputs = [x if dot is None else trace.input(own(x), dot) for x, dot in zip(leaves, dots, strict=True)]
    with trace:
        out = current(f(*unflatten(structure, inputs)))
    outs, structure = flatten(out)
    values = [strip(x, trace) for x in outs]
    found = [x.extra if isinstance(x, Tracer) and x.owner is trace else None for x in outs]
    tangent = [_present(dot, value) for dot, value in zip(found, values, strict=True)]
    given = give([*values, *tangent], held=[*leaves, *dots])
    return unflatten(structure, given[: len(values)]), unflatten(structure, given[len(values) :])


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """`(f(*primals), jvp_at)`: `jvp_at(*tangents)` is the tangent of the result; `f` is not run again."""
    check_function(f, "linearize")
    leaves, structure = flatten(primals)
    fixed = [own(x) for x in leaves]
    places = [i for i, x in enumerate(leaves) if type_of(x).is_float]
    kept: dict[str, Any] = {}

    def tangent(*dots: Any) -> list[Any]:
        given: list[Any] = [None] * len(fixed)
        for place, dot in zip(places, dots, strict=True):
            given[place] = dot
        out, out_dot = jvp(f, unflatten(structure, fixed), unflatten(structure, given))
        kept["out"] = out
        dots_out, kept["structure"] = flatten(out_dot)
        return dots_out

    staged = stage(tangent, [type_of(fixed[i]) for i in places], hoists=True)
    constants = [own(x) for x in staged.captured]

    def jvp_at(*tangents: Any) -> Any:
        dots = _tangent_leaves(fixed, structure, tangents)
        filled = [zeros(type_of(x), x) if dots[i] is None else dots[i] for i, x in enumerate(fixed) if i in places]
        return unflatten(
            kept["structure"], give(evaluate(staged.graph, [*filled, *constants]), held=[*filled, *constants])
        )

    return kept["out"], jvp_at


def _record(tape: Tape, f: Callable[..., Any], arguments: tuple[Any, ...]) -> Recorded:
    """Calls f with handles of a tape in place of the arguments' leaves."""
    leaves, structure = flatten(arguments)
    inputs: list[Any] = []
    slots: list[int | None] = []
    for place, (leaf, kind) in enumerate(zip(leaves, structure.kinds(), strict=True)):
        if kind == "param":
            inputs.append(tape.input(own(as_differentiable(leaf, structure, place))))
            slots.append(inputs[-1].extra)
        else:
            inputs.append(leaf)
            slots.append(None)
    with tape:
        out = current(f(*unflatten(structure, inputs)))
    return Recorded(tape, leaves, slots, structure, out)


def _is_scalar_loss(loss: Any, tape: Tape, has_aux: bool) -> bool:
    """Whether the loss depends on the arguments; an error where it is not one number."""
    structure = LEAF if isinstance(loss, Tracer) else flatten(loss)[1]
    if structure != LEAF:
        pair = ", has_aux=True for a pair of loss and anything" if structure.container is tuple and not has_aux else ""
        raise ShapeError(message("a scalar loss", structure, user_location(), f"returning one number{pair}"))
    found = type_of(strip(loss, tape), " as the loss")
    if found.shape != ():
        hint = "loss.mean() or loss.sum(), or cr.vjp for a Jacobian"
        raise ShapeError(message("a scalar loss", str(found), user_location(), hint))
    if not found.is_float:
        got = f"{type(loss).__name__} {loss!r}" if found.weak else str(found)
        hint = "a sum or mean of floating-point numbers: counts, indices and comparisons have no derivative"
        raise DTypeError(message("a floating-point loss", got, user_location(), hint))
    return _slot(loss, tape) is not None


def _slot(x: Any, tape: Tape) -> int | None:
    """The slot of a value of the tape, None for what does not depend on the tape's inputs."""
    if isinstance(x, Tracer):
        x.refresh()
        return x.extra if x.owner is tape and x.extra >= 0 else None
    return None


def _one(loss: Any) -> Any:
    """The cotangent of a loss by itself."""
    if isinstance(loss, Tracer):
        return full.beside(loss, shape=(), value=1, dtype=loss.dtype.name)
    return 1.0 if type(loss) is float else dtype_of(loss).type(1)


def _present(ct: Any, like: Any) -> Any:
    """The cotangent as the caller sees it: zeros for None, a float for a float."""
    if ct is None:
        return 0.0 if type(like) is float else zeros(type_of(like), like) if type_of(like).is_float else None
    return float(ct) if type(like) is float and not isinstance(ct, Traced) else ct


def _tangent_leaves(leaves: list[Any], structure: Structure, tangents: tuple[Any, ...]) -> list[Any]:
    """One tangent, or None, for each leaf."""
    if len(tangents) != len(structure.children):
        expected, hint = f"{len(structure.children)} tangents, one for each primal", "None for a primal that stays"
        raise TreeError(message(expected, len(tangents), user_location(), hint))
    dots: list[Any] = []
    for child, tangent in zip(structure.children, tangents, strict=True):
        found, given = ([None] * child.size, child) if tangent is None else flatten(tangent)
        if given != child:
            hint = "a tree of the same keys and lengths, or None for zeros"
            raise TreeError(message(f"a tangent like its primal, {child}", given, user_location(), hint))
        dots.extend(found)
    return [
        None if d is None else as_cotangent(d, as_differentiable(x), "tangent")
        for d, x in zip(dots, leaves, strict=True)
    ]


def _with_replaced(
    f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], places: Sequence[int], *given: Any
) -> Any:
    """f of the arguments, with those at some places replaced by the given ones."""
    replaced = list(args)
    for place, value in zip(places, given, strict=True):
        replaced[place] = value
    return f(*replaced, **kwargs)
