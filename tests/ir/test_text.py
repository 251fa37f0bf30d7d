from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from graphs import arguments, random_graph, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import GraphError
from chainrule.ir.evaluate import evaluate
from chainrule.ir.graph import CONSTANT, ArrayRef, Graph, Node, input_value
from chainrule.ir.op import OPS, Op
from chainrule.ir.text import constant_arrays, format_graph, format_node, parse_graph
from chainrule.ops import arithmetic as ops
from chainrule.ops.control import scan
from chainrule.ops.identity import tap
from chainrule.ops.movement import full
from chainrule.testing.draws import draws
from chainrule.trace import stage
from chainrule.types import Type, type_of

F32, F64, I64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
NUMBERS = st.lists(st.integers(0, 10**6), min_size=5, max_size=80)


def by_hand() -> Graph:
    """A graph with a donated input, a loop, an array from outside and a Python scalar."""

    def body(c: Any, x: Any) -> list[Any]:
        return [ops.multiply(c, x), c]

    def function(c: Any, xs: Any) -> list[Any]:
        inner = stage(body, [Type((2,), F32), Type((2,), F32)]).graph
        last, all_ = scan(c, xs, body=inner, consts=0, carry=1, length=3, reverse=True)
        return [ops.add(last, np.ones(2, np.float32)), ops.multiply(all_, 0.5), last]

    graph = stage(function, [Type((2,), F32), Type((3, 2), F32)]).graph
    return Graph(graph.inputs, graph.outputs, frozenset({0}))


TEXT = """\
graph(%0: f32[2] donated, %1: f32[3,2]) {
    %2, %3: f32[2], f32[3,2] = scan(%0, %1, body=graph(%0: f32[2], %1: f32[2]) {
        %2: f32[2] = multiply(%0, %1)
        return %2, %0
    }, consts=0, carry=1, length=3, reverse=true)
    %4: f32[2] = constant(value=@c0)
    %5: f32[2] = add(%2, %4)
    %6: ~f64 = constant(value=0.5)
    %7: f32[3,2] = multiply(%3, %6)
    return %5, %7, %2
}
@c0: f32[2]"""


def test_text_by_hand() -> None:
    assert str(by_hand()) == repr(by_hand()) == TEXT


def test_text_without_its_layout_is_the_same_graph() -> None:
    dense = "".join(line.strip() + " " for line in TEXT.splitlines())
    graph = parse_graph(dense.replace("{", '{# a comment, with } and "\n'), constant_arrays(by_hand()))
    assert str(graph) == TEXT
    assert graph.donated == frozenset({0})


@settings(max_examples=60)
@given(NUMBERS, st.integers(1, 25))
def test_text_reads_back(numbers: list[int], length: int) -> None:
    graph = random_graph(numbers, length)
    text = str(graph)
    back = parse_graph(text, constant_arrays(graph))
    assert str(back) == text
    assert [node.attrs.keys() for node in back.nodes] == [node.attrs.keys() for node in graph.nodes]
    given_values = arguments(graph, length, special=True)
    with np.errstate(all="ignore"):
        pairs = zip(evaluate(graph, given_values), evaluate(back, given_values), strict=True)
        assert all(same_bits(x, y) for x, y in pairs)


SCALARS = st.one_of(
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.floats().map(np.float64),
    st.floats(width=32).map(np.float32),
    st.integers(0, 255).map(np.uint8),
    st.integers(-(2**31), 2**31 - 1).map(np.int32),
    st.booleans().map(np.bool_),
)


@settings(max_examples=300)
@given(SCALARS)
def test_numbers_read_back(number: Any) -> None:
    node = Node(CONSTANT, (), {"value": number}, (type_of(number),))
    back = parse_graph(str(Graph((), node.results))).nodes[0].attrs["value"]
    assert type(back) is type(number)
    assert same_bits(back, number)


@settings(max_examples=100)
@given(st.text(st.characters(), max_size=20))
def test_strings_read_back(name: str) -> None:
    x = input_value(Type((), F64))
    graph = Graph((x,), Node(tap, (x,), {"name": name}, (x.type,)).results)
    assert str(graph).isascii()
    assert parse_graph(str(graph)).nodes[0].attrs["name"] == name


def test_the_users_lines_are_shown_on_request() -> None:
    graph = stage(lambda x: [-x], [Type((), F64)]).graph
    where = graph.nodes[0].where
    assert where is not None
    assert f"negative(%0)  # {where}\n" in format_graph(graph, where=True)
    assert "test_text.py" in format_graph(graph, where=True)
    assert str(parse_graph(format_graph(graph, where=True))) == str(graph)


def test_many_inputs_have_a_line_each() -> None:
    graph = stage(lambda *xs: [xs[0]], [Type((100, 100), F64)] * 10).graph
    assert "\n    %9: f64[100,100],\n) {" in str(graph)
    assert str(parse_graph(str(graph))) == str(graph)


def test_one_array_has_one_name_in_nested_graphs_too() -> None:
    array = np.arange(3.0)

    def refer() -> Graph:
        return Graph((), Node(CONSTANT, (), {"value": ArrayRef(array)}, (Type((3,), F64),)).results)

    inner = refer()
    attrs = {"body": inner, "consts": 0, "carry": 0, "length": 2, "reverse": False}
    loop = Node(scan, (), attrs, (Type((2, 3), F64),))
    graph = Graph((), (*refer().outputs, *loop.results))
    assert list(constant_arrays(graph)) == ["c0"]
    assert str(graph).count("@c0") == 3  # two uses and the table
    back = parse_graph(str(graph), {"c0": array})
    assert np.array_equal(evaluate(back, [])[1], [array, array])


def test_format_node_is_one_line() -> None:
    graph = by_hand()
    line = format_node(graph, graph.nodes[0])
    assert line.startswith("%2, %3: f32[2], f32[3,2] = scan(%0, %1, body=graph(...) {...}, consts=0")
    assert "\n" not in line


HEAD = "graph(%0: f32[2], %1: i64) {\n    "
NODES = (
    ("", "`graph`, got the end of the text at line 1, column 1"),
    ("graph(%0: f32[2)", "`,`, got `)` at line 1, column 16"),
    ("graph(%0: f32[2], %0: i64) { return }", "a name not yet taken, got `%0` at line 1, column 19"),
    ("graph(%0: f16) { return }", "a dtype of f32, f64, i32, i64, u8, bool, got `f16` at line 1, column 11"),
    ("graph(%0: f32[-2]) { return }", "a length of 0 or more, got `-2` at line 1, column 15"),
    ("graph(%0: ~f64[2]) { return }", "no axes behind `~`, which marks a Python scalar, got `f64` at line 1"),
    (HEAD + "%2: f32[2] = tangent(%0) return %2 }", "the name of an operation, got `tangent` at line 2, column 18"),
    (HEAD + "%2: f32[2] = negative(%2) return %2 }", "a value defined above, got `%2` at line 2, column 27"),
    (
        HEAD + "%2: f32[3] = negative(%0) return %2 }",
        "the type f32[2] that negative gives, got f32[3] at line 2",
    ),
    (HEAD + "%2: f32[2] = negative(%0, %0) return %2 }", "arguments that negative takes, got "),
    (HEAD + "%2: f32[2] = tap(%0, name=<f>) return %2 }", "a value that text can hold, got the Python object <f>"),
    (HEAD + "%2: f32[2] = tap(%0, name=) return %2 }", "a number, string, tuple, array or graph, got `)` at line 2"),
    (HEAD + '%2: f32[2] = tap(%0, name="a", name="b") return %2 }', "each attribute once, got `name` at line 2"),
    (HEAD + '%2: f32[2] = tap(%0, name="\\q") return %2 }', 'a string with JSON\'s escapes, got `"\\q"` at line 2'),
    (HEAD + "%2: f32 = constant(value=f32(1.0) return %2 }", "`,`, got `return` at line 2, column 39"),
    (
        HEAD + "%2: u8 = constant(value=u8(256)) return %2 }",
        "a number that fits its type, got `256` at line 2",
    ),
    (HEAD + "%2: i32 = constant(value=i32(nan)) return %2 }", "a number that fits its type, got `nan` at line 2"),
    (HEAD + "%2: f32[2] = constant(value=@c0) return %2 }", "an array for @c0, got none at line 2, column 33; try"),
    (
        HEAD + "%2, %2: f32, f32 = negative(%0) return %2 }",
        "different names for the results, got `%2` at line 2",
    ),
    (HEAD + "%2, %3: f32[2] = negative(%0) return %2 }", "2 types for 2 results, got 1 before `negative` at line 2"),
    (HEAD + "%2: f32[2] = negative(%0) return %2,\n}", "`%` and a number, got `}` at line 3, column 1"),
    (HEAD + "return %0 }\ngraph", "`@` and a name, or the end of the text, got `graph` at line 3, column 1"),
    (HEAD + "return %0 }\n@c0: f32", "an array for @c0, got none at line 3, column 1"),
    (HEAD + "%2: f32 = input() return %2 }", "arguments that input takes, got GraphError"),
    (HEAD + "return %0", "`,`, got the end of the text at line 2, column 14"),
    (HEAD + "ret%0", "`return`, or `%` and a number, got `ret` at line 2, column 5"),
    ("graph(%0: f32[" + "9" * 5000 + "]) { return }", "a number that fits its type, got `999"),
)


@pytest.mark.parametrize(("text", "problem"), NODES)
def test_text_that_is_no_graph(text: str, problem: str) -> None:
    with pytest.raises(GraphError) as caught:
        parse_graph(text)
    assert str(caught.value).startswith(f"expected {problem}")


def test_arrays_of_another_type() -> None:
    with pytest.raises(GraphError, match=r"expected the type f64\[2\] that constant gives, got f32\[2\] at line 6"):
        parse_graph(TEXT, {"c0": np.ones(2)})
    wrong = TEXT.replace("@c0: f32[2]", "@c0: f64[2]")
    with pytest.raises(GraphError, match=r"expected @c0 of the given type f32\[2\], got f64\[2\] at line 12, column 6"):
        parse_graph(wrong, {"c0": np.ones(2, np.float32)})


@pytest.mark.parametrize("opening", ["graph() { %0: f64 = tap(name=", "graph() { %0: f64 = tap(name=(", "((", "graph("])
def test_deep_nesting_ends_in_an_error(opening: str) -> None:
    with pytest.raises(GraphError):
        parse_graph(opening * 10_000)
    with pytest.raises(GraphError, match="at most 64 levels of nesting"):
        parse_graph("graph() { %0: f64 = tap(name=" + "(" * 10_000)


MARKS = (*"()[]{},:=~#<>-\\\0é", '"', "%0", "%1", "%99", "@c0", "1e999", "nan", "9" * 400, "f32(")
WORDS = (*MARKS, "graph", "return", "donated", "true", "none", "i64", "negative", "scan")


@settings(max_examples=300)
@given(NUMBERS, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 9), st.sampled_from(WORDS)), min_size=1))
def test_damaged_text_is_a_graph_or_an_error(numbers: list[int], edits: list[tuple[int, int, str]]) -> None:
    graph = random_graph(numbers, 8)
    arrays, text = constant_arrays(graph), str(graph)
    for place, length, word in edits[:4]:
        place %= len(text) + 1
        text = text[:place] + word + text[place + length :]
    try:
        back = parse_graph(text, arrays)
    except GraphError:
        return
    assert str(parse_graph(str(back), arrays)) == str(back)


def of_cases(op: Op) -> list[Graph]:
    """A graph of one node for each of an operation's cases."""
    graphs: list[Graph] = []
    for draw in draws(op):
        inputs = tuple(input_value(type_of(x)) for x in draw.operands)
        types = op.infer(*[value.type for value in inputs], **draw.attrs)
        node = Node(op, inputs, draw.attrs, types if isinstance(types, tuple) else (types,))
        graphs.append(Graph(inputs, node.results))
    return graphs


RECORDS = [op for op in OPS.values() if op.name != "input"]
JUNK = (
    "0",
    "-1",
    "1e300",
    "nan",
    '"x"',
    '"O"',
    "()",
    "(0, 0)",
    "((), (9,))",
    "none",
    "true",
    "u8(7)",
    "(-1, 10000000000)",
)


@pytest.mark.parametrize("op", RECORDS, ids=repr)
def test_every_operation_reads_back(op: Op) -> None:
    for graph in of_cases(op):
        assert str(parse_graph(str(graph), constant_arrays(graph))) == str(graph)


@pytest.mark.parametrize("op", RECORDS, ids=repr)
def test_attributes_that_make_no_sense_end_in_an_error_or_another_graph(op: Op) -> None:
    for graph in of_cases(op):
        (node,) = graph.nodes
        for name, junk in product(node.attrs, JUNK):
            attrs = {**node.attrs, name: Junk()}
            text = str(Graph(graph.inputs, Node(op, node.inputs, attrs, node.types).results)).replace("<Junk>", junk)
            try:
                back = parse_graph(text, constant_arrays(graph))
            except GraphError:
                continue
            assert str(parse_graph(str(back), constant_arrays(graph))) == str(back)


class Junk:
    """What text cannot hold: it prints as `<Junk>`."""


def test_text_holds_no_code() -> None:
    with pytest.raises(GraphError):
        parse_graph(HEAD + "%2: f32[2] = tap(%0, name=__import__('os').getcwd()) return %2 }")


def test_a_long_graph() -> None:
    x = value = input_value(Type((), F64))
    for _ in range(30_000):
        value = Node(ops.negative, (value,), {}, (x.type,)).results[0]
    text = str(Graph((x,), (value,)))
    assert text.count("\n") == 30_002
    assert len(parse_graph(text).nodes) == 30_000


def test_full_prints_its_number_and_dtype() -> None:
    graph = stage(lambda x: [full.beside(x, shape=(2,), value=-0.0, dtype="float32")], [Type((), I64)]).graph
    assert '%1: f32[2] = full(shape=(2,), value=-0.0, dtype="float32")' in str(graph)
