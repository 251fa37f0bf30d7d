"""`Object`: what is known of object code without running it: for which machine, with which registers and symbols."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

AARCH64: Final = 183
X86_64: Final = 62
"""ELF's numbers of machines."""

_MAGIC: Final = b"\x7fELF\x02\x01"  # 64 bits, the least significant byte first
_SYMBOLS: Final = 2  # the type of the section with the table of symbols
_REGISTERS: Final = re.compile(r"%(zmm|ymm|xmm)\d+")


@dataclass(frozen=True)
class Object:
    """An ELF object: its machine, the symbols that it defines, and those it must be given."""

    machine: int
    defined: frozenset[str]
    undefined: frozenset[str]


def read_object(code: bytes) -> Object:
    """What ELF's header and table of symbols say (System V ABI, "Object Files"); a ValueError for what is no ELF."""
    if not code.startswith(_MAGIC):
        raise ValueError(f"expected an ELF object of 64 bits, got {code[:6]!r}")
    (machine,) = struct.unpack_from("<H", code, 18)
    (sections,) = struct.unpack_from("<Q", code, 40)
    size, count, _ = struct.unpack_from("<HHH", code, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", code, sections + i * size) for i in range(count)]
    defined: set[str] = set()
    undefined: set[str] = set()
    for _, kind, _, _, offset, length, link, _, _, entry in headers:
        if kind == _SYMBOLS:
            names = headers[link][4]
            for place in range(offset + entry, offset + length, entry):
                name, info, _, section = struct.unpack_from("<IBBH", code, place)
                if info >> 4:  # not local to the object
                    text = code[names + name : code.index(b"\0", names + name)].decode()
                    (defined if section else undefined).add(text)
    return Object(machine, frozenset(defined), frozenset(undefined))


def registers(assembly: str) -> frozenset[str]:
    """The kinds of vector registers of x86-64 in assembly text."""
    return frozenset(_REGISTERS.findall(assembly))
