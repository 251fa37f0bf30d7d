"""Writes docs/elementary.md: how far the native elementary functions are from mathematics.

Usage: measure_ulp.py [--stride N] [NAME ...]. Every N-th float32 (all of them without --stride: about two minutes for a
function on one core) is compared with the float64 function, and float64 functions with mpmath. Rows of functions that
are not named stay as they are.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "elementary.md"
sys.path.insert(0, str(ROOT / "tests"))
ulps: Final[Any] = importlib.import_module("ulps")  # the tests' measure

HEAD: Final = """# Elementary functions

The native backend computes these functions by code of its own: the same bits at every vector width, on every processor.
Errors are in units in the last place (ulp) of the right result: that of the nearest number is at most 0.5. The bound
is 2. This page is written by `scripts/measure_ulp.py`; the tests hold the bound at other points.

- **float32**: functions of one operand at all 4,294,967,296 numbers, or at every 16th as the table says, against the
  float64 function; functions of two at random pairs.
- **float64**: against mpmath with 40 digits, at random numbers: a third uniform in an interval, a third near its ends,
  zero, whole numbers and halves, a third of any magnitude.
- NaN, infinities, zeros and results that underflow or overflow are as C99 and NumPy have them.
- `logaddexp` and `logaddexp2` are measured in ulp of the largest among result and operands: where these cancel, the
  rounding of the operands' difference remains, as in NumPy. `sinc` is measured at order 0; its derivatives are computed
  in float64, and are within 4 ulp of 1 / (order + 1), the largest, up to order 2.

| function | float32: ulp | at | points | float64: ulp | at | points |
|---|---|---|---|---|---|---|
"""

PAIRS: Final = 1 << 24
SAMPLES: Final = 100_000


def shown(at: tuple[float, ...], dtype: type[np.floating[Any]]) -> str:
    """The operands, so that they read back."""
    return ", ".join(str(dtype(x)) for x in at)


def _larger(x: float, y: float) -> float:
    return max(abs(x), abs(y))


def floor_of(name: str) -> Callable[[float, float], float] | None:
    """What an ulp counts at least of."""
    return _larger if name.startswith("logaddexp") else None


def row(name: str, stride: int) -> str:
    """A line of the table."""
    one, two = ulps.mathematics(), ulps.of_two()
    attrs: dict[str, Any] = {"order": 0} if name == "sinc" else {}
    function, interval = (one | two)[name]
    if name in one:
        short = max(ulps.worst32(name, block, **attrs) for block in ulps.all_floats(stride))
        count = math.ceil((1 << 32) / stride)
        operands = [ulps.points(interval, SAMPLES, 1)]
    else:
        pairs = [ulps.points(each, PAIRS, seed).astype(np.float32) for seed, each in enumerate(interval)]
        short = ulps.worst_pair(name, *pairs) if floor_of(name) else ulps.worst32(name, *pairs)
        count = PAIRS
        operands = [ulps.points(each, SAMPLES, 2 + seed) for seed, each in enumerate(interval)]
    long = ulps.worst64(name, function, operands, floor_of(name), **attrs)
    first = f"{short[0]:.3f} | {shown(short[1], np.float32)} | {count:,}"
    second = f"{long[0]:.3f} | {shown(long[1], np.float64)} | {SAMPLES:,}"
    return f"| `{name}` | {first} | {second} |"


def kept() -> dict[str, str]:
    """The lines of the page by function."""
    if not PAGE.exists():
        return {}
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return {line.split("`")[1]: line for line in lines if line.startswith("| `")}


def main() -> None:
    """Measures, and writes the page after each function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    everything = [*ulps.mathematics(), *ulps.of_two()]
    for name in arguments.names or everything:
        rows = kept() | {name: row(name, arguments.stride)}
        print(rows[name], flush=True)
        PAGE.write_text(HEAD + "".join(rows[n] + "\n" for n in everything if n in rows), encoding="utf-8")


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main()
