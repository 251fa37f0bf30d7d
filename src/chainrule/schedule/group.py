"""`Group`: scalar operations and reductions that share one walk over the elements, and who may join it.

The walk goes over a domain of indices. A member of the group has a value for every element of the domain ("column"
level), or, once the group reduces along some axes, for every element of the rest of the axes ("row" level).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from chainrule.ir.graph import Node
from chainrule.ir.kinds import Reduce
from chainrule.schedule.plan import COLUMN_CHUNK, LANES, ROW_WHOLE, Place, one_by_one
from chainrule.schedule.views import OUTSIDE, Base, View
from chainrule.types import Shape

_EXPONENTIAL: Final = "exp exp2 expm1 log log2 log10 log1p power xlogy logaddexp logaddexp2 sigmoid softplus erf erfc"
_CIRCULAR: Final = "sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh sinc hypot"
EXPENSIVE: Final = frozenset(f"{_EXPONENTIAL} {_CIRCULAR} cbrt divide reciprocal sqrt".split())
"""Operations whose values are kept where they are used again, not computed again."""

MOST_MEMBERS: Final = 64
MOST_PLACES: Final = 24

MOST_STREAMED: Final = 1 << 17
"""Elements of a product beside which other arrays of its size are read tile by tile. Larger ones are in no near cache,
and are read faster from end to end, by a walk of their own."""

FOLDS: Final = {"add": "add", "multiply": "multiply", "maximum": "maximum", "minimum": "minimum"} | {
    "logical_or": "logical_or",
    "logical_and": "logical_and",
}
"""Reductions that combine elements in one walk, by their record's word."""


@dataclass(eq=False)
class Member:
    """A node in a group. `axes` are the axes of the domain that the result's axes are, None where it is repeated."""

    node: Node | None  # None: the sum of the contraction that the group belongs to
    base: Base
    group: Group
    level: Literal["column", "row"]
    operands: tuple[View, ...]
    axes: tuple[int | None, ...]

    @property
    def folds(self) -> bool:
        """Whether it reduces the columns to a value of the row."""
        return self.node is not None and isinstance(self.node.op.lowering, Reduce)


@dataclass(frozen=True, eq=False)
class Mark:
    """What a group was at some moment."""

    members: tuple[Member, ...]
    reduced: tuple[int, ...] | None
    cut: bool


@dataclass(eq=False)
class Group:
    """Members in order. `reduced` are the axes of the domain that are reduced, None as long as none is.

    The group of a contraction has its sum as its first member, and does not reduce.
    """

    domain: Shape
    position: int
    contraction: Any = None
    closed: bool = False
    reduced: tuple[int, ...] | None = None
    members: list[Member] = field(default_factory=list)
    stores: list[tuple[Member, Place]] = field(default_factory=list)
    cut: bool = False

    def mark(self) -> Mark:
        """What the group is now, to come back to."""
        return Mark(tuple(self.members), self.reduced, self.cut)

    def reset(self, mark: Mark) -> None:
        """Makes the group what it was: members that came later are none any more."""
        for member in self.members[len(mark.members) :]:
            member.base.member = None
            member.base.position = OUTSIDE
        del self.members[len(mark.members) :]
        self.reduced, self.cut = mark.reduced, mark.cut

    @property
    def kept(self) -> tuple[int, ...]:
        return tuple([axis for axis in range(len(self.domain)) if axis not in (self.reduced or ())])

    def may_have(self, node: Node) -> bool:
        """Whether a node has the shape of a member, and there is room for one."""
        if self.closed or len(self.members) >= MOST_MEMBERS:
            return False
        if isinstance(node.op.lowering, Reduce):
            return node.inputs[0].shape == self.domain
        return node.types[0].shape == self.domain or bool(self._row_shapes(node.types[0].shape))

    def join(self, node: Node, base: Base, operands: tuple[View, ...]) -> bool:
        """Makes a node a member, if it can be one."""
        if not self.may_have(node) or self._places(operands) > MOST_PLACES:
            return False
        if self.contraction is not None and any(view.base.counts for view in operands):
            return False  # an epilogue does not know where in the product it is
        if isinstance(node.op.lowering, Reduce):
            return self._join_fold(node, base, operands[0])
        if node.types[0].shape == self.domain and self._column_fits(operands):
            return self._add(node, base, "column", operands, tuple(range(len(self.domain))))
        for axes in self._row_shapes(node.types[0].shape):
            if self._row_fits(operands, axes):
                return self._add(node, base, "row", operands, axes)
        return False

    def streams(self, bases: Sequence[Base]) -> bool:
        """Whether a large product's elements would be computed with beside other arrays of its size.

        Only where the first axes are summed over, such as a batch's: of no other size may this depend.
        """
        size = math.prod(self.domain)
        if self.contraction is None or size <= MOST_STREAMED:
            return False
        if not all(0 in axes for axes in self.contraction.attrs["contract"]):
            return False
        return any(not self.owns(base) and math.prod(base.shape) >= size for base in bases)

    def _places(self, operands: Sequence[View]) -> int:
        """How many arrays the group would read."""
        read = {view.base for member in self.members for view in member.operands if not self.owns(view.base)}
        return len(read | {view.base for view in operands if not self.owns(view.base)})

    def owns(self, base: Base) -> bool:
        """Whether the base is a member of this group."""
        return base.member is not None and base.member.group is self

    def _add(
        self,
        node: Node,
        base: Base,
        level: Literal["column", "row"],
        operands: tuple[View, ...],
        axes: tuple[int | None, ...],
    ) -> bool:
        base.member = Member(node, base, self, level, operands, axes)
        base.position = self.position
        self.members.append(base.member)
        return True

    def _outside(self, view: View) -> bool:
        """Whether the operand can be read from memory."""
        return not self.owns(view.base) and view.base.position < self.position

    def _column_fits(self, operands: Sequence[View]) -> bool:
        return all(self._outside(view) or self._aligned(view, range(len(self.domain))) for view in operands)

    def _row_fits(self, operands: Sequence[View], axes: Sequence[int | None]) -> bool:
        rows = [view for view in operands if self.owns(view.base)]
        return all(view.base.member.level == "row" for view in rows) and all(
            self._outside(view) or self._aligned(view, axes) for view in operands
        )

    def _aligned(self, view: View, axes: Sequence[int | None]) -> bool:
        """Whether a member's value is at hand at an index of the domain; `axes` are the domain's of the result."""
        member: Member | None = view.base.member
        if member is None or member.group is not self or any(view.starts):
            return False
        if self.cut and member.level == "row" and len(axes) == len(self.domain) and None not in axes:
            return False  # a second pass, which there is none of
        missing = len(axes) - len(view.shape)
        seen = set[int]()
        for j, dim in enumerate(view.dims):
            axis = axes[missing + j]
            if dim is None or view.shape[j] == 1:
                continue
            if dim[1] != 1 or axis is None or member.axes[dim[0]] != axis or view.shape[j] != self.domain[axis]:
                return False
            seen.add(dim[0])
        return all(axis in seen or n == 1 for axis, n in enumerate(view.base.shape))

    def _row_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """The axes of the domain that a row's value of this shape may go along: reduced axes left out, or kept as 1."""
        if self.reduced is None:
            return []
        found: list[tuple[int | None, ...]] = []
        if shape == tuple([self.domain[axis] for axis in self.kept]):
            found.append(self.kept)
        ones = tuple([1 if axis in self.reduced else n for axis, n in enumerate(self.domain)])
        if shape == ones and self.reduced:
            found.append(tuple([None if axis in self.reduced else axis for axis in range(len(self.domain))]))
        return found

    def _join_fold(self, node: Node, base: Base, operand: View) -> bool:
        axes: tuple[int, ...] = node.attrs["axes"]
        if operand.shape != self.domain or self.contraction is not None:
            return False
        if self.reduced is not None and self.reduced != axes:
            return False
        if not (self._outside(operand) or self._aligned(operand, range(len(self.domain)))):
            return False
        if self.owns(operand.base) and (operand.base.member.level == "row" or self._is_narrow(axes)):
            return False
        cut = is_long(self.domain, axes)
        self.cut = self.cut or cut
        self.reduced = axes
        return self._add(node, base, "row", (operand,), self.kept)

    def _is_narrow(self, axes: Sequence[int]) -> bool:
        """Whether a walk down the columns would leave most of a vector empty, which elements alone would not."""
        last = last_axis(self.domain)
        return last > 0 and last not in axes and self.domain[last] < LANES[4]


def last_axis(domain: Shape) -> int:
    """The last axis that is longer than 1; the first one where none is, which is a batch of one row."""
    return max([axis for axis, n in enumerate(domain) if n != 1], default=0)


def is_long(domain: Shape, axes: Sequence[int]) -> bool:
    """Whether a reduction is cut into parts that are reduced again.

    Of a batch's rows, each of several vectors, always: how many rows there are makes no difference.
    """
    lengths = [domain[axis] for axis in sorted(axes)]
    along, batch = len(domain) - 1 in axes, 0 in axes and len(axes) > 1
    if batch and one_by_one((1, *lengths[1:]), along) > 1:
        return True
    return one_by_one(lengths, along) > (COLUMN_CHUNK // LANES[4] if along and not batch else ROW_WHOLE)
