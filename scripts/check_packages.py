"""Builds the sdist and, from it, the wheel, checks both, and uses the wheel in an empty environment.

Usage: check_packages.py [FOLDER]; without a folder for the two files a temporary one is used.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from packaging.metadata import Metadata
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
NOT_SHIPPED = {"__pycache__", ".git", ".venv", ".hypothesis", ".pytest_cache", ".ruff_cache", "_build", "build", "dist"}
IN_SDIST = ("LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "pyproject.toml", "docs/index.md", "scripts/test")


class CheckError(Exception):
    """What was expected of a file or a command, and what it was."""


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise CheckError(message)


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Returns what a command that succeeded printed; its environment names no Python path of ours."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
    line = " ".join(map(str, command))
    expect(done.returncode == 0, f"{line}: expected exit status 0, got {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def sources(folder: str) -> set[str]:
    """Returns the files below a folder of the repository, relative to the repository, without caches."""
    found = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.as_posix() for path in found if NOT_SHIPPED.isdisjoint(path.parts)}


def build(folder: Path) -> tuple[Path, Path]:
    """Returns the paths of the wheel and of the sdist it was built from."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def check_wheel(wheel: Path) -> Metadata:
    """Returns the wheel's metadata after comparing its files with the source's."""
    expect(wheel.name.endswith("-py3-none-any.whl"), f"expected a pure Python wheel, got {wheel.name}")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        (info,) = {name.split("/")[0] for name in files if ".dist-info/" in name}
        metadata = Metadata.from_email(archive.read(f"{info}/METADATA"), validate=True)
        entries = archive.read(f"{info}/entry_points.txt").decode()
    wanted = {name.removeprefix("src/") for name in sources("src/chainrule")}
    shipped = {name for name in files if not name.startswith(info)}
    expect(shipped == wanted, f"wheel and src/chainrule differ in {sorted(shipped ^ wanted)}")
    expect("chainrule/py.typed" in shipped, "expected chainrule/py.typed in the wheel")
    expect(any(name.startswith("chainrule/data/") and name.endswith(".gz") for name in shipped), "expected the digits")
    for name in ("LICENSE", "NOTICE"):
        expect(f"{info}/licenses/{name}" in files, f"expected {name} in the wheel")
    expect("chainrule = chainrule.cli:main" in entries, f"expected the command chainrule, got {entries}")
    return metadata


def check_metadata(metadata: Metadata) -> None:
    scope: dict[str, str] = {}
    exec((ROOT / "src/chainrule/_version.py").read_text(encoding="utf-8"), scope)
    expect(str(metadata.version) == scope["__version__"], f"expected version {scope['__version__']}")
    core = {need.name for need in metadata.requires_dist or () if needed_by_all(need)}
    expect(core == {"numpy", "llvmlite"}, f"expected numpy and llvmlite as dependencies, got {core}")
    extras = set(metadata.provides_extra or ())
    expect(extras == {"train", "plot", "bench", "test", "docs", "all"}, f"extras are {extras}")
    expect(metadata.description == (ROOT / "README.md").read_text(encoding="utf-8"), "expected README as description")
    expect(metadata.description_content_type == "text/markdown", f"got {metadata.description_content_type}")
    print(f"metadata of {metadata.name} {metadata.version} is valid")


def needed_by_all(need: Requirement) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": ""})


def check_sdist(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        files = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = sources("src") | sources("tests") | sources("docs") | sources("examples") | set(IN_SDIST)
    expect(wanted <= files, f"missing in the sdist: {sorted(wanted - files)}")
    strays = sorted(name for name in files if not NOT_SHIPPED.isdisjoint(Path(name).parts))
    expect(not strays, f"not to be shipped in the sdist: {strays}")


def install_bare(wheel: Path, folder: Path) -> Path:
    """Returns the interpreter of a new environment that has the wheel, numpy, llvmlite and nothing else."""
    run(sys.executable, "-m", "venv", folder / "bare", cwd=folder)
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = folder / "bare" / scripts / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=folder)
    listing = run(python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check", cwd=folder)
    installed = {line.split("==")[0] for line in listing.stdout.split()} - {"pip", "setuptools", "wheel"}
    expect(installed == {"chainrule", "numpy", "llvmlite"}, f"expected a bare environment, got {sorted(installed)}")
    return python


def use_bare(python: Path, folder: Path) -> None:
    """Runs, away from the source, the commands and ten training steps; warnings are errors."""
    strict = (python, "-I", "-W", "error")
    print(run(*strict, "-m", "chainrule", "info", cwd=folder).stdout.rstrip())
    expect(run(python.parent / "chainrule", "info", cwd=folder).stdout != "", "expected `chainrule info` to print")
    trained = run(*strict, "-m", "chainrule", "train", "digits", "--epochs", "1", cwd=folder)
    print(trained.stdout.rstrip())
    expect("test accuracy" in trained.stdout, f"expected an accuracy, got {trained.stdout}")
    hint = "pip install 'chainrule[train]'"
    expect(hint in trained.stderr, f"expected {hint} for what saving needs, got {trained.stderr}")
    print(run(*strict, ROOT / "scripts/ten_steps.py", cwd=folder).stdout.rstrip())


def main(folder: Path) -> None:
    wheel, sdist = build(folder)
    check_metadata(check_wheel(wheel))
    check_sdist(sdist)
    print(f"{wheel.name} ({wheel.stat().st_size // 1024} KB) and {sdist.name} hold what they should")
    with tempfile.TemporaryDirectory() as place:
        use_bare(install_bare(wheel, Path(place)), Path(place))


if __name__ == "__main__":
    try:
        if len(sys.argv) > 1:
            main(Path(sys.argv[1]))
        else:
            with tempfile.TemporaryDirectory() as temporary:
                main(Path(temporary))
    except CheckError as error:
        sys.exit(f"check_packages.py: {error}")
