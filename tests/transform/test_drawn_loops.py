"""Loops drawn at random, some with a loop inside: every mode against the same loop written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from loop_programs import Loop, close, directions, mixed, unrolled

import chainrule as cr
from chainrule.ir.check import verify

UNARY: tuple[Callable[[Any], Any], ...] = (
    np.sin,
    np.tanh,
    lambda a: np.exp(-a * a),
    lambda a: np.where(a > 0.3, a, 0.2 * a),
    np.cumsum,
    np.sort,
    lambda a: a.max() * a,
    lambda a: a[::-1],
    cr.stop_gradient,
)
BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    np.add,
    np.multiply,
    lambda a, b: a / (1 + b * b),
    lambda a, b: a @ b * a,
    np.maximum,
    lambda a, b: np.outer(a, b).sum(0),
    lambda a, b: np.concatenate([a[:1], b[1:]]),
)


class Drawn(NamedTuple):
    """A loop over vectors of 3: how many constants, carries, xs and ys, and what the body computes."""

    sizes: tuple[int, int, int, int]
    length: int
    reverse: bool
    steps: list[tuple[bool, int, int, int]]  # one operand or two; which function; of which values
    results: list[int]
    inner: Drawn | None


def draw(rng: Any, nests: bool = True) -> Drawn:
    consts, carry, xs, ys = rng.integers(0, 3), rng.integers(1, 4), rng.integers(0, 3), rng.integers(0, 3)
    length = int(rng.integers(1 if ys or not nests else 0, 4))
    steps = [(bool(rng.integers(2)), *map(int, rng.integers(0, 100, 3))) for _ in range(rng.integers(2, 7))]
    inner = draw(rng, nests=False) if nests and rng.random() < 0.4 else None
    results = [int(n) for n in rng.integers(0, 100, carry + ys)]
    return Drawn((consts, carry, xs, ys), length, bool(rng.integers(2)), steps, results, inner)


def run(drawn: Drawn, loop: Loop, consts: list[Any], carry: list[Any], xs: list[Any]) -> tuple[Any, Any]:
    """The last carry and the ys of a drawn loop."""
    fixed = np.array([0.4, -0.9, 1.3])

    def step(state: Any, x: Any) -> Any:
        pool = [*consts, *state, *(x or ()), fixed]
        for single, which, i, j in drawn.steps:
            a, b = pool[i % len(pool)], pool[j % len(pool)]
            pool.append(UNARY[which % len(UNARY)](a) if single else BINARY[which % len(BINARY)](a, b))
        inner = drawn.inner
        if inner is not None:
            given = [pool[7 * n % len(pool)] for n in range(sum(inner.sizes[:3]))]
            first, last = inner.sizes[0], sum(inner.sizes[:2])
            rows = [np.stack([a * (k + 1.0) for k in range(inner.length)]) for a in given[last:]]
            pool.extend(run(inner, loop, given[:first], given[first:last], rows)[0])
        outs = [pool[-1 - n % len(pool)] for n in drawn.results]
        return tuple(0.5 * out for out in outs[: drawn.sizes[1]]), tuple(outs[drawn.sizes[1] :])

    return loop(step, tuple(carry), tuple(xs) or None, length=drawn.length, reverse=drawn.reverse)


def loss(drawn: Drawn, loop: Loop) -> Callable[..., Any]:
    """A number that depends on every other result of a drawn loop."""
    first, last = drawn.sizes[0], sum(drawn.sizes[:2])

    def function(*args: Any) -> Any:
        carry, ys = run(drawn, loop, list(args[:first]), list(args[first:last]), list(args[last:]))
        leaves = [*carry, *(ys or ())]
        return sum(((n + 1.0) * np.sin(x)).sum() for n, x in enumerate(leaves[::2]))

    return function


@pytest.mark.parametrize("seed", range(20))
def test_every_mode_agrees_with_the_loop_written_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = draw(rng)
    consts, carry, xs, _ = drawn.sizes
    args = [*rng.normal(size=(consts + carry, 3)), *rng.normal(size=(xs, drawn.length, 3))]
    dots, along = directions(args, seed), tuple(range(len(args)))
    looped, written = loss(drawn, cr.scan), loss(drawn, unrolled)

    both = cr.value_and_grad(looped, argnums=along)
    staged = cr.jit(both)
    expected = cr.value_and_grad(written, argnums=along)(*args)
    close(both(*args), expected, 1e-10)
    close(staged(*args), expected, 1e-10)
    verify(staged.graph(*args))

    tangent = cr.jvp(written, args, dots)
    close(cr.jvp(looped, args, dots), tangent, 1e-10)
    value, tangent_at = cr.linearize(looped, *args)
    close((value, tangent_at(*dots)), tangent, 1e-10)

    second = np.concatenate([np.ravel(x) for x in mixed(written, args, dots)["reverse over reverse"]])
    for found in mixed(looped, args, dots).values():
        close(np.concatenate([np.ravel(x) for x in found]), second, 1e-9)
