"""How an epoch is cut: calls of about 50 ms, so that a bar moves and Ctrl-C is heard, in few different lengths."""

from __future__ import annotations

from typing import Final

SECONDS = 0.05
_PROBES: Final = 3


class Slices:
    """How many steps the next call takes.

    Every length is a graph that has to be staged. The first calls take one step each: one that stages, then a few that
    are timed. From then on an epoch of `steps` is divided into calls of one length, or of that and one less.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.length = 1
        self._calls = 0
        self._fastest = float("inf")

    def next(self, left: int) -> int:
        """The number of steps of the next call, where `left` of the epoch's are still to be done."""
        calls = -(-left // self.length)
        if calls * self.length == left or calls * (self.length - 1) < left:
            return self.length
        return self.length - 1 if calls * (self.length - 1) == left else 1

    def took(self, seconds: float) -> None:
        """Notes how long the last call took; after the last probe, chooses the length."""
        self._calls += 1
        if 1 < self._calls <= 1 + _PROBES:
            self._fastest = min(self._fastest, seconds)
        if self._calls == 1 + _PROBES:
            longest = min(self.steps, max(1, int(SECONDS / max(self._fastest, 1e-9))))
            calls = -(-self.steps // longest)
            self.length = -(-self.steps // calls)
