"""`check_grads`: the derivatives of a function, by both modes, against differences and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import numpy as np

from chainrule.api.derivatives import jvp, vjp
from chainrule.api.jit import jit
from chainrule.errors import ArgumentError, DTypeError, StagingError, message
from chainrule.testing.comparison import require, way
from chainrule.testing.differences import Array
from chainrule.testing.numerical import Function, along, floating, joined, of_floats, partials
from chainrule.tree import flatten
from chainrule.types import FLOAT64, dtype_of, type_of
from chainrule.where import user_location

Mode = Literal["forward", "reverse"]

MODES: Final[tuple[Mode, ...]] = ("forward", "reverse")
SINGLE: Final = 1e-4  # what is asked of float32, relatively
ROUNDING: Final = 1e-10  # to which the modes agree in float64
TINY: Final = 1e-11  # of the results: a derivative that is smaller counts as zero


def check_grads(
    f: Any,
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[Mode] = MODES,
    rtol: float = 1e-6,
    elements: int = 64,
    rng: int = 0,
    staged: bool = True,
) -> None:
    """None where the derivatives of `f` at `args` are right, else an AssertionError: argument, element, both numbers.

    `f` takes and returns trees of arrays. Each of the `modes` is compared with differences, eager and staged, and with
    the other mode; up to `order`, each mode over each mode. With `staged=False` it is eager alone, so `f` may decide by
    numbers, as with an `if`. Errors are relative to the norm of the true derivative, so
    zeros do not pass for a small gradient. `elements` is how many elements of each argument are moved one by one, drawn
    with `rng` where there are more; all of them are moved together, too.

    Arguments in float64 allow an `rtol` of 1e-6. With float32 among them it is 1e-4 at least, and `f` must also take
    float64, in which the differences are computed. A point near which a derivative jumps is no use: differences do not
    settle there, and the error says so.
    """
    if order < 1 or not modes or not set(modes) <= set(MODES):
        raise ValueError(message("an order from 1 and modes among 'forward', 'reverse'", f"{order} and {tuple(modes)}"))
    leaves, structure = flatten(_arguments(args))
    moving = floating(leaves)
    if not moving:
        raise _nothing_moves(leaves, structure.paths())
    single = any(dtype_of(leaves[i]) != FLOAT64 for i in moving)
    check = _Check(
        names=[structure.paths()[i] for i in moving],
        modes=tuple(modes),
        rtol=max(rtol, SINGLE) if single else rtol,
        rounding=SINGLE if single else ROUNDING,
        elements=elements,
        rng=np.random.default_rng(rng),
        ways=(False, True) if staged else (False,),
    )
    check.run(of_floats(f, leaves, structure), [leaves[i] for i in moving], order, ())


def _arguments(args: object) -> tuple[Any, ...]:
    """The arguments as a tuple; an ArgumentError for one that stands alone."""
    if isinstance(args, (tuple, list)):
        given = cast("Sequence[Any]", args)
        return tuple(given)
    alone = isinstance(args, (int, float))
    hint = f"({args!r},)" if alone else "(x,) for a function of one argument"
    raise ArgumentError(message("a tuple of arguments", type(args).__name__, user_location(), hint))


def _nothing_moves(leaves: list[Any], names: list[str]) -> DTypeError:
    """The error of arguments none of which is floating point."""
    got = ", ".join(f"{type_of(leaf)} for argument {name}" for leaf, name in zip(leaves, names, strict=True))
    hint = "x.astype(np.float64), or 3.0 for 3"
    return DTypeError(message("a floating-point argument", got or "no arguments", user_location(), hint))


def _staged(rule: Any, xs: list[Any], given: list[Any]) -> list[Any]:
    """What the rule gives when it is staged; a StagingError notes how to do without."""
    try:
        staged: Any = jit(rule)
        return staged(xs, given)
    except StagingError as error:
        error.add_note("check_grads(..., staged=False) checks the function eagerly alone")
        raise


@dataclass(frozen=True, eq=False)
class _Truth:
    """A derivative by differences: some elements (flat places, all where None) of what has a name."""

    name: str
    places: Array | None
    want: Array
    doubt: float


@dataclass(frozen=True, eq=False)
class _Check:
    """What is compared, and how closely."""

    names: list[str]  # of the floating leaves of the arguments
    modes: tuple[Mode, ...]
    rtol: float
    rounding: float
    elements: int
    rng: np.random.Generator
    ways: tuple[bool, ...]  # eager (False), staged (True)

    def run(self, f: Function, xs: list[Any], order: int, over: tuple[Mode, ...]) -> None:
        """Compares the derivatives of f, then those of its derivatives; `over` are the modes that made f itself."""
        outs = f(*xs)
        require(outs, "expected floating point results, got none")
        weights, dots = [self._direction(out) for out in outs], [self._direction(x) for x in xs]

        def tangents(xs: list[Any], dots: list[Any]) -> list[Any]:
            return list(jvp(f, xs, dots)[1])

        def cotangents(xs: list[Any], weights: list[Any]) -> list[Any]:
            return list(vjp(f, *xs)[1](weights))

        size = float(np.linalg.norm(joined(outs)) * np.linalg.norm(joined(weights)))
        products: dict[str, float] = {}
        for mode in self.modes:
            label = f"{' over '.join((mode, *over))} mode"
            truths = self._tangents(f, xs, dots) if mode == "forward" else self._cotangents(f, xs, weights)
            rule: Any = tangents if mode == "forward" else cotangents
            given = dots if mode == "forward" else weights
            likes, against = (outs, weights) if mode == "forward" else (xs, dots)
            for stages in self.ways:
                found = _staged(rule, xs, given) if stages else rule(xs, given)
                for got, like, truth in zip(found, likes, truths, strict=True):
                    self._compare(got, like, truth, size, f"{label}, {way(stages)}, {truth.name}")
                products[f"{label}, {way(stages)}"] = float(joined(found) @ joined(against))
        self._agree(products, size + max(map(abs, products.values())))
        if order > 1:
            derived: dict[Mode, Function] = {
                "forward": lambda *xs: tangents(list(xs), dots),
                "reverse": lambda *xs: cotangents(list(xs), weights),
            }
            for mode in self.modes:
                self.run(derived[mode], xs, order - 1, (mode, *over))

    def _tangents(self, f: Function, xs: list[Any], dots: list[Any]) -> list[_Truth]:
        found = along(f, xs, dots)
        return [_Truth(f"result {i}", None, want.ravel(), doubt) for i, (want, doubt) in enumerate(found)]

    def _cotangents(self, f: Function, xs: list[Any], weights: list[Any]) -> list[_Truth]:
        truths: list[_Truth] = []
        for i, (x, name) in enumerate(zip(xs, self.names, strict=True)):
            size = int(np.size(x))
            places = np.sort(self.rng.choice(size, self.elements, replace=False)) if size > self.elements else None
            want, doubt = partials(f, xs, i, weights, None if places is None else [int(place) for place in places])
            truths.append(_Truth(f"argument {name}", places, want, doubt))
        return truths

    def _compare(self, got: Any, like: Any, truth: _Truth, size: float, what: str) -> None:
        """Raises unless the derivative is the true one, and of the type of what it belongs to."""
        shape, dtype = np.shape(like), dtype_of(like)
        same = np.shape(got) == shape and dtype_of(got) == dtype
        require(same, f"{what}: expected a derivative of type {type_of(like)}, got {type_of(got)}")
        allowed = self.rtol * float(np.linalg.norm(truth.want)) + TINY * size
        settles = f"{what}: differences do not settle ({truth.doubt:.2g}): a kink or an end of the domain is near"
        require(truth.doubt <= allowed, settles)
        found = joined([got]) if truth.places is None else joined([got])[truth.places]
        gaps = np.abs(found - truth.want)
        if not float(np.linalg.norm(gaps)) <= allowed:
            worst = int(np.argmax(np.where(np.isnan(gaps), np.inf, gaps)))
            place = np.unravel_index(worst if truth.places is None else int(truth.places[worst]), shape or (1,))
            element = f"element [{', '.join(map(str, place))}]" if shape else "the number"
            raise AssertionError(
                f"{what}: {element} is {float(found[worst])!r}, by differences {float(truth.want[worst])!r}"
            )

    def _agree(self, products: dict[str, float], size: float) -> None:
        """Raises unless all ways give one derivative of the weighted results along the dots."""
        (first, expected), *others = products.items()
        for name, product in others:
            gap = abs(product - expected)
            require(gap <= self.rounding * size, f"{first} gives {expected!r} along a direction, {name} {product!r}")

    def _direction(self, like: Any) -> Array:
        return np.asarray(self.rng.normal(size=np.shape(like)), dtype_of(like))
