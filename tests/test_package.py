"""The package as others depend on it: one version, types, documented names, an import that stays light."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import chainrule

ROOT: Final = Path(__file__).resolve().parent.parent
PUBLIC_MODULES: Final = ("chainrule", "chainrule.nn", "chainrule.optim", "chainrule.train", "chainrule.data")

HEAVY: Final = {"argparse", "asyncio", "http", "multiprocessing", "sqlite3", "ssl", "unittest", "xml"}
"""Parts of the standard library that `import chainrule` has no use for and that cost time."""

IMPORTED: Final = """
import sys, json, numpy
before = set(sys.modules)
import chainrule
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"foreign": sorted(new - set(sys.stdlib_module_names) - {"numpy"}), "all": sorted(new)}))
"""

UNPATCHED: Final = """
import numpy as np, numpy.random
def objects():
    owners = (np, np.linalg, np.random, np.ndarray, np.ufunc, np.generic)
    return {f"{owner.__name__}.{name}": x for owner in owners for name, x in vars(owner).items()}
before = objects()
import chainrule as cr
f = cr.jit(cr.value_and_grad(lambda x: np.sum(np.linalg.norm(np.tanh(x)) ** 2)))
f(np.ones(3))
cr.explain(cr.nn.MLP([3, 4, 2], rng=0), cr.nn.cross_entropy, np.ones((5, 3), np.float32), np.zeros(5, int))
after = objects()
assert len(before) > 800
print([name for name, x in before.items() if after.get(name) is not x])
"""


def texts() -> list[Path]:
    """Returns the files that people read."""
    pages = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in path.parts]
    return [*sorted(ROOT.glob("*.md")), ROOT / "NOTICE", ROOT / "CITATION.cff", *pages]


def test_version_has_one_source() -> None:
    version = chainrule.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc|\.dev)\d+)?", version)
    files = [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / name for name in ("pyproject.toml", "CITATION.cff", "docs/conf.py")),
    ]
    holders = [
        path.relative_to(ROOT).as_posix()
        for path in files
        if re.search(rf"""version.*["']?{re.escape(version)}\b""", path.read_text(encoding="utf-8"))
    ]
    assert holders == ["src/chainrule/_version.py"]


def test_version_is_the_installed_one() -> None:
    try:
        installed = importlib.metadata.version("chainrule")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("chainrule is on the path but not installed, so there is no metadata to compare with")
    assert installed == chainrule.__version__


def test_changelog_names_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{chainrule.__version__}]" in changelog or "## [Unreleased]" in changelog


def test_package_is_typed() -> None:
    assert Path(chainrule.__file__).with_name("py.typed").read_bytes() == b""


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_public_names_exist_and_are_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing
    objects = {public: getattr(module, public) for public in module.__all__}
    bare = [
        public
        for public, value in objects.items()
        if (inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value)) and not inspect.getdoc(value)
    ]
    assert not bare


def test_nothing_in_numpy_is_patched() -> None:
    done = subprocess.run([sys.executable, "-c", UNPATCHED], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_import_is_light() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert loaded["foreign"] == ["chainrule"]
    assert HEAVY.isdisjoint(loaded["all"])


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.name)
def test_text_speaks_of_the_project_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"(?<![\w.~])/(?:home|root|mnt|opt|Users)/\S*", text), "expected no path of one machine"
    assert not re.findall(r"\b(?:TODO|FIXME|XXX|TBD)\b", text), "expected finished text"
    assert not re.findall(r"\b[Ii]ssue #?\d+", text), "expected no number that means something in one tracker alone"


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    lost = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert not lost
