"""Programs with a loop in them, the same loop written out, and derivatives by differences to compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.api.derivatives import grad, jvp
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import Graph
from chainrule.ops.arithmetic import cast, multiply, select
from chainrule.ops.contraction import dot_general
from chainrule.ops.exponential import exp
from chainrule.ops.movement import concatenate, iota, reshape
from chainrule.ops.reduction import sum_
from chainrule.ops.trigonometric import cos, sin, tanh
from chainrule.trace import stage
from chainrule.tree import flatten, unflatten
from chainrule.types import shape_of, type_of

Loop = Callable[..., Any]
Array = np.ndarray[Any, Any]


def unrolled(f: Any, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False) -> Any:
    """A scan written out."""
    columns, rows = flatten(xs)
    steps = length if length is not None else shape_of(columns[0])[0]
    carry, made = init, []
    for i in reversed(range(steps)) if reverse else range(steps):
        carry, y = f(carry, unflatten(rows, [x[i] for x in columns]))
        made.append(flatten(y))
    if reverse:
        made.reverse()
    if not made:
        return carry, None
    columns = zip(*(leaves for leaves, _ in made), strict=True)
    stacked = [concatenate(*[reshape(y, shape=(1, *shape_of(y))) for y in column], axis=0) for column in columns]
    return carry, unflatten(made[0][1], stacked)


def matmul(x: Any, y: Any) -> Any:
    return dot_general(x, y, contract=((len(shape_of(x)) - 1,), (0,)), batch=((), ()))


def total(x: Any) -> Any:
    return sum_(x, axes=tuple(range(len(shape_of(x)))))


@dataclass(frozen=True)
class Program:
    """A function of arrays with a loop in it; `loop` is `scan`, or `unrolled`."""

    run: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]

    def arguments(self) -> list[Array]:
        rng = np.random.default_rng(0)
        return [rng.uniform(0.3, 1.2, shape) for shape in self.shapes]

    def using(self, loop: Loop) -> Callable[..., Any]:
        return lambda *args: self.run(loop, *args)


def recurrent(loop: Loop, w: Any, u: Any, h: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = tanh(matmul(h, w) + matmul(x, u))
        return h, h * h

    h, ys = loop(step, h, xs)
    return total(sin(ys)) + 2.0 * total(h)


def backwards(loop: Loop, w: Any, h: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        return sin(h * w + x["a"] * x["b"]), {"out": h * x["a"]}

    h, ys = loop(step, h, {"a": xs, "b": 0.5 * xs}, reverse=True)
    return total(ys["out"] * xs) + total(h)


def scalars(loop: Loop, a: Any, b: Any, xs: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        p, q = carry
        return (p * q + x, sin(p) * a), None

    (p, q), _ = loop(step, (a, b), xs)
    return p * q


def carry_alone(loop: Loop, w: Any, h: Any) -> Any:
    return total(loop(lambda h, _: (tanh(h * w), h), h, None, length=4)[0])


def ys_alone(loop: Loop, w: Any, h: Any) -> Any:
    return total(loop(lambda h, _: (tanh(h * w), sin(h)), h, None, length=4)[1])


def late_carries(loop: Loop, w: Any) -> Any:
    """A carry that begins without a derivative, and gets one from another that gets it from a third."""

    def step(carry: Any, _: Any) -> Any:
        a, b, c = carry
        return (b, c, sin(w * c) + 1.0), a

    zero = np.zeros(2)
    (a, b, c), ys = loop(step, (zero, zero + 1, zero + 2), None, length=5)
    return total(ys) + total(a * b * c)


def integers(loop: Loop, w: Any, h: Any) -> Any:
    """A counter in the carry, which the derivative reads but does not go through."""

    def step(carry: Any, _: Any) -> Any:
        i, h = carry
        return (i + 1, sin(h * cast(i, dtype="float64") + w)), i

    (i, h), counts = loop(step, (np.int64(1), h), None, length=3)
    return total(h * cast(i, dtype="float64")) + total(cast(counts, dtype="float64") * h[0])


def handed_on(loop: Loop, w: Any, h: Any) -> Any:
    (w, h), _ = loop(lambda c, _: ((c[0], sin(c[0] * c[1])), None), (w, h), None, length=3)
    return total(w * h)


def overwritten(loop: Loop, w: Any, h: Any) -> Any:
    """A carry whose first value is read once and then replaced by a constant."""
    one = np.ones(2)
    (a, h), _ = loop(lambda c, _: ((one, c[1] * c[0] * w), None), (h, h), None, length=3)
    return total(h) + total(a)


def invariants(loop: Loop, w: Any, h: Any) -> Any:
    """What the derivative reads of the constants alone: once for all iterations."""

    def step(h: Any, _: Any) -> Any:
        scale = cos(w) * w + 0.1 * iota(length=2, dtype="float64")
        return sin(h * scale) * exp(scale), h * scale

    h, ys = loop(step, h, None, length=3)
    return total(h) + total(ys)


def nested(loop: Loop, w: Any, xs: Any) -> Any:
    def outer(h: Any, x: Any) -> Any:
        def inner(g: Any, y: Any) -> Any:
            g = tanh(g * w + y * h)
            return g, g * x

        g, ys = loop(inner, h, reshape(x * w, shape=(1, 2)) * np.ones((3, 1)))
        return sin(g) + h, ys

    h, ys = loop(outer, np.zeros(2), xs)
    return total(h) + total(ys * ys)


def masked(loop: Loop, w: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = select(x > 0.7, h * w, h + x)
        return h, None

    return total(loop(step, w, xs)[0])


PROGRAMS = {
    "recurrent": Program(recurrent, ((2, 2), (3, 2), (2,), (4, 3))),
    "backwards": Program(backwards, ((2,), (2,), (3, 2))),
    "scalars": Program(scalars, ((), (), (4,))),
    "carry_alone": Program(carry_alone, ((2,), (2,))),
    "ys_alone": Program(ys_alone, ((2,), (2,))),
    "late_carries": Program(late_carries, ((2,),)),
    "integers": Program(integers, ((2,), (2,))),
    "handed_on": Program(handed_on, ((2,), (2,))),
    "overwritten": Program(overwritten, ((2,), (2,))),
    "invariants": Program(invariants, ((2,), (2,))),
    "nested": Program(nested, ((2,), (4, 2))),
    "masked": Program(masked, ((2,), (3, 2))),
}


def staged(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, staged and run."""

    def run(*args: Any) -> Any:
        structure = []

        def flat(*inputs: Any) -> Any:
            leaves, found = flatten(f(*inputs))
            structure.append(found)
            return leaves

        made = stage(flat, [type_of(x) for x in args], hoists=True)
        return unflatten(structure[0], evaluate(made.graph, [*args, *made.captured]))

    return run


def directions(args: list[Array], seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=x.shape) for x in args]


def slope(f: Callable[..., Any], args: list[Array], dots: list[Array]) -> Any:
    """The derivative along a direction, by central differences of sixth order."""

    def at(t: float) -> Any:
        return np.asarray(f(*[x + t * dot for x, dot in zip(args, dots, strict=True)]))

    step = 2e-3
    weights = (3 / 4, -3 / 20, 1 / 60)
    return sum(w * (at(k * step) - at(-k * step)) for k, w in enumerate(weights, 1)) / step


def paired(gradients: Any, dots: list[Array]) -> Any:
    return sum(np.sum(g * dot) for g, dot in zip(gradients, dots, strict=True))


def all_grads(f: Callable[..., Any], count: int) -> Callable[..., Any]:
    return grad(f, argnums=tuple(range(count)))


def close(found: Any, expected: Any, tolerance: float = 1e-8) -> None:
    for one, other in zip(flatten(found)[0], flatten(expected)[0], strict=True):
        assert np.shape(one) == np.shape(other)
        size = np.linalg.norm(np.ravel(other)) + 1e-300
        assert np.linalg.norm(np.ravel(one - other)) <= tolerance * size


def mixed(f: Callable[..., Any], args: list[Array], dots: list[Array]) -> dict[str, Any]:
    """The second derivative along a direction, a cotangent for each argument, by every nesting of the modes."""
    gradients = all_grads(f, len(args))
    along = tuple(range(len(args)))
    return {
        "forward over reverse": jvp(gradients, args, dots)[1],
        "reverse over forward": grad(lambda *x: jvp(f, x, dots)[1], argnums=along)(*args),
        "reverse over reverse": grad(lambda *x: paired_traced(gradients(*x), dots), argnums=along)(*args),
    }


def paired_traced(gradients: Any, dots: list[Array]) -> Any:
    parts = [total(multiply(g, dot)) for g, dot in zip(gradients, dots, strict=True)]
    return sum(parts[1:], parts[0])


def graph_of(f: Callable[..., Any], *args: Any) -> Graph:
    return stage(lambda *x: flatten(f(*x))[0], [type_of(x) for x in args], hoists=True).graph


def loops_of(graph: Graph) -> list[Any]:
    return [node for node in graph.nodes if node.op.name == "scan"]
