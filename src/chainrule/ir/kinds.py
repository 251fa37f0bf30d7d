"""What a record says of an operation: its kind of derivative, its kind of lowering, and its test cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Rule = Callable[..., Any]

OPERANDS: Final = ("x", "y", "z")


# --- derivative kinds: a sum type -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Partials:
    """The derivative of an elementwise operation: one factor per input, df/dx_i.

    A factor is a number, None (no derivative by this input), or a function of what it needs, by name: the operands
    `x`, `y`, `z` and the result `out`; `Partials(lambda out: 1 - out * out)` is tanh. What no factor names is not kept
    for the backward pass. A factor's attributes follow as keywords where the operation has any.
    """

    factors: tuple[Any, ...]
    needs: tuple[tuple[int, ...], ...]  # for each factor: positions of its arguments, -1 for the result

    def __init__(self, *factors: Rule | float | None) -> None:
        object.__setattr__(self, "factors", factors)
        object.__setattr__(self, "needs", tuple(_needs(f) if callable(f) else () for f in factors))


@dataclass(frozen=True, eq=False)
class Linear:
    """An operation linear in the inputs `args` taken together (all of them where None: concatenate).

    `transpose(ct, *inputs, **attrs)` gives the cotangents of the inputs in `args`, in order. What is in `args` is given
    as a `Type` (its value does not matter), the other inputs as values.
    """

    transpose: Rule
    args: tuple[int, ...] | None = (0,)


@dataclass(frozen=True, eq=False)
class Multilinear:
    """Linear in each of its first inputs alone: `transposes[i](ct, *inputs, **attrs)` pulls back to input i.

    Input i itself is given as a `Type`. A value that stands at two positions counts at both.
    """

    transposes: tuple[Rule, ...]

    def __init__(self, *transposes: Rule) -> None:
        object.__setattr__(self, "transposes", transposes)


@dataclass(frozen=True, eq=False)
class Weighted:
    """A reduction of one input whose tangent is a weighted sum of the dots along the attribute `axes`.

    `weights(out, x, **attrs)` are the derivatives of the result by each element of x, in x's shape.
    """

    weights: Rule


@dataclass(frozen=True, eq=False)
class Tangent:
    """Any other operation: `tangent(dots, out, *inputs, **attrs)` gives the tangent(s) of the result(s).

    It is written in operations linear in the dots; the reverse mode is the transpose of that linear piece. A dot is
    zeros where an input has none.
    """

    tangent: Rule


@dataclass(frozen=True, eq=False)
class Body:
    """The derivative of an operation that runs graphs: `jvp` and `vjp` rewrite the graphs (see transform/loops.py)."""


@dataclass(frozen=True, eq=False)
class Zero:
    """The derivative is zero wherever it exists (floor, sign)."""


# None: integers, booleans
Derivative = Partials | Linear | Multilinear | Weighted | Tangent | Body | Zero | None


# --- lowering kinds: what a schedule needs to know --------------------------------------------------------------------


@dataclass(frozen=True)
class Scalar:
    """Each element of the result is a function of the elements at its place in the (broadcast) inputs."""


@dataclass(frozen=True)
class IndexMap:
    """Each element of the result is one element of an input, or a constant: a map of indices."""


@dataclass(frozen=True)
class Generate:
    """Each element of the result is a function of its index and of the inputs, which are few numbers, read whole."""


@dataclass(frozen=True)
class Reduce:
    """Elements along axes are combined by an associative operation, or scanned by one."""

    combine: str


@dataclass(frozen=True)
class Contract:
    """Sums of products over contracted axes."""


@dataclass(frozen=True)
class Scatter:
    """Updates are written, or added, at computed places of a copy of the first input."""

    combine: str


@dataclass(frozen=True)
class Runs:
    """The node runs the graphs among its attributes."""


@dataclass(frozen=True)
class Library:
    """A routine of NumPy or LAPACK, with that library's bits."""


Lowering = Scalar | IndexMap | Generate | Reduce | Contract | Scatter | Runs | Library


# --- test cases -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Domain:
    """The open interval that an operand's test values are drawn from; a tenth of them within 1e-3 of a finite end.

    `avoid` are points where the derivative jumps: values keep a distance of 1e-2 from them.
    """

    low: float = -4.0
    high: float = 4.0
    avoid: tuple[float, ...] = ()


REALS: Final = Domain()


@dataclass(frozen=True, eq=False)
class Case:
    """One way to call the operation, from which its tests are generated.

    `shapes` are the operands' shapes; `domains` theirs values' (REALS where missing); `dtypes` the operands' dtypes
    where they are not floating point ("i64", "bool", ...): integers are drawn from `domains` too. `make(rng)` gives the
    operands where drawing each alone does not do (sorted, distinct, positive definite).
    """

    shapes: tuple[tuple[int, ...], ...] = ((3,),)
    attrs: dict[str, Any] = field(default_factory=dict)
    domains: tuple[Domain, ...] = ()
    dtypes: tuple[str, ...] = ()
    make: Callable[[Any], Sequence[Any]] | None = None


def _needs(factor: Rule) -> tuple[int, ...]:
    code = factor.__code__  # a factor is a plain function: its parameters' names say what it needs
    names = code.co_varnames[: code.co_argcount]
    return tuple(-1 if name == "out" else OPERANDS.index(name) for name in names)
