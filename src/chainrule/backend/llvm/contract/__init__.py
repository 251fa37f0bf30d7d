"""Contractions: sums of products as kernels that run at the speed of the machine, whatever the layout and the size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from chainrule.backend.llvm.contract.copy import dense_copy
from chainrule.backend.llvm.contract.element import lanes, same_sums
from chainrule.backend.llvm.contract.layout import layout_of, turned
from chainrule.backend.llvm.contract.multiply import multiply
from chainrule.backend.llvm.contract.pack import pack_right, worth_packing
from chainrule.backend.llvm.contract.product import Matrix, Product, axes_of, merged, product_of
from chainrule.backend.llvm.contract.strips import add_strips
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.machine import Machine
from chainrule.schedule.plan import CONTRACT_STRIP, Buffer, Contraction, Place, Stage, Store

__all__ = ["kernels"]

Allocate = Callable[[int], Buffer]


def kernels(step: Contraction, machine: Machine, allocate: Allocate) -> list[Kernel]:
    """The kernels of a contraction, to be run one after another; `allocate` gives memory of some bytes in the arena."""
    copies, left, right = _operands(step, allocate)
    product = product_of(step, left, right)
    if product is None:
        return []
    product = turned(product)
    if product.inner <= CONTRACT_STRIP:
        layout = layout_of(product, machine)
        if worth_packing(product, layout):
            pack, product = pack_right(product, layout, allocate)
            return [*copies, pack, multiply(product, replace(layout, in_place=True), 0, layout.width)]
        return [*copies, multiply(product, layout, 0)]
    return [*copies, *_by_strips(product, machine, allocate)]


def _by_strips(product: Product, machine: Machine, allocate: Allocate) -> list[Kernel]:
    """The sums of each strip, and their sum."""
    strips = -(-product.inner // CONTRACT_STRIP)
    below = -(-product.columns // lanes(product.dtype)) * lanes(product.dtype)  # vectors of sums are read whole
    apart = prod(product.batch) * product.rows * below
    buffer = allocate(strips * apart * product.dtype.itemsize)
    batch = tuple([prod(product.batch[i + 1 :]) * product.rows * below for i in range(len(product.batch))])
    partial = Matrix(Place(buffer, product.dtype, (*batch, below, 1)), batch, below, 1)
    stage = Stage(True, (), (), (Store(0, partial.place),))
    parts = replace(product, stage=stage, others=(partial,))
    return [
        multiply(parts, layout_of(parts, machine), apart),
        add_strips(product, partial, strips, apart),
    ]


def _operands(step: Contraction, allocate: Allocate) -> tuple[list[Kernel], Place, Place]:
    """The operands in the dtype of the sums and with one inner axis, copied where they are not so."""
    nb, nk = len(step.batch), len(step.inner)
    dtype = same_sums(step.left.dtype, step.right.dtype)
    copies: list[Kernel] = []
    places: list[Place] = []
    sides = (
        (step.left, (*step.batch, *step.rows, *step.inner), nb + len(step.rows)),
        (step.right, (*step.batch, *step.inner, *step.columns), nb),
    )
    for place, lengths, before in sides:
        inner = merged(axes_of(step.inner, [place.strides[before : before + nk]]))
        if (place.dtype != dtype or len(inner) > 1) and prod(lengths):
            copy, place = dense_copy(place, lengths, range(before, before + nk), dtype, allocate)
            copies.append(copy)
            inner = merged(axes_of(step.inner, [place.strides[before : before + nk]]))
        stride = inner[0].strides[0] if inner else place.strides[before + nk - 1] if nk else 0
        places.append(replace(place, strides=(*place.strides[:before], stride, *place.strides[before + nk :])))
    return copies, places[0], places[1]
