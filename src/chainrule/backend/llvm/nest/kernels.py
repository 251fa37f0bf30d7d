"""`kernels`: a nest as a call of machine code."""

from __future__ import annotations

from functools import partial

from chainrule.backend.llvm.builder import Module
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.machine import Machine
from chainrule.backend.llvm.nest.collapse import collapse, is_free, places
from chainrule.backend.llvm.nest.form import Form, make_form, vector_axis
from chainrule.backend.llvm.nest.tile import is_tiled, tiled
from chainrule.backend.llvm.nest.work import body, moved, operations, split, title
from chainrule.backend.llvm.nest.write import write
from chainrule.schedule.plan import LANES, Nest

_LIGHT = 10
"""Operations of a body so short that one vector of rows does not keep a processor busy."""


_LIGHTEST = 4
"""Operations of a body beside which the loop around it counts."""


def kernels(step: Nest, machine: Machine | None = None) -> list[Kernel]:
    """The kernel of a nest; none where there is nothing to do. No machine needs another code, nor other parts."""
    if 0 in step.rows or (0 in step.columns and is_free(step)):
        return []
    nest = tiled(collapse(step))
    axis, unit, parts = split(nest)
    form, arguments = make_form(nest, axis, unit, _copies(nest))
    return [
        Kernel(
            structure=str(form),
            write=partial(_write, form),
            pointers=tuple(arguments.pointers),
            words=tuple(arguments.words),
            parts=parts,
            operations=operations(nest),
            nbytes=moved(nest),
            title=title(step),
        )
    ]


def _write(form: Form, module: Module, name: str) -> None:
    write(module, name, form)


def _copies(nest: Nest) -> int:
    """How many vectors are in flight: several of rows where one alone would wait for its own sums, and several along
    the columns, whose values are added one after the other, where little is done with each.

    Where elements are read one by one that is what takes the time, however many rows there are.
    """
    vector = vector_axis(nest)
    if vector is None or not nest.columns or is_free(nest) or is_tiled(nest) or body(nest) > _LIGHT:
        return 1
    if any(abs(place.strides[vector]) > 1 for stage in nest.stages if stage.columns for place in places(stage)):
        return 1
    if vector >= len(nest.rows):
        long = nest.columns[-1] >= 4 * LANES[4]
        return 4 if nest.rows and long and body(nest) <= _LIGHTEST else 1
    vectors = -(-nest.rows[vector] // LANES[4])
    return 1 if vectors == 1 else 2 if vectors == 2 else 4
