"""Elementwise operations as native code."""

from __future__ import annotations

from chainrule.backend.llvm.scalar.apply import scalar
from chainrule.backend.llvm.scalar.convert import convert, from_memory, memory_type, register_type, to_memory
from chainrule.backend.llvm.scalar.fold import combine, identity

__all__ = [
    "combine",
    "convert",
    "from_memory",
    "identity",
    "memory_type",
    "register_type",
    "scalar",
    "to_memory",
]
