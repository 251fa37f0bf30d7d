"""Runs the Python in a Markdown page as a reader would: block after block, in one namespace."""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

FENCE: Final = re.compile(r"^(?P<fence>```+|~~~+)\s*\{?(?P<language>[\w-]*)\}?.*$")
FLAGS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A fenced block: its language, its text and the line of the page where the text begins."""

    language: str
    text: str
    line: int


class PageError(AssertionError):
    """What a page says and what happened instead."""


def blocks(path: Path) -> list[Block]:
    """Returns the fenced blocks of a page in order."""
    found: list[Block] = []
    fence, language, begin = "", "", 0
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        match = FENCE.match(line)
        if not fence and match:
            fence, language, begin = match["fence"], match["language"], number + 1
        elif fence and line.startswith(fence):
            found.append(Block(language, "\n".join(lines[begin - 1 : number - 1]) + "\n", begin))
            fence = ""
    if fence:
        raise PageError(f"{path.name}:{begin}: expected the end of the block")
    return found


def execute(path: Path) -> int:
    """Returns how many blocks of a page were run; raises at the first that does not do what the page says.

    A block `python` is executed, and a comparison on a line of its own must hold. Where the next block is of the
    language `text`, what was printed must match it, with `...` for any text. A block with prompts is a doctest.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    page = blocks(path)
    count = 0
    for position, block in enumerate(page):
        if block.language != "python":
            continue
        count += 1
        if ">>> " in block.text:
            run_prompts(block, path, namespace)
            continue
        printed = run_code(block, path, namespace)
        if position + 1 < len(page) and page[position + 1].language == "text":
            expected = page[position + 1]
            if not doctest.OutputChecker().check_output(expected.text, printed, FLAGS):
                raise PageError(f"{path.name}:{expected.line}: expected\n{expected.text}\ngot\n{printed}")
    return count


def run_code(block: Block, path: Path, namespace: dict[str, Any]) -> str:
    """Returns what a block printed."""
    tree = ast.parse("\n" * (block.line - 1) + block.text, filename=str(path))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for statement in tree.body:
            if isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), str(path), "eval"), namespace)
                if isinstance(statement.value, ast.Compare) and not value:
                    raise PageError(f"{path.name}:{statement.lineno}: {ast.unparse(statement)} is {value}")
            else:
                exec(compile(ast.Module([statement], type_ignores=[]), str(path), "exec"), namespace)
    return printed.getvalue()


def run_prompts(block: Block, path: Path, namespace: dict[str, Any]) -> None:
    example = doctest.DocTestParser().get_doctest(block.text, {}, path.name, str(path), block.line - 1)
    example.globs = namespace
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(example, out=report.write, clear_globs=False)
    if runner.failures:
        raise PageError(report.getvalue())
