"""Derivatives of loops: against differences, against the same loop written out, in both modes, to second order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from chainrule.api.control import fori_loop, scan
from chainrule.api.derivatives import grad, jvp, linearize, value_and_grad, vjp
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
    stacked = []
    for column in zip(*(leaves for leaves, _ in made), strict=True):
        stacked.append(concatenate(*[reshape(y, shape=(1, *shape_of(y))) for y in column], axis=0))
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
    h, ys = loop(lambda h, _: (tanh(h * w), h), h, None, length=4)
    return total(h)


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
each_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


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


@each_program
def test_values_are_those_of_the_loop_written_out(program: Program) -> None:
    args = program.arguments()
    close(program.using(scan)(*args), program.using(unrolled)(*args), 1e-14)
    close(staged(program.using(scan))(*args), program.using(unrolled)(*args), 1e-14)


@each_program
def test_reverse_mode_is_right(program: Program) -> None:
    args = program.arguments()
    gradients = all_grads(program.using(scan), len(args))(*args)
    close(gradients, all_grads(program.using(unrolled), len(args))(*args), 1e-12)
    dots = directions(args, 1)
    close(paired(gradients, dots), slope(program.using(unrolled), args, dots))
    close(staged(all_grads(program.using(scan), len(args)))(*args), gradients, 1e-13)


@each_program
def test_forward_mode_is_right(program: Program) -> None:
    args = program.arguments()
    dots = directions(args, 2)
    value, tangent = jvp(program.using(scan), args, dots)
    close(value, program.using(unrolled)(*args), 1e-14)
    close(tangent, slope(program.using(unrolled), args, dots))
    close(staged(lambda *x: jvp(program.using(scan), x, dots))(*args), (value, tangent), 1e-13)


@each_program
def test_a_linearized_loop_is_run_once(program: Program) -> None:
    args = program.arguments()
    value, tangent_at = linearize(program.using(scan), *args)
    close(value, program.using(unrolled)(*args), 1e-14)
    for seed in (3, 4):
        dots = directions(args, seed)
        close(tangent_at(*dots), jvp(program.using(unrolled), args, dots)[1], 1e-12)


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


@each_program
def test_second_derivatives_are_right_in_every_nesting(program: Program) -> None:
    args = program.arguments()
    dots = directions(args, 5)
    expected = [
        slope(lambda *x, i=i: all_grads(program.using(unrolled), len(args))(*x)[i], args, dots) for i in range(len(args))
    ]
    for nesting, found in mixed(program.using(scan), args, dots).items():
        for one, other in zip(found, expected, strict=True):
            size = max(np.linalg.norm(np.ravel(x)) for x in expected)
            assert np.linalg.norm(np.ravel(one - other)) <= 1e-7 * size, nesting


@pytest.mark.parametrize("name", ["recurrent", "scalars", "nested", "late_carries"])
def test_forward_over_forward_and_third_derivatives(name: str) -> None:
    program = PROGRAMS[name]
    args = program.arguments()
    one, two, three = (directions(args, seed) for seed in (6, 7, 8))

    def third(loop: Loop, outer: Callable[..., Any]) -> Any:
        f = program.using(loop)
        return outer(lambda *x: jvp(lambda *y: jvp(f, y, one)[1], x, two)[1])

    def forward(f: Callable[..., Any]) -> Any:
        return jvp(f, args, three)[1]

    def reverse(f: Callable[..., Any]) -> Any:
        return paired(all_grads(f, len(args))(*args), three)

    expected = third(unrolled, forward)
    close(third(scan, forward), expected, 1e-11)
    close(third(scan, reverse), expected, 1e-11)


@each_program
def test_the_staged_second_derivative(program: Program) -> None:
    args = program.arguments()
    dots = directions(args, 9)
    hessian = staged(lambda *x: mixed(program.using(scan), list(x), dots))(*args)
    close(hessian, mixed(program.using(unrolled), args, dots), 1e-11)


# --- what is computed and kept ------------------------------------------------------------------------------------------


def graph_of(f: Callable[..., Any], *args: Any) -> Graph:
    return stage(lambda *x: flatten(f(*x))[0], [type_of(x) for x in args], hoists=True).graph


@pytest.mark.parametrize("length", [1, 7, 100])
def test_a_gradient_computes_at_most_three_times_the_contractions(length: int) -> None:
    def loss(w: Any, h: Any) -> Any:
        return total(scan(lambda h, _: (tanh(matmul(h, w)), None), h, length=length)[0])

    w, h = np.ones((5, 5)), np.ones((3, 5))
    value = graph_of(loss, w, h).cost().multiply_adds
    assert value == length * 3 * 5 * 5
    assert graph_of(value_and_grad(loss, argnums=(0, 1)), w, h).cost().multiply_adds == 3 * value
    assert graph_of(value_and_grad(loss, argnums=1), w, h).cost().multiply_adds == 2 * value


def test_a_gradient_computes_no_function_twice() -> None:
    program = PROGRAMS["recurrent"]
    graph = graph_of(all_grads(program.using(scan), 4), *program.arguments())
    nodes = graph.cost().nodes
    assert nodes["scan"] == 2 and nodes["tanh"] == 1


def loops_of(graph: Graph) -> list[Any]:
    return [node for node in graph.nodes if node.op.name == "scan"]


def test_what_is_the_same_in_every_iteration_is_kept_once() -> None:
    def loss(w: Any, h: Any) -> Any:
        return total(scan(lambda h, _: (h * exp(w), None), h, length=50)[0])

    graph = graph_of(all_grads(loss, 2), np.ones(3), np.ones(3))
    first, second = loops_of(graph)
    stacked = [t for t in first.types if t.shape[:1] == (50,)]
    assert [t.shape for t in stacked] == [(50, 3)]  # h before each multiplication; neither w nor exp(w)
    assert graph.cost().nodes["exp"] <= 2 and "exp" not in second.attrs["body"].cost().nodes


def test_what_the_loop_is_given_or_gives_is_not_kept_again() -> None:
    def loss(h: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = tanh(h * x)
            return h, h

        return total(scan(step, h, xs)[1])

    first, second = loops_of(graph_of(all_grads(loss, 2), np.ones(3), np.ones((6, 3))))
    assert [t.shape for t in first.types] == [(3,), (6, 3), (6, 3)]  # the carry, the ys, and h before each step
    assert first.inputs[1] in second.inputs  # the xs as they came


def test_results_without_a_cotangent_cost_nothing_on_the_way_back() -> None:
    def loss(w: Any, h: Any) -> Any:
        h, ys = scan(lambda h, _: (h * w, exp(h)), h, length=4)
        return total(h)

    second = loops_of(graph_of(all_grads(loss, 2), np.ones(3), np.ones(3)))[1]
    shapes = [value.shape for value in second.inputs]
    assert shapes.count((4, 3)) == 1  # h before each step: no cotangents of ys, no exp(h)


def test_a_loop_whose_results_do_not_depend_on_it_passes_nothing() -> None:
    def loss(w: Any) -> Any:
        (count, _), ys = scan(lambda c, _: ((c[0] + 1, c[1] * w), c[0]), (np.int64(0), w), length=3)
        return total(w) * cast(count + total(ys), dtype="float64")

    w = np.array([1.0, 2.0])
    close(grad(loss)(w), np.array([6.0, 6.0]))
    assert len(loops_of(graph_of(grad(loss), w))) == 1


# --- corners ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2])
def test_short_loops(length: int, reverse: bool) -> None:
    xs = np.arange(2.0 * length).reshape(length, 2) + 0.5

    def run(loop: Loop, w: Any, h: Any, xs: Any) -> Any:
        h, _ = loop(lambda h, x: (sin(h * w) * x, None), h, xs, reverse=reverse)
        return total(h * h)

    args = [np.array([0.3, 0.7]), np.array([1.1, 0.4]), xs]
    close(all_grads(lambda *x: run(scan, *x), 3)(*args), all_grads(lambda *x: run(unrolled, *x), 3)(*args), 1e-13)
    dots = directions(args, 1)
    found = jvp(lambda *x: run(scan, *x), args, dots)
    close(found, jvp(lambda *x: run(unrolled, *x), args, dots), 1e-13)


def test_float32_stays_float32_in_both_modes() -> None:
    def run(w: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            scale, h = carry
            return (scale * 0.5, sin(h * w) * scale + x), h * scale

        (_, h), ys = scan(step, (1.0, np.zeros(3, xs.dtype)), xs)
        return total(h) + total(ys)

    args = [np.full(3, 0.4, np.float32), np.full((4, 3), 0.3, np.float32)]
    value, gradients = value_and_grad(run, argnums=(0, 1))(*args)
    assert value.dtype == np.float32 and [g.dtype for g in gradients] == [np.float32] * 2
    exact = value_and_grad(run, argnums=(0, 1))(*[x.astype(np.float64) for x in args])
    close([value, *gradients], [exact[0], *exact[1]], 1e-6)
    dots = [np.ones_like(x) for x in args]
    value, tangent = jvp(run, args, dots)
    assert value.dtype == tangent.dtype == np.float32


def test_derivative_by_a_python_number_in_the_carry() -> None:
    def run(rate: Any) -> Any:
        return scan(lambda c, _: (c * c * 0.5, None), rate, length=3)[0]

    gradient = grad(run)(1.5)
    assert type(gradient) is float
    close(gradient, grad(lambda x: unrolled(lambda c, _: (c * c * 0.5, c), x, length=3)[0])(1.5), 1e-14)


def test_an_unsafe_branch_that_is_not_chosen_stays_out_of_the_gradient() -> None:
    def run(x: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return h + select(x > 0.0, exp(x * 1000.0 * select(x > 1.0, 1.0, 0.0)), 0.0), None

        return scan(step, 0.0, x)[0]

    found = grad(run)(np.array([-1.0, 0.5, 0.0]))
    assert np.array_equal(found, [0.0, 0.0, 0.0])


def test_an_input_changed_before_the_way_back_changes_nothing() -> None:
    w, h, xs = np.array([0.5, 0.9]), np.array([0.1, 0.2]), np.arange(8.0).reshape(4, 2)
    consts = np.array([[0.4, 0.6]])

    def run(w: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return sin(h * w * reshape(consts, shape=(2,))) + x, h * x

        h_last, ys = scan(step, h, xs)
        return total(h_last) + total(ys * ys)

    value, pullback = vjp(run, w)
    expected = pullback(1.0)[0]
    w_copy = w.copy()
    for x in (w, h, xs, consts):
        x[...] = 77.0
    assert np.array_equal(pullback(1.0)[0], expected)
    h[...], xs[...], consts[...] = [0.1, 0.2], np.arange(8.0).reshape(4, 2), 0.0
    assert not np.array_equal(grad(run)(w_copy), expected)


def test_a_gradient_inside_a_loop() -> None:
    """Steps of gradient descent as a loop, differentiated by the rate and by the data."""

    def run(loop: Loop, rate: Any, data: Any) -> Any:
        def step(w: Any, x: Any) -> Any:
            return w - rate * grad(lambda w: total(tanh(w * x) * x))(w), None

        return total(loop(step, np.array([0.3, -0.4]), data)[0])

    args = [np.float64(0.3), np.array([[0.5, 1.5], [1.0, -0.7], [0.2, 0.9]])]
    found = all_grads(lambda *x: run(scan, *x), 2)(*args)
    close(found, all_grads(lambda *x: run(unrolled, *x), 2)(*args), 1e-12)
    dots = directions(args, 3)
    close(paired(found, dots), slope(lambda *x: run(scan, *x), args, dots))


def test_a_counted_loop_in_both_modes() -> None:
    def power(x: Any) -> Any:
        return fori_loop(0, 5, lambda i, p: p * x * (i + 1.0), x)

    def by_hand(x: Any) -> Any:
        p = x
        for i in range(5):
            p = p * x * (i + 1.0)
        return p

    x = np.float64(1.3)
    close(power(x), 120 * x**6, 1e-14)
    close(grad(power)(x), 720 * x**5, 1e-13)
    close(jvp(power, (x,), (1.0,))[1], 720 * x**5, 1e-13)
    close(grad(grad(power))(x), 3600 * x**4, 1e-13)
    close(grad(by_hand)(x), grad(power)(x), 1e-14)
