"""`try_seed`: one generated graph on one backend: what it covered, and what went wrong, shrunk and written out."""

from __future__ import annotations

import importlib
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.backend.base import Backend, Executable
from chainrule.errors import OptionError, message
from chainrule.ir.format import constant_arrays
from chainrule.ir.graph import Graph
from chainrule.testing.comparison import all_bits
from chainrule.testing.fuzz.generate import Sample, generate
from chainrule.testing.fuzz.layouts import plain, shares_memory
from chainrule.testing.fuzz.measure import Truth
from chainrule.testing.fuzz.shapes import size_class
from chainrule.testing.fuzz.shrink import Part, shrunk
from chainrule.types import SHORT_NAMES

REFERENCE: Final = "reference"

BACKENDS: Final = {
    REFERENCE: ("chainrule.backend.reference", "ReferenceBackend"),
    "llvm": ("chainrule.backend.llvm.executable", "NativeBackend"),
    "guarded": ("chainrule.backend.llvm.guard", "GuardedBackend"),
}
"""The backends by name: the module and the class, imported when asked for."""

Array = np.ndarray[Any, Any]

SHARE: Final = 8
"""Of one graph in so many the elements are counted that the measure leaves out."""

FEW: Final = 40
"""So many elements of an input are written out."""


def find_backend(name: str) -> Backend:
    """The backend of that name, or at that place: `package.module:Class`."""
    module, cls = BACKENDS.get(name) or name.split(":", 1) if ":" in name or name in BACKENDS else ("", "")
    if not module:
        raise OptionError(message(f"a backend: {' or '.join(BACKENDS)}", name, hint="package.module:Class"))
    try:
        return getattr(importlib.import_module(module), cls)()
    except (ImportError, AttributeError) as error:
        raise OptionError(message(f"a backend that is there: {' or '.join(BACKENDS)}", f"{name}: {error}")) from error


@dataclass(frozen=True)
class Trial:
    """What one graph covered, and what went wrong with it ("" if nothing)."""

    seed: int
    covered: Counter[tuple[str, str]]  # (what, name): ops, dtypes, kinds of lowering, sizes
    failure: str = ""


def try_seed(backend: Backend, seed: int, threads: int | None = None) -> Trial:
    """The graph of that seed, run and measured."""
    sample = generate(seed)
    truth = Truth(sample.graph, sample.inputs, seed)
    covered = coverage(sample.graph)
    found = complaint(backend, sample, truth, threads)
    if seed % SHARE == 0:
        total, left_out, unlike = truth.counts()
        covered.update({("elements", "all"): total, ("elements", "left out"): left_out, ("elements", "unlike"): unlike})
    return Trial(seed, covered, found and described(backend, sample, found, threads))


def complaint(backend: Backend, sample: Sample, truth: Truth | None = None, threads: int | None = None) -> str:
    """What is wrong with what the backend makes of the graph; "" if nothing.

    The outputs are measured, and have to be of their types and in memory of their own. A second run, and a third one
    with bound buffers, have to give the same bits and to leave the arrays of the first alone. No input may change that
    is not given up.
    """
    saved = sample.saved()
    donated = {place for place, _ in sample.donations}
    try:
        run = backend.compile(sample.graph, sample.donations, threads)
        first = list(run(sample.inputs))
        kept = [plain(np.asarray(x)) for x in first]
        changed = [i for i, x in enumerate(sample.inputs) if i not in donated and not all_bits([x], [saved[i]])]
        sample.restore(saved)
        again = [plain(np.asarray(x)) for x in run(sample.inputs)]
        sample.restore(saved)
        bound = _bound(run, sample)
    except Exception as error:  # whatever a backend raises is what is looked for
        trace = "".join(traceback.format_tb(error.__traceback__)[-3:])
        return f"raised {type(error).__name__}: {error}\n{trace}"
    finally:
        sample.restore(saved)
    if changed:
        return f"wrote to inputs {changed}"
    truth = Truth(sample.graph, sample.inputs, sample.seed) if truth is None else truth
    for way, outputs in (("", kept), ("with bound buffers, ", bound)):
        wrong = truth.check(outputs)
        if wrong:
            return "\n".join(f"{way}{element}" for element in wrong)
    if not all_bits(kept, again):
        return "the second run gives other bits than the first"
    if backend.name != REFERENCE and not all_bits(kept, bound):  # NumPy sums in the order of what lies in memory
        return "with bound buffers it gives other bits"
    return _misowned(sample, first, kept, strict=backend.name != REFERENCE)


def _bound(run: Executable, sample: Sample) -> list[Array]:
    """The outputs of a run with buffers."""
    types = [value.type for value in sample.graph.inputs]
    inputs = [np.array(x, type.dtype, order="C") for x, type in zip(sample.inputs, types, strict=True)]
    outputs = [np.empty(value.shape, value.dtype) for value in sample.graph.outputs]
    for place, out in sample.donations:
        outputs[out] = inputs[place]
    run.bind(inputs, outputs)()
    return outputs


def _misowned(sample: Sample, outputs: Sequence[Any], kept: Sequence[Array], strict: bool) -> str:
    """What is wrong with the memory of the outputs; "" if nothing. NumPy's have NumPy's layouts, unless `strict`."""
    over = {out: sample.inputs[place] for place, out in sample.donations}
    for place, (value, x) in enumerate(zip(sample.graph.outputs, outputs, strict=True)):
        others = [y for i, y in enumerate(outputs) if i != place]
        if place in over:
            if x is not over[place]:
                return f"output {place} is not the input that is given up for it"
        elif value.type.weak or not value.shape:
            if not isinstance(x, (int, float) if value.type.weak else np.generic):
                return f"output {place} is a {type(x).__name__}, expected a number of {value.type}"
        elif not x.flags.writeable or (strict and not (x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative)):
            return f"output {place} is not contiguous, aligned, writable and in this machine's byte order"
        elif shares_memory(x, sample.inputs) or shares_memory(x, others):
            return f"output {place} is not in memory of its own"
        elif not all_bits([plain(x)], [kept[place]]):
            return f"later runs have changed output {place}"
    return ""


def coverage(graph: Graph) -> Counter[tuple[str, str]]:
    """How often each operation, dtype, kind of lowering and class of sizes occurs, in the bodies of loops too."""
    found: Counter[tuple[str, str]] = Counter()
    for value in graph.inputs:
        found["op", "input"] += 1
        found["lowering", "IndexMap"] += 1
        found["size", size_class(value.type.size)] += 1
    for node in graph.nodes:
        found["op", node.op.name] += 1
        found["lowering", type(node.op.lowering).__name__] += 1
        for type_ in node.types:
            found["dtype", ("~" if type_.weak else "") + SHORT_NAMES[type_.dtype]] += 1
            found["size", size_class(type_.size)] += 1
        for attr in node.attrs.values():
            if isinstance(attr, Graph):
                found.update(coverage(attr))
    return found


def described(backend: Backend, sample: Sample, found: str, threads: int | None = None) -> str:
    """The failure, with the graph and the smallest part of it that fails."""

    def fails(graph: Graph, inputs: Sequence[Any]) -> bool:
        return bool(complaint(backend, Sample(sample.seed, graph, tuple(inputs)), None, threads))

    small = shrunk(Part(sample.graph, sample.inputs), fails)
    again = complaint(backend, Sample(sample.seed, small.graph, small.inputs), None, threads)
    lines = [f"graph {sample.seed}: {found}", str(sample.graph), "smallest part that fails:", written(small), again]
    return "\n".join(lines)


def written(part: Part) -> str:
    """The text of a graph with its inputs and its constant arrays, small ones in full."""
    lines = [str(part.graph)]
    for value, x in zip(part.graph.inputs, part.inputs, strict=True):
        lines.append(f"input {value.type}: {_elements(x)}")
    lines += [f"@{name} = {_elements(x)}" for name, x in constant_arrays(part.graph).items()]
    return "\n".join(lines)


def _elements(x: Any) -> str:
    if not isinstance(x, np.ndarray):
        return repr(x)
    flags = [name for name in ("c_contiguous", "aligned", "writeable") if not getattr(x.flags, name)]
    layout = f" strides {x.strides}{''.join(f', not {name}' for name in flags)}"
    return (repr(x.tolist()) if x.size <= FEW else f"{x.dtype.name} {x.shape}") + layout
