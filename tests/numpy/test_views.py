from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from both_modes import check_both_modes
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule.numpy as cnp
from chainrule.api.derivatives import grad, jvp, vjp
from chainrule.api.jit import jit
from chainrule.errors import OwnershipError

X = np.linspace(0.5, 1.0, 12).reshape(3, 4)


def run(x: Any, numbers: Sequence[int], length: int, log: list[bool]) -> Any:
    """All elements of all arrays of a program of views and assignments, which the numbers choose, written with NumPy.

    `log` gets for each step whether it was refused.
    """
    choices: Iterator[int] = cycle(numbers)

    def choose(count: int) -> int:
        return next(choices) % count

    arrays = [x.copy()]
    for _ in range(length):
        place = choose(len(arrays))
        y = arrays[place]
        try:
            if choose(2):
                arrays.append(SOURCES[choose(len(SOURCES))](y, choose))
            else:
                arrays[place] = CHANGES[choose(len(CHANGES))](y, arrays[choose(len(arrays))], choose)
            log.append(False)
        except ValueError:  # a view that cannot be written to
            log.append(True)
    return cnp.concatenate([cnp.reshape(y, -1) for y in arrays])


def key_of(y: Any, choose: Callable[[int], int]) -> Any:
    items: list[Any] = []
    for n in y.shape:
        match choose(6) if n else 0:
            case 0:
                items.append(slice(None))
            case 1:
                items.append(slice(choose(n), None))
            case 2:
                items.append(slice(None, None, -1))
            case 3:
                items.append(slice(None, None, 2))
            case 4:
                items.append(choose(n))
            case _:
                items.extend([None, slice(None, choose(n) + 1)])
    return (*items, Ellipsis) if choose(2) else tuple(items)


def reshaped(y: Any, choose: Callable[[int], int]) -> Any:
    size = int(np.size(y))
    divisors = [n for n in range(1, size + 1) if size % n == 0] or [1]
    first = divisors[choose(len(divisors))]
    return y.reshape((first, -1) if choose(2) else (first, 1, size // first), order="CF"[choose(2)])


def turned(y: Any, choose: Callable[[int], int]) -> Any:
    axes = list(range(np.ndim(y)))
    order = [axes.pop(choose(len(axes))) for _ in range(np.ndim(y))]
    return np.transpose(y, order)


def fancy(y: Any, choose: Callable[[int], int]) -> Any:
    if not np.ndim(y) or not y.shape[0]:
        return y.copy()
    return y[[choose(y.shape[0]), choose(y.shape[0])]].copy()


def diagonal(y: Any, choose: Callable[[int], int]) -> Any:
    return np.diagonal(y, choose(3) - 1) if np.ndim(y) > 1 else y[...]


def part(y: Any, choose: Callable[[int], int]) -> Any:
    return np.array_split(y, 2)[choose(2)] if np.ndim(y) else y[...]


SOURCES: list[Callable[[Any, Any], Any]] = [
    lambda y, choose: y[key_of(y, choose)],
    lambda y, choose: y[key_of(y, choose)],
    lambda y, choose: y.T,
    reshaped,
    reshaped,
    turned,
    diagonal,
    part,
    fancy,
    lambda y, choose: np.ravel(y, "CFAK"[choose(4)]),
    lambda y, choose: y.flatten(),
    lambda y, choose: np.squeeze(y),
    lambda y, choose: np.expand_dims(y, choose(np.ndim(y) + 1)),
    lambda y, choose: np.flip(y),
    lambda y, choose: np.broadcast_to(y, (2, *np.shape(y))),
    lambda y, choose: np.atleast_2d(y),
    lambda y, choose: (y * y * 0.7).copy(),
    lambda y, choose: y.copy(),
]


def increase(y: Any, other: Any, choose: Callable[[int], int]) -> Any:
    y += 0.25
    return y


def scale(y: Any, other: Any, choose: Callable[[int], int]) -> Any:
    y *= np.mean(other) if np.size(other) else 0.5
    return y


def put(y: Any, other: Any, choose: Callable[[int], int]) -> Any:
    if np.ndim(y):
        y[key_of(y, choose)] = np.max(other) * 0.75 if np.size(other) else 0.5
    return y


def put_all(y: Any, other: Any, choose: Callable[[int], int]) -> Any:
    if np.ndim(y):
        y[...] = np.reshape(other, -1)[0] if np.size(other) else 0.5
    return y


def shift(y: Any, other: Any, choose: Callable[[int], int]) -> Any:
    if np.ndim(y):
        y[1:] = y[:-1]
    return y


def add_part(y: Any, other: Any, choose: Callable[[int], int]) -> Any:
    if np.ndim(y) and y.shape[0]:
        y[choose(y.shape[0])] += 0.125
    return y


def gather(y: Any, other: Any, choose: Callable[[int], int]) -> Any:
    if np.ndim(y) and y.shape[0]:
        y[[choose(y.shape[0]), 0]] = 0.3
    return y


CHANGES = [increase, scale, put, put, put_all, shift, add_part, gather]


@settings(max_examples=120)
@given(st.lists(st.integers(0, 99), min_size=5, max_size=60), st.integers(1, 14))
def test_programs_of_views_and_assignments_mean_what_they_mean_in_numpy(numbers: list[int], length: int) -> None:
    want: list[bool] = []
    value = run(X, numbers, length, want)
    for way in (lambda f, x: jvp(f, (x,), (x,))[0], lambda f, x: vjp(f, x)[0], lambda f, x: jit(f)(x)):
        log: list[bool] = []
        found = way(lambda x, log=log: run(x, numbers, length, log), X)
        np.testing.assert_allclose(found, value, rtol=1e-14)
        assert log == want
    check_both_modes(lambda x: run(x, numbers, length, []), X, second=False)


@pytest.mark.parametrize("seed", range(12))
def test_programs_to_the_second_order(seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, 99, 80).tolist()
    check_both_modes(lambda x: run(x, numbers, 14, []) ** 2, X)


def test_an_assignment_through_a_view_changes_the_array() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        rows, columns, flat, last = y[1:], y.T, y.reshape(-1), y[-1][1:]
        rows[0, 0] = 10 * x[0, 0]
        columns[1] *= 2
        flat[-1] = 5
        last += y[0, 0]
        return y

    expected = X.copy()
    expected[1, 0] = 10 * X[0, 0]
    expected[:, 1] *= 2
    expected[-1, -1] = 5
    expected[-1, 1:] += X[0, 0]
    np.testing.assert_array_equal(f(X), expected)
    np.testing.assert_array_equal(jvp(f, (X,), (X,))[0], expected)
    np.testing.assert_array_equal(jit(f)(X), expected)
    want = np.ones_like(X)
    want[0, 0] += 10 + 3
    want[1, 0] = want[-1, -1] = 0
    want[:, 1] = 2
    np.testing.assert_array_equal(grad(lambda x: np.sum(f(x)))(X), want)


def test_an_element_is_a_number_of_its_own() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        first, view = y[0, 0], y[0, 0, ...]
        again = [element for element in y[0]]  # noqa: C416 (iteration is what is tested)
        y[0, 0] = 7
        view += 1
        return first + 10 * view + 100 * again[0]

    want = f(X)
    assert want == 101 * X[0, 0] + 80
    assert vjp(f, X)[0] == jvp(f, (X,), (X,))[0] == jit(f)(X) == want


def test_a_view_is_current_when_it_is_assigned_to() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        rows = y[1:]
        corner = rows[0, :2]
        y[1] = 3
        corner[...] = x[0, :2]  # without reading what was there
        rows[1, 0] = y[1, 0]
        return y

    np.testing.assert_array_equal(vjp(f, X)[0], f(X))


@pytest.mark.parametrize(
    "view", [np.diagonal, lambda y: np.diagonal(y)[1:], lambda y: np.broadcast_to(y, (2, 3, 4)), np.broadcast_arrays]
)
def test_a_view_to_read_alone(view: Any) -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        seen = view(y)
        seen = seen[0] if isinstance(seen, tuple) else seen
        with pytest.raises(OwnershipError, match=r"a read-only view at .*test_views.py:\d+; try x.copy"):
            seen[0] = 5
        y[0, 0] = 2 * y[1, 1]
        return cnp.sum(seen) + cnp.sum(y[0])

    y = X.copy()
    seen = view(y)
    y[0, 0] = 2 * y[1, 1]
    assert vjp(f, X)[0] == np.sum(seen[0] if isinstance(seen, tuple) else seen) + np.sum(y[0])


def test_a_handle_is_not_changed_by_an_assignment_that_fails() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        row = y[0]
        for key, value in ((9, 1.0), (0, [1.0, 2.0])):
            with pytest.raises((IndexError, ValueError)):
                row[key] = value
        return y

    np.testing.assert_array_equal(vjp(f, X)[0], X)
