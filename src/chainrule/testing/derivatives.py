"""Checks of a record's rule: both modes against differences, first and second order, and who owns what it keeps.

A check raises an AssertionError that names the operation, the operands and the numbers. The truth is differences of the
record's NumPy meaning; the rules are run on the record itself, eager and staged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from chainrule.api.derivatives import vjp
from chainrule.ir.op import Op
from chainrule.testing.comparison import agree, all_bits, flat, require, way
from chainrule.testing.differences import DOUBLE, Array, directional, jacobian
from chainrule.testing.draws import Draw
from chainrule.testing.running import (
    filled,
    forward,
    forward_over_reverse,
    gradient,
    is_float,
    outcomes,
    reverse,
    reverse_over_reverse,
    run,
)
from chainrule.types import type_of

RTOL: Final = 1e-6  # of the true derivative's norm
RTOL_SINGLE: Final = 1e-3  # where a result is float32: what differences of it can tell
TINY: Final = 1e-11

# --- first derivatives ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Truth:
    """A draw with its derivatives by differences, and the directions that rules are compared along."""

    draw: Draw
    jacobians: dict[int, Array]  # by floating operand: flat floating results by flat elements
    errors: dict[int, Array]
    weights: tuple[Array, ...]  # for each floating result
    dots: tuple[Array | None, ...]  # for each operand

    @property
    def rtol(self) -> float:
        return RTOL if precision_of(self.weights) == DOUBLE else RTOL_SINGLE

    @property
    def settled(self) -> float:
        """How large the errors of differences may be; those of float32 are coarse."""
        return 0.1 * RTOL if self.rtol == RTOL else 0.1

    def of(self, op: Op) -> Truth:
        """The same truth for another record: a mutant."""
        return replace(self, draw=replace(self.draw, op=op))

    def along(self, places: Sequence[int]) -> tuple[Array, float]:
        """The true tangent of the flat results along the dots at `places`, and the error that differences leave."""
        want = np.zeros(sum(w.size for w in self.weights))
        doubt = 0.0
        for i in places:
            dot = np.ravel(np.asarray(self.dots[i]))
            want = want + self.jacobians[i] @ dot
            doubt += float(np.linalg.norm(self.errors[i] @ np.abs(dot)))
        return want, doubt

    def pulled(self, i: int) -> tuple[Array, float]:
        """The true gradient of the weighted sum of the results by operand i, and the error that differences leave."""
        ct = flat(self.weights)
        want = (ct @ self.jacobians[i]).reshape(self.draw.operands[i].shape)
        return want, float(np.linalg.norm(np.abs(ct) @ self.errors[i]))


def find_truth(draw: Draw) -> Truth:
    """The derivatives of a draw by differences; raises where they do not settle: a kink, or a domain too wide."""
    op, attrs, operands = draw.op, draw.attrs, draw.operands
    rng = draw.generator()
    with np.errstate(all="ignore"):
        outs = [np.asarray(out) for out in outcomes(op, operands, attrs) if is_float(out)]
    weights = tuple(_direction(rng, out) for out in outs)
    dots = tuple(_direction(rng, x) if is_float(x) else None for x in operands)
    jacobians: dict[int, Array] = {}
    errors: dict[int, Array] = {}
    for i in draw.floating:

        def moved(x: Array, i: int = i) -> Array:
            given = (*operands[:i], x, *operands[i + 1 :])
            return flat([out for out in outcomes(op, given, attrs) if is_float(out)])

        reach = draw.reaches[i]
        assert reach is not None
        jacobians[i], errors[i] = jacobian(moved, operands[i], reach, precision_of(weights))
    truth = Truth(draw, jacobians, errors, weights, dots)
    size = sum(float(np.linalg.norm(j)) for j in jacobians.values())
    doubt = sum(float(np.linalg.norm(e)) for e in errors.values())
    require(doubt <= truth.settled * size + TINY, f"{draw}: differences do not settle: {doubt:.2g} of {size:.2g}")
    return truth


def check_reverse(truth: Truth, stages: bool) -> None:
    """Raises unless reverse mode gives the true gradient: by all operands at once, and by each alone."""
    draw = truth.draw
    for places in _together_and_alone(draw.floating):

        def pulled(*given: Any, places: tuple[int, ...] = places) -> list[Any]:
            operands, weights = given[: len(draw.operands)], given[len(draw.operands) :]
            found = reverse(draw.op, draw.attrs, operands, weights, places)
            return filled(found, [operands[i] for i in places])

        got = run(pulled, (*draw.operands, *truth.weights), stages)
        for i, ct in zip(places, got, strict=True):
            what = f"{draw}: reverse mode by operand {i}, {way(stages)}"
            require(type_of(ct) == type_of(draw.operands[i]), f"{what}: a cotangent of type {type_of(ct)}")
            agree(ct, *truth.pulled(i), truth.rtol, what)


def check_forward(truth: Truth, stages: bool) -> None:
    """Raises unless forward mode gives the true tangent: along all operands at once, and along each alone."""
    draw = truth.draw
    for places in _together_and_alone(draw.floating):

        def pushed(*given: Any, places: tuple[int, ...] = places) -> list[Any]:
            operands, dots = given[: len(draw.operands)], iter(given[len(draw.operands) :])
            along = [next(dots) if i in places else None for i in range(len(operands))]
            return filled(forward(draw.op, draw.attrs, operands, along), truth.weights)

        got = run(pushed, (*draw.operands, *(truth.dots[i] for i in places)), stages)
        what = f"{draw}: forward mode along {list(places)}, {way(stages)}"
        for dot, out in zip(got, truth.weights, strict=True):
            require(type_of(dot) == type_of(out), f"{what}: a tangent of type {type_of(dot)} for {type_of(out)}")
        agree(flat(got), *truth.along(places), truth.rtol, what)


def check_agreement(truth: Truth) -> None:
    """Raises unless the two modes agree to rounding: <w, J u> is <J' w, u>."""
    draw = truth.draw
    dots = [truth.dots[i] for i in draw.floating]
    cts = filled(reverse(draw.op, draw.attrs, draw.operands, truth.weights), dots)
    tangents = filled(forward(draw.op, draw.attrs, draw.operands, truth.dots), truth.weights)
    pushed, pulled = flat(tangents) * flat(truth.weights), flat(cts) * flat(dots)
    size = float(np.sum(np.abs(pushed)) + np.sum(np.abs(pulled)))
    gap = float(abs(np.sum(pushed) - np.sum(pulled)))
    allowed = 1e-12 if truth.rtol == RTOL else 1e-6
    require(gap <= allowed * size, f"{draw}: forward gives {np.sum(pushed)!r}, reverse {np.sum(pulled)!r}")


def check_scalar_derivatives(truth: Truth) -> None:
    """Raises unless rules are as right on Python floats as on arrays without axes."""
    draw = truth.draw.with_python_scalars()
    op, attrs, operands = draw.op, draw.attrs, draw.operands
    cts = filled(reverse(op, attrs, operands, truth.weights), [operands[i] for i in draw.floating])
    for i, ct in zip(draw.floating, cts, strict=True):
        agree(ct, *truth.pulled(i), truth.rtol, f"{draw}: reverse mode by operand {i}, eager")
    tangents = filled(forward(op, attrs, operands, truth.dots), truth.weights)
    agree(flat(tangents), *truth.along(draw.floating), truth.rtol, f"{draw}: forward mode, eager")


def check_single(draw: Draw, stages: bool) -> None:
    """Raises unless derivatives have the types of what they belong to where some operands are float32."""
    count, places = len(draw.operands), draw.floating
    primals = [draw.operands[i] for i in places]
    with np.errstate(all="ignore"):
        outs = [np.asarray(out) for out in outcomes(draw.op, draw.operands, draw.attrs) if is_float(out)]

    def pulled(*given: Any) -> list[Any]:
        found = reverse(draw.op, draw.attrs, given[:count], given[count:])
        return filled(found, [given[i] for i in places])

    def pushed(*given: Any) -> list[Any]:
        dots = iter(given[count:])
        along = [next(dots) if i in places else None for i in range(count)]
        return filled(forward(draw.op, draw.attrs, given[:count], along), outs)

    for mode, function, given, likes in (("reverse", pulled, outs, primals), ("forward", pushed, primals, outs)):
        found = run(function, (*draw.operands, *given), stages)
        for got, like in zip(found, likes, strict=True):
            what = f"{draw}: {mode} mode, {way(stages)}"
            require(type_of(got) == type_of(like), f"{what}: type {type_of(got)}, expected {type_of(like)}")


def check_absent(truth: Truth) -> None:
    """Raises unless a record that declares no derivative, or zero, has none in either mode and none by differences.

    stop_gradient alone declares what is not so: that is its purpose.
    """
    draw = truth.draw
    moved = sum(float(np.linalg.norm(j)) for j in truth.jacobians.values())
    require(
        moved == 0 or draw.op.name == "stop_gradient", f"{draw}: declares no derivative, by differences {moved:.3g}"
    )
    for found in (
        reverse(draw.op, draw.attrs, draw.operands, truth.weights),
        forward(draw.op, draw.attrs, draw.operands, truth.dots),
    ):
        none = all(ct is None or not np.any(ct) for ct in found)
        require(none, f"{draw}: declares no derivative, gives {found}")


# --- second derivatives -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Curvature:
    """The second derivative along a direction, by differences of the gradient."""

    truth: Truth
    dots: tuple[Array | None, ...]
    product: Array  # the Hessian of the curved sum times the dots, flat
    error: float


def find_curvature(truth: Truth) -> Curvature:
    """The differences of a draw's eager gradient along a direction; raises where they do not settle."""
    draw = truth.draw
    rng = draw.generator()
    steps = [None if reach is None else _apart_from_zero(rng, reach.shape) for reach in draw.reaches]

    def moved(*operands: Any) -> Array:
        return flat(gradient(draw.op, draw.attrs, operands, truth.weights))

    for reaches in ((1.0,) * len(steps), draw.reaches):  # far if that is smooth, else as far as the domain allows
        pairs = zip(steps, reaches, strict=True)
        dots = tuple(None if step is None or reach is None else np.asarray(step * reach) for step, reach in pairs)
        product, errors = directional(moved, draw.operands, dots, precision_of(truth.weights))
        error, size = float(np.linalg.norm(errors)), float(np.linalg.norm(product))
        if error <= truth.settled * size + TINY:
            return Curvature(truth, dots, product, error)
    raise AssertionError(f"{draw}: differences of the gradient do not settle: {error:.2g} of {size:.2g}")


def check_second(curvature: Curvature, stages: bool) -> None:
    """Raises unless forward over reverse and reverse over reverse give the true second derivative."""
    truth = curvature.truth
    draw = truth.draw
    count, weights = len(draw.operands), len(truth.weights)
    given = [dot for dot in curvature.dots if dot is not None]
    for nested in (forward_over_reverse, reverse_over_reverse):

        def product(*xs: Any, nested: Any = nested) -> list[Any]:
            along = iter(xs[count + weights :])
            dots = [None if dot is None else next(along) for dot in curvature.dots]
            return nested(draw.op, draw.attrs, xs[:count], xs[count : count + weights], dots)

        got = run(product, (*draw.operands, *truth.weights, *given), stages)
        what = f"{draw}: {nested.__name__.replace('_', ' ')}, {way(stages)}"
        agree(flat(got), curvature.product, curvature.error, truth.rtol, what)


# --- ownership --------------------------------------------------------------------------------------------------------


def check_residuals(truth: Truth) -> None:
    """Raises where writing to an operand, or to the result, after the way there changes the way back."""
    draw = truth.draw
    for place in draw.floating:
        kept = reverse(draw.op, draw.attrs, draw.operands, truth.weights, (place,))
        operands = [x.copy() for x in draw.operands]

        def disturb(operands: list[Any] = operands, place: int = place) -> None:
            for i, x in enumerate(operands):
                if i != place:  # the tape does not own the inputs that it is given; who begins a tape copies
                    x[...] = 0

        found = reverse(draw.op, draw.attrs, operands, truth.weights, (place,), disturb=disturb)
        require(all_bits(kept, found), f"{draw}: writing to a constant operand changes the pullback by operand {place}")
    operands = [x.copy() for x in draw.operands]

    def results(*floating: Any) -> list[Any]:
        spare = iter(floating)
        given = [next(spare) if i in draw.floating else x for i, x in enumerate(operands)]
        return [out for out in outcomes(draw.op, given, draw.attrs) if is_float(out)]

    outs, pullback = vjp(results, *[operands[i] for i in draw.floating])
    before = pullback(list(truth.weights))
    for x in (*operands, *outs):
        if isinstance(x, np.ndarray):
            x[...] = 0
    after = pullback(list(truth.weights))
    require(all_bits(before, after), f"{draw}: writing to an input or the result changes the pullback")


def precision_of(results: Sequence[Any]) -> float:
    """The coarsest relative precision among floating results."""
    return max((float(np.finfo(x.dtype).eps) for x in results), default=DOUBLE)


def _together_and_alone(places: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [places, *((i,) for i in places)] if len(places) > 1 else [places] if places else []


def _direction(rng: np.random.Generator, like: Any) -> Array:
    return np.asarray(rng.normal(size=np.shape(like)), like.dtype)


def _apart_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.choice((-1.0, 1.0), shape) * rng.uniform(0.5, 1.0, shape)
