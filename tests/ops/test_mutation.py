"""Deliberately wrong rules: the checks of test_records.py have to reject every one of them.

For each differentiable record: factors and transposes that are off by a thousandth, have the wrong sign, are left out,
are exchanged, or put elements in the wrong places; and factors that are right but have no derivative of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest

from chainrule.errors import ChainruleError
from chainrule.ir.kinds import Body, Linear, Multilinear, Partials, Tangent, Weighted
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import multiply, negative
from chainrule.ops.identity import stop_gradient
from chainrule.ops.movement import flip, zeros
from chainrule.testing.catalog import records
from chainrule.testing.derivatives import check_forward, check_reverse, check_second
from chainrule.testing.draws import Draw
from chainrule.testing.suite import curvatures, differentiable, truths
from chainrule.transform.vjp import LOOPS, factor
from chainrule.types import shape_of

RECORDS = [op for op in records() if differentiable(op)]

Change = Callable[[Any], Any]

OFF = 1 + 1e-3


def scaled(x: Any) -> Any:
    return multiply(x, OFF)


def turned(x: Any) -> Any:
    return flip(x, axes=tuple(range(len(shape_of(x)))))


STUMBLES = (AssertionError, ChainruleError, ValueError, TypeError, IndexError, StopIteration)
"""What becomes of a rule with the wrong number of results, or results of the wrong shape."""

WRONG: dict[str, Change] = {"off by a thousandth": scaled, "with the wrong sign": negative, "left out": lambda x: None}


class Mutant(NamedTuple):
    """A record with a wrong rule, the modes that see it, and how they may fail."""

    what: str
    op: Op
    reverse: bool = True
    forward: bool = True
    errors: tuple[type[Exception], ...] = (AssertionError,)


def with_rule(op: Op, derivative: Any) -> Op:
    """A copy that is not registered: another operation of the same name."""
    mutant = copy.copy(op)
    object.__setattr__(mutant, "derivative", derivative)
    return mutant


def after(rule: Callable[..., Any], change: Change) -> Callable[..., Any]:
    """The rule with its result (each of its results) changed."""

    def changed(*args: Any, **attrs: Any) -> Any:
        out = rule(*args, **attrs)
        if isinstance(out, tuple | list):
            return tuple(None if x is None else change(x) for x in out)
        return change(out)

    return changed


def at(rule: Callable[..., Any], place: int, change: Change) -> Callable[..., Any]:
    """The rule with one of its results changed."""

    def changed(*args: Any, **attrs: Any) -> tuple[Any, ...]:
        return tuple(change(x) if i == place else x for i, x in enumerate(rule(*args, **attrs)))

    return changed


def replaced(items: Sequence[Any], place: int, new: Any) -> tuple[Any, ...]:
    return (*items[:place], new, *items[place + 1 :])


# --- mutants by kind of derivative ------------------------------------------------------------------------------------


def partials(factors: Sequence[Any], needs: Sequence[Any]) -> Partials:
    rule = Partials()
    object.__setattr__(rule, "factors", tuple(factors))
    object.__setattr__(rule, "needs", tuple(needs))
    return rule


def factor_of(op: Op, rule: Partials, i: int) -> Callable[[Draw, Sequence[Any]], Any]:
    def values(draw: Draw, operands: Sequence[Any]) -> Any:
        with np.errstate(all="ignore"):
            out = op(*operands, **draw.attrs)
            return np.broadcast_to(factor(rule, i, operands, out, draw.attrs), np.shape(out))

    return values


def weights_of(op: Op, weights: Callable[..., Any]) -> Callable[[Draw, Sequence[Any]], Any]:
    return lambda draw, operands: weights(op(*operands, **draw.attrs), *operands, **draw.attrs)


def of_partials(op: Op, rule: Partials) -> Iterator[Mutant]:
    present = [i for i, f in enumerate(rule.factors) if f is not None]
    for i in present:
        f = rule.factors[i]
        for what, change in WRONG.items():
            new = change(f) if not callable(f) else None if what == "left out" else after(f, change)
            yield Mutant(f"factor {i} {what}", with_rule(op, partials(replaced(rule.factors, i, new), rule.needs)))
    given = [t for t in truths(op) if t.weights]
    for i, j in pairwise(present):
        pairs = [[factor_of(op, rule, k)(t.draw, t.draw.operands) for k in (i, j)] for t in given]
        if not all(np.array_equal(a, b) for a, b in pairs):
            factors = replaced(replaced(rule.factors, i, rule.factors[j]), j, rule.factors[i])
            needs = replaced(replaced(rule.needs, i, rule.needs[j]), j, rule.needs[i])
            yield Mutant(f"factors {i} and {j} exchanged", with_rule(op, partials(factors, needs)))


def has_elements(op: Op, i: int) -> bool:
    """Whether operand i has more than one element in some case."""
    return any(truth.draw.operands[i].size > 1 for truth in truths(op) if i < len(truth.draw.operands))


def of_linear(op: Op, rule: Linear) -> Iterator[Mutant]:
    args = range(len(op.cases[0].shapes)) if rule.args is None else rule.args
    for place, i in enumerate(args):
        misplaced = {"with elements in the wrong places": turned} if has_elements(op, i) else {}
        for what, change in {**WRONG, **misplaced}.items():
            new = at(rule.transpose, place, change)
            yield Mutant(f"transpose {i} {what}", with_rule(op, Linear(new, rule.args)), forward=False)
        fewer = tuple(arg for arg in args if arg != i)
        yield Mutant(f"not linear in {i}", with_rule(op, Linear(rule.transpose, fewer)), errors=STUMBLES)
    if len(args) > 1:
        exchanged = Linear(lambda *xs, **attrs: rule.transpose(*xs, **attrs)[::-1], rule.args)
        yield Mutant("transposes exchanged", with_rule(op, exchanged), forward=False, errors=STUMBLES)


def of_multilinear(op: Op, rule: Multilinear) -> Iterator[Mutant]:
    for i, transpose in enumerate(rule.transposes):
        for what, change in {**WRONG, "with elements in the wrong places": turned}.items():
            new = Multilinear(*replaced(rule.transposes, i, after(transpose, change)))
            yield Mutant(f"transpose {i} {what}", with_rule(op, new), forward=False)
    exchanged = Multilinear(*rule.transposes[::-1])
    yield Mutant("transposes exchanged", with_rule(op, exchanged), forward=False, errors=STUMBLES)
    yield Mutant("one transpose fewer", with_rule(op, Multilinear(*rule.transposes[:-1])), reverse=False)


def of_weighted(op: Op, rule: Weighted) -> Iterator[Mutant]:
    def nothing(x: Any) -> Any:
        return multiply(x, 0.0)

    for what, change in {**WRONG, "left out": nothing, "with elements in the wrong places": turned}.items():
        yield Mutant(f"weights {what}", with_rule(op, Weighted(after(rule.weights, change))))


def of_tangent(op: Op, rule: Tangent) -> Iterator[Mutant]:
    def without(i: int) -> Callable[..., Any]:
        return lambda dots, out, *xs, **attrs: rule.tangent(
            replaced(dots, i, zeros(dots[i], dots[i])), out, *xs, **attrs
        )

    for what in ("off by a thousandth", "with the wrong sign"):
        yield Mutant(f"tangent {what}", with_rule(op, Tangent(after(rule.tangent, WRONG[what]))))
    floating = {i for truth in truths(op) for i in truth.draw.floating}
    for i in sorted(floating):
        yield Mutant(f"tangent without dot {i}", with_rule(op, Tangent(without(i))))


def mutants(op: Op) -> list[Mutant]:
    match op.derivative:
        case Partials() as rule:
            return list(of_partials(op, rule))
        case Linear() as rule:
            return list(of_linear(op, rule))
        case Multilinear() as rule:
            return list(of_multilinear(op, rule))
        case Weighted() as rule:
            return list(of_weighted(op, rule))
        case Tangent() as rule:
            return list(of_tangent(op, rule))
        case kind:
            raise AssertionError(f"{op}: no wrong rules are known for {type(kind).__name__}")


# --- the checks reject them -------------------------------------------------------------------------------------------


def rejected(
    check: Callable[[Any, bool], None], cases: Sequence[Any], stages: bool, errors: tuple[type[Exception], ...]
) -> bool:
    """Whether the check fails for one of the cases."""
    for case in cases:
        try:
            check(case, stages)
        except errors:
            return True
    return False


def survivors(op: Op, found: Sequence[Mutant]) -> list[str]:
    given = [truth for truth in truths(op) if truth.weights]
    left: list[str] = []
    for mutant in found:
        cases = [truth.of(mutant.op) for truth in given]
        for check, sees in ((check_reverse, mutant.reverse), (check_forward, mutant.forward)):
            left.extend(
                f"{mutant.what}: {check.__name__}, {'staged' if stages else 'eager'}"
                for stages in ((False, True) if sees else ())
                if not rejected(check, cases, stages, mutant.errors)
            )
    return left


@pytest.mark.parametrize("op", [op for op in RECORDS if not isinstance(op.derivative, Body)], ids=str)
def test_wrong_rules_are_rejected(op: Op) -> None:
    found = mutants(op)
    assert found
    left = survivors(op, found)
    assert not left, f"{op}: " + "; ".join(left)


@pytest.mark.parametrize("op", [op for op in RECORDS if isinstance(op.derivative, Body)], ids=str)
def test_wrong_rules_of_loops_are_rejected(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    right = LOOPS[op.name]
    given = [truth for truth in truths(op) if truth.weights]
    for what, change in WRONG.items():

        def pushed(*args: Any, change: Change = change, **attrs: Any) -> Any:
            outs, dots = right.jvp(*args, **attrs)
            return outs, [None if dot is None else change(dot) for dot in dots]

        wrong = replace(right, jvp=pushed, pull=after(right.pull, change))
        monkeypatch.setitem(LOOPS, op.name, wrong)
        for check in (check_reverse, check_forward):
            for stages in (False, True):
                assert rejected(check, given, stages, (AssertionError,)), f"{op}: {what}: {check.__name__}"


# --- rules that are right once ----------------------------------------------------------------------------------------


def detached(op: Op) -> Op | None:
    """The record with factors whose own derivatives are left out; None where these are zero anyway."""
    match op.derivative:
        case Partials(factors, needs) as rule:
            changed = [
                after(f, stop_gradient) if callable(f) and varies(op, factor_of(op, rule, i)) else f
                for i, f in enumerate(factors)
            ]
            return None if changed == list(factors) else with_rule(op, partials(changed, needs))
        case Weighted(weights) if varies(op, weights_of(op, weights)):
            return with_rule(op, Weighted(after(weights, stop_gradient)))
        case _:
            return None


def varies(op: Op, values: Callable[[Draw, Sequence[Any]], Any]) -> bool:
    """Whether a factor changes where the operands do, a little."""
    for truth in truths(op):
        draw = truth.draw
        moved = [x if r is None else x + 1e-3 * r for x, r in zip(draw.operands, draw.reaches, strict=True)]
        before, now = values(draw, draw.operands), values(draw, moved)
        if np.linalg.norm(now - before) > 1e-9 * np.linalg.norm(before):
            return True
    return False


@pytest.mark.parametrize("op", [op for op in RECORDS if isinstance(op.derivative, Partials | Weighted)], ids=str)
def test_rules_without_a_second_derivative_are_rejected(op: Op) -> None:
    wrong = detached(op)
    if wrong is not None:
        cases = [replace(curvature, truth=curvature.truth.of(wrong)) for curvature in curvatures(op)]
        for stages in (False, True):
            assert rejected(check_second, cases, stages, (AssertionError,))
