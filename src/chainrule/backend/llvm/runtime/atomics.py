"""Atomic operations on words that several threads share, and the words of a block by name."""

from __future__ import annotations

from chainrule.backend.llvm.builder import Function
from chainrule.backend.llvm.values import I64, Operand, Ty, Val


def word(f: Function, block: Val, number: int) -> Val:
    """The address of a word of a block."""
    return f.element(block, number, I64)


def read(f: Function, block: Val, number: int, ty: Ty = I64) -> Val:
    """A word of a block."""
    return f.load(ty, word(f, block, number))


def write(f: Function, block: Val, number: int, x: Operand) -> None:
    """Sets a word of a block."""
    f.store(f.constant(x, I64), word(f, block, number))


def atomic_load(f: Function, ty: Ty, pointer: Val, order: str = "acquire") -> Val:
    """The number at an address that other threads write to."""
    return f.emit(f"load atomic {ty}, ptr {pointer.text} {order}, align {ty.nbytes}", ty)


def atomic_store(f: Function, x: Val, pointer: Val, order: str = "release") -> None:
    """Sets the number at an address that other threads read."""
    f.do(f"store atomic {x.ty} {x.text}, ptr {pointer.text} {order}, align {x.ty.nbytes}")


def fetch_add(f: Function, pointer: Val, x: Val, order: str = "seq_cst") -> Val:
    """The number before x was added to it."""
    return f.emit(f"atomicrmw add ptr {pointer.text}, {x.ty} {x.text} {order}", x.ty)


def exchange(f: Function, pointer: Val, x: Val, order: str = "seq_cst") -> Val:
    """The number before x took its place."""
    return f.emit(f"atomicrmw xchg ptr {pointer.text}, {x.ty} {x.text} {order}", x.ty)
