"""The walls of the house: which room may import which, no cycles, nothing lazy but extras, nothing too long."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = "chainrule"
SOURCE: Final = ROOT / "src" / PACKAGE

LEVELS: Final[tuple[tuple[str, ...], ...]] = (
    ("_version", "errors", "where", "observers", "types", "tree"),
    ("ir",),
    ("ops",),
    ("numpy",),
    ("trace", "random"),
    ("transform",),
    ("schedule",),
    ("backend",),
    ("api",),
    ("nn", "optim", "train", "data", "explanation", "testing"),
    ("cli",),
)
"""The rooms, lowest first. A module imports from rooms of its own level or lower ones."""

FACADES: Final = {"": 9.5, "__main__": 11}
"""The package itself collects the public names: above every room it collects from, below what is built on it."""

BUILT_ON_PUBLIC_NAMES: Final = ("nn", "optim", "train", "data")
PUBLIC: Final = (*LEVELS[0], "numpy", "random", "api", *LEVELS[9])
"""What a network, an optimizer or a user's own layer may be written with: no graph, no record, no transform."""

LONGEST_FILE: Final = 399
LONGEST_FUNCTION: Final = 59
MEASURED: Final = ("src", "tests", "scripts", "examples", "benchmarks", "docs")


class Import(NamedTuple):
    """One import of one of our modules: who imports what, on which line, in which function, for type checkers only."""

    importer: str
    imported: str
    line: int
    function: str
    typing: bool


@cache
def modules() -> dict[str, Path]:
    """Returns every module of the package by its dotted name."""
    found: dict[str, Path] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def walk(tree: ast.AST, function: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Yields every node below `tree` with the name of the innermost function around it."""
    for node in ast.iter_child_nodes(tree):
        yield node, function
        inside = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from walk(node, "<lambda>" if isinstance(node, ast.Lambda) else inside)


def imported_names(node: ast.AST, module: str, is_package: bool) -> list[str]:
    """Returns the dotted names that an import statement binds or reads, `from a import b` as `a.b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parts = module.split(".")
        base = ".".join([*parts[: len(parts) - node.level + is_package], *base.split(".")]).rstrip(".")
    return [f"{base}.{alias.name}" for alias in node.names]


@cache
def imports() -> tuple[Import, ...]:
    """Returns the imports of every module, those for type checkers only among them."""
    found: list[Import] = []
    for module, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        guards = [
            node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        ]
        typing = {id(node) for guard in guards for node in ast.walk(guard)}
        for node, function in walk(tree):
            line = getattr(node, "lineno", 0)
            names = imported_names(node, module, path.name == "__init__.py")
            found.extend(Import(module, name, line, function, id(node) in typing) for name in names)
    return tuple(found)


def within(name: str) -> str | None:
    """Returns the module of ours that a dotted name belongs to: itself, or the one that defines it."""
    while name not in modules():
        name, _, last = name.rpartition(".")
        if not last or not name:
            return None
    return name


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def level(module: str) -> float:
    name = room(module)
    if name in FACADES:
        return FACADES[name]
    return next(number for number, rooms in enumerate(LEVELS) if name in rooms)


def place(module: str, line: int) -> str:
    return f"{modules()[module].relative_to(ROOT).as_posix()}:{line}"


def test_every_module_has_a_level() -> None:
    known = {name for rooms in LEVELS for name in rooms} | set(FACADES)
    homeless = sorted(name for name in modules() if room(name) not in known)
    assert not homeless, f"{homeless}: put the code into a room of LEVELS, or add the room there and to docs/design.md"


def rows_of_design(title: str) -> list[list[str]]:
    """Returns the cells of the table under a heading of the page on the design, without its head."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    lines = page.split(f"\n## {title}\n")[1].split("\n## ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]


def test_the_page_on_the_design_has_the_same_levels() -> None:
    stated = {int(number): set(re.findall(r"`(\w+)/?`", rooms)) for number, rooms, _ in rows_of_design("Levels")}
    assert stated == {i: {name for name in rooms if name[0] != "_"} for i, rooms in enumerate(LEVELS)}


def test_the_readers_path_is_as_long_as_the_page_says() -> None:
    stated = {name.strip("`"): int(lines) for name, lines, _ in rows_of_design("A reader's path")}
    assert len(stated) == 10
    found = {name: len((SOURCE / name).read_text(encoding="utf-8").splitlines()) for name in stated}
    wrong = {name: lines for name, lines in found.items() if abs(lines - stated[name]) > 0.1 * lines}
    assert not wrong, f"{wrong}: write these numbers of lines into docs/design.md"


def test_imports_go_downward() -> None:
    wrong = []
    for entry in imports():
        target = within(entry.imported)
        if target is None or target == entry.importer:
            continue
        own, other = level(entry.importer), level(target)
        if other > own:
            above = LEVELS[min(int(max(own, other)), len(LEVELS) - 1)]
            wrong.append(
                f"{place(entry.importer, entry.line)}: {entry.importer} (level {own:g}) imports {target} (level "
                f"{other:g}), imports go downward only: move what needs both to {' or '.join(above)}, "
                f"or what both need below {room(entry.importer) or PACKAGE}"
            )
    assert not wrong, "\n".join(wrong)


def test_networks_are_written_with_public_names() -> None:
    wrong = [
        f"{place(entry.importer, entry.line)}: {entry.importer} imports {target}: what nn, optim, train and data need, "
        f"users need too, so offer it in api or numpy"
        for entry in imports()
        if room(entry.importer) in BUILT_ON_PUBLIC_NAMES
        and (target := within(entry.imported)) is not None
        and room(target) not in PUBLIC
    ]
    assert not wrong, "\n".join(wrong)


def test_no_cycles() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for entry in imports():
        target = within(entry.imported)
        if target is not None and target != entry.importer:
            graph[entry.importer].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"{' -> '.join(reversed(error.args[1]))}: move what they share into a module below both")


def optional_packages() -> set[str]:
    """Returns the packages of the extras a user installs, `llvmlite` with them: heavy, and not always needed."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    return {need.split(">")[0].split("=")[0].strip() for need in extras["train"] + extras["plot"]} | {"llvmlite"}


def test_imports_in_functions_are_of_extras() -> None:
    allowed = optional_packages()
    wrong = [
        f"{place(entry.importer, entry.line)}: {entry.function}() imports {entry.imported}: import at the top; only "
        f"{', '.join(sorted(allowed))} are loaded when needed"
        for entry in imports()
        if entry.function and entry.imported.split(".")[0] not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_extras_are_imported_in_functions_only() -> None:
    allowed = optional_packages()
    wrong = [
        f"{place(entry.importer, entry.line)}: {entry.imported} belongs to an extra: import it in the function that "
        f"needs it, with an error that names the extra"
        for entry in imports()
        if not entry.function and not entry.typing and entry.imported.split(".")[0] in allowed - {"llvmlite"}
    ]
    assert not wrong, "\n".join(wrong)


def python_files() -> list[Path]:
    return [path for folder in MEASURED for path in sorted((ROOT / folder).rglob("*.py")) if "_build" not in path.parts]


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    long = [
        f"{path.relative_to(ROOT)} has {length} lines, at most {LONGEST_FILE}: one concept a file, give the second "
        f"concept its own"
        for path, length in lengths.items()
        if length > LONGEST_FILE
    ]
    assert not long, "\n".join(long)


def test_functions_fit_a_screen() -> None:
    long = []
    for path in python_files():
        for node, _ in walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    where = f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
                    long.append(f"{where}: {node.name} has {length} lines, at most {LONGEST_FUNCTION}: name its parts")
    assert not long, "\n".join(long)


def test_the_check_sees_what_it_looks_for() -> None:
    code = "import a.b\ndef f():\n    from .c import d\n    g = lambda: __import__('e')\n"
    seen = [(imported_names(node, "p.q.r", False), function) for node, function in walk(ast.parse(code))]
    assert (["a.b"], "") in seen
    assert (["p.q.c.d"], "f") in seen
    assert imported_names(ast.parse("from . import x").body[0], "p.q", True) == ["p.q.x"]
    assert level("chainrule.ir.graph") < level("chainrule.numpy") < level("chainrule") < level("chainrule.cli")
    assert within("chainrule._version.__version__") == "chainrule._version"
    assert within("numpy.random") is None
