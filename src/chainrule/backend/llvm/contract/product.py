"""`Product`: a contraction as a batch of matrix products, its axes merged, whatever strides its arrays have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from chainrule.backend.llvm.contract.element import same_sums
from chainrule.schedule.plan import Axes, Contraction, Place, Read, Stage, Store

DType = np.dtype[Any]


@dataclass(frozen=True, eq=False)
class Matrix:
    """Where a batch of matrices is: a place, and its strides over the batch, the rows and the columns, in elements."""

    place: Place
    batch: Axes
    row: int
    column: int

    @property
    def transposed(self) -> Matrix:
        return replace(self, row=self.column, column=self.row)


@dataclass(frozen=True, eq=False)
class Product:
    """out[b, i, j] = finish(sum over k of left[b, i, k] right[b, k, j]).

    `stage` is what is done with each sum, value 0, before it is stored; `others` are the matrices that the stage's
    reads and stores name, in the order in which they stand there.
    """

    batch: Axes
    rows: int
    columns: int
    inner: int
    left: Matrix
    right: Matrix
    stage: Stage
    others: tuple[Matrix, ...]
    dtype: DType
    over_first: bool  # k goes along the operands' first axes, which may be those of a batch

    @property
    def transposed(self) -> Product:
        """The same sums, as columns by rows: left and right change sides."""
        return replace(
            self,
            rows=self.columns,
            columns=self.rows,
            left=self.right.transposed,
            right=self.left.transposed,
            others=tuple([matrix.transposed for matrix in self.others]),
        )

    @property
    def plain(self) -> bool:
        """Whether each sum is stored as it is, at one place."""
        return len(self.others) == 1 and self.stage.stores[0].value == 0


def stage_of(step: Contraction) -> Stage:
    """What is done with the sums of a contraction: its epilogue, which without stores of its own writes to `out`."""
    stage = step.epilogue or Stage(True, ())
    if stage.stores:
        return stage
    assert step.out is not None, "a contraction without an epilogue that stores has a place for its result"
    return replace(stage, stores=(Store(0, step.out),))


def stage_places(stage: Stage) -> list[Place]:
    """The places that a stage reads, then those that it writes."""
    reads = [expression.place for _, expression in stage.values if isinstance(expression, Read)]
    return [*reads, *[store.place for store in stage.stores]]


@dataclass(frozen=True, eq=False)
class Axis:
    """A loop: its length, and the stride of each of some places."""

    length: int
    strides: Axes


def axes_of(lengths: Axes, strides: Sequence[Axes]) -> list[Axis]:
    """The axes of some lengths, without those of length 1; `strides` are those of each place."""
    found = [Axis(n, tuple([s[i] for s in strides])) for i, n in enumerate(lengths)]
    return [axis for axis in found if axis.length != 1]


def merged(axes: Sequence[Axis]) -> list[Axis]:
    """The axes with each one joined to the next where all places step through both as through one."""
    out: list[Axis] = []
    for axis in axes:
        last = out[-1] if out else None
        if last and all(a == b * axis.length for a, b in zip(last.strides, axis.strides, strict=True)):
            out[-1] = Axis(last.length * axis.length, axis.strides)
        else:
            out.append(axis)
    return out


def in_any_order(axes: Sequence[Axis], by: int) -> list[Axis]:
    """Axes whose order does not matter, merged, along falling strides of place `by`."""
    return merged(sorted(axes, key=lambda axis: -abs(axis.strides[by])))


def product_of(step: Contraction, left: Place, right: Place) -> Product | None:
    """The product of a contraction whose operands have one inner axis each; None where nothing is to be computed."""
    stage = stage_of(step)
    places = stage_places(stage)
    nb, nm, nn = len(step.batch), len(step.rows), len(step.columns)
    inner = prod(step.inner)
    if prod(step.batch) * prod(step.rows) * prod(step.columns) == 0:
        return None
    zeros = (0,) * max(nb, nm, nn, 1)
    out = len(places) + 1  # the last place is one that is written
    batch = axes_of(step.batch, [left.strides[:nb], right.strides[:nb], *[p.strides[:nb] for p in places]])
    rows = _sides(step.rows, [left.strides[nb : nb + nm], zeros, *[p.strides[nb : nb + nm] for p in places]])
    columns = _sides(step.columns, [zeros, right.strides[nb + 1 :], *[p.strides[nb + nm :] for p in places]])
    row, more = _chosen(in_any_order(rows, out), 0)
    column, further = _chosen(in_any_order(columns, out), 1)
    batch = in_any_order([*batch, *more, *further], out)

    def matrix(i: int, place: Place, row: int, column: int) -> Matrix:
        return Matrix(place, tuple([axis.strides[i] for axis in batch]), row, column)

    return Product(
        tuple([axis.length for axis in batch]),
        row.length,
        column.length,
        inner,
        matrix(0, left, row.strides[0], left.strides[nb + nm]),
        matrix(1, right, right.strides[nb], column.strides[1]),
        stage,
        tuple([matrix(i + 2, p, row.strides[i + 2], column.strides[i + 2]) for i, p in enumerate(places)]),
        same_sums(left.dtype, right.dtype),
        bool(step.nodes) and all(0 in axes for axes in step.nodes[0].attrs["contract"]),
    )


def _sides(lengths: Axes, strides: Sequence[Axes]) -> list[Axis]:
    """The axes of the rows or columns, at least one: a single row lies as one of many would."""
    axes = axes_of(lengths, strides)
    return axes or [Axis(1, tuple([s[len(lengths) - 1] if lengths else 0 for s in strides]))]


def _chosen(axes: Sequence[Axis], operand: int) -> tuple[Axis, list[Axis]]:
    """The axis to be the matrices' own, long and contiguous where there is such a one, and the rest."""
    best = max(axes, key=lambda axis: axis.length * (2 if axis.strides[operand] == 1 else 1))
    return best, [axis for axis in axes if axis is not best]
