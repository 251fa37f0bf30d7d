"""Learning rates that are functions of the step: 0 at the first update, then 1, 2, ...

A schedule is called with the optimizer's step counter, which is traced in a staged function; any function made of
`chainrule.numpy` may stand in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule import numpy as cnp
from chainrule.errors import OptionError, message
from chainrule.where import user_location

Schedule = Callable[[Any], Any]


@dataclass(frozen=True, eq=False, repr=False)
class Rule:
    """A schedule that prints as the call that made it."""

    text: str
    rate: Schedule

    def __call__(self, step: Any) -> Any:
        return self.rate(step)

    def __repr__(self) -> str:
        return self.text


def constant(rate: float) -> Rule:
    """The schedule that is `rate` at every step."""
    return Rule(f"constant({rate!r})", lambda step: rate)


def linear(start: float, stop: float, steps: int) -> Rule:
    """The schedule that goes from `start` to `stop` in equal parts over `steps` steps, and stays there."""
    _check_steps(steps)
    return Rule(
        f"linear({start!r}, {stop!r}, {steps!r})", lambda step: start + (stop - start) * cnp.minimum(step / steps, 1.0)
    )


def cosine(rate: float, steps: int, final: float = 0.0) -> Rule:
    """The schedule final + (rate - final) (1 + cos(π step / steps)) / 2 up to `steps`, `final` from there on.

    Source: Loshchilov, Hutter (2017), SGDR, eq. 5, without restarts.
    """
    _check_steps(steps)
    return Rule(
        f"cosine({rate!r}, {steps!r}, {final!r})",
        lambda step: final + (rate - final) * 0.5 * (1.0 + cnp.cos(math.pi * cnp.minimum(step / steps, 1.0))),
    )


def warmup(steps: int, then: float | Schedule) -> Rule:
    """The schedule that rises in equal parts to the first rate of `then` in `steps` updates, and goes on with `then`.

    `then` is a rate or a schedule, whose own steps count from the end of the rise.
    Source: Goyal et al. (2017), Accurate, Large Minibatch SGD, section 2.2.
    """
    _check_steps(steps)
    after = then if callable(then) else constant(then)
    return Rule(
        f"warmup({steps!r}, {then!r})",
        lambda step: after(cnp.maximum(step - steps, 0)) * cnp.minimum((step + 1) / steps, 1.0),
    )


def _check_steps(steps: Any) -> None:
    if not hasattr(steps, "__index__") or steps < 1:
        raise OptionError(message("a number of steps >= 1", repr(steps), user_location(), "steps=1000"))
