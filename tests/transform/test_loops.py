"""Derivatives of loops: against differences, against the same loop written out, in both modes, to third order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from loop_programs import (
    PROGRAMS,
    Loop,
    Program,
    all_grads,
    close,
    directions,
    mixed,
    paired,
    slope,
    staged,
    unrolled,
)

from chainrule.api.control import scan
from chainrule.api.derivatives import jvp, linearize

each_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


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


@each_program
def test_second_derivatives_are_right_in_every_nesting(program: Program) -> None:
    args = program.arguments()
    dots = directions(args, 5)
    expected = [
        slope(lambda *x, i=i: all_grads(program.using(unrolled), len(args))(*x)[i], args, dots)
        for i in range(len(args))
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
