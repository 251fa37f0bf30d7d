"""Which arrays that are given up cannot be written over."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chainrule.backend.overlap import unusable

PIECES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), st.sampled_from([1, -1, 2])), min_size=1, max_size=6)


@given(PIECES, st.data())
def test_it_finds_what_numpy_finds(pieces: list[tuple[int, int, int]], data: st.DataObject) -> None:
    memory = np.zeros(32)
    arrays = [memory[start : start + 2 * length][::step] for start, length, step in pieces]
    donated = data.draw(st.sets(st.integers(0, len(arrays) - 1)))
    wrong = {i for i in donated for j in range(len(arrays)) if i != j and np.may_share_memory(arrays[i], arrays[j])}
    found = unusable(arrays, donated)
    assert found in wrong if wrong else found is None


def test_numbers_and_read_only_arrays_cannot_be_written_over() -> None:
    fixed = np.ones(2)
    fixed.flags.writeable = False
    assert unusable([1.0, np.ones(2)], {1}) is None and unusable([1.0, np.ones(2)], {0}) == 0
    assert unusable([fixed, fixed], set()) is None and unusable([fixed], {0}) == 0
