"""`inspected`: the objects of all workloads' kernels for processors that need not be this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from chainrule.backend.llvm.code import code_text
from chainrule.backend.llvm.engine import assembly, compile_text
from chainrule.backend.llvm.kernel import Kernel, Routine
from chainrule.backend.llvm.lower import Work, lower
from chainrule.backend.llvm.machine import Machine, vectors
from chainrule.backend.llvm.runtime.native import NAMES, runtime_text
from chainrule.backend.llvm.target import Target, level
from chainrule.schedule.schedule import schedule
from chainrule.testing.bits.objects import AARCH64, X86_64, read_object, registers
from chainrule.testing.bits.workloads import workloads

LINUX: Final = "unknown-linux-gnu"

TARGETS: Final = {
    "avx512": Target(f"x86_64-{LINUX}", level("avx512").cpu, level("avx512").features),
    "avx2": Target(f"x86_64-{LINUX}", level("avx2").cpu, level("avx2").features),
    "baseline": Target(f"x86_64-{LINUX}", level("baseline").cpu, level("baseline").features),
    "aarch64": Target(f"aarch64-{LINUX}", "generic", "+neon"),
}
"""Processors that objects are made for: ELF, wherever they are made."""

LIBRARY: Final = frozenset({"memcpy", "memset"})
"""What an object may ask the C library for."""

EXACT: Final = frozenset({"fma", "fmaf", "floor", "floorf", "ceil", "ceilf", "trunc", "truncf", "rint", "rintf"})
"""What a processor without instructions for it may ask for besides: functions with one right result."""


@dataclass(eq=False)
class Inspection:
    """What the objects for one target hold."""

    kernels: int = 0
    nbytes: int = 0
    registers: Counter[str] = field(default_factory=Counter[str])
    defined: set[str] = field(default_factory=set[str])
    undefined: set[str] = field(default_factory=set[str])
    without: list[str] = field(default_factory=list[str])  # kernels without a vector register as wide as there are


def inspected(quick: bool = False, only: Sequence[str] = ()) -> bool:
    """Whether all objects are as they must be. Prints what they hold."""
    print("\nObjects, made and looked at:\n")
    right = True
    for name, target in TARGETS.items():
        found = inspect_target(target, quick, only)
        kinds = ", ".join(f"{kind} in {found.registers[kind]}" for kind in sorted(found.registers, reverse=True))
        asked = ", ".join(sorted(found.undefined)) or "nothing"
        print(
            f"{name:<9} {found.kernels} kernels, {found.nbytes:,} bytes; {kinds or 'ELF for AArch64'}; asks for {asked}"
        )
        if name == "avx512":
            print(f"          without zmm: {'; '.join(found.without) or 'none'}")
        for trouble in troubles(name, found):
            print(f"    WRONG  {name}: {trouble}")
            right = False
    return right


def troubles(name: str, found: Inspection) -> Iterator[str]:
    """Yields what is wrong with the objects for a target."""
    allowed = LIBRARY | EXACT if name == "baseline" else LIBRARY
    if found.undefined - allowed:
        yield f"asks for {', '.join(sorted(found.undefined - allowed))}"
    if name == "avx512" and found.registers["zmm"] < found.kernels // 2:
        yield "zmm registers in less than half of the kernels"
    if name != "avx512" and found.registers["zmm"]:
        yield "zmm registers"
    if name == "baseline" and found.registers["ymm"]:
        yield "ymm registers"


def inspect_target(target: Target, quick: bool = False, only: Sequence[str] = ()) -> Inspection:
    """What the objects of all different kernels hold, those of the runtime among them."""
    found = Inspection()
    machine = AARCH64 if target.triple.startswith("aarch64") else X86_64
    _add(found, "runtime", runtime_text(target.triple), NAMES, target, machine)
    for title, code in codes(target, quick, only):
        _add(found, title, code_text(code), code.names, target, machine)
    return found


def codes(target: Target, quick: bool, only: Sequence[str]) -> Iterator[tuple[str, Kernel | Routine]]:
    """Yields the different kernels of all workloads with their titles, and what they call before them."""
    wide, registers = vectors(target)
    known: set[str] = set()
    for workload in workloads(quick, only):
        lines = lower(schedule(workload.staged()[0], ()), Machine(vector_bits=wide, registers=registers)).lines
        for kernel in [line.kernel for line in lines if isinstance(line, Work)]:
            for code in (*kernel.routines, kernel):
                if code.structure not in known:
                    known.add(code.structure)
                    yield kernel.title if code is kernel else code.structure, code


def _add(found: Inspection, title: str, text: str, names: tuple[str, ...], target: Target, machine: int) -> None:
    code = compile_text(text, target)
    held = read_object(code)
    if held.machine != machine or not held.defined >= set(names):
        raise ValueError(f"expected {', '.join(names)} for machine {machine}, got {held}")
    found.kernels += 1
    found.nbytes += len(code)
    found.defined |= held.defined
    found.undefined |= held.undefined - found.defined
    if machine == X86_64:
        kinds = registers(assembly(text, target))
        found.registers.update(kinds)
        if "zmm" not in kinds:
            found.without.append(title)
