"""The equations of transform/rules.py: each one applied, and what looks like one and is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import arguments, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.ir.check import verify
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import CONSTANT, Graph
from chainrule.ops import arithmetic as ops
from chainrule.ops.contraction import dot_general
from chainrule.ops.exponential import power
from chainrule.ops.movement import broadcast_to, flip, full, reshape, slice_, transpose
from chainrule.ops.reduction import sum_
from chainrule.trace import stage
from chainrule.transform.rewrite import rewrite, rewrite_body
from chainrule.transform.rules import RULES, Rule
from chainrule.types import Shape, Type

F32, F64, I32, I64, BOOL = (np.dtype(name) for name in ("float32", "float64", "int32", "int64", "bool"))
MATRIX = Type((3, 17), F64)


def splat(x: Any, value: float) -> Any:
    return full.beside(x, shape=x.shape, value=value, dtype=x.dtype.name)


def nodes_of(function: Callable[..., Any], *types: Type, body: bool = False) -> list[str]:
    """The operations left of a function's graph, which is compared with the rewritten one bit for bit."""
    graph = stage(lambda *xs: [function(*xs)], types or [MATRIX]).graph
    simple = rewrite_body(graph) if body else rewrite(graph)
    verify(simple)
    for seed, order in enumerate("CF"):
        for special in (False, True):
            values = arguments(graph, seed, special, order)
            with np.errstate(all="ignore"):
                assert same_bits(evaluate(graph, values)[0], evaluate(simple, values)[0])
    return [node.op.name for node in simple.nodes if node.op is not CONSTANT]


def twice(x: Any) -> Any:
    """-(-x)"""
    return ops.negative(ops.negative(x))


def rows(x: Any, y: Any) -> Any:
    return dot_general(x, y, contract=((1,), (0,)), batch=((), ()))


EXAMPLES: tuple[tuple[str, str, Callable[[Any], Any], list[str]], ...] = (
    ("transpose", "transpose(x, (0", lambda x: transpose(x, axes=(0, 1)), []),
    ("transpose", "transpose(transpose", lambda x: transpose(transpose(x, axes=(1, 0)), axes=(1, 0)), []),
    ("transpose", "transpose(full", lambda x: transpose(splat(x, 2.0), axes=(1, 0)), ["full"]),
    ("reshape", "reshape(x, shape of x)", lambda x: reshape(x, shape=(3, 17)), []),
    ("reshape", "reshape(reshape", lambda x: reshape(reshape(x, shape=(51,)), shape=(51, 1)), ["reshape"]),
    ("reshape", "reshape(full", lambda x: reshape(splat(x, 2.0), shape=(51,)), ["full"]),
    ("broadcast_to", "broadcast_to(x, shape of x)", lambda x: broadcast_to(x, shape=(3, 17)), []),
    (
        "broadcast_to",
        "broadcast_to(broadcast_to",
        lambda x: broadcast_to(broadcast_to(x, shape=(1, 3, 17)), shape=(2, 3, 17)),
        ["broadcast_to"],
    ),
    (
        "broadcast_to",
        "broadcast_to(reshape",
        lambda x: broadcast_to(reshape(x, shape=(1, 1, 3, 17)), shape=(2, 1, 3, 17)),
        ["broadcast_to"],
    ),
    ("full", "full(v, ())", lambda x: x * full.beside(x, shape=(), value=1, dtype="float64"), []),
    ("broadcast_to", "broadcast_to(full", lambda x: broadcast_to(splat(x, 2.0), shape=(2, 3, 17)), ["full"]),
    ("flip", "flip(x, ())", lambda x: flip(x, axes=()), []),
    ("flip", "flip(flip", lambda x: flip(flip(x, axes=(0, 1)), axes=(1, 0)), []),
    ("slice", "x[0:length:1]", lambda x: slice_(x, starts=(0, 0), stops=(3, 17), steps=(1, 1)), []),
    ("dot_general", "dot_general(transpose", lambda x: rows(transpose(x, axes=(1, 0)), x), ["dot_general"]),
    ("dot_general", "dot_general(x, transpose", lambda x: rows(x, transpose(x, axes=(1, 0))), ["dot_general"]),
    ("cast", "cast(x, dtype of x)", lambda x: ops.cast(x, dtype="float64"), []),
    ("cast", "cast(cast", lambda x: ops.cast(ops.cast(x > 0, dtype="int64"), dtype="float32"), ["greater", "cast"]),
    ("multiply", "x 1", lambda x: x * 1, []),
    ("multiply", "1 x", lambda x: splat(x, 1.0) * x, []),
    ("multiply", "(-x) (-y)", lambda x: -x * -ops.sqrt(x), ["sqrt", "multiply"]),
    ("strong_mul", "x 1", lambda x: ops.strong_mul(x, 1.0), []),
    ("strong_mul", "1 y", lambda x: ops.strong_mul(1.0, x), []),
    ("divide", "x / 1", lambda x: ops.divide(x, 1.0), []),
    ("add", "x + (-0)", lambda x: x + -0.0, []),
    ("add", "(-0) + y", lambda x: splat(x, -0.0) + x, []),
    ("add", "x + (-y)", lambda x: ops.sqrt(x) + -x, ["sqrt", "subtract"]),
    ("add", "(-x) + y", lambda x: -x + ops.sqrt(x), ["sqrt", "subtract"]),
    ("subtract", "x - 0", lambda x: x - 0.0, []),
    ("subtract", "x - (-y)", lambda x: ops.sqrt(x) - -x, ["sqrt", "add"]),
    ("negative", "-(-x)", lambda x: twice(x), []),
    ("abs", "|-x|", lambda x: ops.absolute(-x), ["abs"]),
    ("abs", "| |x| |", lambda x: ops.absolute(ops.absolute(x)), ["abs"]),
    ("square", "(-x)^2", lambda x: ops.square(-x), ["square"]),
    ("logical_not", "not not", lambda x: ops.logical_not(ops.logical_not(x > 0)), ["greater"]),
)


def rules_like(name: str, equation: str) -> list[Rule]:
    return [rule for rule in RULES if rule.op.name == name and rule.equation.startswith(equation)]


@pytest.mark.parametrize(("name", "equation", "function", "left"), EXAMPLES, ids=[f"{e[0]}: {e[1]}" for e in EXAMPLES])
def test_a_rule_applies(name: str, equation: str, function: Callable[[Any], Any], left: list[str]) -> None:
    assert len(rules_like(name, equation)) == 1
    found = nodes_of(function)
    assert found == left


def test_every_rule_has_an_example() -> None:
    shown = [rule for name, equation, *_ in EXAMPLES for rule in rules_like(name, equation)]
    assert sorted(map(id, shown)) == sorted(map(id, RULES))


STAYS: tuple[tuple[str, Callable[[Any], Any], int], ...] = (
    ("x + 0 is 0 where x is -0", lambda x: x + 0.0, 1),
    ("x + 0 with an integer 0 too", lambda x: x + 0, 1),
    ("x - (-0) is 0 where x is -0", lambda x: x - -0.0, 1),
    ("0 - x is not -x where x is 0", lambda x: 0.0 - x, 1),
    ("0 x is NaN where x is infinite", lambda x: x * 0.0, 1),
    ("x - x is NaN where x is infinite", lambda x: x - x, 1),
    ("x / x", lambda x: ops.divide(x, x), 1),
    ("1 / x", lambda x: ops.divide(1.0, x), 1),
    (
        "a mean over one row",
        lambda x: ops.divide(sum_(slice_(x, starts=(0, 0), stops=(1, 17), steps=(1, 1)), axes=(0,)), 1.0),
        3,
    ),
    (
        "a mean's share of one element",
        lambda x: ops.strong_mul(full.beside(x, shape=(1, 1), value=1, dtype="float64"), x[:1, :1]),
        3,
    ),
    ("strong_mul(0, y) may be -0", lambda x: ops.strong_mul(splat(x, 0.0), x), 2),
    ("a wider result", lambda x: x * np.ones((2, 3, 17)), 1),
    ("another dtype", lambda x: ops.cast(x, dtype="float32") * np.float64(1), 2),
    ("float64 does not fit float32", lambda x: ops.cast(ops.cast(x, dtype="float32"), dtype="float64"), 2),
    ("int64 does not fit float64", lambda x: ops.cast(ops.cast(x > 0, dtype="int64"), dtype="float64"), 2),
    ("-0 as an integer is 0", lambda x: x - -ops.cast(x > 0, dtype="int32"), 4),
    ("not not x of a float is a boolean", lambda x: ops.logical_not(ops.logical_not(x)), 2),
    ("merged axes that are split again", lambda x: reshape(reshape(x, shape=(51,)), shape=(17, 3)), 1),
    ("and at the same place", lambda x: reshape(reshape(x, shape=(51,)), shape=(3, 17)), 2),
    ("a row made a column", lambda x: broadcast_to(reshape(x, shape=(3, 17, 1)), shape=(3, 17, 2)), 2),
    ("another flip", lambda x: flip(flip(x, axes=(0,)), axes=(1,)), 2),
    ("part of x", lambda x: slice_(x, starts=(0, 0), stops=(3, 16), steps=(1, 1)), 1),
)


@pytest.mark.parametrize(("function", "left"), [(s[1], s[2]) for s in STAYS], ids=[s[0] for s in STAYS])
def test_what_is_no_equation_stays(function: Callable[[Any], Any], left: int) -> None:
    assert len(nodes_of(function)) == left


def test_numbers_are_computed() -> None:
    def function(x: Any) -> Any:
        two = ops.add(splat_scalar(x, 1.0), 1.0)
        return x * ops.square(ops.cast(two, dtype="float32"))

    graph = rewrite(stage(lambda x: [function(x)], [Type((3,), F32)]).graph)
    assert [node.op.name for node in graph.nodes] == ["constant", "multiply"]
    (value,) = graph.nodes[0].attrs.values()
    assert type(value) is np.float32 and value == 4


def splat_scalar(x: Any, value: float) -> Any:
    return CONSTANT.beside(x, value=value)


def test_python_numbers_stay_python_numbers() -> None:
    graph = rewrite(stage(lambda x: [x * ops.sqrt(splat_scalar(x, 2.0))], [Type((3,), F32)]).graph)
    assert [str(node.types[0]) for node in graph.nodes] == ["~f64", "f32[3]"]
    assert graph.nodes[0].attrs["value"] == 2**0.5


def test_numbers_that_fail_are_left_to_fail_where_they_are_run() -> None:
    graph = stage(lambda x: [x + power(splat_scalar(x, 2), -1)], [Type((3,), F64)]).graph
    assert [node.op.name for node in rewrite(graph).nodes] == ["constant", "constant", "power", "add"]


def test_a_choice_between_python_numbers_is_a_numpy_number() -> None:
    def function(x: Any) -> Any:
        return x * ops.select(ops.less(splat_scalar(x, 1), 2), splat_scalar(x, 3.0), 4.0)

    graph = rewrite(stage(lambda x: [function(x)], [Type((3,), F32)]).graph)
    assert [str(node.types[0]) for node in graph.nodes] == ["f64", "f64[3]"]
    assert type(graph.nodes[0].attrs["value"]) is np.float64


def test_infinities_are_computed_too() -> None:
    graph = rewrite(stage(lambda x: [x + ops.divide(splat_scalar(x, -1.0), 0.0)], [Type((3,), F64)]).graph)
    assert graph.nodes[0].attrs["value"] == -np.inf


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "uint8"])
def test_identities_in_other_dtypes(dtype: str) -> None:
    kind = np.dtype(dtype)
    x = Type((2, 17), kind)
    assert nodes_of(lambda x: x * 1, x) == []
    assert nodes_of(lambda x: twice(x), x) == []
    assert nodes_of(lambda x: x - 0, x) == []
    assert nodes_of(lambda x: x + 0, x) == (["add"] if kind.kind == "f" else [])
    assert nodes_of(lambda x: ops.absolute(-x), x) == (["negative", "abs"] if kind.kind == "u" else ["abs"])
    assert nodes_of(lambda x, y: x + -y, x, x) == ["subtract"]


def test_a_python_scalar_is_no_array() -> None:
    weak = Type((), F64, weak=True)
    assert nodes_of(lambda x: x * 1.0, weak) == []
    assert nodes_of(lambda x: x * np.float64(1), weak) == ["multiply"]
    assert nodes_of(lambda x: ops.cast(x, dtype="float64"), weak) == ["cast"]


def test_wide_integers_keep_their_bits() -> None:
    big = Type((3,), I64)
    assert nodes_of(lambda x: ops.cast(ops.cast(x, dtype="float64"), dtype="int64"), big) == ["cast", "cast"]
    single = Type((3,), F32)
    assert nodes_of(lambda x: ops.cast(ops.cast(x, dtype="float64"), dtype="float32"), single) == []
    graph = stage(lambda x: [ops.cast(ops.cast(x, dtype="float64"), dtype="int32")], [single]).graph
    assert rewrite(graph) is graph  # an integer for NaN is the machine's own choice
    small = Type((3,), I32)
    assert nodes_of(lambda x: ops.cast(ops.cast(x, dtype="float64"), dtype="int32"), small) == []
    assert nodes_of(lambda x: ops.cast(ops.cast(x, dtype="float64"), dtype="int64"), small) == ["cast"]


# --- how arrays lie in memory ---------------------------------------------------------------------------------------


ORDER = {1: (0,), 2: (1, 0)}


def test_sums_keep_their_order() -> None:
    """NumPy sums in the order of memory: x 1 and -(-x) make an array of a flipped or widened one, x does not."""
    wide = Type((17,), F64)
    for loose in (lambda x: flip(x, axes=(0,)), lambda x: broadcast_to(x, shape=(19, 17))):
        assert nodes_of(lambda x, v=loose: sum_(v(x) * 1, axes=(0,)), wide)[-2:] == ["multiply", "sum"]
        assert "negative" in nodes_of(lambda x, v=loose: sum_(twice(v(x)), axes=(0,)), wide)
        assert "multiply" in nodes_of(
            lambda x, v=loose: sum_(transpose(v(x), axes=ORDER[v(x).ndim]) * 1, axes=(0,)), wide
        )
        assert "cast" in nodes_of(lambda x, v=loose: sum_(ops.cast(v(x), dtype="float64"), axes=(0,)), wide)
    assert nodes_of(lambda x: sum_(twice(transpose(x, axes=(1, 0))), axes=(0,))) == ["transpose", "sum"]


def test_transposes_are_composed_in_their_order() -> None:
    turns = ((1, 2, 0), (0, 2, 1))
    for first, second in (turns, turns[::-1]):
        found = nodes_of(lambda x, a=first, b=second: transpose(transpose(x, axes=a), axes=b), Type((2, 3, 17), F64))
        assert found == ["transpose"]


def test_the_inputs_of_a_body_may_be_slices() -> None:
    assert nodes_of(lambda x: x * 1, body=True) == ["multiply"]
    assert nodes_of(lambda x: ops.sqrt(x) * 1, body=True) == ["sqrt"]
    assert nodes_of(lambda x: transpose(transpose(x, axes=(1, 0)), axes=(1, 0)), body=True) == []


def test_contractions_over_several_axes_keep_their_order() -> None:
    x, y = Type((3, 5, 17), F64), Type((3, 5, 4), F64)

    def several(x: Any, y: Any) -> Any:
        turned = transpose(x, axes=(1, 0, 2))
        return dot_general(turned, y, contract=((0, 1), (1, 0)), batch=((), ()))

    assert nodes_of(several, x, y) == ["transpose", "dot_general"]

    def batched(x: Any, y: Any) -> Any:
        turned = transpose(x, axes=(2, 0, 1))
        return dot_general(turned, y, contract=((2,), (1,)), batch=((1,), (0,)))

    assert nodes_of(batched, x, y) == ["dot_general"]


SHAPES = st.sampled_from([(3, 4, 5), (12, 5), (3, 20), (60,), (5, 12), (2, 6, 5), (3, 1, 4, 5), (60, 1), (4, 3, 5)])


@settings(max_examples=200)
@given(SHAPES, SHAPES, SHAPES, st.permutations(range(4)), st.booleans())
def test_reshapes_keep_the_strides(start: Shape, way: Shape, end: Shape, order: list[int], gaps: bool) -> None:
    """Two reshapes are one only where that leaves every stride as it was, whatever the array's own are."""
    axes = tuple(axis for axis in order if axis < len(start))
    base = np.zeros([start[axis] * (2 if gaps else 1) for axis in axes])
    array = base[tuple(slice(None, None, 2 if gaps else 1) for _ in axes)].transpose(np.argsort(axes))
    assert array.shape == start
    graph = stage(lambda x: [reshape(reshape(x, shape=way), shape=end)], [Type(start, F64)]).graph
    (before,), (after,) = evaluate(graph, [array]), evaluate(rewrite(graph), [array])
    assert [s for s, n in zip(before.strides, end, strict=True) if n > 1] == [
        s for s, n in zip(after.strides, end, strict=True) if n > 1
    ]


def test_rewriting_leaves_inputs_alone() -> None:
    graph = stage(lambda x: [twice(x), x], [MATRIX]).graph
    simple = rewrite(graph)
    assert simple.outputs == (graph.inputs[0],) * 2
    assert isinstance(simple, Graph)
