"""Circular functions of numbers of any size."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from native_loops import loop
from ulps import FLOAT32, FLOAT64, worst64

from chainrule.backend.llvm.scalar.angle import two_over_pi

NEAREST = 6381956970095103 * 2.0**797  # of all float64 the one that is nearest to a multiple of pi / 2 (Kahan)
FUNCTIONS = {"sin": mp.sin, "cos": mp.cos, "tan": mp.tan}


def large() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rng = np.random.default_rng(0)
    sized = rng.choice([-1.0, 1.0], 600) * np.exp2(rng.uniform(40, 1024, 600))
    around = 2.0**50 * (1 + np.arange(-8, 8) * 2.0**-52)
    return np.concatenate([sized, around, [NEAREST, -NEAREST, np.finfo(np.float64).max]])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_large_numbers(name: str) -> None:
    with mp.workdps(400):
        exact = {x: FUNCTIONS[name](mp.mpf(x)) for x in large().tolist()}
    error, place = worst64(name, lambda x: exact[float(x)], [large()])
    assert error <= 1.0, place


@pytest.mark.parametrize("name", FUNCTIONS)
def test_multiples_of_a_quarter_turn(name: str) -> None:
    with mp.workdps(400):
        x = np.array([float(k * mp.pi / 2) for k in (*range(1, 200), 2**20 + 1, 2**40 + 1)])
        exact = {v: FUNCTIONS[name](mp.mpf(v)) for v in x.tolist()}
    error, place = worst64(name, lambda v: exact[float(v)], [x])
    assert error <= 1.0, place


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
def test_a_large_number_leaves_its_neighbours_as_they_are(
    name: str, dtype: np.dtype[np.floating[np.typing.NBitBase]]
) -> None:
    x = np.linspace(-3, 3, 16).astype(dtype)
    mixed = x.copy()
    mixed[5], mixed[9] = 1e30, np.inf
    plain, found = (loop(name, [dtype], 16)(v) for v in (x, mixed))
    keep = np.arange(16) % 4 != 1
    assert found[keep].tobytes() == plain[keep].tobytes()
    assert np.isnan(found[9]) and np.isfinite(found[5])


def test_the_bits_of_two_over_pi() -> None:
    first, *words = two_over_pi()
    with mp.workdps(420):
        found = sum(mp.mpf(word) / mp.mpf(2) ** (64 * n) for n, word in enumerate(words, 1))
        assert first == 0 and 0 <= 2 / mp.pi - found < mp.mpf(2) ** (-64 * len(words))
