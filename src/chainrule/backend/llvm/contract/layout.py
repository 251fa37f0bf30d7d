"""`Layout`: how a product is computed: where the vectors lie, the tile, the blocks, the shares of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.backend.llvm.contract.element import lanes
from chainrule.backend.llvm.contract.move import Reading
from chainrule.backend.llvm.contract.product import Product
from chainrule.backend.llvm.machine import Machine
from chainrule.schedule.plan import CONTRACT_STRIP

ROWS: Final = 192
"""Rows of a block: as many as make packing a panel for them cheap, and few enough that they stay in the cache."""

SMALL: Final = 40_000
"""Products that are too few to be shared out among workers."""


@dataclass(frozen=True)
class Layout:
    """What code is written for (the first group), and the extents that it reads as words."""

    tile: int  # rows of sums in registers
    width: int  # columns of sums in registers, of a panel
    reading: Reading | None  # how panels of the right operand are copied; None: read where they lie
    direct: bool  # sums go to the result at once
    across: bool  # the result's vectors lie along the columns
    shuffle: int  # lanes of the vectors that are turned in registers

    row_block: int
    row_blocks: int
    column_panels: int  # whole panels of a block of columns; the last block has what is left
    column_blocks: int
    strips: int
    group: int  # blocks of one part

    @property
    def structure(self) -> str:
        """A text that tells apart what needs different code."""
        reading = self.reading or "in place"
        return f"{self.tile}x{self.width} {reading} {self.direct:d}{self.across:d} {self.shuffle}"


def tile_of(product: Product, machine: Machine) -> tuple[int, int]:
    """Rows and columns of sums in registers: as many as there is room for, wider where there are few rows."""
    n = lanes(product.dtype)
    if product.dtype.kind != "f":
        return 2, n
    if product.rows == 1:
        return 1, 4 * n
    if product.rows <= 3:
        return 3, 2 * n
    return 6, n


def cost(product: Product, machine: Machine) -> float:
    """An estimate in cycles, to choose the axis that vectors lie along."""
    n = lanes(product.dtype)
    _, width = tile_of(product, machine)
    m, k, columns = product.rows, product.inner, product.columns
    padded = -(-columns // n) * n
    work = max(m, 4 / (width // n)) * padded * k / n
    reading = reading_of(product)
    pack = k * columns * {"rows": 0.2, "columns": 0.5, "any": 2.0}[reading]
    out = product.others[-1]
    store = m * columns * (0.1 if out.column == 1 else 0.5 if out.row == 1 else 2.0)
    return work + pack * max(1, m // ROWS) + store


def reading_of(product: Product) -> Reading:
    """How the right operand lies in memory."""
    if product.right.column == 1 or (product.columns == 1 and product.right.row != 1):
        return "rows"
    return "columns" if product.right.row == 1 and product.dtype.itemsize >= 4 else "any"


def layout_of(product: Product, machine: Machine) -> Layout:
    """How a product is computed on a machine."""
    tile, width = tile_of(product, machine)
    out = product.others[-1]
    whole = product.columns >= width
    reading: Reading | None = reading_of(product)
    if reading == "rows" and whole and product.rows <= 8 * tile:
        reading = None
    direct = whole and product.plain and out.column == 1
    across = out.column == 1 or out.row != 1
    row_blocks = -(-product.rows // ROWS)
    row_block = -(-product.rows // row_blocks)
    row_block = -(-row_block // tile) * tile if row_blocks > 1 else product.rows
    strips = max(1, -(-product.inner // CONTRACT_STRIP))
    panels = max(1, product.columns // width)
    products = product.rows * product.columns * max(1, product.inner)
    batch = strips
    for length in product.batch:
        batch *= length
    wanted = min(4 * machine.cores, -(-products * batch // SMALL)) if machine.cores > 1 else 1
    others = row_blocks * batch
    blocks = min(panels, max(1, -(-wanted // others), panels * width // 1024))
    total = others * blocks
    group = max(1, total // max(wanted, 1))
    shuffle = min(16, machine.vector_bits // 8 // product.dtype.itemsize)
    return Layout(
        tile=tile,
        width=width,
        reading=reading,
        direct=direct,
        across=across,
        shuffle=shuffle,
        row_block=row_block,
        row_blocks=row_blocks,
        column_panels=panels // blocks,
        column_blocks=blocks,
        strips=strips,
        group=group,
    )


def turned(product: Product, machine: Machine) -> Product:
    """The product, or its transpose where that is cheaper to compute."""
    other = product.transposed
    return other if cost(other, machine) < cost(product, machine) else product
