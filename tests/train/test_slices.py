"""How an epoch is cut into calls: everything is done, in few lengths, of about the time asked for."""

from __future__ import annotations

import pytest

from chainrule.train.slices import Slices


def lengths_of(steps: int, seconds_a_step: float, epochs: int = 3) -> list[list[int]]:
    slices = Slices(steps)
    done = []
    for _ in range(epochs):
        left, calls = steps, []
        while left:
            count = slices.next(left)
            calls.append(count)
            slices.took(count * seconds_a_step)
            left -= count
        done.append(calls)
    return done


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 44, 97, 938, 1797])
@pytest.mark.parametrize("seconds_a_step", [1e-7, 3e-4, 1.1e-3, 7e-3, 0.2])
def test_all_steps_are_done_in_at_most_three_lengths(steps: int, seconds_a_step: float) -> None:
    epochs = lengths_of(steps, seconds_a_step)
    assert all(sum(calls) == steps and min(calls) > 0 for calls in epochs)
    assert len({count for calls in epochs for count in calls}) <= 3
    assert max(count for calls in epochs for count in calls) * seconds_a_step <= max(0.05, seconds_a_step) * (1 + 1e-9)


def test_a_call_takes_about_the_time_asked_for_once_a_step_is_known() -> None:
    *_, last = lengths_of(938, 1e-3)
    assert set(last) <= {49, 50}
    assert lengths_of(44, 1e-4)[-1] == [44]
    assert lengths_of(44, 0.2)[-1] == [1] * 44


def test_the_first_call_which_stages_is_not_taken_for_a_step() -> None:
    slices = Slices(100)
    for seconds in (3.0, 0.001, 0.9, 0.001):
        assert slices.next(100) == 1
        slices.took(seconds)
    assert slices.next(100) == 50
