"""`Fuser`: which group each scalar operation and each reduction joins.

An operation joins the group that has most of its operands at hand. What is cheap waits until somebody needs it, and
joins the group of that one if it can. What depends on the region's inputs alone waits, too, and is computed before all
the rest if it can join nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import Node
from chainrule.ir.kinds import Reduce
from chainrule.schedule.group import EXPENSIVE, Group, Mark
from chainrule.schedule.items import Copy, Items
from chainrule.schedule.plan import Place
from chainrule.schedule.promote import check_numbers
from chainrule.schedule.views import Base, View, arena, located, whole
from chainrule.types import Shape

DEEPEST: Final = 12
"""Operations on inputs alone that wait for one another."""


@dataclass(frozen=True, eq=False)
class Waiting:
    """An operation that waits for a group: `depth` counts those that it waits with.

    `early` ones need inputs alone, and what of these has been computed since, maybe late.
    """

    node: Node
    operands: tuple[View, ...]
    depth: int
    early: bool


class Fuser:
    """The groups of a region."""

    def __init__(self, items: Items) -> None:
        self.items = items
        self._waiting: dict[Base, Waiting] = {}
        self._readers: dict[Base, list[Group]] = {}

    # --- memory -------------------------------------------------------------------------------------------------------

    def place(self, view: View) -> Place:
        """Where the view's elements are, once what makes them has run; they are kept in memory from now on."""
        return located(view, self.base_place(view.base))

    def base_place(self, base: Base) -> Place:
        """The memory of a base: that of an array, or new memory, which its group stores to."""
        if base in self._waiting:
            self._begin(base)
        if base.place is None:
            base.place = arena(base.shape, base.dtype)
            base.member.group.stores.append((base.member, base.place))
        return base.place

    def readable(self, view: View) -> View:
        """A view that can be read from memory: numbers and counts are written there first."""
        base = view.base
        if not _is_number(base):
            self.base_place(base)
            return view
        place = arena(base.shape, base.dtype)
        made = Base(base.shape, base.dtype, base.weak, self.items.position(early=True), place)
        self.items.add(Copy(whole(base), place), early=True)
        return View(made, view.shape, view.dims, view.starts)

    # --- joining ------------------------------------------------------------------------------------------------------

    def take(self, node: Node, operands: tuple[View, ...]) -> View:
        """The result of a scalar operation or a reduction."""
        type = node.types[0]
        known = _known(node, operands)
        if known is not None:
            base = Base((), type.dtype, type.weak, number=known)
            self.items.known.add(node)
            return View(base, type.shape, (None,) * len(type.shape), ())
        check_numbers(node, [view.base.number for view in operands])
        operands = tuple([view if is_simple(view) else self.readable(view) for view in operands])
        base = Base(type.shape, type.dtype, type.weak)
        early = all(self._is_early(view.base) for view in operands)
        depth = 1 + max((self._waiting[view.base].depth for view in operands if view.base in self._waiting), default=0)
        self._waiting[base] = Waiting(node, operands, depth, early)
        reduces = isinstance(node.op.lowering, Reduce)
        if depth > DEEPEST or reduces or (node.op.name in EXPENSIVE and not early):
            self._begin(base)
        return whole(base)

    def _is_early(self, base: Base) -> bool:
        """Whether a value depends on the region's inputs alone."""
        return self._waiting[base].early if base in self._waiting else base.position < 0

    def _begin(self, base: Base) -> None:
        """Lets an operation that waited join a group, or begin one."""
        waited = self._waiting[base]
        tried = set[Group]()
        while True:
            behind = self._behind(base)
            early = all(source in self._waiting or source.position < 0 for source in behind)
            there = [source for source in behind if source not in self._waiting]
            near = [g for g in self._near(behind, early) if g not in tried and not g.streams(there)]
            if not near:
                break
            tried.update(near)  # a trial may begin groups, which are tried next
            if any(self._join(group, base) for group in near):
                return
        reduces = isinstance(waited.node.op.lowering, Reduce)
        self._begin_group(waited.operands[0].shape if reduces else base.shape, base, early)

    def _begin_group(self, domain: Shape, base: Base, early: bool) -> None:
        """A new group, behind what has to be begun before it."""
        while True:
            group = Group(domain, self.items.position(early))
            alone: list[Base] = []
            if self._pull(group, base, alone):
                self.items.add(group, early)
                self._joined(group, 0)
                return
            group.reset(Mark((), None, False))
            alone += [view.base for view in self._waiting[base].operands if view.base in self._waiting]
            if not alone:
                raise AssertionError(f"{self._waiting[base].node} does not fit a group of its own")
            self._begin(alone[0])

    def _behind(self, base: Base) -> list[Base]:
        """The operands of an operation that waits, and of those among them that wait, too."""
        found: dict[Base, None] = {}
        pending = [base]
        while pending:
            for view in self._waiting[pending.pop()].operands:
                if view.base not in found:
                    found[view.base] = None
                    if view.base in self._waiting:
                        pending.append(view.base)
        return list(found)

    def _near(self, bases: Sequence[Base], early: bool) -> list[Group]:
        """Groups that have the operands at hand, or read them: those with most of them first, of these the latest."""
        near: Counter[Group] = Counter()
        for base in bases:
            if base.member is not None:
                near[base.member.group] += 2
            near.update(self._readers.get(base, ()))
        found = [group for group in near if (group.position < 0) >= early]
        return sorted(found, key=lambda group: (near[group], group.position), reverse=True)

    def _join(self, group: Group, base: Base) -> bool:
        """Makes an operation a member of a group, with what it waits with; else the group stays as it was."""
        if not group.may_have(self._waiting[base].node):
            return False
        while True:
            before, alone = group.mark(), list[Base]()
            if self._pull(group, base, alone):
                self._joined(group, len(before.members))
                return True
            group.reset(before)
            if not alone:
                return False
            self._begin(alone[0])

    def _joined(self, group: Group, first: int) -> None:
        """Notes what members read, from member number `first` on."""
        for member in group.members[first:]:
            self._waiting.pop(member.base, None)
            for view in member.operands:
                if not group.owns(view.base) and not _is_number(view.base):
                    self._reads(group, view.base)

    def _pull(self, group: Group, base: Base, alone: list[Base]) -> bool:
        """Joins what the operation waits with, then the operation. What cannot join is noted, to be begun alone."""
        waited = self._waiting[base]
        for view in waited.operands:
            if view.base in self._waiting and not group.owns(view.base) and not self._pull(group, view.base, alone):
                if not alone:
                    alone.append(view.base)
                return False
        return group.join(waited.node, base, waited.operands)

    def _reads(self, group: Group, base: Base) -> None:
        self.base_place(base)
        readers = self._readers.setdefault(base, [])
        if group not in readers:
            readers.append(group)


def _is_number(base: Base) -> bool:
    return base.number is not None or base.counts


def is_simple(view: View) -> bool:
    """Whether an operand needs no memory, or has it: counts are known along the last axis alone, from 0 on."""
    if not view.base.counts:
        return True
    last = view.dims[-1:] == ((0, 1),) and view.shape[-1] != 1  # one of length 1 may be repeated
    return last and not any(view.dims[:-1]) and not view.starts[0]


def _known(node: Node, operands: Sequence[View]) -> Any:
    """The number that an operation on numbers gives; None where it is none."""
    if isinstance(node.op.lowering, Reduce) or not operands or any(view.base.number is None for view in operands):
        return None
    try:
        with np.errstate(all="ignore"):
            found = node.op.numpy(*[view.base.number for view in operands], **node.attrs)
    except (ArithmeticError, ValueError, TypeError):
        return None
    type = node.types[0]
    return type.dtype.type(found) if not type.weak else np.asarray(found).item()
