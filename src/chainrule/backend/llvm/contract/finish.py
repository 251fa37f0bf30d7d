"""What happens to sums when they are complete: the epilogue, vector by vector, and the way to where they belong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.contract.element import element, lanes
from chainrule.backend.llvm.contract.product import Product
from chainrule.backend.llvm.numbers import number_word
from chainrule.backend.llvm.scalar import from_memory, register_type, scalar, to_memory
from chainrule.backend.llvm.values import I64, Ty, Val
from chainrule.errors import BackendError, message
from chainrule.schedule.plan import Compute, Number, Read, Stage

DType = np.dtype[Any]


@dataclass(frozen=True, eq=False)
class Ending:
    """A stage as code is written for it: each matrix's dtype, and whether one element of it serves a whole vector."""

    stage: Stage
    dtypes: tuple[DType, ...]
    same: tuple[bool, ...]
    dtype: DType

    @property
    def structure(self) -> str:
        """A text that tells apart what needs different code."""
        parts: list[str] = []
        reads = iter(zip(self.dtypes, self.same, strict=True))
        for number, expression in self.stage.values:
            if isinstance(expression, Read):
                parts.append("{}=read {} {:d}".format(number, *next(reads)))
            elif isinstance(expression, Number):
                literal = expression.value if number_word(expression.value, expression.dtype) is None else "word"
                parts.append(f"{number}={literal!r} {expression.dtype}")
            elif isinstance(expression, Compute):
                attrs = sorted(expression.attrs.items())
                parts.append(f"{number}={expression.op}{expression.operands} {attrs} {expression.dtype}")
        parts.extend(f"{store.value}>{dtype}" for store, (dtype, _) in zip(self.stage.stores, reads, strict=True))
        return "; ".join(parts)

    @property
    def words(self) -> list[int]:
        """The numbers of the stage that are words of a call, in its order."""
        numbers = [expression for _, expression in self.stage.values if isinstance(expression, Number)]
        words = [number_word(number.value, number.dtype) for number in numbers]
        return [word for word in words if word is not None]


def ending_of(product: Product, across: bool) -> Ending:
    """The stage of a product, with vectors along the rows, or (`across`) along the columns."""
    steps = [matrix.column if across else matrix.row for matrix in product.others]
    dtypes = tuple([matrix.place.dtype for matrix in product.others])
    reads = len(dtypes) - len(product.stage.stores)
    same = tuple([step == 0 and i < reads for i, step in enumerate(steps)])
    return Ending(product.stage, dtypes, same, product.dtype)


@dataclass(frozen=True, eq=False)
class Spot:
    """A matrix of the epilogue in a function being written: address, and strides from line to line and along one."""

    pointer: Val
    line: Val
    along: Val


def write_ending(
    f: Function,
    ending: Ending,
    targets: Sequence[Spot],
    sums: Callable[[Val, Val], Val],
    size: tuple[Val, Val],
    first: int,
) -> None:
    """Writes loops over `size` = (lines, length) that finish each vector of sums(line, position).

    The stage's numbers are the words from `first` on.
    """
    n = lanes(ending.dtype)
    lines, length = size
    slots = [f.alloca(element(dtype).of(n)) for dtype in ending.dtypes]
    numbers = _numbers(f, ending, first)
    with f.loop(0, lines) as line, f.loop(0, length, n) as at:
        rest = length - at.index
        count = f.select(rest.lt(n), rest, n)
        total = sums(line.index, at.index)
        origins = [
            f.element(t.pointer, line.index * t.line + at.index * t.along, element(dtype))
            for t, dtype in zip(targets, ending.dtypes, strict=True)
        ]
        _finish(f, ending, numbers, total, origins, [t.along for t in targets], slots, count)


def _numbers(f: Function, ending: Ending, first: int) -> dict[int, Val]:
    """The stage's numbers as vectors, by the values that they are."""
    numbers: dict[int, Val] = {}
    for number, expression in ending.stage.values:
        if isinstance(expression, Number):
            ty = register_type(expression.dtype)
            if number_word(expression.value, expression.dtype) is None:
                numbers[number] = f.constant(expression.value, ty.of(lanes(ending.dtype)))
            else:
                numbers[number] = f.splat(f.load(ty, f.element(f.arguments[1], first, I64)), lanes(ending.dtype))
                first += 1
    return numbers


def _finish(
    f: Function,
    ending: Ending,
    numbers: Mapping[int, Val],
    total: Val,
    origins: Sequence[Val],
    steps: Sequence[Val],
    slots: Sequence[Val],
    count: Val,
) -> None:
    values = {0: from_memory(f, total, ending.dtype)}
    dtypes = {0: ending.dtype}
    n = lanes(ending.dtype)
    reads = 0
    for number, expression in ending.stage.values:
        match expression:
            case Read():
                ty = element(ending.dtypes[reads])
                if ending.same[reads]:
                    x = f.splat(f.load(ty, origins[reads]), n)
                else:
                    x = _vector(f, ty.of(n), origins[reads], steps[reads], slots[reads], count)
                values[number], dtypes[number] = from_memory(f, x, ending.dtypes[reads]), ending.dtypes[reads]
                reads += 1
            case Number(_, dtype):
                values[number], dtypes[number] = numbers[number], dtype
            case Compute(op, operands, attrs, dtype):
                given, kinds = [values[i] for i in operands], [dtypes[i] for i in operands]
                values[number], dtypes[number] = scalar(f, op.name, attrs, given, kinds, dtype), dtype
            case _:
                got = type(expression).__name__
                raise BackendError(message("an epilogue of reads, numbers and scalar operations", got))
    for i, store in enumerate(ending.stage.stores, reads):
        _put(f, to_memory(f, values[store.value], ending.dtypes[i]), origins[i], steps[i], slots[i], count)


def _vector(f: Function, ty: Ty, origin: Val, step: Val, slot: Val, count: Val) -> Val:
    """A vector of which `count` elements are there: read as it lies where it is whole and contiguous."""
    direct = step.eq(1) & count.eq(ty.lanes)
    with f.when(~direct), f.loop(0, count) as loop:
        x = f.load(ty.element, f.element(origin, loop.index * step, ty.element))
        f.store(x, f.element(slot, loop.index, ty.element))
    return f.load(ty, f.select(direct, origin, slot))


def _put(f: Function, x: Val, origin: Val, step: Val, slot: Val, count: Val) -> None:
    """Writes the first `count` elements."""
    ty = x.ty
    direct = step.eq(1) & count.eq(ty.lanes)
    f.store(x, f.select(direct, origin, slot))
    with f.when(~direct), f.loop(0, count) as loop:
        y = f.load(ty.element, f.element(slot, loop.index, ty.element))
        f.store(y, f.element(origin, loop.index * step, ty.element))
