"""The text form of graphs: `format_graph` prints, `parse_graph` reads back.

    text     = graph { array ":" type }                       the side table: the types of the arrays `@c0`, ...
    graph    = "graph" "(" [ input { "," input } [","] ] ")" "{" { node } "return" [ values ] "}"
    input    = value ":" type [ "donated" ]
    node     = values ":" types "=" operation "(" [ values [","] ] { name "=" literal } ")"    (all "," between)
    type     = [ "~" ] dtype [ "[" [ int { "," int } ] "]" ]  "~" for a Python scalar that yields to its partner's dtype
    literal  = int | float | string | "true" | "false" | "none" | array | graph
             | dtype "(" number ")"                           a NumPy scalar
             | "(" [ literal { "," literal } [","] ] ")"      a tuple
    dtype    = "f32" | "f64" | "i32" | "i64" | "u8" | "bool"

A value is `%` and a number, an array `@` and a name; `#` begins a comment. A graph's values are its own: a nested graph
(the body of a loop) starts again at `%0`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from chainrule.ir.format import DEEPEST, constant_arrays, format_graph, format_node
from chainrule.ir.graph import ArrayRef, Graph, Node, Value, input_value
from chainrule.ir.lexer import Lexer, Word
from chainrule.ir.op import OPS, Op
from chainrule.types import DTYPES, Type, type_of

__all__ = ["constant_arrays", "format_graph", "format_node", "parse_graph"]

_WORDS_FOR: Final[dict[str, bool | None]] = {"true": True, "false": False, "none": None}


def parse_graph(text: str, constants: Mapping[str, np.ndarray[Any, Any]] | None = None) -> Graph:
    """The graph that `format_graph` printed as `text`; `constants` are the arrays behind `@c0`, ... by name.

    `constant_arrays(graph)` gives that table. The types of all results are inferred again and compared. Text that is
    no graph raises a GraphError that names the line and the column. Places in the user's program are not read back.
    """
    return _Parser(text, constants or {}).whole()


class _Parser:
    def __init__(self, text: str, constants: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self.lexer = Lexer(text)
        self.constants = {name: ArrayRef(array) for name, array in constants.items()}
        self.depth = 0

    def whole(self) -> Graph:
        graph = self.graph()
        while self.lexer.next.kind != "end":
            word = self.lexer.expect_kind("array", "`@` and a name, or the end of the text")
            array = self._array(word).array
            self.lexer.expect(":")
            start = self.lexer.next
            if (stated := self.type()) != type_of(array):
                self.lexer.fail(f"{word.text} of the given type {type_of(array)}", start, str(stated))
        return graph

    def graph(self) -> Graph:
        self.lexer.expect("graph")
        self._deeper()
        values: dict[str, Value] = {}
        inputs: list[Value] = []
        donated: list[int] = []
        self.lexer.expect("(")
        while not self.lexer.skip(")"):
            word = self._new_value(values)
            self.lexer.expect(":")
            inputs.append(values.setdefault(word.text, input_value(self.type())))
            if self.lexer.skip("donated"):
                donated.append(len(inputs) - 1)
            if self.lexer.next.text != ")":
                self.lexer.expect(",")
        self.lexer.expect("{")
        while not self.lexer.skip("return"):
            self.node(values)
        outputs: list[Value] = []
        while not self.lexer.skip("}"):
            if outputs:
                self.lexer.expect(",")
            outputs.append(self._value(values))
        self.depth -= 1
        return Graph(tuple(inputs), tuple(outputs), frozenset(donated))

    def node(self, values: dict[str, Value]) -> None:
        """Reads `%7, %8: f32[3], i32 = scan(%1, length=3)` and names its results."""
        names = [self._new_value(values, "`return`, or `%` and a number")]
        while self.lexer.skip(","):
            names.append(self._new_value(values))
        if len({word.text for word in names}) != len(names):
            self.lexer.fail("different names for the results", names[-1])
        self.lexer.expect(":")
        types = [self.type()]
        while self.lexer.skip(","):
            types.append(self.type())
        self.lexer.expect("=")
        word = self.lexer.expect_kind("name", "the name of an operation")
        op = OPS[word.text] if word.text in OPS else self.lexer.fail("the name of an operation", word)
        inputs, attrs = self._arguments(values)
        if len(names) != len(types):
            self.lexer.fail(f"{len(names)} types for {len(names)} results", word, f"{len(types)} before `{op}`")
        self._check_types(op, inputs, attrs, types, word)
        results = Node(op, tuple(inputs), attrs, tuple(types)).results
        values.update(zip((name.text for name in names), results, strict=True))

    def _arguments(self, values: dict[str, Value]) -> tuple[list[Value], dict[str, Any]]:
        inputs: list[Value] = []
        attrs: dict[str, Any] = {}
        self.lexer.expect("(")
        while not self.lexer.skip(")"):
            if self.lexer.next.kind == "value" and not attrs:
                inputs.append(self._value(values))
            else:
                word = self.lexer.expect_kind("name", "an attribute" if attrs else "a value or an attribute")
                if word.text in attrs:
                    self.lexer.fail("each attribute once", word)
                self.lexer.expect("=")
                attrs[word.text] = self.literal()
            if self.lexer.next.text != ")":
                self.lexer.expect(",")
        return inputs, attrs

    def _check_types(self, op: Op, inputs: list[Value], attrs: dict[str, Any], types: list[Type], word: Word) -> None:
        """Raises where the operation does not take these arguments or gives other types."""
        try:
            found = op.infer(*[value.type for value in inputs], **attrs)
            inferred = found if isinstance(found, tuple) else (found,)
            wanted = ", ".join(map(str, inferred))
        except Exception as error:  # whatever a type rule meets in arguments that make no sense
            self.lexer.fail(f"arguments that {op} takes", word, f"{type(error).__name__}: {error}", cause=error)
        if list(inferred) != types:
            self.lexer.fail(f"the type {wanted} that {op} gives", word, ", ".join(map(str, types)))

    def type(self) -> Type:
        """Reads `f32[3,4]`, `i64`, `~f64`."""
        weak = self.lexer.skip("~")
        word = self.lexer.expect_kind("name", "a dtype")
        dtype = DTYPES[word.text] if word.text in DTYPES else self.lexer.fail(f"a dtype of {', '.join(DTYPES)}", word)
        dims: list[int] = []
        if self.lexer.skip("["):
            while not self.lexer.skip("]"):
                if dims:
                    self.lexer.expect(",")
                length = self.lexer.expect_kind("int", "a length")
                dims.append(self._number(int, length))
                if dims[-1] < 0:
                    self.lexer.fail("a length of 0 or more", length)
        if weak and dims:
            self.lexer.fail("no axes behind `~`, which marks a Python scalar", word)
        return Type(tuple(dims), dtype, weak)

    def literal(self) -> Any:
        """Reads the value of an attribute."""
        word = self.lexer.next
        match word.kind:
            case "int" | "float":
                return self._number(int if word.kind == "int" else float, self.lexer.take())
            case "string":
                return self._string(self.lexer.take())
            case "array":
                return self._array(self.lexer.take())
            case "name" if word.text in _WORDS_FOR:
                return _WORDS_FOR[self.lexer.take().text]
            case "name" if word.text in DTYPES:
                return self._scalar(self.lexer.take())
            case "name" if word.text == "graph":
                return self.graph()
            case "mark" if word.text == "(":
                return self._tuple(self.lexer.take())
            case "opaque":
                return self.lexer.fail("a value that text can hold", word, f"the Python object {word.text}")
            case _:
                return self.lexer.fail("a number, string, tuple, array or graph", word)

    def _tuple(self, _: Word) -> tuple[Any, ...]:
        self._deeper()
        parts: list[Any] = []
        while not self.lexer.skip(")"):
            parts.append(self.literal())
            if self.lexer.next.text != ")" or len(parts) == 1:
                self.lexer.expect(",")
        self.depth -= 1
        return tuple(parts)

    def _scalar(self, word: Word) -> np.generic:
        self.lexer.expect("(")
        start = self.lexer.next
        value = self.literal()
        if type(value) not in (bool, int, float):
            self.lexer.fail("a number", start)
        self.lexer.expect(")")
        with np.errstate(all="ignore"):  # a float that is infinite as float32
            return self._number(lambda _: DTYPES[word.text].type(value), start)

    def _string(self, word: Word) -> str:
        try:
            return str(json.loads(word.text))
        except ValueError as error:
            return self.lexer.fail("a string with JSON's escapes", word, cause=error)

    def _number(self, read: Callable[[str], Any], word: Word) -> Any:
        try:
            return read(word.text)
        except (ValueError, OverflowError) as error:
            return self.lexer.fail("a number that fits its type", word, cause=error)

    def _array(self, word: Word) -> ArrayRef:
        found = self.constants.get(word.text[1:])
        hint = "parse_graph(text, constants=constant_arrays(graph))"
        return found if found is not None else self.lexer.fail(f"an array for {word.text}", word, "none", hint=hint)

    def _value(self, values: dict[str, Value]) -> Value:
        word = self.lexer.expect_kind("value", "`%` and a number")
        return values[word.text] if word.text in values else self.lexer.fail("a value defined above", word)

    def _new_value(self, values: dict[str, Value], what: str = "`%` and a number") -> Word:
        word = self.lexer.expect_kind("value", what)
        return self.lexer.fail("a name not yet taken", word) if word.text in values else word

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            self.lexer.fail(f"at most {DEEPEST} levels of nesting", self.lexer.next)
