"""`Layout`: how a product is computed: where the vectors lie, the tile, the blocks, the shares of workers.

What code is written for follows from how matrices lie and from the number of columns, which is seldom that of a
batch; never from the length along k, and from the number of rows only where a few of them are much work: another size
of a batch, and what is left of the last one, compile nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final

from chainrule.backend.llvm.contract.element import lanes
from chainrule.backend.llvm.contract.move import Reading
from chainrule.backend.llvm.contract.product import Product
from chainrule.backend.llvm.machine import Machine
from chainrule.schedule.plan import CONTRACT_CHUNK, CONTRACT_STRIP

ROWS: Final = 192
"""Rows of a block: as many as make packing a panel for them cheap, and few enough that they stay in the cache."""

DEPTH: Final = 2 * CONTRACT_CHUNK
"""Products along k for which a panel is packed: chunks that a tile adds to its sums while they are near."""

SMALL: Final = 40_000
"""Products that are too few to be shared out among workers."""

FEW_BYTES: Final = 1 << 14
"""Bytes of a block of the left operand that are not worth packing."""

WIDE: Final = 256
"""Columns of a result that is best written line by line where there are but one or two products along k."""

MUCH: Final = 1 << 17
"""Products from which on those of a single row have code of their own."""

MANY: Final = 128
"""Columns of a single row from which on it has code of its own, where the products may be as few as a batch's rows."""

LINE: Final = 2048
"""Columns of the one row of a product whose sums lie in the cache while they grow."""

PANELS: Final = 8
"""Panels of the right operand from which on packing the left one pays."""

IN_PLACE: Final = 8
"""Tiles below one another for which packing a panel does not pay."""


@dataclass(frozen=True)
class Layout:
    """What code is written for (the first group), and the extents that it reads as words."""

    lowest: int  # rows of sums in registers of the lowest tile
    tile: int  # and of the highest one
    width: int  # columns of sums in registers, of a panel
    stream: bool  # one row, for which the right operand is read line by line
    ahead: int  # lines of the right operand that are fetched ahead
    reading: Reading | None  # how panels of the right operand are copied; None: always read where they lie
    left: Reading | None  # how rows of the left operand are copied; None: always read where they lie
    direct: bool  # sums go to the result at once
    across: bool  # the result's vectors lie along the columns
    shuffle: int  # lanes of the vectors that are turned in registers

    in_place: bool  # panels of the right operand are read where they lie
    left_in_place: bool  # and so are rows of the left one
    inner: int  # products along k of a strip
    row_block: int
    row_blocks: int
    column_panels: int  # whole panels of a block of columns; the last block has what is left
    column_blocks: int
    column_most: int  # columns of the widest block
    strips: int
    group: int  # blocks of one part

    @property
    def depth(self) -> int:
        """Products along k that are added up for a panel before the next one."""
        if self.stream:
            return CONTRACT_CHUNK
        return DEPTH if self.reading is not None else CONTRACT_STRIP

    @property
    def structure(self) -> str:
        """A text that tells apart what needs different code."""
        right = "lines" if self.stream else self.reading or "in place"
        ways = f"{self.direct:d}{self.across:d} {self.shuffle}"
        return f"{self.lowest}-{self.tile}x{self.width} {right} {self.ahead} {self.left} {ways}"


def is_special(product: Product) -> bool:
    """Whether one row is so much work that there is code for it alone.

    Not where columns are contiguous along k: there a sum along the vector is faster (schedule/vector.py). Nor where
    more is done with the sums: the row may be what is left of a batch, whose code serves it as well.
    """
    if product.dtype.kind != "f" or product.rows > 1 or not product.inner or not product.plain:
        return False
    if product.columns == 1:
        return bool(product.batch) and product.inner >= 1024
    if reading_of(product) == "columns":
        return False
    if product.over_first:
        return product.columns >= MANY
    return prod(product.batch) * product.columns * product.inner >= MUCH


def tile_of(product: Product, machine: Machine) -> tuple[int, int]:
    """Rows and columns of sums in registers: as many as there is room for, wider where there are few rows."""
    n, columns = lanes(product.dtype), product.columns
    if product.dtype.kind != "f":
        return 2, n
    if is_special(product):
        return 1, 1 if columns == 1 else max(n, min(4 * n, columns - columns % (n // 4)))
    if columns <= n // 2:
        return 8, n // 4 if columns <= n // 4 else n // 2
    return (12, 2 * n) if machine.vector_bits == 512 and columns >= 2 * n else (6, n)


def turned(product: Product) -> Product:
    """The product, or its transpose where its vectors lie better."""
    out, other = product.others[-1], product.transposed
    if product.columns > 1 and (out.row == 1 != out.column or 1 < abs(out.row) < abs(out.column)):
        product, other = other, product
    if product.columns <= 3:
        return other if is_special(other) else product
    scattered = reading_of(product) == "any" != reading_of(other)
    return other if product.rows > 3 and scattered else product


def reading_of(product: Product) -> Reading:
    """How the right operand lies in memory."""
    if product.right.column == 1 or (product.columns == 1 and product.right.row != 1):
        return "rows"
    return "columns" if product.right.row == 1 and product.dtype.itemsize >= 4 else "any"


def left_reading(product: Product, panels: int) -> Reading | None:
    """How rows of the left operand are packed; None where that does not pay however many there are."""
    if panels < PANELS:
        return None
    if product.left.row == 1:
        return "rows"
    return "columns" if product.left.column == 1 and product.dtype.itemsize >= 4 else None


def layout_of(product: Product, machine: Machine) -> Layout:
    """How a product is computed on a machine."""
    columns, size = product.columns, product.dtype.itemsize
    tile, width = tile_of(product, machine)
    out = product.others[-1]
    reading: Reading | None = reading_of(product)
    if width == 1:
        reading = None
    special = is_special(product)
    stream = special and reading == "rows" and columns > 1
    if stream:
        tile, width = 1, LINE if columns >= 4 * LINE * machine.cores or machine.cores == 1 else LINE // 4
    in_place = reading == "rows" and (columns >= width or stream)
    along = in_place and product.inner <= 2 and columns >= WIDE and not special
    in_place = in_place and (along or product.rows <= IN_PLACE * tile)
    if in_place and special:
        reading = None
    strips = max(1, -(-product.inner // CONTRACT_STRIP))
    panels = max(1, columns // width)
    batch = prod(product.batch) * strips
    shares = 1 + product.rows * columns * product.inner * batch // SMALL  # as many as are worth a worker each
    workers = min(shares, machine.cores)
    row_blocks = max(
        -(-product.rows // (2 * tile if along else ROWS)), min(workers // (panels * batch), product.rows // (2 * tile))
    )
    row_block = -(-product.rows // row_blocks)
    row_block = -(-row_block // tile) * tile if row_blocks > 1 else product.rows
    row_blocks = -(-product.rows // row_block)
    direct = (columns >= width or stream) and product.plain and (out.column == 1 or width == 1)
    others = row_blocks * batch
    least = 1 if direct else -(-panels * width // 384)
    blocks = _column_blocks(others, workers, least, panels)
    total = others * blocks
    return Layout(
        lowest=tile if special else 1,
        tile=tile,
        width=width,
        stream=stream,
        ahead=8 if special and reading is None else 0,
        reading=reading,
        left=left_reading(product, panels),
        direct=direct,
        across=out.row != 1 or (out.column == 1 and columns > 1),
        shuffle=16 if tile > 8 else 8,
        in_place=in_place or reading is None,
        left_in_place=panels // blocks < PANELS or product.rows * min(product.inner, DEPTH) * size < FEW_BYTES,
        inner=min(product.inner, CONTRACT_STRIP),
        row_block=row_block,
        row_blocks=row_blocks,
        column_panels=panels // blocks,
        column_blocks=blocks,
        column_most=columns - (blocks - 1) * (panels // blocks) * width,
        strips=strips,
        group=-(-total // min(total, shares)),
    )


def _column_blocks(others: int, workers: int, least: int, panels: int) -> int:
    """Into how many blocks the columns are cut, for `others` blocks of the rest: so that workers get equal shares."""
    enough = max(least, -(-workers // others))
    even = next((n for n in range(enough, enough + workers) if others * n % workers == 0), enough)
    return min(panels, even if others * enough < 16 * workers else enough)
