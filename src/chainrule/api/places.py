"""What a function finds outside its arguments, as it was when the function was staged, and whether it still is.

Places are read in groups (the elements of a list, the attributes of an object), and compared by identity first: what
has not changed costs a few nanoseconds a place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_, itemgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from chainrule.api.effects import Source
from chainrule.api.written import GONE
from chainrule.ir.op import Traced
from chainrule.trace import Staged, same_bits

_SINGLY: Final = 64  # elements of a list that are looked at one by one

PLAIN: Final = (int, float, complex, bool, str, bytes, type(None), np.generic, frozenset)
"""What is compared by value; everything else by identity."""

_FLOATING: Final[Any] = (float, complex, np.inexact)

Array: TypeAlias = np.ndarray[Any, Any]


class Place(NamedTuple):
    """An element or an attribute of an object, or its length."""

    owner: Any
    how: Literal["element", "attribute", "length"]
    key: Any = None


@dataclass(slots=True)
class Group:
    """Places that are read together by `read()`; where each can be read alone, `places` has them one by one."""

    read: Callable[[], Sequence[Any]]
    values: Sequence[Any]
    places: tuple[Place, ...] = ()

    def now(self) -> Sequence[Any] | None:
        """What the places hold; None where they are not as many, or not there, any more."""
        try:
            found = self.read()
        except GONE:
            return None
        return found if len(found) == len(self.values) else None

    def same(self) -> bool:
        """Whether they hold what they held, or the same numbers and strings."""
        now = self.now()
        return now is not None and (all(map(is_, now, self.values)) or all(map(_is_like, self.values, now)))


def group(read: Callable[[], Sequence[Any]]) -> Group:
    """Places that only `read` can read."""
    return Group(read, tuple(read()))


def attributes(*pairs: tuple[Any, str]) -> Group:
    """Attributes of objects."""
    places = tuple([Place(owner, "attribute", name) for owner, name in pairs])

    def read() -> Sequence[Any]:
        return tuple([getattr(owner, name) for owner, name in pairs])

    return Group(read, read(), places)


def elements(held: Mapping[str, Any], names: Iterable[str], counted: bool = False) -> Group:
    """Those elements of a mapping that there are; `counted`: and how many it has."""
    found = [name for name in names if name in held]
    places = [Place(held, "element", name) for name in found] + [Place(held, "length")] * counted
    get = itemgetter(*found, found[0]) if found else None  # of two names at least it gives a tuple

    def read() -> Sequence[Any]:
        values = get(held)[:-1] if get else ()
        return (*values, len(held)) if counted else values

    return Group(read, read(), tuple(places))


def items(held: Sequence[Any]) -> Group:
    """The elements of a list."""
    places = [Place(held, "element", i) for i in range(len(held))] if len(held) <= _SINGLY else []
    return Group(lambda: (*held, len(held)), (*held, len(held)), (*places, Place(held, "length")) if places else ())


class _Uses(NamedTuple):
    """How a graph was made from arrays: ids of those that it reads, of those that it reads views of, and the rest.

    `anything`: it reads arrays or scalars that came from nowhere, such as `w * 2` or `w.sum()`. These may have been
    computed from any array.
    """

    read: set[int]
    views: set[int]
    anything: bool


@dataclass(slots=True)
class Captures:
    """The places that a function can read from besides its arguments, and the arrays and random sources in them.

    `traced` are the values of traces in them: those of a call that is under way, or that were left by one that ended.
    """

    groups: list[Group] = field(default_factory=list[Group])
    arrays: dict[int, Array] = field(default_factory=dict[int, Array])
    numbers: dict[int, np.generic] = field(default_factory=dict[int, np.generic])
    sources: list[Source] = field(default_factory=list[Source])
    traced: list[Traced] = field(default_factory=list[Traced])
    watched: list[tuple[Array, Array]] = field(default_factory=list[tuple[Array, Array]])  # and as they were
    followed: set[int] = field(default_factory=set[int])

    def left(self, but: Captures) -> list[Traced]:
        """The traced values that have come since."""
        known = set(map(id, but.traced))
        return [x for x in self.traced if id(x) not in known]

    def watch(self, staged: Staged) -> None:
        """Decides what a change of an array's elements, or another array in its place, means from now on.

        An array that is a hidden input of the graph is read at every call. One that is not, such as a mask, may have
        decided about the graph: it is watched.
        """
        used = self._uses(staged)
        watched = [x for x in self.arrays.values() if used.anything or id(x) not in used.read | used.views]
        self.watched = [(x, x.copy()) for x in watched]
        self.followed = used.read - used.views - {id(x) for x in watched}

    def _uses(self, staged: Staged) -> _Uses:
        plain: list[Array] = [x for x in staged.captured if isinstance(x, np.ndarray)]
        behind = [self._behind(x) for x in plain]
        views = {id(base) for x, base in zip(plain, behind, strict=True) if base is not None and base is not x}
        computed = any(base is None for base in behind) or any(id(x) not in self.numbers for x in staged.numbers)
        return _Uses({id(x) for x in plain}, views, computed)

    def follow(self, inputs: list[Any]) -> bool:
        """Whether the graph still serves: nothing has changed but the elements, and the names, of arrays it reads.

        Where another array of the same type stands in place of one of the inputs, it takes that one's place there.
        """
        if not all(same_bits(x, before) for x, before in self.watched):
            return False
        changes: list[tuple[Group, Sequence[Any]]] = []
        for group in self.groups:
            now = group.now()
            if now is None:
                return False
            if not all(map(is_, now, group.values)):
                changes.append((group, now))
        return not changes or self._accept(changes, inputs)

    def _accept(self, changes: list[tuple[Group, Sequence[Any]]], inputs: list[Any]) -> bool:
        """Whether what is in other places now is no change, or an array in place of one that the graph reads."""
        moved: dict[int, tuple[Any, Any]] = {}
        for group, now in changes:
            for old, new in zip(group.values, now, strict=True):
                if new is old or alike(old, new):
                    continue
                if not self._followable(old, new) or moved.setdefault(id(old), (old, new))[1] is not new:
                    return False
        for group in self.groups if moved else ():  # the same array under another name, which it still has
            if any(id(value) in moved for value in group.now() or ()):
                return False
        for old, new in moved.values():
            inputs[:] = [new if x is old else x for x in inputs]
            self.arrays[id(new)] = new
            self.followed.add(id(new))
        for group, now in changes:
            group.values = now
        return True

    def _behind(self, x: Any) -> Any:
        """The array of ours whose memory x is a view of, None where there is none."""
        while x is not None and id(x) not in self.arrays:
            x = getattr(x, "base", None)
        return x

    def _followable(self, old: Any, new: Any) -> bool:
        other: Any = new
        if id(old) not in self.followed or not isinstance(new, np.ndarray):
            return False
        return bool(old.shape == other.shape and old.dtype == other.dtype)


def _is_like(old: Any, new: Any) -> bool:
    return new is old or alike(old, new)


def alike(old: Any, new: Any) -> bool:
    """Whether two numbers or strings are of one type and equal; zeros are told apart, and NaN is NaN."""
    before: Any = old
    if type(before) is not type(new) or not isinstance(old, PLAIN):
        return False
    return bool(repr(new) == repr(before) if isinstance(old, _FLOATING) else new == before)
