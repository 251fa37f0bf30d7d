"""Checks of a record's types and values: its type rule, its value staged, Python scalars, promotion, the text form."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import numpy as np

from chainrule.errors import ChainruleError, DTypeError, OutOfRangeError
from chainrule.ir.evaluate import evaluate
from chainrule.ir.op import Op
from chainrule.ir.text import constant_arrays, format_graph, parse_graph
from chainrule.testing.comparison import all_bits, bits, listed, require
from chainrule.testing.differences import Array
from chainrule.testing.draws import Draw
from chainrule.testing.running import filled, is_float, outcomes, reverse, staged
from chainrule.trace import stage
from chainrule.types import DTYPES, type_of

SCALARS: Final = (1.25, 2, True)


def check_value(draw: Draw) -> None:
    """Raises unless types are as inferred, staged values have the bits of eager ones, and operands stay as they are."""
    op, attrs, operands = draw.op, draw.attrs, draw.operands
    with np.errstate(all="ignore"):
        out = op.numpy(*operands, **attrs)
        outs = tuple(out) if op.several else (out,)
        again = outcomes(op, operands, attrs)
    types = op.infer(*[type_of(x) for x in operands], **attrs)
    inferred = types if isinstance(types, tuple) else (types,)
    found = tuple(type_of(x) for x in outs)
    require(found == inferred, f"{draw}: {listed(found)}, its type rule says {listed(inferred)}")
    if operands:
        ran = staged(lambda *xs: outcomes(op, xs, attrs), operands)
    else:
        ran = staged(lambda *xs: [op.beside(xs[0], **attrs)], [np.zeros(())])
    for way, values in (("called", again), ("staged", ran)):
        same = all(bits(x) == bits(y) for x, y in zip(outs, values, strict=True))
        require(same, f"{draw}: {way}, {listed(values)}; by its NumPy meaning {listed(outs)}")
    with np.errstate(all="ignore"):
        apart = outcomes(op, [_strided(x) for x in operands], attrs)
    for x, y in zip(outs, apart, strict=True):
        near = np.allclose(x, y, rtol=1e-5, atol=1e-6, equal_nan=True)
        require(near, f"{draw}: of operands that are not contiguous {y!r}, of contiguous ones {x!r}")


def check_python_scalars(draw: Draw) -> None:
    """Raises unless the type rule knows what becomes of Python scalars in place of arrays without axes."""
    operands = draw.with_python_scalars().operands
    with np.errstate(all="ignore"):
        found = tuple(type_of(x) for x in outcomes(draw.op, operands, draw.attrs))
    types = draw.op.infer(*[type_of(x) for x in operands], **draw.attrs)
    inferred = types if isinstance(types, tuple) else (types,)
    require(found == inferred, f"{draw}, of Python scalars: {listed(found)}, its type rule says {listed(inferred)}")


def check_empty(draw: Draw) -> None:
    """Raises unless arrays without elements have the type that the rule gives them, and a gradient of their own types.

    The first axis of every operand is cut to nothing; where the type rule does not take that, or an index cannot be
    right, nothing is checked.
    """
    op, attrs = draw.op, draw.attrs
    operands = [x[:0] if x.ndim else x for x in draw.operands]
    try:
        types = op.infer(*[type_of(x) for x in operands], **attrs)
    except ChainruleError:
        return
    inferred = types if isinstance(types, tuple) else (types,)
    try:
        outs = outcomes(op, operands, attrs)
    except OutOfRangeError:  # an index into nothing
        return
    types = tuple(type_of(x) for x in outs)
    require(types == inferred, f"{draw}, of nothing: {listed(types)}, its type rule says {listed(inferred)}")
    cts = reverse(op, attrs, operands, [np.ones_like(out) for out in outs if is_float(out)])
    for ct, x in zip(cts, [x for x in operands if is_float(x)], strict=True):
        found = type_of(x) if ct is None else type_of(ct)
        require(found == type_of(x), f"{draw}, of nothing: a cotangent of type {found} for {type_of(x)}")


def check_promotion(op: Op, arity: int, attrs: dict[str, Any]) -> int:
    """Raises unless the type rule of an elementwise operation is NumPy's for all dtypes and Python scalars.

    Where NumPy has no result, or one of a dtype that chainrule does not compute with, the rule raises a DTypeError.
    Returns the number of combinations.
    """
    candidates = [*(np.ones((), dtype) for dtype in DTYPES.values()), *SCALARS]
    combinations = list(product(candidates, repeat=arity))
    for operands in combinations:
        types = [type_of(x) for x in operands]
        try:
            inferred = op.infer(*types, **attrs)
        except DTypeError:
            inferred = None
        try:
            with np.errstate(all="ignore"):
                value = op(*operands, **attrs)
            found = type_of(value) if np.asarray(value).dtype in DTYPES.values() else None
        except TypeError:
            found = None
        require(found == inferred, f"{op}({listed(types)}) is {found}, its type rule says {inferred}")
    return len(combinations)


def check_text(draw: Draw) -> None:
    """Raises unless the graph of the call, and that of its gradient, print and parse back to the same text and bits."""
    op, attrs = draw.op, draw.attrs

    def both(*xs: Any) -> list[Any]:
        outs = outcomes(op, xs, attrs)
        weights = [out for out in outs if is_float(out)]
        return [*outs, *filled(reverse(op, attrs, xs, weights), [x for x in xs if is_float(x)])]

    graph = stage(both, [type_of(x) for x in draw.operands]).graph
    text = format_graph(graph)
    parsed = parse_graph(text, constant_arrays(graph))
    require(format_graph(parsed) == text, f"{draw}: its graph is read back as another:\n{text}\n{format_graph(parsed)}")
    with np.errstate(all="ignore"):
        same = all_bits(evaluate(graph, draw.operands), evaluate(parsed, draw.operands))
    require(same, f"{draw}: its graph, read back from its text, gives other values")


def _strided(x: Array) -> Array:
    """The same elements, two places apart in memory."""
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x
