"""The fuzzer: generated graphs, the measure, and that every wrong kernel is found by a few graphs."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from chainrule.backend.reference import Interpreted, ReferenceBackend
from chainrule.errors import OptionError
from chainrule.ir.check import verify
from chainrule.ir.graph import INPUT, Graph, Node, Value
from chainrule.ir.op import OPS, Op
from chainrule.ir.text import constant_arrays, format_graph, parse_graph
from chainrule.testing.catalog import records
from chainrule.testing.comparison import all_bits
from chainrule.testing.fuzz import Truth, complaint, find_backend, generate, rounding, try_seed, widened
from chainrule.testing.fuzz.__main__ import main
from chainrule.testing.fuzz.layouts import plain
from chainrule.testing.fuzz.rounding import Otherwise
from chainrule.testing.fuzz.shrink import Part, operations, shrunk
from chainrule.types import FLOAT32

BACKENDS: Final = ("reference", "guarded")
GRAPHS: Final = 200
RECORDS: Final = [op for op in records() if op is not INPUT]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("start", range(0, GRAPHS, 50))
def test_a_backend_is_right_on_generated_graphs(backend: str, start: int) -> None:
    found = find_backend(backend)
    for seed in range(start, start + 50):
        failure = try_seed(found, seed).failure
        assert not failure, failure


def test_the_reference_is_near_float64_and_little_is_left_out() -> None:
    total = left_out = unlike = 0
    for seed in range(GRAPHS):
        sample = generate(seed)
        counts = Truth(sample.graph, sample.inputs, seed).counts()
        total, left_out, unlike = total + counts[0], left_out + counts[1], unlike + counts[2]
    assert total > 100_000
    assert left_out < 0.01 * total
    assert unlike < 0.005 * total


def test_other_roundings_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a good backend may do is not called wrong: sums in another order, functions off by two roundings."""
    for seed in range(200):
        sample = generate(seed)
        with monkeypatch.context() as patch:
            patch.setattr(rounding, "AMPLITUDE", 2.0)
            other = Otherwise(sample.graph, [plain(x) for x in sample.inputs])(np.random.default_rng(seed + 1))
        wrong = Truth(sample.graph, sample.inputs, seed).check(other)
        assert not wrong, f"graph {seed}: {wrong[0]}\n{sample.graph}"


# --- what is generated ------------------------------------------------------------------------------------------------


def test_graphs_are_sound_and_the_same_for_a_seed() -> None:
    for seed in range(100):
        sample, again = generate(seed), generate(seed)
        verify(sample.graph)
        text = format_graph(sample.graph)
        assert text == format_graph(again.graph)
        assert all_bits(sample.inputs, again.inputs)
        assert format_graph(parse_graph(text, constant_arrays(sample.graph))) == text


def test_graphs_cover_everything() -> None:
    covered: Counter[tuple[str, str]] = Counter()
    seen: Counter[str] = Counter()
    for seed in range(600):
        sample = generate(seed)
        graph = sample.graph
        for op in operations(graph):
            covered["op", op.name] += 1
            covered["lowering", type(op.lowering).__name__] += 1
        for node in graph.nodes:
            covered.update(("dtype", str(type.with_shape(()))) for type in node.types)
            seen["the same operand twice"] += len(set(node.inputs)) < len(node.inputs)
            body = node.attrs.get("body")
            if body is not None:
                seen["nested loops"] += any("body" in inner.attrs for inner in body.nodes)
                seen[f"reverse={node.attrs['reverse']}"] += 1
                seen["no iterations"] += node.attrs["length"] == 0
        seen["the same output twice"] += len(set(graph.outputs)) < len(graph.outputs)
        seen["inputs as outputs"] += any(value in graph.inputs for value in graph.outputs)
        read = {value for node in graph.nodes for value in node.inputs}
        seen["unused inputs"] += any(value not in read for value in graph.inputs)
        seen["donated"] += bool(sample.donations)
        see_inputs(sample.inputs, seen)
    assert {op.name for op in RECORDS} <= {name for what, name in covered if what == "op"}
    dtypes = {name for what, name in covered if what == "dtype"}
    assert {"f32", "f64", "i32", "i64", "u8", "bool", "~f64", "~i64"} <= dtypes
    assert set(seen.values()) and min(seen.values()) > 2, seen
    assert len(seen) == 17, seen


def see_inputs(inputs: tuple[Any, ...], seen: Counter[str]) -> None:
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    for x in arrays:
        seen["read-only"] += not x.flags.writeable
        seen["unaligned"] += not x.flags.aligned
        seen["backwards"] += any(stride < 0 for stride in x.strides)
        seen["Fortran-ordered"] += x.flags.f_contiguous and x.ndim > 1 and x.size > 1
        seen["empty"] += x.size == 0
        seen["large"] += x.size > 4096
        seen["with NaN"] += x.dtype.kind == "f" and bool(np.isnan(x).any())
    shared = any(np.shares_memory(x, y) for i, x in enumerate(arrays) for y in arrays[:i])
    seen["overlapping"] += shared


@pytest.mark.parametrize("op", RECORDS, ids=str)
def test_a_graph_can_be_asked_for_an_operation(op: Op) -> None:
    assert op in operations(generate(5, focus=op).graph)


def test_widened_graphs_have_no_float32() -> None:
    for seed in range(100):
        wide = widened(generate(seed).graph)
        verify(wide)
        for node in wide.nodes:
            drawn = node.op.name in ("random_uniform", "full", "iota")
            assert drawn or all(type.dtype != FLOAT32 for type in node.types)


# --- deliberately wrong kernels ---------------------------------------------------------------------------------------

Change = Callable[[np.ndarray], np.ndarray]


def with_wrong_sign(x: np.ndarray) -> np.ndarray:
    return ~x if x.dtype.kind == "b" else -x if x.dtype.kind == "f" else ~x


def without_the_last(x: np.ndarray) -> np.ndarray:
    out = np.array(x)
    if out.size:
        out.reshape(-1)[-1] = 0 if out.reshape(-1)[-1] else 1
    return out


def a_place_too_far(x: np.ndarray) -> np.ndarray:
    return np.roll(x, 1)


def slightly_off(x: np.ndarray) -> np.ndarray:
    out = np.array(x)
    if out.size:
        first = out.reshape(-1)
        first[0] = ~first[0] if x.dtype.kind == "b" else first[0] + 1 if x.dtype.kind != "f" else first[0] * 1.001
    return out


WRONG: Final = (with_wrong_sign, without_the_last, a_place_too_far, slightly_off)


class Wrong(ReferenceBackend):
    """A backend that gets one operation wrong."""

    name = "wrong"

    def __init__(self, op: Op, numpy: Callable[..., Any]) -> None:
        self.op = op
        self.mutant = copy.copy(op)
        object.__setattr__(self.mutant, "numpy", numpy)

    def compile(self, graph: Graph, donations: Any = (), threads: int | None = None) -> Interpreted:
        return ReferenceBackend().compile(self.rewritten(graph), donations, threads)

    def rewritten(self, graph: Graph) -> Graph:
        new: dict[Value, Value] = {}
        for node in graph.nodes:
            op = self.mutant if node.op is self.op else node.op
            attrs = {k: self.rewritten(v) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
            made = Node(op, tuple(new.get(v, v) for v in node.inputs), attrs, node.types)
            new.update(zip(node.results, made.results, strict=True))
        return Graph(graph.inputs, tuple(new.get(v, v) for v in graph.outputs), graph.donated)


def changed(op: Op, change: Change) -> Wrong:
    def numpy(*operands: Any, **attrs: Any) -> Any:
        out = op.numpy(*operands, **attrs)
        if op.several:
            return tuple(change(np.asarray(x))[()] for x in out)
        return change(np.asarray(out))[()]

    return Wrong(op, numpy)


def is_found(backend: Wrong, graphs: int) -> bool:
    """Whether one of the first few graphs whose outputs are others tells that the operation is wrong."""
    different = 0
    for seed in range(40):
        sample = generate(seed, focus=backend.op)
        if complaint(backend, sample):
            return True
        with np.errstate(all="ignore"):
            right, got = (b.compile(sample.graph)(sample.inputs) for b in (ReferenceBackend(), backend))
        different += not all(np.array_equal(x, y, equal_nan=True) for x, y in zip(right, got, strict=True))
        if different >= graphs:
            return False
    return False


@pytest.mark.parametrize("op", RECORDS, ids=str)
def test_every_wrong_kernel_is_found(op: Op) -> None:
    for change in WRONG:
        assert is_found(changed(op, change), 4), change.__name__


SWAPPED: Final = (
    ("add", "subtract"), ("multiply", "divide"), ("maximum", "minimum"), ("floor", "trunc"), ("trunc", "rint"),
    ("ceil", "rint"), ("less", "less_equal"), ("greater", "greater_equal"), ("remainder", "fmod"), ("log", "log1p"),
    ("exp", "expm1"), ("strong_mul", "multiply"), ("strong_both", "strong_mul"), ("sin", "tan"), ("tanh", "arctan"),
    ("erf", "tanh"), ("scatter_add", "scatter_set"), ("sum", "norm"), ("max", "min"), ("argmax", "argmin"),
    ("cumsum", "cumprod"), ("softmax", "softmax"), ("logical_or", "logical_xor"), ("left_shift", "right_shift"),
    ("sqrt", "cbrt"), ("logaddexp", "maximum"), ("isinf", "isnan"), ("copysign", "abs"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "other"), [pair for pair in SWAPPED if pair[0] != pair[1]])
def test_another_operation_in_its_place_is_found(name: str, other: str) -> None:
    op, wrong = OPS[name], OPS[other]

    def numpy(*operands: Any, **attrs: Any) -> Any:
        right = op.numpy(*operands, **attrs)
        try:
            out = wrong.numpy(*operands[: 1 if other == "abs" else None], **attrs)
        except TypeError:  # integers have none
            return right
        return np.broadcast_to(np.asarray(out, np.asarray(right).dtype), np.shape(right))[()]

    assert is_found(Wrong(op, numpy), 60)


class CarelessRun(Interpreted):
    def __call__(self, inputs: Any) -> Any:
        outs = super().__call__(inputs)
        for x in inputs:
            if isinstance(x, np.ndarray) and x.flags.writeable and x.dtype.kind == "f":
                x[...] = 12.5
        return outs


def test_writing_to_an_input_is_found() -> None:
    class Careless(ReferenceBackend):
        def compile(self, graph: Graph, donations: Any = (), threads: int | None = None) -> Any:
            return CarelessRun(graph, donations)

    assert any("wrote to inputs" in complaint(Careless(), generate(seed)) for seed in range(20))


# --- shrinking and the command ----------------------------------------------------------------------------------------


def test_a_failure_is_shrunk_to_the_node_at_fault() -> None:
    op = OPS["tanh"]
    backend = changed(op, with_wrong_sign)
    shortest: list[int] = []
    for seed in range(400):
        sample = generate(seed, focus=op)
        names = [o.name for o in operations(sample.graph)]
        if "tanh" in names and len(names) > 8 and complaint(backend, sample):

            def fails(graph: Graph, inputs: Any, sample: Any = sample) -> bool:
                small = type(sample)(sample.seed, graph, tuple(inputs))
                return bool(complaint(backend, small))

            small = shrunk(Part(sample.graph, sample.inputs), fails)
            shortest.append(len(small.graph.nodes))
            if len(shortest) == 5:
                break
    assert shortest == [1] * 5


CRASHING = """
import os, time
from chainrule.backend.reference import Interpreted, ReferenceBackend

class Run(Interpreted):
    def __call__(self, inputs):
        if any(node.op.name == "sort" for node in self._graph.nodes):
            os.abort()
        return super().__call__(inputs)

class Crashing(ReferenceBackend):
    name = "crashing"
    def compile(self, graph, donations=(), threads=None):
        return Run(graph, donations)
"""


def test_a_crash_is_known_by_its_seed_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "crashing.py").write_text(CRASHING, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.syspath_prepend(str(tmp_path))
    seeds = [s for s in range(40) if "sort" in {node.op.name for node in generate(s).graph.nodes}]
    first, second = seeds[0], seeds[1]
    count = second - first + 2
    assert main([str(count), "--seed", str(first), "--backend", "crashing:Crashing"]) == 1
    out = capsys.readouterr().out
    assert f"graph {first} ended the process" in out
    assert f"graph {second} ended the process" in out
    small = out.split("smallest part that ends the process:")[1]
    assert small.count(" = sort(") == 1 and small.split("}")[0].count(" = ") == 1


def test_the_command_counts_what_occurred(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["30", "--seed", "7"]) == 0
    out = capsys.readouterr().out
    assert "30 graphs, 0 failed" in out
    for word in ("lowering: IndexMap", "dtype: ", "size: ", "op: ", "elements: all"):
        assert word in out


def test_the_command_knows_its_backends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["1", "--backend", "abacus"]) == 2
    assert "reference" in capsys.readouterr().err
    with pytest.raises(OptionError):
        find_backend("abacus")
