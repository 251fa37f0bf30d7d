"""The kernel of a product: blocks of the result, panel by panel, chunk by chunk along k, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Final

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.contract.element import element, lanes
from chainrule.backend.llvm.contract.finish import Ending, Spot, ending_of, write_ending
from chainrule.backend.llvm.contract.frame import Frame, address, kernel_function, strides
from chainrule.backend.llvm.contract.layout import Layout
from chainrule.backend.llvm.contract.micro import micro, write_stream
from chainrule.backend.llvm.contract.move import move
from chainrule.backend.llvm.contract.product import Product
from chainrule.backend.llvm.kernel import Kernel, Routine
from chainrule.backend.llvm.values import I64, Val
from chainrule.schedule.plan import CONTRACT_STRIP

BEHIND: Final = 64
"""Elements behind each region of the scratch, where whole vectors are read and written of which some lanes count."""


def multiply(product: Product, layout: Layout, strip_stride: int, following: int | None = None) -> Kernel:
    """The kernel that computes a product; the result of strip s is `strip_stride` elements behind that of the first.

    Vectors of the right operand that are read where they lie are `following` elements apart, if not as its rows are.
    """
    ending = ending_of(product, layout.across)
    writer = _Writer(product.dtype.str, layout, ending, len(product.batch))
    matrices = (product.left, product.right, *product.others)
    m, n, k, size = product.rows, product.columns, product.inner, product.dtype.itemsize
    count = prod(product.batch)
    units = layout.row_blocks * layout.column_blocks * layout.strips * count
    words = [units, layout.group, m, n, k, layout.row_block, layout.row_blocks]
    words += [layout.column_panels * layout.width, layout.column_blocks, layout.strips, *product.batch]
    strips = [CONTRACT_STRIP * product.left.column, CONTRACT_STRIP * product.right.row]
    strips += [strip_stride] * len(product.others)
    *starts, scratch = _scratch(layout)
    if following is None:
        following = product.right.row
    words += [*starts, layout.in_place, layout.left_in_place, following]
    for matrix, strip in zip(matrices, strips, strict=True):
        words += strides(matrix, strip)
    words += ending.words
    return Kernel(
        structure=writer.structure,
        write=writer.write,
        pointers=tuple([address(matrix) for matrix in matrices]),
        words=tuple(words),
        parts=-(-units // layout.group),
        scratch=scratch * size,
        operations=2 * m * n * k * count,
        nbytes=count * ((m * k + k * n) * size + m * n * sum(x.place.dtype.itemsize for x in product.others)),
        title="multiply",
        routines=writer.routines,
    )


def _scratch(layout: Layout) -> tuple[int, int, int, int]:
    """Elements of the scratch before its regions, and all: a packed panel, packed rows, turned sums, sums."""
    width, rows = layout.width, layout.row_block
    left = (width if layout.stream else layout.depth * width) + BEHIND
    turned = left + ((layout.depth + 16) * rows + BEHIND if not layout.left_in_place else 0)
    sums = turned + (0 if layout.across else width * (rows + BEHIND))
    panels = layout.column_most // width + 1 if layout.inner > layout.depth else 1
    return left, turned, sums, sums + (0 if layout.direct else panels * rows * width + BEHIND)


class _Writer:
    """Writes the code of one kernel."""

    def __init__(self, dtype: str, layout: Layout, ending: Ending, batch: int) -> None:
        self.dtype, self.layout, self.ending, self.batch = np.dtype(dtype), layout, ending, batch
        self.ty, self.n = element(self.dtype), lanes(self.dtype)

    @property
    def structure(self) -> str:
        ending = "" if self.layout.direct else self.ending.structure
        return f"multiply {self.dtype} {self.layout.structure} {self.batch} {ending}"

    @property
    def room(self) -> int:
        """Elements that a tile's rows are read and written in, as one vector."""
        return 1 << (self.layout.tile - 1).bit_length()

    @cached_property
    def micro(self) -> Routine | None:
        """The innermost loops; None where right operands are read line by line."""
        layout = self.layout
        return None if layout.stream else micro(self.dtype, layout.lowest, layout.tile, layout.width, layout.ahead)

    @cached_property
    def moves(self) -> dict[str, Routine]:
        """How panels are packed, rows packed, sums turned."""
        layout, dtype = self.layout, self.dtype
        found: dict[str, Routine] = {}
        if layout.reading is not None:
            found["pack"] = move(dtype, layout.reading, layout.width, layout.shuffle)
        if layout.left is not None:
            found["left"] = move(dtype, layout.left, self.room, layout.shuffle)
        if not layout.across and not layout.direct:
            found["turn"] = move(dtype, "columns" if dtype.itemsize >= 4 else "any", 0, layout.shuffle)
        return found

    @property
    def routines(self) -> tuple[Routine, ...]:
        """What the kernel calls."""
        return (*self.moves.values(), *([] if self.micro is None else [self.micro]))

    def write(self, module: Module, name: str) -> None:
        """Writes the kernel."""
        if self.layout.stream:
            write_stream(module, f"{name}.1", self.dtype)
        for routine in self.routines:
            routine.declare(module)
        with kernel_function(module, name) as f:
            _Body(self, f, name).write()
            f.ret(0)


@dataclass(frozen=True, eq=False)
class _Tiles:
    """The tiles of a block: `large` ones of low + 1 rows, then `small` ones of `low` rows, and the codes for them."""

    low: Val
    small: Val
    large: Val
    lower: Val
    higher: Val


@dataclass(frozen=True, eq=False)
class _Left:
    """Where tiles find their rows: strides along rows and k, unless `packed`: together for each tile."""

    pointer: Val
    row: Val
    step: Val
    packed: Val | None  # None: never


@dataclass(frozen=True, eq=False)
class _Strip:
    """A strip of a block: its rows, from `top` on, the first elements of all matrices, `length` products along k."""

    left: Val
    starts: list[Val]
    top: Val
    rows: Val
    behind: Val  # rows from `top` to the last one of the matrix
    tiles: _Tiles
    shift: Val  # columns that the first panel has too many
    length: Val


class _Body(Frame):
    """The function of a kernel while it is written."""

    def __init__(self, writer: _Writer, f: Function, name: str) -> None:
        super().__init__(f)
        self.writer, self.name, self.low = writer, name, f.constant(0, I64)
        self.layout, self.ty, self.n = writer.layout, writer.ty, writer.n
        self.room = writer.room
        self.units, self.group, self.m, self.columns, self.k = self.words(5)
        self.row_block, self.row_blocks, self.column_block, self.column_blocks = self.words(4)
        self.lengths = self.words(1 + writer.batch)
        self.packed = f.arguments[4]
        self.left, self.turned, self.sums = [f.element(self.packed, start, self.ty) for start in self.words(3)]
        self.in_place, self.left_in_place = [word.ne(0) for word in self.words(2)]
        self.following = self.words(1)[0]
        dtypes = [writer.dtype, writer.dtype, *writer.ending.dtypes]
        self.matrices = [self.matrix(i, dtype, 1 + writer.batch) for i, dtype in enumerate(dtypes)]

    def write(self) -> None:
        """The loop over the blocks of the parts."""
        with self.share(self.group, self.units) as loop:
            *places, down, across = self.place(loop.index, [*self.lengths, self.row_blocks, self.column_blocks])
            self._block(places, down, across)

    def _block(self, places: list[Val], down: Val, across: Val) -> None:
        """One block of the result: its whole panels, then a panel for the columns that are left."""
        f, width = self.f, self.layout.width
        top, first = down * self.row_block, across * self.column_block
        rows = self.least(self.m - top, self.row_block)
        last = f.select((across + 1).eq(self.column_blocks), self.columns, first + self.column_block)
        length = self.least(self.k - places[0] * CONTRACT_STRIP, CONTRACT_STRIP)
        starts = [matrix.at(places) for matrix in self.matrices]
        tiles = self._tiles(rows)
        left = f.element(starts[0], top * self.matrices[0].row, self.ty)
        whole = last - (last - first).urem(width)
        # the last panel starts early where it can, and computes some columns again: whole vectors everywhere
        early = whole if self.layout.stream else f.select((last - first).ge(width), last - width, first)
        number = f.select(whole.gt(first) & whole.lt(last), f.constant(2, I64), 1)
        with f.loop(0, number) as turn:
            ragged = turn.index.eq(1) | whole.eq(first)
            start, end = f.select(ragged, early, first), f.select(ragged, last, whole)
            shift = f.select(ragged, whole - early, 0)
            once = f.select(length.gt(0), length, 1)  # no products: a sum of zero
            strip = _Strip(left, starts, top, rows, self.m - top, tiles, shift, length)
            with f.loop(0, once, self.layout.depth) as chunk:
                self._chunk(strip, chunk.index, start, end)

    def _tiles(self, rows: Val) -> _Tiles:
        """How rows become tiles of nearly equal heights."""
        f, tile = self.f, self.layout.tile
        number = (rows + (tile - 1)).udiv(tile)
        low = rows.udiv(number)
        micro = self.writer.micro
        names = [f"{self.name}.1"] if micro is None else micro.names
        codes = {n: f.address(f"@{name}") for n, name in enumerate(names, self.layout.lowest)}
        small = large = codes[tile]
        for n in range(self.layout.lowest, tile):
            small = f.select(low.eq(n), codes[n], small)
            large = f.select(low.eq(n - 1), codes[n], large)
        higher = rows - low * number
        return _Tiles(low, number - higher, higher, small, large)

    def _chunk(self, strip: _Strip, chunk: Val, start: Val, end: Val) -> None:
        """The products of some chunks along k, for the panels from one column to another."""
        f, layout, width = self.f, self.layout, self.layout.width
        a, b, out = self.matrices[0], self.matrices[1], self.matrices[-1]
        size = self.least(strip.length - chunk, layout.depth)
        left = _Left(f.element(strip.left, chunk * a.column, self.ty), a.row, a.column, None)
        if layout.left is not None:
            packed = ~self.left_in_place
            with f.when(packed):
                self._pack_left(strip, left, size, strip.length - chunk - size)
            left = _Left(f.select(packed, self.left, left.pointer), a.row, a.column, packed)
        several = f.select(strip.length.gt(layout.depth), strip.rows, 0)
        last = (chunk + layout.depth).ge(strip.length)
        with f.loop(start, end, width) as loop:
            place = loop.index
            vectors = f.element(strip.starts[1], place * b.column + chunk * b.row, self.ty)
            following = self.following
            if layout.reading is not None:
                across = f.constant(width, I64)
                with f.when(~self.in_place):
                    there = self.least(end - place, width)
                    safe = self._whole(b.row, there, width, size, strip.length - chunk - size)
                    self._call("pack", vectors, b.row, b.column, size, there, self.packed, across, safe)
                vectors = f.select(self.in_place, vectors, self.packed)
                following = f.select(self.in_place, following, across)
            if layout.direct:
                sums, below = f.element(strip.starts[-1], strip.top * out.row + place, self.ty), out.row
            else:
                sums, below = f.element(self.sums, (place - start) * several, self.ty), f.constant(width, I64)
            if layout.stream:
                count = self.least(end - place, width)
                f.run(
                    f"{self.name}.1", left.pointer, a.column, vectors, following, size, sums, count, self.packed, chunk
                )
            else:
                self._products(strip.tiles, left, vectors, following, size, sums, below, chunk)
            if not layout.direct:
                with f.when(last):
                    self._finish(strip, sums, place + strip.shift, self.least(end - place, width) - strip.shift)

    def _pack_left(self, strip: _Strip, left: _Left, size: Val, after: Val) -> None:
        """Packs the rows of a block, tile by tile, as the innermost loop reads them."""
        f, step = self.f, left.step
        tiles, room = strip.tiles, self.room
        # where rows are short pieces of long lines, some lines are read over all tiles, so that each is fetched once
        lines = 16 if self.layout.left == "rows" else self.layout.depth
        with f.loop(0, size, lines) as loop:
            first = f.element(left.pointer, loop.index * step, self.ty)
            count = self.least(size - loop.index, lines)
            with f.loop(0, tiles.small + tiles.large, 1, [first, self.left, f.constant(0, I64)]) as tile:
                height = tiles.low + f.select(tile.index.lt(tiles.large), f.constant(1, I64), 0)
                source, target, done = tile.carried
                into = f.element(target, loop.index * height, self.ty)
                there = self.least(strip.behind - done, room)
                safe = self._whole(step, there, room, count, after + size - loop.index - count)
                self._call("left", source, step, left.row, count, height, into, height, safe)
                end = f.element(target, height * size + room, self.ty)
                tile.next = [f.element(source, height * left.row, self.ty), end, done + height]

    def _whole(self, row: Val, there: Val, width: int, rows: Val, after: Val) -> Val:
        """Of how many rows as many as `width` elements may be read: those that have enough elements behind them.

        `there` are elements of the row itself; `after` rows follow the ones that are asked for.
        """
        f = self.f
        lacking = f.constant(width, I64) - there
        need = f.select(row.ge(lacking), f.constant(1, I64), lacking)  # rows that hold what is lacking
        some = rows + after - need
        some = self.least(f.select(some.gt(0), some, 0), rows)
        return f.select(lacking.le(0), rows, f.select(row.ge(there), some, 0))

    def _products(
        self, tiles: _Tiles, left: _Left, vectors: Val, following: Val, size: Val, sums: Val, below: Val, more: Val
    ) -> None:
        """The sums of a panel: the higher tiles, then the lower ones."""
        f = self.f
        pointer = left.pointer
        for code, number, height in ((tiles.higher, tiles.large, tiles.low + 1), (tiles.lower, tiles.small, tiles.low)):
            row, step, apart = left.row, left.step, height * left.row
            if left.packed is not None:
                row, step = f.select(left.packed, f.constant(1, I64), row), f.select(left.packed, height, step)
                apart = f.select(left.packed, height * size + self.room, apart)
            given = [pointer, row, step, apart, vectors, following, size, sums, below, number, more]
            f.do(f"call void {code.text}({', '.join(f'{x.ty} {x.text}' for x in given)})")
            pointer, sums = (
                f.element(pointer, number * apart, self.ty),
                f.element(sums, number * height * below, self.ty),
            )

    def _call(self, what: str, *arguments: Val) -> None:
        self.f.run(self.writer.moves[what].names[0], *arguments)

    def _finish(self, strip: _Strip, panel: Val, place: Val, count: Val) -> None:
        """What happens to the sums of a panel, `count` columns from `place` on, which start at `shift` in it."""
        f, width, writer = self.f, self.layout.width, self.writer
        spots: list[Spot] = []
        for matrix, start, dtype in zip(self.matrices[2:], strip.starts[2:], writer.ending.dtypes, strict=True):
            pointer = f.element(start, strip.top * matrix.row + place * matrix.column, element(dtype))
            steps = (matrix.row, matrix.column) if self.layout.across else (matrix.column, matrix.row)
            spots.append(Spot(pointer, *steps))
        source = f.element(panel, strip.shift, self.ty)
        if self.layout.across:
            below, size = f.constant(width, I64), (strip.rows, count)
        else:
            below, size = strip.rows + 2 * self.n, (count, strip.rows)
            one, across = f.constant(1, I64), f.constant(width, I64)
            self._call("turn", source, one, across, count, strip.rows, self.turned, below, count)
            source = self.turned

        def sums(line: Val, at: Val) -> Val:
            return f.load(self.ty.of(self.n), f.element(source, line * below + at, self.ty))

        write_ending(f, writer.ending, spots, sums, size, self.read)
