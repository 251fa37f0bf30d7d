"""Writes docs/ops.md, the page of all operations, from their records.

Usage: generate_ops.py [--check]. With --check nothing is written: exit status 1 says that the page is out of date.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from chainrule.errors import ChainruleError
from chainrule.ir.kinds import (
    Body,
    Linear,
    Lowering,
    Multilinear,
    Partials,
    Reduce,
    Scatter,
    Tangent,
    Weighted,
    Zero,
)
from chainrule.ir.op import OPS, Op
from chainrule.testing.catalog import catalog
from chainrule.testing.draws import draws
from chainrule.types import DTYPES, Type

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "ops.md"

HEAD: Final = """# Operations

Every operation that a graph can hold, from its record: what it computes, its derivative, what kind of loop it becomes,
the dtypes of its operands, and the number of cases that its tests are made from. This page is written by
`scripts/generate_ops.py`; the tests compare it with the records.

How to read the derivatives, with `x`, `y`, `z` for the operands, `out` for the result, `ct` for its cotangent:

- **factors**: elementwise; the tangent of the result is the sum of factor times tangent, the cotangent of an operand is
  factor times `ct`, summed to the operand's shape.
- **linear** in some operands taken together: the operation itself carries the tangents; the transpose is given.
- **multilinear**: linear in each of the first operands alone; a transpose for each.
- **weighted**: the tangent of the result is the sum of weights times tangents along the axes.
- **tangent**: written out in operations that are linear in the tangents `dots`; reverse mode is its transpose.
- **loop**: the same loop over the derivative of its body.
- **zero**: the derivative is zero wherever there is one. **none**: there is none, as for integers and booleans.
"""

NAMES: Final = ("x", "y", "z")


def page() -> str:
    """Returns the whole page; raises where a record has no name in any module."""
    known = {op.name for ops in catalog().values() for op in ops}
    homeless = sorted(set(OPS) - known)
    if homeless:
        raise SystemExit(f"expected every record under a name of its module, got none for {', '.join(homeless)}")
    total = f"\n{len(known)} operations in {len(catalog())} modules.\n"
    return HEAD + total + "".join(line + "\n" for line in sections())


def sections() -> Iterator[str]:
    """Yields the lines of the tables, one table for each module."""
    for module, ops in catalog().items():
        first = (inspect.getdoc(sys.modules[module]) or "").splitlines()[0]
        yield from ("", f"## {module.removeprefix('chainrule.')}", "", first, "")
        yield "| operation | meaning | derivative | loop | dtypes | cases |"
        yield "|---|---|---|---|---|---|"
        for op in ops:
            cells = (f"`{op}`", op.doc, derivative(op), lowering(op.lowering), dtypes(op), str(len(op.cases)))
            yield row(cells)


def row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def derivative(op: Op) -> str:
    """Returns the derivative of a record in words and code."""
    match op.derivative:
        case Partials(factors):
            parts = [f"{NAMES[i]}: {code(f)}" for i, f in enumerate(factors)]
            return f"factors {', '.join(parts)}"
        case Linear(transpose, args):
            where = "all operands" if args is None else ", ".join(map(str, args))
            return f"linear in {where}, transposed {code(transpose)}"
        case Multilinear(transposes):
            return f"multilinear, transposed {', '.join(map(code, transposes))}"
        case Weighted(weights):
            return f"weighted by {code(weights)}"
        case Tangent(tangent):
            return f"tangent {code(tangent)}"
        case Body():
            return "loop"
        case Zero():
            return "zero"
        case None:
            return "none"


def code(rule: Any) -> str:
    """Returns a factor or a rule as code: a number, what a function of one line returns, or else its docstring."""
    if rule is None:
        return "none"
    if isinstance(rule, int | float):
        return f"`{rule:g}`"
    node = definition(rule)
    match node:
        case ast.Lambda(body=body) | ast.FunctionDef(body=[ast.Return(value=ast.expr() as body)]):
            return f"`{source_of(rule, body)}`"
        case _:
            pass
    name = f"`{rule.__name__}`"
    return f"{name} ({doc.splitlines()[0].rstrip('.')})" if (doc := inspect.getdoc(rule)) else name


def definition(rule: Callable[..., Any]) -> ast.AST:
    """Returns the lambda expression or the function definition that a rule was made by."""
    code = rule.__code__
    places = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column is not None]
    functions = [
        node
        for node in ast.walk(tree(inspect.getsourcefile(rule) or ""))
        if isinstance(node, ast.Lambda | ast.FunctionDef) and contains(node, max(places))
    ]
    return min(functions, key=lambda node: ((node.end_lineno or 0) - node.lineno, len(ast.dump(node))))


def contains(node: ast.Lambda | ast.FunctionDef, place: tuple[int, int]) -> bool:
    end = (node.end_lineno or 0, node.end_col_offset or 0)
    return (node.lineno, node.col_offset) <= place < end


@cache
def tree(file: str) -> ast.Module:
    return ast.parse(Path(file).read_text(encoding="utf-8"))


def source_of(rule: Callable[..., Any], node: ast.AST) -> str:
    """Returns the text of a part of a rule's file, in one line."""
    text = Path(inspect.getsourcefile(rule) or "").read_text(encoding="utf-8")
    return " ".join((ast.get_source_segment(text, node) or "").split())


def lowering(kind: Lowering) -> str:
    """Returns the kind of loop that an operation becomes, in words."""
    words = {"IndexMap": "index map", "Runs": "its graph"}
    name = words.get(type(kind).__name__, type(kind).__name__.lower())
    return f"{name} ({kind.combine})" if isinstance(kind, Reduce | Scatter) else name


def dtypes(op: Op) -> str:
    """Returns the dtypes that the type rule takes for the first case's floating operands (all, where none floats)."""
    if not op.cases or not (given := draws(op)) or not given[0].operands:
        return "-"
    draw = given[0]
    places = draw.floating or tuple(range(len(draw.operands)))
    taken: list[str] = []
    for short, dtype in DTYPES.items():
        types = [Type(x.shape, dtype if i in places else x.dtype) for i, x in enumerate(draw.operands)]
        try:
            op.infer(*types, **draw.attrs)
        except ChainruleError:
            continue
        taken.append(short)
    return "all" if len(taken) == len(DTYPES) else " ".join(taken)


def main(arguments: list[str]) -> int:
    text = page()
    if "--check" in arguments:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        if not current:
            print(f"{PAGE} is out of date: run scripts/generate_ops.py")
        return int(not current)
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
