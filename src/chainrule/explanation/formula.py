"""Graphs as formulas: the expression of each output, with shared parts named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import CONSTANT, ArrayRef, Graph, Node, Value
from chainrule.ops.contraction import Pairs

_ATOM, _POSTFIX, _PREFIX, _PRODUCT, _TIMES, _SUM, _COMPARE, _WHOLE = 8, 7, 6, 5, 4, 3, 2, 0
_INFIX: Final = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": ("*", _TIMES),
    "strong_mul": ("*", _TIMES),
    "strong_both": ("*", _TIMES),
    "divide": ("/", _TIMES),
    "remainder": ("%", _TIMES),
    "floor_divide": ("//", _TIMES),
    "equal": ("==", _COMPARE),
    "not_equal": ("!=", _COMPARE),
    "less": ("<", _COMPARE),
    "less_equal": ("<=", _COMPARE),
    "greater": (">", _COMPARE),
    "greater_equal": (">=", _COMPARE),
}
_TRANSPARENT: Final = frozenset({"reshape", "broadcast_to", "cast", "tap", "stop_gradient", "in_range"})
_SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_LETTERS: Final = "abcdefghpqrstuvw"


@dataclass(frozen=True, slots=True)
class Text:
    """An expression, how tightly its outermost operation binds, and the expression of its transpose if it is known."""

    text: str
    binds: int = _ATOM
    turned: Text | None = None

    def within(self, binds: int) -> str:
        """The text as an operand of an operation that binds so tightly."""
        return self.text if self.binds >= binds else f"({self.text})"


def formulas(graph: Graph, inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """The text `name = expression` of each output, with the parts that are used again: `y = a * x, a = exp(z)`.

    An output that occurs inside a later one stands there by its name, and a part is written where it is first used.
    """
    writer = _Writer(graph, inputs)
    lines: list[str] = []
    for value, name in zip(graph.outputs, outputs, strict=True):
        text = writer.text(value)
        lines.append(", ".join([f"{name} = {text.text}", *writer.take_definitions()]))
        if value.node in graph.nodes:
            writer.known[value] = Text(name)
    return lines


class _Writer:
    """Expressions of the values of one graph."""

    def __init__(self, graph: Graph, inputs: Sequence[str]) -> None:
        self.known: dict[Value, Text] = {value: Text(name) for value, name in zip(graph.inputs, inputs, strict=True)}
        uses = Counter(value for node in graph.nodes for value in node.inputs)
        self.shared = {value for value, count in uses.items() if count > 1}
        self.definitions: list[str] = []
        taken = {name.partition(".")[0] for name in inputs}  # of a layer `a`, too
        self.letters = iter(letter for letter in _LETTERS if letter not in taken)

    def take_definitions(self) -> list[str]:
        """The lines for shared parts since the last call."""
        taken, self.definitions = self.definitions, []
        return taken

    def text(self, value: Value) -> Text:
        """The expression of a value; what it depends on is written first, without recursion."""
        pending = [value]
        while pending:
            current = pending[-1]
            missing = [v for v in current.node.inputs if v not in self.known]
            if current in self.known or not missing:
                pending.pop()
                if current not in self.known:
                    self._write(current)
            else:
                pending.extend(missing)
        return self.known[value]

    def _write(self, value: Value) -> None:
        text = _expression(value, [self.known[v] for v in value.node.inputs])
        if value in self.shared and len(text.text) > 12 and value.node.op is not CONSTANT:
            name = next(self.letters, f"%{value.node.serial}")
            self.definitions.append(f"{name} = {text.text}")
            text = Text(name)
        self.known[value] = text


def behind(value: Value) -> Value:
    """The value behind operations that formulas do not show, such as reshape."""
    while value.node.op.name in _TRANSPARENT:
        value = value.node.inputs[0]
    return value


def _expression(value: Value, operands: list[Text]) -> Text:
    node = value.node
    name = node.op.name
    if node.op is CONSTANT:
        return _constant(node.attrs["value"])
    if name in _TRANSPARENT and operands:
        return operands[0]
    if name in _INFIX:
        return _infix(*_INFIX[name], *operands)
    match name:
        case "negative":
            return Text(f"-{operands[0].within(_PREFIX)}", _PREFIX)
        case "square":
            return Text(f"{operands[0].within(_ATOM)}²", _POSTFIX)
        case "power":
            return Text(f"{operands[0].within(_ATOM)}^{operands[1].within(_ATOM)}", _POSTFIX)
        case "transpose" if node.attrs["axes"] == (1, 0):
            return _turned(operands[0])
        case "iota":
            return Text("i")
        case "gather":
            return Text(f"{operands[0].within(_ATOM)}[{', '.join(operand.text for operand in operands[1:])}]")
        case "scatter_add":
            target, update, *places = operands
            put = Text(f"{update.within(_PRODUCT)} at [{', '.join(p.text for p in places)}]", _PRODUCT)
            return _infix("+", _SUM, target, put)
        case "sum":
            axes = "" if not value.shape else "".join(str(axis) for axis in node.attrs["axes"]).translate(_SUBSCRIPTS)
            return Text(f"Σ{axes} {operands[0].within(_PRODUCT)}", _PREFIX)
        case "full":
            return _constant(node.attrs["value"])
        case "dot_general":
            return _dot(node, operands)
        case "select":
            return Text(f"where({', '.join(operand.text for operand in operands)})")
        case _:
            return Text(f"{name}({', '.join(operand.text for operand in operands)})")


def _constant(value: Any) -> Text:
    if isinstance(value, ArrayRef):
        return Text("const")
    return Text(f"{value:g}" if isinstance(value, (float, np.floating)) else str(value))


def _infix(sign: str, binds: int, left: Text, right: Text) -> Text:
    """The operation as it is written by hand: without 1 * and 0 +, a - b for a + -b and a / b for a * 1 / b."""
    neutral = {"*": "1", "+": "0"}.get(sign)
    if left.text == neutral:
        return right
    if right.text == neutral or (sign == "/" and right.text == "1"):
        return left
    if sign == "+" and right.within(binds).startswith("-"):
        return Text(f"{left.within(binds)} - {right.within(binds)[1:]}", binds)
    if sign == "*" and right.within(binds).startswith("1 / "):
        return Text(f"{left.within(binds)} {right.text[2:]}", binds)
    # the right operand of - and / needs brackets at equal strength, and a product of products reads better without
    tighter = binds + 1 if sign in "-/%//" or binds == _COMPARE else binds
    return Text(f"{left.within(binds)} {sign} {right.within(tighter)}", binds)


def _dot(node: Node, operands: list[Text]) -> Text:
    """A matrix product as it is written by hand; any other contraction by its subscripts."""
    x, y = node.inputs
    (left,), (right,) = node.attrs["contract"] if len(node.attrs["contract"][0]) == 1 else ((-1,), (-1,))
    if node.attrs["batch"][0] or left < 0 or len(x.shape) > 2 or len(y.shape) > 2:
        return Text(f"einsum('{subscripts(node)}', {operands[0].text}, {operands[1].text})")
    first = _turned(operands[0]) if len(x.shape) == 2 and left == 0 else operands[0]
    second = _turned(operands[1]) if len(y.shape) == 2 and right == 1 else operands[1]
    return _product(first, second, _product(_turned(second), _turned(first)) if len(node.types[0].shape) == 2 else None)


def _product(first: Text, second: Text, turned: Text | None = None) -> Text:
    return Text(f"{first.within(_PRODUCT)} @ {second.within(_POSTFIX)}", _PRODUCT, turned)


def _turned(matrix: Text) -> Text:
    """The transpose: of a product, the product of the transposes in the other order."""
    return matrix.turned or Text(f"{matrix.within(_ATOM)}ᵀ", _POSTFIX, Text(matrix.text, matrix.binds))


def subscripts(node: Node) -> str:
    """The einsum subscripts of a `dot_general` node."""
    letters = iter("ijklmnopqrstuvwxyz")
    x, y = node.inputs
    contract: Pairs = node.attrs["contract"]
    batch: Pairs = node.attrs["batch"]
    left = [next(letters) for _ in x.shape]
    paired = {j: left[i] for pair in (contract, batch) for i, j in zip(*pair, strict=True)}
    right = [paired[j] if j in paired else next(letters) for j in range(len(y.shape))]
    out = [left[i] for i in batch[0]]
    out += [left[i] for i in range(len(left)) if i not in batch[0] and i not in contract[0]]
    out += [right[j] for j in range(len(right)) if j not in batch[1] and j not in contract[1]]
    return f"{''.join(left)},{''.join(right)}->{''.join(out)}"
