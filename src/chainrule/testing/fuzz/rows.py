"""Nodes over one long axis, as in a step of training: layers, gradients, updates, long sums, parts of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chainrule.ir.graph import Value
from chainrule.ops.arithmetic import (
    absolute,
    add,
    divide,
    equal,
    greater,
    less,
    logical_and,
    maximum,
    minimum,
    multiply,
    select,
    square,
    strong_mul,
    subtract,
)
from chainrule.ops.contraction import dot_general
from chainrule.ops.exponential import exp, sigmoid
from chainrule.ops.movement import concatenate, flip, iota, pad, reshape, slice_, transpose
from chainrule.ops.random import random_uniform
from chainrule.ops.reduction import cumsum, logsumexp, max_, min_, softmax, sum_
from chainrule.ops.trigonometric import sin, tanh
from chainrule.testing.fuzz.builder import Builder
from chainrule.testing.fuzz.values import draw_array
from chainrule.types import DTYPES, FLOAT64, INT64, Shape

LENGTHS: Final = (512, 600, 640, 1000, 1009, 1024, 2048, 4096, 5000, 8209, 10_000, 20_000)
"""Rows that there are tiles of, and more than a reduction takes without a cut; round numbers and primes."""

WIDTHS: Final = (1, 2, 3, 4, 7, 8, 10, 16, 17, 32, 33, 64)
ELEMENTS: Final = 65_000
NODES: Final = (3, 5, 8, 12, 16, 24, 32)

Made = list[Value] | None


def grow_rows(builder: Builder) -> None:
    """Adds nodes over rows of a drawn number."""
    pick = builder.pick
    rows = Rows(builder, pick.choice(LENGTHS))
    for _ in range(pick.choice(NODES)):
        for _ in range(4):
            if pick.choices(MAKERS, WEIGHTS)[0](rows):
                break


class Rows:
    """Makes nodes on *tall* values, which have the rows as their first axis, and on *small* ones: weights and sums.

    All are float32: the reference's float64 sums of so many rows are themselves off by more than the measure allows.
    """

    dtype = DTYPES["f32"]

    def __init__(self, builder: Builder, count: int) -> None:
        self.builder, self.pick, self.count = builder, builder.pick, count
        self.widths = [n for n in self.pick.sample(WIDTHS, 5) if n * count <= ELEMENTS] or [1]

    # --- operands -----------------------------------------------------------------------------------------------------

    def is_tall(self, value: Value) -> bool:
        """Whether a value is one number, or a row of numbers, for each row."""
        type = value.type
        return 0 < type.ndim < 3 and type.shape[0] == self.count and type.dtype == self.dtype and not type.weak

    def tall(self, fits: Callable[[Value], bool] | None = None, ndim: int = 0) -> Value:
        """A tall value that fits, a new one where there is none."""

        def right(value: Value) -> bool:
            ok = self.is_tall(value) and (not ndim or value.type.ndim == ndim)
            return ok and (fits is None or fits(value))

        found = self.builder.choose(right) if self.pick.random() < 0.93 else None
        flat = ndim == 1 or (not ndim and self.pick.random() < 0.15)
        return found if found is not None else self.fresh((self.count,) if flat else (self.count, self.width()))

    def small(self, shape: Shape) -> Value:
        """A value of a shape without rows."""
        value = self.builder.choose(lambda v: v.shape == shape and v.dtype == self.dtype and not v.type.weak)
        return value if value is not None and self.pick.random() < 0.6 else self.fresh(shape)

    def fresh(self, shape: Shape) -> Value:
        return self.builder.hold(draw_array(self.builder.rng, self.pick, shape, self.dtype))

    def width(self) -> int:
        return self.pick.choice(self.widths)

    # --- nodes --------------------------------------------------------------------------------------------------------

    def change(self) -> Made:
        """A function of each element."""
        op = self.pick.choice((tanh, sigmoid, square, absolute, sin, exp, square))
        return self.builder.apply(op, (self.tall(),))

    def combine(self) -> Made:
        """Two values, element by element: of one shape, or one of them the same for all rows, or within each row."""
        x, pick = self.tall(), self.pick
        row = x.shape[1:]
        ways: list[Callable[[], Value]] = [
            lambda: self.tall(lambda v: v.shape == x.shape, x.type.ndim),
            lambda: self.small(row),
            lambda: self.small((1, *row)),
            lambda: self.small(()),
            lambda: self.tall(lambda v: v.shape == (self.count, *[1] * len(row))),
            lambda: self.builder.fresh_scalar(FLOAT64),
            lambda: x,
        ]
        y = pick.choice(ways)()
        op = pick.choice((add, multiply, subtract, maximum, minimum, strong_mul))
        if op is strong_mul and y.type.weak:
            op = multiply
        return self.builder.apply(op, (x, y) if pick.random() < 0.5 or op is strong_mul else (y, x))

    def choose(self) -> Made:
        """One of two values, by a comparison, or by where it stands."""
        x, pick = self.tall(), self.pick
        counts = self.builder.apply(iota, (), length=x.shape[-1], dtype="int64") if pick.random() < 0.4 else None
        if counts:
            bound = self.builder.new_scalar(pick.randrange(x.shape[-1]))
            condition = self.builder.apply(pick.choice((less, equal)), (counts[0], bound))
        else:
            condition = self.builder.apply(greater, (x, self.builder.new_scalar(0.0)))
        if condition and pick.random() < 0.2:
            condition = self.builder.apply(logical_and, (condition[0], condition[0]))
        other = self.tall(lambda v: v.shape == x.shape, x.type.ndim) if pick.random() < 0.5 else self.small(())
        return self.builder.apply(select, (condition[0], x, other)) if condition else None

    def label(self) -> Made:
        """The elements of each row that labels name, and zeros beside them."""
        x = self.tall(ndim=2)
        labels = self.builder.rng.integers(0, x.shape[1], (self.count, 1))
        classes = self.builder.apply(iota, (), length=x.shape[1], dtype="int64")
        named = self.builder.apply(equal, (self.builder.hold(labels.astype(INT64)), classes[0])) if classes else None
        return self.builder.apply(select, (named[0], x, self.builder.new_scalar(0.0))) if named else None

    def reduce_row(self) -> Made:
        """A number for each row, with its axis kept for the most part."""
        x = self.tall(ndim=2)
        out = self.builder.apply(self.pick.choice((sum_, sum_, max_, min_, logsumexp)), (x,), axes=(1,))
        kept = out and self.pick.random() < 0.7
        return self.builder.apply(reshape, out, shape=(self.count, 1)) if out and kept else out

    def normalise(self) -> Made:
        """Rows that are centred, divided by their sum, or made probabilities."""
        x, pick = self.tall(ndim=2), self.pick
        if pick.random() < 0.4:
            return self.builder.apply(softmax, (x,), axes=(pick.choice((1, 1, 1, 0)),))
        total = self.builder.apply(sum_, (x,), axes=(1,))
        kept = self.builder.apply(reshape, total, shape=(self.count, 1)) if total else None
        return self.builder.apply(pick.choice((subtract, subtract, divide)), (x, kept[0])) if kept else None

    def reduce(self) -> Made:
        """Sums over the rows, or over everything."""
        x = self.tall()
        axes = self.pick.choice(((0,), (0,), tuple(range(x.type.ndim))))
        return self.builder.apply(self.pick.choice((sum_, sum_, sum_, max_, min_)), (x,), axes=axes)

    def layer(self) -> Made:
        """Rows times a matrix, as it is or transposed, or a vector."""
        x, pick, width = self.tall(ndim=2), self.pick, self.width()
        shape, axis = pick.choice((((x.shape[1], width), 0), ((width, x.shape[1]), 1), ((x.shape[1],), 0)))
        return self.builder.apply(dot_general, (x, self.small(shape)), contract=((1,), (axis,)), batch=((), ()))

    def gradient(self) -> Made:
        """The product of two tall values along the rows: the gradient of a layer's matrix."""
        return self.builder.apply(dot_general, (self.tall(), self.tall()), contract=((0,), (0,)), batch=((), ()))

    def each(self) -> Made:
        """The product of two values for each row by itself."""
        x = self.tall(ndim=2)
        y = self.tall(lambda v: v.shape == x.shape, 2)
        return self.builder.apply(dot_general, (x, y), contract=((1,), (1,)), batch=((0,), (0,)))

    def update(self) -> Made:
        """A small value less a share of another one, as a step of descent."""
        x = self.builder.choose(lambda v: v.dtype == self.dtype and not v.type.weak and not self.is_tall(v))
        if x is None:
            return None
        step = self.builder.apply(multiply, (x, self.builder.new_scalar(self.pick.choice((0.1, 0.01)))))
        return self.builder.apply(subtract, (self.small(x.shape), step[0])) if step else None

    def move(self) -> Made:
        """Rows in another order, or in part; columns beside one another; transposed, or as one long row."""
        x, pick = self.tall(), self.pick
        match pick.randrange(6):
            case 0:
                return self.builder.apply(flip, (x,), axes=(pick.randrange(x.type.ndim),))
            case 1:
                return self.builder.apply(transpose, (x,), axes=tuple(reversed(range(x.type.ndim))))
            case 2:
                return self.builder.apply(reshape, (x,), shape=(x.type.size,))
            case 3:
                return self.builder.apply(concatenate, (x, x), axis=x.type.ndim - 1) if x.type.ndim == 2 else None
            case 4:
                ends = [(0, 0), *[(1, 0)] * (x.type.ndim - 1)]
                return self.builder.apply(pad, (x, self.builder.new_scalar(0.0)), widths=tuple(ends))
            case _:
                starts = [pick.choice((0, 1, 7)), *[0] * (x.type.ndim - 1)]
                steps = [pick.choice((1, 2)), *[1] * (x.type.ndim - 1)]
                stops = [pick.choice((x.shape[0], starts[0] + 1)), *x.shape[1:]]
                return self.builder.apply(slice_, (x,), starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))

    def run(self) -> Made:
        """Running sums, along the rows or down them."""
        x = self.tall()
        return self.builder.apply(cumsum, (x,), axis=self.pick.randrange(x.type.ndim))

    def drop(self) -> Made:
        """Elements left out at random."""
        x = self.tall()
        key = self.builder.like((2,), DTYPES["i32"])
        drawn = self.builder.apply(random_uniform, (key,), shape=x.shape, dtype=self.dtype.name)
        kept = self.builder.apply(less, (drawn[0], self.builder.new_scalar(0.5))) if drawn else None
        return self.builder.apply(select, (kept[0], x, self.builder.new_scalar(0.0))) if kept else None


Maker = Callable[[Rows], Made]

_WEIGHTED: Final[tuple[tuple[Maker, int], ...]] = (
    (Rows.change, 6),
    (Rows.combine, 9),
    (Rows.choose, 3),
    (Rows.label, 1),
    (Rows.reduce_row, 3),
    (Rows.normalise, 2),
    (Rows.reduce, 4),
    (Rows.layer, 6),
    (Rows.gradient, 4),
    (Rows.each, 1),
    (Rows.update, 3),
    (Rows.move, 2),
    (Rows.run, 1),
    (Rows.drop, 1),
)
MAKERS: Final = tuple(maker for maker, _ in _WEIGHTED)
WEIGHTS: Final = tuple(weight for _, weight in _WEIGHTED)
