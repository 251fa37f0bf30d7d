"""`Guard`: what a staged function found outside itself, compared by one function that is written for it.

    k1.__code__ is v0 and k2["rate"] is v1 and len(k3) == v2 and ...

costs 20 ns a place where a walk over the groups of places costs a microsecond each.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable
from typing import Any, Final

from chainrule.api.places import Captures, Place
from chainrule.api.written import Text
from chainrule.trace import same_bits

_SMALL: Final = 4096  # bytes of an array that is compared as a string of bytes
_MOST: Final = 2000  # places that are compared one by one


class Guard:
    """Whether places hold what they held: `unchanged()`. Where it says no, `Captures.follow` knows what that means."""

    unchanged: Callable[[], bool]

    def __init__(self, captures: Captures) -> None:
        self._captures = captures
        self._text = Text(bits=same_bits)
        self._values: list[tuple[str, int, int]] = []  # the names of values, of which group, and of which place there
        conditions = dict.fromkeys([*self._watched(), *self._places()])
        self._text.line(f"return {' and '.join(conditions) or 'True'}")
        self.update()
        self.unchanged = self._text.function("", gone="False")

    def update(self) -> None:
        """Goes by what the captures hold now."""
        groups = self._captures.groups
        self._text.names.update((name, groups[number].values[i]) for name, number, i in self._values)

    def _places(self) -> list[str]:
        """The conditions that the places hold what they held."""
        found: list[str] = []
        known: dict[str, str] = {}  # places that are in several groups are read once
        singly = sum(len(group.places) for group in self._captures.groups) <= _MOST
        for number, group in enumerate(self._captures.groups):
            texts = [self._read(place) for place in group.places] if singly else []
            if not texts or None in texts:
                found.append(f"{self._text.name(group)}.same()")
                continue
            for i, (place, text) in enumerate(zip(group.places, texts, strict=True)):
                if text is not None and text not in known:
                    known[text] = f"v{len(known)}"
                    self._values.append((known[text], number, i))
                    found.append(f"{text} {'==' if place.how == 'length' else 'is'} {known[text]}")
        return found

    def _read(self, place: Place) -> str | None:
        """What reads a place."""
        owner = self._text.name(place.owner)
        if place.how == "length":
            return f"len({owner})"
        if place.how == "element":
            return f"{owner}[{place.key!r}]" if place.key.__class__ in (int, str) else None
        return f"{owner}.{place.key}" if place.key.isidentifier() and not keyword.iskeyword(place.key) else None

    def _watched(self) -> list[str]:
        """The conditions that arrays which decided about the graph have the elements they had."""
        found: list[str] = []
        for x, before in self._captures.watched:
            own: Any = self._text.name(x)
            if before.nbytes <= _SMALL and not before.dtype.hasobject:
                shape, dtype = self._text.name(before.shape), self._text.name(before.dtype)
                found.append(f"{own}.tobytes() == {self._text.name(before.tobytes())}")
                found.append(f"{own}.shape == {shape} and {own}.dtype == {dtype}")
            else:
                found.append(f"bits({own}, {self._text.name(before)})")
        return found
