"""The kernel of a product: blocks of the result, panel by panel, chunk by chunk along k, tile by tile."""

from __future__ import annotations

from math import prod

import numpy as np

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.contract.element import element, lanes
from chainrule.backend.llvm.contract.finish import Ending, Spot, ending_of, write_ending
from chainrule.backend.llvm.contract.frame import Frame, address, kernel_function, strides
from chainrule.backend.llvm.contract.layout import Layout
from chainrule.backend.llvm.contract.micro import write_micro
from chainrule.backend.llvm.contract.move import write_move
from chainrule.backend.llvm.contract.product import Product
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.values import I64, Val
from chainrule.schedule.plan import CONTRACT_CHUNK, CONTRACT_STRIP


def multiply(product: Product, layout: Layout, strip_stride: int) -> Kernel:
    """The kernel that computes a product; the result of strip s is `strip_stride` elements behind that of the first."""
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
    for matrix, strip in zip(matrices, strips, strict=True):
        words += strides(matrix, strip)
    return Kernel(
        structure=writer.structure,
        write=writer.write,
        pointers=tuple([address(matrix) for matrix in matrices]),
        words=tuple(words),
        parts=-(-units // layout.group),
        scratch=writer.scratch(layout.row_block) * size,
        operations=2 * m * n * k * count,
        nbytes=count * ((m * k + k * n) * size + m * n * sum(x.place.dtype.itemsize for x in product.others)),
        title="multiply",
    )


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
    def panel(self) -> int:
        """Elements of a packed panel, and room behind it."""
        return (CONTRACT_CHUNK + 1) * self.layout.width

    def scratch(self, rows: int) -> int:
        """Elements of the scratch: a packed panel, the sums of a panel, and those turned."""
        width = self.layout.width
        turned = 0 if self.layout.across else width * (rows + 2 * self.n)
        return self.panel + (0 if self.layout.direct else (rows + 1) * width + 64 + turned)

    def write(self, module: Module, name: str) -> None:
        """Writes the kernel and the functions that it calls."""
        layout = self.layout
        for rows in range(1, layout.tile + 1):
            write_micro(module, f"{name}.{rows}", self.dtype, rows, layout.width)
        if layout.reading is not None:
            write_move(module, f"{name}.pack", self.dtype, layout.reading, layout.width, layout.shuffle)
        if not layout.across and not layout.direct:
            write_move(
                module,
                f"{name}.turn",
                self.dtype,
                "columns" if self.dtype.itemsize >= 4 else "any",
                layout.width,
                layout.shuffle,
            )
        with kernel_function(module, name) as f:
            _Body(self, f, name).write()
            f.ret(0)


class _Body(Frame):
    """The function of a kernel while it is written."""

    def __init__(self, writer: _Writer, f: Function, name: str) -> None:
        super().__init__(f)
        self.writer, self.name, self.low = writer, name, f.constant(0, I64)
        self.layout, self.ty, self.n = writer.layout, writer.ty, writer.n
        self.units, self.group, self.m, self.columns, self.k = self.words(5)
        self.row_block, self.row_blocks, self.column_block, self.column_blocks = self.words(4)
        self.lengths = self.words(1 + writer.batch)
        dtypes = [writer.dtype, writer.dtype, *writer.ending.dtypes]
        self.matrices = [self.matrix(i, dtype, 1 + writer.batch) for i, dtype in enumerate(dtypes)]
        self.packed = f.arguments[4]
        self.sums = f.element(self.packed, writer.panel, self.ty)

    def write(self) -> None:
        """The loop over the blocks of the parts."""
        with self.share(self.group, self.units) as loop:
            *places, down, across = self.place(loop.index, [*self.lengths, self.row_blocks, self.column_blocks])
            self._block(places, down, across)

    def _block(self, places: list[Val], down: Val, across: Val) -> None:
        """One block of the result: its panels."""
        f, layout = self.f, self.layout
        top, first = down * self.row_block, across * self.column_block
        rows = self.least(self.m - top, self.row_block)
        last = f.select((across + 1).eq(self.column_blocks), self.columns, first + self.column_block)
        done = places[0] * CONTRACT_STRIP
        length = self.least(self.k - done, CONTRACT_STRIP)
        starts = [matrix.at(places) for matrix in self.matrices]
        tiles = self._tiles(rows)
        left = f.element(starts[0], top * self.matrices[0].row, self.ty)
        with f.loop(first, last, layout.width) as loop:
            count = self.least(last - loop.index, layout.width)
            # the last panel starts early where it can, and computes some columns again: whole vectors everywhere
            early = last - layout.width
            start = f.select(early.lt(loop.index) & early.ge(0), early, loop.index)
            self._panel(left, starts, top, rows, tiles, loop.index, start, count, length)

    def _tiles(self, rows: Val) -> tuple[Val, Val, Val, Val]:
        """How rows become tiles of nearly equal heights: their number, how many are higher by one, the codes."""
        f, tile = self.f, self.layout.tile
        tiles = (rows + (tile - 1)).udiv(tile)
        low = self.low = rows.udiv(tiles)
        higher = rows - low * tiles
        codes = [f.address(f"@{self.name}.{i}") for i in range(1, tile + 1)]
        small, large = codes[0], codes[-1]
        for i in range(1, tile):
            small = f.select(low.eq(i + 1), codes[i], small)
            large = f.select(low.eq(i), codes[i], large)
        return tiles, higher, small, large

    def _panel(
        self,
        left: Val,
        starts: list[Val],
        top: Val,
        rows: Val,
        tiles: tuple[Val, Val, Val, Val],
        place: Val,
        start: Val,
        count: Val,
        length: Val,
    ) -> None:
        """One panel: all of its sums, chunk by chunk, then what happens to them."""
        f, layout, width = self.f, self.layout, self.layout.width
        a, b, out = self.matrices[0], self.matrices[1], self.matrices[-1]
        panel = f.element(starts[1], start * b.column, self.ty)
        if layout.direct:
            sums, below = f.element(starts[-1], top * out.row + start, self.ty), out.row
        else:
            sums, below = self.sums, f.constant(width, I64)
        once = f.select(length.gt(0), length, 1)  # no products: a sum of zero
        with f.loop(0, once, CONTRACT_CHUNK) as chunk:
            size = self.least(length - chunk.index, CONTRACT_CHUNK)
            vectors, following = f.element(panel, chunk.index * b.row, self.ty), b.row
            if layout.reading is not None:
                lanes_there = self.least(self.columns - start, width)
                target = self.packed
                self._call("pack", vectors, b.row, b.column, size, lanes_there, target, f.constant(width, I64))
                vectors, following = target, f.constant(width, I64)
            self._column_of_tiles(
                f.element(left, chunk.index * a.column, self.ty),
                tiles,
                vectors,
                following,
                size,
                sums,
                below,
                chunk.index,
            )
        if not layout.direct:
            self._finish(starts, top, rows, place, place - start, count)

    def _column_of_tiles(
        self,
        left: Val,
        tiles: tuple[Val, Val, Val, Val],
        vectors: Val,
        following: Val,
        size: Val,
        sums: Val,
        below: Val,
        more: Val,
    ) -> None:
        f, a = self.f, self.matrices[0]
        number, higher, small, large = tiles
        low = self.low
        with f.loop(0, number, 1, [left, sums]) as tile:
            tall = tile.index.lt(higher)
            code = f.select(tall, large, small)
            height = f.select(tall, low + 1, low)
            here, into = tile.carried
            given = [here, a.row, a.column, vectors, following, size, into, below, more]
            f.do(f"call void {code.text}({', '.join(f'{x.ty} {x.text}' for x in given)})")
            tile.next = [f.element(here, height * a.row, self.ty), f.element(into, height * below, self.ty)]

    def _call(self, what: str, *arguments: Val) -> None:
        given = ", ".join(f"{x.ty} {x.text}" for x in arguments)
        self.f.do(f"call void @{self.name}.{what}({given})")

    def _finish(self, starts: list[Val], top: Val, rows: Val, place: Val, shift: Val, count: Val) -> None:
        """What happens to the sums of a panel, `count` columns from `place` on, which start at `shift` in it."""
        f, width, writer = self.f, self.layout.width, self.writer
        spots: list[Spot] = []
        for matrix, start, dtype in zip(self.matrices[2:], starts[2:], writer.ending.dtypes, strict=True):
            pointer = f.element(start, top * matrix.row + place * matrix.column, element(dtype))
            steps = (matrix.row, matrix.column) if self.layout.across else (matrix.column, matrix.row)
            spots.append(Spot(pointer, *steps))
        source = f.element(self.sums, shift, self.ty)
        if self.layout.across:
            below, size = f.constant(width, I64), (rows, count)
        else:
            target = f.element(self.sums, (rows + 1) * width, self.ty)
            below, size = rows + 2 * self.n, (count, rows)
            one, across = f.constant(1, I64), f.constant(width, I64)
            self._call("turn", source, one, across, count, rows, target, below)
            source = target

        def sums(line: Val, at: Val) -> Val:
            return f.load(self.ty.of(self.n), f.element(source, line * below + at, self.ty))

        write_ending(f, writer.ending, spots, sums, size)
