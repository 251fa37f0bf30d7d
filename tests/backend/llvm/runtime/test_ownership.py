"""Arrays for results: reused when nobody has them any more, never before."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import numpy as np
import pytest

from chainrule.backend.llvm.runtime import arrays
from chainrule.backend.llvm.runtime.ownership import Results

TYPES: list[tuple[tuple[int, ...], np.dtype[Any]]] = [
    ((3, 4), np.dtype(np.float32)),
    ((), np.dtype(np.float64)),
    ((0,), np.dtype(np.int64)),
    ((200, 100), np.dtype(np.float32)),  # large: it begins at a line of the cache
]


def returned(results: Results) -> tuple[np.ndarray, ...]:
    """As a call does it."""
    taken = results.take()
    results.give(taken)
    return taken


def addresses(taken: tuple[np.ndarray, ...]) -> list[int]:
    return [x.ctypes.data for x in taken]


def test_results_are_of_the_types_that_are_asked_for() -> None:
    taken = returned(Results(TYPES))
    assert [(x.shape, x.dtype) for x in taken] == TYPES
    assert all(x.flags.c_contiguous and x.flags.writeable for x in taken)


def test_a_step_that_is_given_its_own_results_goes_back_and_forth_between_two_sets() -> None:
    if arrays.reading() is None:
        pytest.skip("arrays are laid out in another way here")
    results = Results(TYPES)
    seen: list[list[int]] = []
    state: list[np.ndarray] = []
    for _ in range(6):
        state = [*returned(results)]
        seen.append(addresses(tuple(state)))
    assert seen[:2] * 3 == seen


def test_what_somebody_has_is_not_written_again() -> None:
    results = Results(TYPES)
    kept: list[Any] = []
    for n in range(20):
        taken = returned(results)
        for x in taken:
            x[...] = n
        kept.append((n, [taken[0][1:], taken[3][1:], memoryview(taken[0]), taken[3].T[1:], taken[1]][n % 5]))
    del taken
    gc.collect()
    for _ in range(5):
        for x in returned(results):
            x[...] = -1
    for n, x in kept:
        assert (np.asarray(x) == n).all()


@pytest.mark.parametrize("change", ["shape", "dtype", "writeable"])
def test_an_array_that_was_changed_is_not_used_again(change: str) -> None:
    results = Results(TYPES)
    for _ in range(4):
        taken = returned(results)
        assert [(x.shape, x.dtype) for x in taken] == TYPES
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy would rather have new arrays
            if change == "writeable":
                taken[0].flags.writeable = False
            else:
                setattr(taken[0], change, {"shape": (4, 3), "dtype": np.int32}[change])
        del taken


def test_nothing_is_reused_where_objects_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "reading", lambda: None)
    results = Results(TYPES)
    held = [returned(results) for _ in range(3)]
    assert len({x.ctypes.data for x, *_ in held}) == 3
    results.clear()
