"""The whole suite for one record: every check on every draw, counted by mode."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

from chainrule.ir.kinds import Runs, Scalar, Zero
from chainrule.ir.op import Op
from chainrule.testing.derivatives import (
    Curvature,
    Truth,
    check_absent,
    check_agreement,
    check_forward,
    check_residuals,
    check_reverse,
    check_scalar_derivatives,
    check_second,
    check_single,
    find_curvature,
    find_truth,
)
from chainrule.testing.draws import Draw, draws
from chainrule.testing.values import check_empty, check_promotion, check_python_scalars, check_text, check_value


def differentiable(op: Op) -> bool:
    """Whether the record declares a derivative that is not zero."""
    return op.derivative is not None and not isinstance(op.derivative, Zero)


@lru_cache(maxsize=16)
def truths(op: Op) -> tuple[Truth, ...]:
    """The draws that have floating operands, with their derivatives by differences."""
    return tuple(find_truth(draw) for draw in draws(op) if draw.floating)


@lru_cache(maxsize=16)
def curvatures(op: Op) -> tuple[Curvature, ...]:
    """The draws that a derivative passes through, with second derivatives by differences."""
    return tuple(find_curvature(truth) for truth in truths(op) if truth.weights)


def _values(op: Op) -> int:
    """Types, values and staged values, of nothing too; in float64, and in float32 where the attributes allow it."""
    given = draws(op)
    if not isinstance(op.lowering, Runs):
        given = (*given, *(draw.narrowed() for draw in given if draw.floating))
    for draw in given:
        check_value(draw)
        check_empty(draw)
    return len(given)


def _scalars(op: Op) -> int:
    given = [draw for draw in draws(op) if _has_scalars(draw)]
    for draw in given:
        check_python_scalars(draw)
    for truth in truths(op) if differentiable(op) else ():
        if truth.weights and _has_scalars(truth.draw):
            check_scalar_derivatives(truth)
    return len(given)


def _has_scalars(draw: Draw) -> bool:
    return any(x.shape == () for x in draw.operands)


def _single(op: Op) -> int:
    """All floating operands in float32, and each alone."""
    given = [
        draw.narrowed(place)
        for draw in draws(op)
        for place in ((None, *draw.floating) if len(draw.floating) > 1 else draw.floating)
    ]
    for draw in given:
        for stages in (False, True):
            check_single(draw, stages)
    return len(given)


def _promotion(op: Op) -> int:
    case = op.cases[0]
    return check_promotion(op, len(case.shapes), case.attrs)


def _each(check: Callable[[Truth], None], op: Op) -> int:
    given = [truth for truth in truths(op) if truth.weights]
    for truth in given:
        check(truth)
    return len(given)


def _second(stages: bool, op: Op) -> int:
    given = curvatures(op)
    for curvature in given:
        check_second(curvature, stages)
    return len(given)


def _absent(op: Op) -> int:
    for truth in truths(op):
        check_absent(truth)
    return len(truths(op))


def _text(op: Op) -> int:
    given = draws(op)
    for draw in given:
        check_text(draw)
    return len(given)


MODES: Final[dict[str, Callable[[Op], int]]] = {
    "value": _values,
    "text": _text,
    "scalars": _scalars,
    "promotion": _promotion,
    "no derivative": _absent,
    "reverse eager": partial(_each, lambda truth: check_reverse(truth, stages=False)),
    "reverse staged": partial(_each, lambda truth: check_reverse(truth, stages=True)),
    "forward eager": partial(_each, lambda truth: check_forward(truth, stages=False)),
    "forward staged": partial(_each, lambda truth: check_forward(truth, stages=True)),
    "agreement": partial(_each, check_agreement),
    "second eager": partial(_second, False),
    "second staged": partial(_second, True),
    "single": _single,
    "ownership": partial(_each, check_residuals),
}
"""What is checked of a record, and how: each check returns the number of calls it compared."""


def modes(op: Op) -> list[str]:
    """The checks that have a meaning for an operation."""
    names = list(MODES)
    left_out = {"no derivative"} if differentiable(op) else set(names[names.index("no derivative") + 1 :])
    if not any(draw.floating for draw in draws(op)):
        left_out.add("no derivative")
    if not isinstance(op.lowering, Scalar):
        left_out.add("promotion")
    if isinstance(op.lowering, Runs):
        left_out |= {"scalars", "single"}  # the graphs among the attributes fix the types
    if not any(_has_scalars(draw) for draw in draws(op)):
        left_out.add("scalars")
    return [mode for mode in MODES if mode not in left_out]


def check_op(op: Op) -> dict[str, int]:
    """The number of calls compared, by mode; an AssertionError that names the operation, its operands and both numbers.

    Compares types with NumPy's, staged values with eager ones, the text form with itself, derivatives of both modes and
    of second order with differences, all on operands drawn from the record's cases.
    """
    if not op.cases:
        raise AssertionError(f"{op}: has no cases; give the record some, its tests are made from them")
    return {mode: MODES[mode](op) for mode in modes(op)}
