"""chainrule.random: the same numbers everywhere, the distributions they claim, derivatives by their parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import random
from chainrule.errors import DTypeError, OptionError, ShapeError

KEY = random.key(2024)
MANY = 100_000


def test_golden_values() -> None:
    """What a key and a function gave once, they give for ever."""
    key = random.key(0)
    assert key.dtype == np.int32 and key.tolist() == [-1326155586, -617818137]
    assert random.split(key).tolist() == [[-1084134089, 1799510077], [1339033170, -2108925463]]
    assert random.fold_in(key, 1).tolist() == [166380685, -26133359]
    assert random.permutation(key, 10).tolist() == [1, 8, 5, 6, 4, 2, 0, 7, 3, 9]
    assert random.randint(key, 10, -3, 4).tolist() == [-3, 0, 3, -1, 3, 2, 2, -2, 1, -1]
    assert random.bits(key, 2).tolist() == [524788716, -1879999813]
    assert random.uniform(key, 2).tolist() == [0.12218683958053589, 0.5622783899307251]
    assert np.allclose(random.normal(key, 3, dtype=np.float64), [-0.4942968, -0.12772555, -1.04102265], atol=1e-7)


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_of_anything_that_rng_may_be() -> None:
    sequence = np.random.SeedSequence(7)
    assert np.array_equal(random.key(7), random.key(np.int64(7)))
    assert np.array_equal(random.key(sequence), random.key(7)) and np.array_equal(random.as_key(7), random.key(7))
    generator, same = np.random.default_rng(1), np.random.default_rng(1)
    first, second = random.key(generator), random.as_key(generator)
    assert not np.array_equal(first, second) and np.array_equal(first, random.key(same))
    assert random.as_key(KEY) is KEY
    assert not np.array_equal(random.key(), random.key())
    big = random.key(2**100)
    assert big.shape == (2,) and not np.array_equal(big, random.key(0))


@pytest.mark.parametrize(
    ("seed", "error", "text"),
    [
        (-1, OptionError, "a seed of 0 or more, got -1 at .*test_random.py"),
        (1.5, DTypeError, "an int, a SeedSequence, a numpy.random.Generator or a key, got a float"),
        (np.zeros(2), DTypeError, r"a random key, i32\[2\], got f64\[2\]"),
        (np.zeros(3, np.int32), DTypeError, r"a random key, i32\[2\], got i32\[3\]"),
    ],
)
def test_what_is_no_seed_is_refused(seed: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        random.as_key(seed)


def test_keys_split_off_do_not_depend_on_how_many() -> None:
    assert np.array_equal(random.split(KEY, 3), random.split(KEY, 5)[:3])
    assert np.array_equal(random.split(KEY, (2, 3)).reshape(6, 2), random.split(KEY, 6))
    keys = np.concatenate([random.split(KEY, 2000), [random.fold_in(KEY, i) for i in range(2000)], [KEY]])
    assert len({tuple(key) for key in keys.tolist()}) == 4001


# --- the same numbers everywhere --------------------------------------------------------------------------------------

DRAWS: dict[str, Any] = {
    "bits": lambda key, shape: random.bits(key, shape),
    "bits64": lambda key, shape: random.bits(key, shape, np.int64),
    "uniform": lambda key, shape: random.uniform(key, shape),
    "uniform64": lambda key, shape: random.uniform(key, shape, -1.0, 3.0, np.float64),
    "normal": lambda key, shape: random.normal(key, shape),
    "normal64": lambda key, shape: random.normal(key, shape, 2.0, 0.5, np.float64),
    "bernoulli": lambda key, shape: random.bernoulli(key, 0.3, shape),
    "dropout_mask": lambda key, shape: random.dropout_mask(key, 0.25, shape),
    "randint": lambda key, shape: random.randint(key, shape, -5, 100, np.int32),
}
each_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


@each_draw
def test_the_first_numbers_do_not_depend_on_how_many_or_on_the_shape(draw: Any) -> None:
    whole = draw(KEY, 20_001)
    for shape in ((), 1, 2, 7, (3, 5), (2, 0, 3), (4, 16, 129)):
        found = draw(KEY, shape)
        assert np.shape(found) == ((shape,) if isinstance(shape, int) else shape)
        assert np.array_equal(np.ravel(found), whole[: np.size(found)])
    assert np.array_equal(draw(KEY, 5), draw(KEY, 5))
    assert not np.array_equal(draw(KEY, 100), draw(random.fold_in(KEY, 0), 100))


@each_draw
def test_a_staged_draw_with_the_key_as_an_argument(draw: Any) -> None:
    staged = cr.jit(lambda key: draw(key, (3, 5)))
    for key in random.split(KEY, 3):
        found, expected = staged(key), draw(key, (3, 5))
        assert found.dtype == expected.dtype
        tolerance = 8 * np.finfo(found.dtype).eps if found.dtype.kind == "f" else 0  # elementary functions of our own
        np.testing.assert_allclose(found, expected, tolerance, tolerance)
    assert staged.stagings == 1


def test_a_traced_number_folds_in() -> None:
    @cr.jit
    def masks(key: Any) -> Any:
        return cr.fori_loop(0, 3, lambda i, m: m + random.bernoulli(random.fold_in(key, i), 0.5, 8), np.zeros(8, int))

    expected = sum(random.bernoulli(random.fold_in(KEY, i), 0.5, 8).astype(int) for i in range(3))
    assert np.array_equal(masks(KEY), expected)


# --- distributions ----------------------------------------------------------------------------------------------------


def kolmogorov(sample: Any, distribution: Any) -> float:
    """sqrt(n) times the largest distance of the empirical distribution from the true one (Kolmogorov, 1933).

    Above 1.95 once in a thousand samples.
    """
    x = np.sort(np.asarray(sample, np.float64))
    true = distribution(x)
    steps = np.arange(len(x) + 1) / len(x)
    return math.sqrt(len(x)) * float(max(np.max(steps[1:] - true), np.max(true - steps[:-1])))


def excess(counts: Any, expected: Any) -> float:
    """Pearson's statistic as a standard normal number (Wilson and Hilferty, 1931)."""
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    freedom = np.size(counts) - 1
    third = 2 / (9 * freedom)
    return ((statistic / freedom) ** (1 / 3) - (1 - third)) / math.sqrt(third)


NORMAL = np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)))
DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(3))
def test_uniform_numbers(dtype: Any, seed: int) -> None:
    x = random.uniform(random.key(seed), MANY, dtype=dtype)
    assert x.dtype == dtype and x.min() >= 0 and x.max() < 1
    assert kolmogorov(x, lambda x: x) < 1.95
    assert abs(float(np.mean(x, dtype=float)) - 0.5) < 4 / math.sqrt(12 * MANY)
    scaled = random.uniform(random.key(seed), MANY, -2.0, 6.0, dtype)
    assert scaled.dtype == dtype and kolmogorov(scaled, lambda x: (x + 2) / 8) < 1.95


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(3))
def test_normal_numbers(dtype: Any, seed: int) -> None:
    x = random.normal(random.key(seed), MANY, dtype=dtype)
    assert x.dtype == dtype and np.all(np.isfinite(x)) and kolmogorov(x, NORMAL) < 1.95
    x = x.astype(float)
    moments = [float(np.mean(x**n)) for n in (1, 2, 3, 4)]
    spreads = [math.sqrt(v / MANY) for v in (1, 2, 15, 96)]  # of the means of the powers
    assert all(abs(m - e) < 4 * s for m, e, s in zip(moments, (0, 1, 0, 3), spreads, strict=True))
    assert abs(float(np.mean(x[::2] * x[1::2]))) < 4 / math.sqrt(MANY / 2)  # the two of a pair
    scaled = random.normal(random.key(seed), MANY, 3.0, 0.5, dtype)
    assert scaled.dtype == dtype and kolmogorov((scaled - 3) / 0.5, NORMAL) < 1.95


def test_every_bit_is_fair_and_neighbours_are_independent() -> None:
    bits = random.bits(KEY, MANY, np.int64).view(np.uint8)
    assert abs(excess(np.bincount(bits, minlength=256), len(bits) / 256)) < 4
    pairs = bits[:-1].astype(int) * 256 + bits[1:]
    assert abs(excess(np.bincount(pairs, minlength=65536), len(pairs) / 65536)) < 4
    planes = np.unpackbits(bits[:, None], axis=1).reshape(MANY, 64)
    assert np.max(np.abs(planes.mean(0) - 0.5)) < 5 / math.sqrt(4 * MANY)


def test_numbers_of_neighbouring_keys_are_independent() -> None:
    keys = [random.fold_in(KEY, i) for i in range(64)]
    table = np.stack([random.normal(key, 1000, dtype=np.float64) for key in keys])
    correlations = np.corrcoef(table)[np.triu_indices(64, 1)]
    assert np.max(np.abs(correlations)) < 5 / math.sqrt(1000)
    assert kolmogorov(table[:, 0], NORMAL) < 1.95  # the first numbers of each


def test_integers_permutations_and_coins() -> None:
    drawn = random.randint(KEY, MANY, 10, 17, np.uint8)
    assert drawn.dtype == np.uint8 and drawn.min() == 10 and drawn.max() == 16
    assert abs(excess(np.bincount(drawn - 10), MANY / 7)) < 4
    wide = random.randint(KEY, MANY, 0, 2**53)
    assert kolmogorov(wide / 2**53, lambda x: x) < 1.95
    for p in (0.0, 0.1, 0.5, 1.0):
        share = random.bernoulli(KEY, p, MANY).mean()
        assert abs(share - p) <= 4 * math.sqrt(p * (1 - p) / MANY)
    orders = np.stack([random.permutation(key, 4) for key in random.split(KEY, 6000)])
    codes = orders @ np.array([64, 16, 4, 1])
    _, counts = np.unique(codes, return_counts=True)
    assert len(counts) == 24 and abs(excess(counts, 250.0)) < 4


def test_a_permutation_of_rows() -> None:
    rows = np.arange(20.0).reshape(10, 2)
    shuffled = random.permutation(KEY, rows)
    assert np.array_equal(shuffled, rows[random.permutation(KEY, 10)])
    assert sorted(shuffled[:, 0].tolist()) == rows[:, 0].tolist()
    assert random.permutation(KEY, 0).shape == (0,) and random.permutation(KEY, 1).tolist() == [0]
    gradient = cr.grad(lambda x: (random.permutation(KEY, x) * rows).sum())(rows * 1.0)
    assert np.array_equal(random.permutation(KEY, gradient), rows)


def test_probabilities_by_element() -> None:
    p = np.array([0.0, 0.2, 1.0])
    assert random.bernoulli(KEY, p).shape == (3,)
    drawn = np.stack([random.bernoulli(key, p) for key in random.split(KEY, 2000)]).mean(0)
    assert drawn[0] == 0 and drawn[2] == 1 and abs(drawn[1] - 0.2) < 0.04


def test_a_dropout_mask_has_mean_one() -> None:
    mask = random.dropout_mask(KEY, 0.75, MANY)
    assert set(np.unique(mask).tolist()) == {0.0, 4.0} and abs(mask.mean() - 1) < 4 * math.sqrt(3 / MANY)
    assert np.all(random.dropout_mask(KEY, 0.0, (3, 4), np.float64) == 1.0)


# --- derivatives and bad input ----------------------------------------------------------------------------------------


def test_derivatives_by_the_parameters() -> None:
    u, z = random.uniform(KEY, 4, dtype=np.float64), random.normal(KEY, 4, dtype=np.float64)
    low, high = cr.grad(lambda a, b: random.uniform(KEY, 4, a, b, np.float64).sum(), argnums=(0, 1))(0.5, 2.0)
    assert np.allclose([low, high], [np.sum(1 - u), np.sum(u)], rtol=1e-14)
    mean, std = cr.grad(lambda m, s: random.normal(KEY, 4, m, s, np.float64).sum(), argnums=(0, 1))(0.0, 1.0)
    assert np.allclose([mean, std], [4.0, np.sum(z)], rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: random.uniform(KEY, (2, -1)), ShapeError, r"lengths of 0 or more, got \(2, -1\) at .*test_random.py"),
        (lambda: random.uniform(np.arange(3.0)), DTypeError, r"a random key, i32\[2\], got f64\[3\] at"),
        (lambda: random.uniform(KEY, 2, dtype=np.int32), DTypeError, "float32 or float64"),
        (lambda: random.dropout_mask(KEY, 1.0, 3), OptionError, "a dropout rate of at least 0 and below 1, got 1.0"),
        (lambda: random.randint(KEY, 3, 5, 5), OptionError, "low < high .*, got 5 and 5"),
        (lambda: random.randint(KEY, 3, 0, 2**53 + 1), OptionError, "low < high <= low"),
        (lambda: random.randint(KEY, 3, 0, 300, np.uint8), DTypeError, "got 0 to 299 in uint8"),
        (lambda: random.randint(KEY, 3, 0, 3, np.float32), DTypeError, "integers that the dtype holds"),
        (lambda: random.permutation(KEY, np.float64(3)), ShapeError, "a number of rows or an array with an axis"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
