"""The optimizers: what each makes of a gradient."""

from __future__ import annotations

from typing import Any

from chainrule import numpy as cnp
from chainrule.errors import OptionError, message
from chainrule.optim.optimizer import Direction, Mask, Optimizer, check, in_dtype_of, weight_decay
from chainrule.optim.schedules import Schedule
from chainrule.where import user_location


def sgd(
    learning_rate: float | Schedule,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    mask: Mask | None = None,
) -> Optimizer:
    """Gradient descent: p = p - lr g; with momentum v = momentum v + g, p = p - lr v.

    With `nesterov`, p = p - lr (g + momentum v). `weight_decay` adds weight_decay * p to g, where `mask` allows.
    Sources: Polyak (1964); Sutskever, Martens, Dahl, Hinton (2013), eqs. 1 to 4. There the learning rate is inside
    the velocity, v = momentum v - lr g; here it is outside, as in PyTorch: the same at a constant rate.
    """
    _check_rate(learning_rate)
    check("a momentum", momentum, 0, 1)
    if nesterov and not momentum:
        raise OptionError(message("a momentum above 0 for nesterov", repr(momentum), user_location(), "momentum=0.9"))

    def direction(g: Any, v: Any) -> tuple[Any, ...]:
        v = momentum * v + g
        return (g + momentum * v if nesterov else v), v

    options = f", momentum={momentum!r}, nesterov={nesterov!r}" if momentum else ""
    plain = Optimizer(
        f"sgd({learning_rate!r}{options})",
        learning_rate,
        ("velocity",) if momentum else (),
        lambda t: direction if momentum else _as_it_is,
    )
    return _decaying(plain, weight_decay, mask, decoupled=False)


def adam(learning_rate: float | Schedule = 1e-3, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Adam: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g², p = p - lr (m / (1 - b1^t)) / (√(v / (1 - b2^t)) + eps).

    Source: Kingma, Ba (2015), algorithm 1. `eps` is added to the root of the corrected v, as there and in PyTorch.
    """
    _check_rate(learning_rate)
    check("b1", b1, 0, 1)
    check("b2", b2, 0, 1)
    check("eps", eps, 0)

    def at(t: Any) -> Direction:
        c1, c2 = 1 - b1**t, 1 - b2**t
        ratio, small = c1 / cnp.sqrt(c2), eps * c1  # m/c1 / (√(v/c2) + eps) = m / (√v c1/√c2 + eps c1)

        def direction(g: Any, m: Any, v: Any) -> tuple[Any, ...]:
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * cnp.square(g)
            return m / (cnp.sqrt(v) * in_dtype_of(g, ratio) + in_dtype_of(g, small)), m, v

        return direction

    return Optimizer(f"adam({learning_rate!r}, b1={b1!r}, b2={b2!r}, eps={eps!r})", learning_rate, ("m", "v"), at)


def adamw(
    learning_rate: float | Schedule = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    mask: Mask | None = None,
) -> Optimizer:
    """Adam with decoupled weight decay: p = p - lr weight_decay p besides Adam's step, where `mask` allows.

    Source: Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization, algorithm 2. There the decay is multiplied
    by the schedule's factor alone; here by the learning rate, as in PyTorch, which is why the default is 1e-2.
    """
    return _decaying(adam(learning_rate, b1, b2, eps), weight_decay, mask, decoupled=True)


def _as_it_is(g: Any) -> tuple[Any, ...]:
    return (g,)


def _decaying(optimizer: Optimizer, rate: float, mask: Mask | None, decoupled: bool) -> Optimizer:
    return optimizer if rate == 0 else weight_decay(optimizer, rate, mask, decoupled)


def _check_rate(learning_rate: float | Schedule) -> None:
    if not callable(learning_rate):
        check("a learning rate", learning_rate, 0)
