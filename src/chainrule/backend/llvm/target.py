"""`target`: what code is made for: this processor, or fewer of its instructions, by CHAINRULE_TARGET.

The bits of a result are the same for all of them. The names are there to show that, and to see what another processor
would be given.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

from chainrule.errors import OptionError, message

llvm: Final[Any] = import_module("llvmlite.binding")
"""LLVM, whose functions have no types."""

VARIABLE: Final = "CHAINRULE_TARGET"


@dataclass(frozen=True)
class Target:
    """What code is made for: a triple, a processor's name and its features, as LLVM spells them."""

    triple: str
    cpu: str
    features: str

    @property
    def machine(self) -> Any:
        """LLVM's own record of it."""
        return _machine(self)

    def has(self, *features: str) -> bool:
        """Whether all of these features are among its own."""
        return {f"+{feature}" for feature in features} <= set(self.features.split(","))


_LEVELS: Final = {
    "baseline": ("x86-64", ()),
    "avx2": ("x86-64-v3", ("avx2", "fma")),
    "avx512": ("x86-64-v4", ("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl")),
}
"""Levels of x86-64 with LLVM's name for a processor that has them, and what of it we ask for."""

NAMES: Final = ("host", *_LEVELS)


@cache
def target() -> Target:
    """What code that is to run in this process is made for."""
    name = os.environ.get(VARIABLE, "") or "host"
    if name not in NAMES:
        raise OptionError(message(f"one of {', '.join(NAMES)} as {VARIABLE}", repr(name), hint="leaving it unset"))
    if name == "host":
        return host()
    found = level(name)
    if not runs(found):
        lacking = f"{name}, which this processor does not run"
        raise OptionError(message(f"instructions of this processor as {VARIABLE}", lacking, hint="leaving it unset"))
    return found


@cache
def host() -> Target:
    """This processor."""
    initialize()
    features = ",".join(sorted(llvm.get_host_cpu_features().flatten().split(",")))
    return Target(llvm.get_default_triple(), llvm.get_host_cpu_name(), features)


def level(name: str) -> Target:
    """The processors on this system that are at a level of x86-64: baseline, avx2 or avx512."""
    cpu, features = _LEVELS[name]
    _, *system = host().triple.split("-")
    return Target("-".join(["x86_64", *system]), cpu, ",".join(f"+{feature}" for feature in sorted(features)))


def runs(found: Target) -> bool:
    """Whether this processor has what a target has."""
    features = [feature[1:] for feature in found.features.split(",") if feature.startswith("+")]
    return found.triple.split("-")[0] == host().triple.split("-")[0] and host().has(*features)


@cache
def initialize() -> None:
    """Lets LLVM know all its targets."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@cache
def _machine(found: Target) -> Any:
    initialize()
    known = llvm.Target.from_triple(found.triple)
    return known.create_target_machine(cpu=found.cpu, features=found.features, opt=2, reloc="pic", codemodel="small")
