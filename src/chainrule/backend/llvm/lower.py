"""`lower`: a plan's steps as kernels and loops in one row, and what memory they use when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from chainrule.backend.llvm import contract, special
from chainrule.backend.llvm.arena import Use
from chainrule.backend.llvm.kernel import Kernel
from chainrule.backend.llvm.machine import Machine, this_machine
from chainrule.backend.llvm.nest.kernels import kernels as nest_kernels
from chainrule.schedule.plan import Buffer, Contraction, Loop, Nest, Plan, Special, Step


@dataclass(frozen=True, eq=False)
class Work:
    """A kernel, and the step that it is of."""

    kernel: Kernel
    step: Nest | Contraction | Special


@dataclass(frozen=True, eq=False)
class Begin:
    """The beginning of a loop."""

    loop: Loop


@dataclass(frozen=True, eq=False)
class End:
    """The end of a loop."""

    loop: Loop


Line: TypeAlias = Work | Begin | End


@dataclass(frozen=True, eq=False)
class Lowered:
    """Kernels and loops in order, and the buffers of the arena with their uses: those that all workers share, and the
    `private` ones, which are used in one parallel loop alone."""

    lines: tuple[Line, ...]
    uses: dict[Buffer, list[Use]]
    private: dict[Buffer, list[Use]]
    constants: tuple[Buffer, ...]


def lower(plan: Plan, machine: Machine | None = None) -> Lowered:
    """The kernels of a plan. The machine decides tiles and parts, and no bit of a result."""
    lines = tuple(_lines(plan.steps, machine or this_machine()))
    uses = _Uses(plan)
    for time, line in enumerate(lines):
        uses.add(time, line)
    return Lowered(lines, *uses.found(), tuple(uses.constants))


def _lines(steps: Sequence[Step], machine: Machine) -> list[Line]:
    lines: list[Line] = []
    for step in steps:
        if isinstance(step, Loop):
            lines += [Begin(step), *_lines(step.steps, machine), End(step)]
        else:
            lines += [Work(kernel, step) for kernel in _kernels(step, machine)]
    return lines


def _kernels(step: Nest | Contraction | Special, machine: Machine) -> list[Kernel]:
    match step:
        case Nest():
            return nest_kernels(step, machine)
        case Contraction():
            return contract.kernels(step, machine, _allocate)
        case Special():
            return special.kernels(step, _allocate)


def _allocate(nbytes: int) -> Buffer:
    return Buffer("arena", nbytes)


@dataclass(eq=False)
class _Uses:
    """When buffers are used. What a loop slices is used from its beginning to its end."""

    plan: Plan
    constants: list[Buffer] = field(default_factory=list)
    _times: dict[Buffer, list[tuple[int, tuple[int, ...]]]] = field(default_factory=dict)
    _open: list[int] = field(default_factory=list)
    _ends: dict[int, int] = field(default_factory=dict)
    _parallel: set[int] = field(default_factory=set)
    _sources: dict[Buffer, Buffer] = field(default_factory=dict)

    def add(self, time: int, line: Line) -> None:
        match line:
            case Work(kernel):
                for buffer, _ in kernel.pointers:
                    self._use(time, buffer)
            case Begin(loop):
                for slot in loop.slots:
                    self._sources[slot.buffer] = slot.source
                    self._use(time, slot.source)
                self._open.append(time)
                if loop.parallel:
                    self._parallel.add(time)
            case End(loop):
                self._ends[self._open.pop()] = time
                for slot in loop.slots:
                    self._use(time, slot.source)

    def _use(self, time: int, buffer: Buffer) -> None:
        buffer = self.plan.renamed.get(buffer, buffer)
        while buffer in self._sources:
            buffer = self.plan.renamed.get(self._sources[buffer], self._sources[buffer])
        if buffer.kind == "arena":
            self._times.setdefault(buffer, []).append((time, tuple(self._open)))
        elif buffer.kind == "constant" and buffer not in self.constants:
            self.constants.append(buffer)

    def found(self) -> tuple[dict[Buffer, list[Use]], dict[Buffer, list[Use]]]:
        """The uses of shared buffers, and those of private ones."""
        shared: dict[Buffer, list[Use]] = {}
        private: dict[Buffer, list[Use]] = {}
        for buffer, times in self._times.items():
            common = set(times[0][1]).intersection(*[loops for _, loops in times])
            uses = [Use(time, tuple([(begin, self._ends[begin]) for begin in loops])) for time, loops in times]
            (private if common & self._parallel else shared)[buffer] = uses
        return shared, private
