"""Every elementary function is within 2 ulp, and its page says so."""

from __future__ import annotations

import math
import re
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from ulps import all_floats, mathematics, of_two, points, worst32, worst64, worst_pair

BOUND = 2.0
STRIDE = 10_007  # every so many float32
SAMPLES = 1500
PAGE = Path(__file__).resolve().parents[4] / "docs" / "elementary.md"


def larger(x: float, y: float) -> float:
    return max(abs(x), abs(y))


@pytest.mark.parametrize("name", mathematics())
def test_functions_of_one_operand(name: str) -> None:
    function, interval = mathematics()[name]
    attrs = {"order": 0} if name == "sinc" else {}
    assert max(worst32(name, block, **attrs) for block in all_floats(STRIDE)) <= (BOUND,)
    assert worst64(name, function, [points(interval, SAMPLES, 5)], **attrs) <= (BOUND,)


@pytest.mark.parametrize("name", of_two())
def test_functions_of_two_operands(name: str) -> None:
    function, intervals = of_two()[name]
    floor = larger if name.startswith("logaddexp") else None
    with np.errstate(all="ignore"):
        short = [points(each, 160_000, seed).astype(np.float32) for seed, each in enumerate(intervals)]
    assert (worst_pair if floor else worst32)(name, *short) <= (BOUND,)
    assert worst64(name, function, [points(each, SAMPLES, 9 + n) for n, each in enumerate(intervals)], floor) <= (
        BOUND,
    )


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_derivatives_of_sinc(order: int) -> None:
    def derivative(x: mp.mpf) -> mp.mpf:
        return mp.pi**order * mp.quad(lambda s: s**order * mp.cos(mp.pi * (s * x + mp.mpf(order) / 2)), [0, 1])

    x = np.concatenate(
        [np.random.default_rng(0).uniform(-3, 3, 60), [0.0, 1e-5, 1e-300, 0.6366, 0.6367, 0.9549, 0.955]]
    )
    error, place = worst64("sinc", derivative, [x], lambda x: math.pi**order / (order + 1), order=order)
    assert error <= (4.0 if order <= 2 else 20.0), place


def test_the_page_has_every_function_within_the_bound() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert [re.findall("`(.*)`", row)[0] for row in rows] == [*mathematics(), *of_two()]
    for row in rows:
        cells = [cell.strip() for cell in row.split("|")]
        assert 0 < float(cells[2]) <= BOUND and 0 < float(cells[5]) <= BOUND, row
