"""What `import chainrule` takes beyond `import numpy`: fresh processes that take turns.

Usage: python benchmarks/imports.py [--repetitions N]. Prints the median of either with its 10th and 90th percentile,
and the difference of the medians. Python's compiled files are written before the first time is taken.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import numpy as np

PROGRAM = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"


def seconds(module):
    """The seconds that an import takes in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROGRAM.format(module)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=20, help="of each import (default: 20)")
    count = parser.parse_args().repetitions
    modules = ("numpy", "chainrule")
    for module in modules:
        seconds(module)
    times = {module: [] for module in modules}
    for _ in range(count):
        for module in modules:
            times[module].append(seconds(module))
    for module, found in times.items():
        low, middle, high = np.percentile(found, [10, 50, 90])
        print(f"import {module:10} {middle:.3f} s ({low:.3f} to {high:.3f})")
    medians = [float(np.median(found)) for found in times.values()]
    print(f"difference        {medians[1] - medians[0]:.3f} s")


if __name__ == "__main__":
    main()
