"""Forward mode: every value carries its tangent along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.ir.kinds import Body, Linear, Multilinear, Partials, Tangent, Weighted, Zero
from chainrule.ir.op import Op, Trace
from chainrule.numpy.array import Tracer
from chainrule.ops.arithmetic import strong_mul
from chainrule.ops.movement import zeros
from chainrule.ops.reduction import sum_
from chainrule.trace import check_open, entered
from chainrule.transform.cotangent import moves, scale, spread
from chainrule.transform.vjp import LOOPS, factor
from chainrule.types import dtype_of, shape_of, type_of


class Forward(Trace):
    """The trace of forward mode. A tangent of None is zero."""

    def input(self, primal: Any, dot: Any) -> Tracer:
        """A value with its tangent."""
        return Tracer(self, primal, dot)

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        if self.closed:
            check_open(self)
        own = [isinstance(x, Tracer) and x.owner is self for x in inputs]
        primals = entered([x.value if mine else x for x, mine in zip(inputs, own, strict=True)])
        dots = [x.extra if mine else None for x, mine in zip(inputs, own, strict=True)]
        if isinstance(op.derivative, Body) and any(dot is not None for dot in dots):
            out, tangent = LOOPS[op.name].jvp(primals, dots, **attrs)
        else:
            out = op(*primals, **attrs)
            with np.errstate(all="ignore"):  # a factor may be infinite where its tangent is zero
                tangent = push(op, primals, dots, out, attrs)
        if op.several:
            tangents = tangent if tangent is not None else (None,) * len(out)
            return tuple(Tracer(self, o, t) for o, t in zip(out, tangents, strict=True))
        return Tracer(self, out, tangent)


def push(op: Op, primals: Sequence[Any], dots: Sequence[Any], out: Any, attrs: dict[str, Any]) -> Any:
    """The tangent of the result (of each result), given the tangents of the inputs."""
    places = [i for i, dot in enumerate(dots) if dot is not None]
    if not places or (not op.several and not moves(out)):
        return None
    match op.derivative:
        case Partials() as rule:
            factors = {i: factor(rule, i, primals, out, attrs) for i in places}
            parts = [scale(spread(dots[i], *_meta(out)), f) for i, f in factors.items() if f is not None]
        case Linear(_, args):
            linear = range(len(primals)) if args is None else args
            given = [
                (zeros(type_of(x), dots[places[0]]) if dots[i] is None else dots[i]) if i in linear else x
                for i, x in enumerate(primals)
            ]
            parts = [op(*given, **attrs)] if any(i in linear for i in places) else []
        case Multilinear(transposes):
            parts = [op(*primals[:i], dots[i], *primals[i + 1 :], **attrs) for i in places if i < len(transposes)]
        case Weighted(weights):
            parts = [sum_(strong_mul(dots[0], weights(out, *primals, **attrs)), axes=attrs["axes"])]
        case Tangent(tangent):
            filled = tuple(
                zeros(type_of(x), dots[places[0]]) if dot is None else dot for x, dot in zip(primals, dots, strict=True)
            )
            return tangent(filled, out, *primals, **attrs)
        case Body() | Zero() | None:
            return None
    total = parts[0] if parts else None
    for part in parts[1:]:
        total = total + part
    return None if total is None else spread(total, *_meta(out))


def _meta(out: Any) -> tuple[Any, Any]:
    return shape_of(out), dtype_of(out)
