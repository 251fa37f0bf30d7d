"""The text of `read`: the addresses of NumPy's arrays in a tuple, taken from the array objects themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.backend.llvm.builder import Function, Module
from chainrule.backend.llvm.runtime.atomics import read, word
from chainrule.backend.llvm.runtime.layout import (
    FIRST,
    MISFITS,
    STATE_WORDS,
    FormWord,
    LeafKind,
    LeafWord,
    Misfit,
    StateWord,
)
from chainrule.backend.llvm.values import F64, I8, I32, I64, PTR, Val

C_CONTIGUOUS: Final = 0x1
ALIGNED: Final = 0x100
WRITEABLE: Final = 0x400
"""Bits of an array's flags (numpy/ndarraytypes.h)."""


@dataclass(frozen=True)
class ObjectLayout:
    """Where in CPython's and NumPy's objects what is, in bytes: `head` of every object, `items` of a tuple."""

    head: int
    items: int

    @property
    def data(self) -> int:
        """PyArrayObject_fields: data, int nd, dimensions, strides, base, descr, int flags (numpy/ndarraytypes.h)."""
        return self.head

    @property
    def ndim(self) -> int:
        return self.head + 8

    @property
    def shape(self) -> int:
        return self.head + 16

    @property
    def strides(self) -> int:
        return self.head + 24

    @property
    def dtype(self) -> int:
        return self.head + 40

    @property
    def flags(self) -> int:
        return self.head + 48

    @property
    def kind(self) -> int:
        """Where the address of the type is: last in the head."""
        return self.head - 8


def reading_text(layout: ObjectLayout) -> str:
    """The text of the module that reads objects laid out so."""
    module = Module()
    _write_check(module, layout)
    _write_overlap(module)
    _write_read(module, layout)
    _write_call(module)
    return str(module)


def _field(f: Function, thing: Val, offset: int) -> Val:
    return f.load(I64, f.element(thing, offset, I8))


def _write_check(module: Module, layout: ObjectLayout) -> None:
    """Writes `i64 check(form, leaf, array, kind)`: a Misfit, or NONE where an array is what a leaf of the form says."""
    with module.function("chainrule_check", I64, internal=True, form=PTR, leaf=PTR, array=PTR, kind=I64) as f:
        form, leaf, array, kind = f.arguments

        def refuse(condition: Val, why: Misfit) -> None:
            with f.when(condition):
                f.ret(why)

        refuse(_field(f, array, layout.kind).ne(read(f, form, FormWord.ARRAY)), Misfit.TYPE)
        refuse(_field(f, array, layout.dtype).ne(read(f, leaf, LeafWord.DTYPE)), Misfit.DTYPE)
        ndim = f.load(I32, f.element(array, layout.ndim, I8)).cast("sext", I64)
        refuse(ndim.ne(read(f, leaf, LeafWord.NDIM)), Misfit.SHAPE)
        shape = f.load(PTR, f.element(array, layout.shape, I8))
        with f.loop(0, ndim) as axis:
            expected = f.load(I64, f.element(word(f, leaf, FIRST), axis.index, I64))
            refuse(f.load(I64, f.element(shape, axis.index, I64)).ne(expected), Misfit.SHAPE)
        flags = f.load(I32, f.element(array, layout.flags, I8)).cast("zext", I64)
        missing = ~flags & read(f, leaf, LeafWord.FLAGS)
        refuse((missing & C_CONTIGUOUS).ne(0), Misfit.ORDER)
        refuse((missing & ALIGNED).ne(0), Misfit.ALIGNMENT)
        refuse((missing & WRITEABLE).ne(0), Misfit.READ_ONLY)
        held = f.load(I32, array).ne(1)  # the count of references, of the tuple that it is in alone
        refuse(kind.eq(LeafKind.OWN) & held, Misfit.HELD)
        f.ret(Misfit.NONE)


def _write_read(module: Module, layout: ObjectLayout) -> None:
    """Writes `i64 read(form, leaves, slots, numbers)`: 0, and the slots are set; or which leaf is wrong, and why."""
    with module.function("chainrule_read", I64, form=PTR, leaves=PTR, slots=PTR, numbers=PTR) as f:
        form, leaves, slots, numbers = f.arguments
        count = read(f, form, FormWord.COUNT)
        with f.when(_field(f, leaves, layout.kind).ne(read(f, form, FormWord.TUPLE))):
            f.ret(Misfit.COUNT)
        with f.when(_field(f, leaves, layout.head).ne(count)):
            f.ret(Misfit.COUNT)
        items = f.element(leaves, layout.items, I8)
        with f.loop(0, count, carried=[word(f, form, FIRST)]) as loop:
            leaf = loop.carried[0]
            item = f.load(PTR, f.element(items, loop.index, PTR))
            kind = read(f, leaf, LeafWord.KIND)

            def number(item: Val = item, leaf: Val = leaf) -> list[Val]:
                place = f.element(numbers, read(f, leaf, LeafWord.OFFSET), I8)
                wrong = _field(f, item, layout.kind).ne(read(f, form, FormWord.FLOAT))
                with f.when(~wrong):
                    f.store(f.load(F64, f.element(item, layout.head, I8)), place)
                return [place.cast("ptrtoint", I64), wrong.cast("zext", I64) * Misfit.TYPE]

            def array(item: Val = item, leaf: Val = leaf, kind: Val = kind) -> list[Val]:
                why = f.call("chainrule_check", I64, form, leaf, item, kind)
                none = f.constant(0, I64)
                return [*f.either(why.eq(0), lambda: [_field(f, item, layout.data)], lambda: [none]), why]

            address, why = f.either(kind.eq(LeafKind.NUMBER), number, array)
            with f.when(why.ne(0)):
                f.ret(loop.index * MISFITS + why)
            f.store(address, f.element(slots, read(f, leaf, LeafWord.SLOT), I8))
            loop.next = [f.element(leaf, read(f, leaf, LeafWord.NBYTES), I8)]
        f.ret(f.call("chainrule_overlap", I64, form, slots))


def _write_overlap(module: Module) -> None:
    """Writes `i64 overlap(form, slots)`: 0, or a leaf that shares memory with one that is to be written to."""
    with module.function("chainrule_overlap", I64, internal=True, form=PTR, slots=PTR) as f:
        form, slots = f.arguments
        spans, count = f.element(form, read(f, form, FormWord.SPAN), I8), read(f, form, FormWord.SPANS)

        def span(number: Val) -> tuple[Val, Val, Val]:
            place = f.element(spans, number * 3, I64)
            start = f.load(I64, f.element(slots, read(f, place, 0), I8))
            return place, start, start + read(f, place, 1)

        with f.loop(0, read(f, form, FormWord.DONATED)) as outer:
            _, start, end = span(outer.index)
            with f.loop(outer.index + 1, count) as inner:
                place, other_start, other_end = span(inner.index)
                with f.when(start.ult(other_end) & other_start.ult(end)):
                    f.ret(read(f, place, 2) * MISFITS + Misfit.OVERLAP)
        f.ret(0)


def _write_call(module: Module) -> None:
    """Writes `i64 call(state, form, leaves, run)`: the status of a run on the leaves, or -1 - the misfit."""
    with module.function("chainrule_call", I64, state=PTR, form=PTR, leaves=PTR, run=PTR) as f:
        state, form, leaves, run = f.arguments
        home = f.element(state, STATE_WORDS, I64)
        slots = f.element(home, read(f, state, StateWord.SLOTS), I8)
        numbers = read(f, state, StateWord.NUMBERS, PTR)
        wrong = f.call("chainrule_read", I64, form, leaves, slots, numbers)
        with f.when(wrong.ne(0)):
            f.ret(-1 - wrong)
        f.store(read(f, state, StateWord.TABLE), word(f, state, StateWord.POSITION))
        f.ret(f.call_at(run, I64, state))
