"""Where the records are: every operation with the module that defines it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from functools import cache
from types import ModuleType
from typing import Final

from chainrule import ir, ops, transform
from chainrule.ir.op import Op

ROOMS: Final[tuple[ModuleType, ...]] = (ir, ops, transform)
"""The rooms whose modules define operations, or the rules of some (loops)."""


@cache
def catalog() -> dict[str, tuple[Op, ...]]:
    """The operations by the module that defines them, in the order in which they stand there."""
    found: dict[str, tuple[Op, ...]] = {}
    for name in _module_names():
        defined = _defined(importlib.import_module(name))
        if defined:
            found[name] = defined
    return found


def records() -> list[Op]:
    """Every operation of the package."""
    return [op for defined in catalog().values() for op in defined]


def _module_names() -> list[str]:
    names: list[str] = []
    for room in ROOMS:
        names.extend(info.name for info in pkgutil.walk_packages(room.__path__, f"{room.__name__}."))
    return names


def _defined(module: ModuleType) -> tuple[Op, ...]:
    """The operations that the module assigns to a name, imported ones left out."""
    assigned = [
        target.id
        for statement in ast.parse(inspect.getsource(module)).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name)
    ]
    return tuple(dict.fromkeys(value for name in assigned if isinstance(value := getattr(module, name, None), Op)))
