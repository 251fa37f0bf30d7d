"""What a training step holds in memory beside its arguments, as planned and as PyTorch's allocator counts it:
python benchmarks/memory.py.

chainrule's bytes are those of the plan, known before the first call. PyTorch's are the most that its profiler saw
allocated at a time in the third step, of which the gradients are part: gradients are set to None after each step.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks.problems import Training
from benchmarks.table import NIELSEN, WHOLE, WIDE


def planned(problem: Training) -> int:
    """The bytes of a step that was not called yet: new outputs, constants, and what is in between."""
    import chainrule as cr
    from benchmarks.with_chainrule import step_of

    step, model, state = step_of(problem)
    x, y = problem.data
    memory = cr.jit(step, donate=(0, 1), threads=1).memory(model, state, x[0], y[0])
    return memory.total - memory.inputs


def counted(problem: Training) -> int:
    """The most bytes that PyTorch had allocated at a time during a step, beyond what it held before."""
    import torch

    from benchmarks.peers import torch_eager

    step = torch_eager.training(problem, "step", 1)
    step.run(2)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step.run(1)
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def main() -> None:
    """Prints the table."""
    print(f"{'step, bytes beside its arguments':36s}{'chainrule, planned':>20s}{'PyTorch, measured':>20s}")
    for problem in (WIDE, WHOLE, NIELSEN):
        name = f"{'-'.join(map(str, problem.sizes))}, batch {problem.batch:,}, {problem.optimizer}"
        print(f"{name:36s}{planned(problem):20,d}{counted(problem):20,d}", flush=True)


if __name__ == "__main__":
    main()
