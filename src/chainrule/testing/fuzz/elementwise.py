"""Nodes of elementwise operations: every combination of dtypes that one takes, broadcasting, Python scalars."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, Final

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.ir.graph import Value
from chainrule.ir.op import Op
from chainrule.ops.arithmetic import bitwise_and, remainder, subtract
from chainrule.testing.fuzz.builder import Builder, weak_dtype
from chainrule.testing.fuzz.shapes import broadcasts, draw_shape, narrowed
from chainrule.testing.fuzz.values import KINDS, bounds, domain_of, kind_of
from chainrule.types import DTYPES, Shape, Type

CAST_TO: Final = ("float32", "float64", "int32", "int64", "uint8", "bool")


def elementwise(builder: Builder, op: Op) -> list[Value] | None:
    """A node of an operation whose results are elements by elements."""
    pick = builder.pick
    if op.name == "in_range":
        return _in_range(builder, op)
    if pick.random() < 0.15 and op.cases:
        return from_case(builder, op)
    attrs = _attrs(builder, op)
    combinations = accepted(op, tuple(attrs.items()))
    if not combinations:
        return None
    kinds = pick.choice(combinations)
    near = builder.choose(lambda v: not v.type.weak)
    target = near.shape if near is not None and pick.random() < 0.85 else draw_shape(pick, builder.limit)
    operands: list[Value] = []
    for place, kind in enumerate(kinds):
        again = [v for v in operands if kind_of(v.dtype, v.type.weak) == kind]
        if again and pick.random() < 0.2:
            operands.append(pick.choice(again))
        else:
            operands.append(_operand(builder, op, place, kind, target))
    if op.name == "power" and all(kind not in ("f32", "f64", "~f64") for kind in kinds):
        operands = _whole_power(builder, operands)
    return builder.apply(op, operands, **attrs)


def from_case(builder: Builder, op: Op) -> list[Value] | None:
    """A node on new values for one of the record's cases, floating operands in float32 half of the time."""
    pick, case = builder.pick, builder.pick.choice(op.cases)
    narrow = pick.random() < 0.5
    if case.make is not None:
        made = [np.array(x) for x in case.make(builder.rng)]
        given = [builder.hold(x.astype(np.float32) if narrow and x.dtype.kind == "f" else x) for x in made]
        return builder.apply(op, given, **case.attrs)
    operands: list[Value] = []
    for place, shape in enumerate(case.shapes):
        name = case.dtypes[place] if place < len(case.dtypes) else "f32" if narrow else "f64"
        dtype = DTYPES[name] if name in DTYPES else np.dtype(name)
        operands.append(builder.fresh(shape, dtype, domain_of(op, place, dtype, pick)))
    return builder.apply(op, operands, **case.attrs)


@cache
def accepted(op: Op, attrs: tuple[tuple[str, Any], ...] = ()) -> list[tuple[str, ...]]:
    """The combinations of kinds of operands that the type rule takes."""
    arity = len(op.cases[0].shapes)
    found: list[tuple[str, ...]] = []
    for kinds in product(KINDS, repeat=arity):
        try:
            op.infer(*[_type(kind) for kind in kinds], **dict(attrs))
        except ChainruleError:
            continue
        found.append(kinds)
    return found


def _type(kind: str) -> Type:
    return Type((), DTYPES[kind.strip("~")], kind.startswith("~"))


def _attrs(builder: Builder, op: Op) -> dict[str, Any]:
    if op.name == "cast":
        return {"dtype": builder.pick.choice(CAST_TO)}
    return dict(builder.pick.choice(op.cases).attrs)


def _operand(builder: Builder, op: Op, place: int, kind: str, target: Shape) -> Value:
    """A value of the kind that broadcasts with `target`, in the operation's domain for the most part."""
    pick = builder.pick
    weak = kind.startswith("~")
    dtype = weak_dtype(kind) if weak else DTYPES[kind]
    domain = domain_of(op, place, dtype, pick)
    low, high = bounds(domain) if domain.low != -4.0 or domain.high != 4.0 else (-np.inf, np.inf)
    strict = pick.random() < 0.85

    def fits(value: Value) -> bool:
        type = value.type
        if type.dtype != dtype or type.weak != weak or not broadcasts(type.shape, target):
            return False
        known = builder.known[value]
        return not strict or (known.low >= low and known.high <= high)

    found = builder.choose(fits) if pick.random() < 0.8 else None
    if found is not None:
        return found
    if weak:
        return builder.fresh_scalar(dtype, domain)
    shape = target if pick.random() < 0.6 else narrowed(pick, target)
    return builder.fresh(shape, dtype, domain)


def _whole_power(builder: Builder, operands: list[Value]) -> list[Value]:
    """The operands with an exponent of 0 to 3: NumPy refuses whole numbers to negative powers."""
    bits = builder.apply(bitwise_and, (operands[1], builder.new_scalar(3)))
    return [operands[0], bits[0]] if bits else operands


def within(builder: Builder, index: Value, length: int, negative: bool) -> Value | None:
    """The whole numbers as indices of an axis: from 0, or from -length, up to length - 1."""
    if length == 0 and index.type.size:
        return None
    negative = negative and index.dtype.kind == "i"
    if index.dtype.kind == "u" and length > 255:
        return index
    wrapped = builder.apply(remainder, (index, builder.constant(max(1, length) * (2 if negative else 1))))
    if wrapped is None or not negative:
        return wrapped[0] if wrapped else None
    shifted = builder.apply(subtract, (wrapped[0], builder.constant(length)))
    return shifted[0] if shifted else None


def _in_range(builder: Builder, op: Op) -> list[Value] | None:
    length = builder.pick.choice((1, 3, 10, 100))
    labels = within(builder, builder.some("iu"), length, negative=False)
    return None if labels is None else builder.apply(op, (labels,), length=length if labels.dtype.kind == "i" else 256)
