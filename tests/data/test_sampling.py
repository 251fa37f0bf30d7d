from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chainrule.data import batches, digits, epoch_order, split
from chainrule.errors import DataError

LABELS = np.repeat([0, 1, 2], [10, 25, 65])


def assert_partition(train: Any, held: Any, n: int) -> None:
    assert train.dtype == held.dtype == np.int64
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(n))
    assert (np.diff(train) > 0).all() and (np.diff(held) > 0).all()


def test_split_of_digits_is_stratified() -> None:
    _, y = digits()
    train, held = split(y, 0.2, rng=0)
    assert_partition(train, held, 1797)
    assert len(held) == 359
    assert (abs(np.bincount(y[held]) - 0.2 * np.bincount(y)) < 1).all()


def test_split_is_the_same_for_ever() -> None:
    train, held = split(LABELS, 0.1, rng=7)
    assert list(held) == [4, 22, 23, 27, 43, 61, 70, 84, 97, 99]
    assert list(split(100, 0.05, rng=7)[1]) == [4, 43, 61, 70, 99]
    assert list(epoch_order(10, 7)) == [4, 6, 1, 5, 7, 2, 8, 9, 3, 0]
    assert_partition(train, held, 100)


def test_split_follows_the_seed() -> None:
    for seed in (3, np.int64(3), np.random.SeedSequence(3), np.random.PCG64(3), np.random.default_rng(3)):
        np.testing.assert_array_equal(split(LABELS, 0.2, seed)[1], split(LABELS, 0.2, 3)[1])
    generator = np.random.default_rng(3)
    assert list(split(LABELS, 0.2, generator)[1]) != list(split(LABELS, 0.2, generator)[1])
    assert list(split(LABELS, 0.2, 3)[1]) != list(split(LABELS, 0.2, 4)[1])


@pytest.mark.parametrize("draw", ["uniform", "standard_normal"])
def test_split_does_not_follow_data_of_the_same_seed(draw: str) -> None:
    drawn = getattr(np.random.default_rng(0), draw)(size=2000)
    train, held = split(2000, 0.25, rng=0)
    # The difference of the means has a standard deviation of at most sqrt(1 / 500 + 1 / 1500) = 0.052.
    assert abs(drawn[train].mean() - drawn[held].mean()) < 0.15
    assert abs(np.corrcoef(epoch_order(2000, 0), drawn)[0, 1]) < 0.1


def test_split_holds_out_every_row_equally_often() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], [8, 12])
    counts = np.zeros(20)
    for _ in range(2000):
        counts[split(labels, 0.25, generator)[1]] += 1
    # 2 of 8 and 3 of 12: each row a quarter of the time, within 5 standard deviations (19.4 each).
    assert (abs(counts - 500) < 97).all()


def test_split_by_number_and_by_other_labels() -> None:
    assert_partition(*split(10, 0.25, 0), 10)
    assert len(split(10, 0.25, 0)[1]) == 3  # 2.5 rounds up
    held = split(np.linspace(0, 1, 100), 0.2, 0, stratify=LABELS)[1]
    np.testing.assert_array_equal(held, split(100, 0.2, 0, stratify=LABELS)[1])
    np.testing.assert_array_equal(held, split(LABELS, 0.2, 0)[1])
    np.testing.assert_array_equal(np.bincount(LABELS[held]), [2, 5, 13])


@pytest.mark.parametrize("labels", [["a", "b"] * 10, [True, False] * 10, [5, -300] * 10])
def test_split_by_any_kind_of_label(labels: list[Any]) -> None:
    train, held = split(labels, 0.5, 0)
    assert_partition(train, held, 20)
    for value in set(labels):
        assert sum(labels[i] == value for i in held) == 5


@pytest.mark.parametrize(
    ("sizes", "fraction", "expected"),
    [
        ((10, 25, 65), 0.1, (1, 3, 6)),  # quotas 1, 2.5, 6.5: the tie goes to the first class
        ((2, 98), 0.1, (1, 9)),  # 0.2 would round to none
        ((2, 98), 0.9, (1, 89)),  # 1.8 would round to all
        ((2, 2, 2, 94), 0.04, (1, 1, 1, 1)),
        ((7, 7, 7), 1 / 3, (3, 2, 2)),
    ],
)
def test_split_by_largest_remainder(sizes: tuple[int, ...], fraction: float, expected: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    held = split(labels, fraction, 0)[1]
    assert tuple(np.bincount(labels[held])) == expected


@settings(max_examples=100)
@given(
    sizes=st.lists(st.integers(2, 40), min_size=1, max_size=8),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**40),
)
def test_split_of_any_classes(sizes: list[int], fraction: float, seed: int) -> None:
    n, k = sum(sizes), len(sizes)
    total = int(n * fraction + 0.5)
    assume(k <= total <= n - k)
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(k), sizes))
    train, held = split(labels, fraction, seed)
    assert_partition(train, held, n)
    taken = np.bincount(labels[held], minlength=k)
    assert taken.sum() == total
    assert (taken >= 1).all() and (taken < sizes).all()
    quota = np.array(sizes) * total / n
    if (quota >= 1).all() and (quota <= np.array(sizes) - 1).all():
        assert (abs(taken - quota) < 1).all()


BAD = {
    "fraction 0": ((LABELS, 0, 0), "a fraction between 0 and 1, got 0"),
    "fraction 1": ((LABELS, 1.0, 0), "a fraction between 0 and 1, got 1.0"),
    "fraction negative": ((LABELS, -0.2, 0), "a fraction between 0 and 1, got -0.2"),
    "fraction NaN": ((LABELS, float("nan"), 0), "a fraction between 0 and 1, got nan"),
    "fraction a count": ((LABELS, 20, 0), "a fraction between 0 and 1, got 20"),
    "fraction text": ((LABELS, "0.2", 0), "a fraction between 0 and 1, got '0.2'"),
    "one row of a class": (([4, 4, 9], 0.5, 0), "at least 2 rows of every class, got 1 of class 9"),
    "nothing held out": ((100, 0.001, 0), "at least one row on either side, got 0 of 100"),
    "everything held out": ((100, 0.999, 0), "at least one row on either side, got 100 of 100"),
    "too few for the classes": ((LABELS, 0.02, 0), "a row of each of 3 classes on either side, got 2 of 100"),
    "too many for the classes": ((LABELS, 0.98, 0), "a row of each of 3 classes on either side, got 98 of 100"),
    "no labels": ((np.zeros(10), 0.5, 0), r"labels of shape \(10,\), integers or strings, got .* float64"),
    "one-hot": ((np.eye(4, dtype=int), 0.5, 0), r"labels of shape \(4,\)"),
    "other length": ((50, 0.5, 0, LABELS), r"labels of shape \(50,\), .* got shape \(100,\)"),
    "no rows": (([], 0.5, 0), "at least one row on either side"),
    "n of 0": ((0, 0.5, 0), "n of at least 1, got 0"),
    "n a float": ((10.0, 0.5, 0), "n of at least 1, got 10.0"),
    "no seed": ((10, 0.5, None), "a seed of 0 or more, or a NumPy generator, got None"),
    "negative seed": ((10, 0.5, -1), "a seed of 0 or more, or a NumPy generator, got -1"),
    "float seed": ((10, 0.5, 1.5), "a seed of 0 or more, or a NumPy generator, got 1.5"),
}


@pytest.mark.parametrize("case", BAD)
def test_split_refuses(case: str) -> None:
    arguments, text = BAD[case]
    with pytest.raises(DataError, match=text) as caught:
        split(*arguments)
    assert "test_sampling.py:" in str(caught.value) and "; try " in str(caught.value)


def test_epoch_order_is_a_permutation_that_moves_on() -> None:
    generator = np.random.default_rng(5)
    first, second = epoch_order(1000, generator), epoch_order(1000, generator)
    np.testing.assert_array_equal(np.sort(first), np.arange(1000))
    assert (first != second).any()
    np.testing.assert_array_equal(first, epoch_order(1000, 5))


def test_batches_cover_every_row_once() -> None:
    parts = batches(10, 4, rng=1)
    assert [len(part) for part in parts] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(parts), epoch_order(10, 1))
    np.testing.assert_array_equal(np.concatenate(batches(10, 4)), np.arange(10))
    assert [len(part) for part in batches(8, 4)] == [4, 4]
    assert [len(part) for part in batches(3, 100)] == [3]


@pytest.mark.parametrize(("n", "size"), [(0, 4), (10, 0), (10, -1), (10, 2.0), (10, True), ("10", 4)])
def test_batches_refuse(n: Any, size: Any) -> None:
    with pytest.raises(DataError, match="of at least 1, got"):
        batches(n, size)
