"""`Pieces`: a call on NumPy that is made in pieces, between which one iteration or more of a loop is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from chainrule.errors import StagingError, message
from chainrule.ir.evaluate import Step, lay_out, run_step
from chainrule.ir.graph import Graph, Node
from chainrule.ops.control import Iterations, scan
from chainrule.where import replays, user_location


class Pieces:
    """A call that is under way; see `Course` in backend/base.py. `give` makes of what is computed what is returned."""

    def __init__(self, graph: Graph, inputs: Sequence[Any], give: Callable[[list[Any]], list[Any]]) -> None:
        self._graph, self._inputs, self._give = graph, inputs, give
        self._outputs: list[Any] | None = None
        self._loop: tuple[Node, Iterations] | None = None
        self._walk = self._run()

    @property
    def iterations(self) -> int:
        """How many iterations are done of the loop that is run, or was run last."""
        return self._loop[1].done if self._loop else 0

    def proceed(self, seconds: float) -> bool:
        """Whether all is done, after going on for about so long."""
        until = time.perf_counter() + seconds
        while self._outputs is None:
            with np.errstate(all="ignore"):
                next(self._walk, None)
            if time.perf_counter() >= until:
                break
        return self._outputs is not None

    def outputs(self) -> list[Any]:
        """What the call gives, or what there is of it."""
        if self._outputs is not None:
            return self._outputs
        loops = sum(node.op is scan for node in self._graph.nodes)
        if not self.iterations or loops != 1:
            raise unfinished("none so far" if loops == 1 else f"{loops} loops")
        assert self._loop is not None
        found = dict(zip(self._graph.inputs, self._inputs, strict=True))
        found.update(zip(self._loop[0].results, self._loop[1].results(), strict=True))
        for number, value in enumerate(self._graph.outputs):
            if value not in found:
                raise late(number)
        return [found[value] for value in self._graph.outputs]

    def _run(self) -> Generator[None]:
        """Runs node by node, and stops behind each iteration of a loop."""
        laid = lay_out(self._graph)
        values: list[Any] = [*self._inputs, *[None] * (laid.size - len(self._inputs))]
        for step in laid.steps:
            if step.node.op is scan:
                yield from self._iterate(step, values)
            else:
                run_step(step, values)
        self._outputs = self._give([values[place] for place in laid.outputs])

    @replays
    def _iterate(self, step: Step, values: list[Any]) -> Generator[None]:
        node = step.node  # what is raised belongs to its line
        loop = Iterations([values[place] for place in step.operands], **step.attrs)
        self._loop = (node, loop)
        while loop.done < loop.length:
            loop.proceed()
            if loop.done < loop.length:
                yield
        for place, result in zip(step.results, loop.results(), strict=True):
            values[place] = result
        for place in step.dying:
            values[place] = None


def unfinished(got: str) -> StagingError:
    """The error where results are asked for of which there is nothing so far."""
    expected = "one loop, an iteration of which is done"
    return StagingError(message(expected, got, user_location(), "proceed() until it returns True"))


def late(number: int) -> StagingError:
    """The error where a result is asked for that is only made when all is done."""
    got = f"result {number}, which is made after it"
    return StagingError(message("results of the loop itself", got, user_location(), "proceed() until it returns True"))
