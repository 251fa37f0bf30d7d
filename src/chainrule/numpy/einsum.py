"""Einstein's summation: a formula of labels becomes a plan of diagonals, sums, and products of two operands.

The plan depends on the formula and the shapes alone and is kept, so that a call costs little more than its products.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.op import Traced
from chainrule.numpy.convert import as_array, as_dtype
from chainrule.numpy.ufuncs import strong
from chainrule.numpy.view import transposed
from chainrule.ops import arithmetic, movement
from chainrule.ops.contraction import Pairs, dot_general
from chainrule.ops.reduction import sum_
from chainrule.types import Shape, dtype_of
from chainrule.where import user_location

__all__ = ["einsum"]

Axes = tuple[int, ...]
Label = Any  # a letter, a number, or (Ellipsis, place from the right)
Labels = tuple[Label, ...]


def einsum(*operands: Any, dtype: Any = None, optimize: Any = True) -> Any:
    """The sum over all labels that are not in the output of the products of the operands' elements.

    `einsum("ij,jk->ik", x, y)`, or `einsum(x, [0, 1], y, [1, 2], [0, 2])`. Without an output: the labels that occur
    once, in order. "..." stands for axes that broadcast; a label that occurs twice in an operand means its diagonal.
    Pairs are contracted cheapest first, whatever `optimize` says.
    """
    formula, arrays = _formula(operands)
    values = [strong(as_array(x, dtype)) for x in arrays]
    plan = _plan(formula, tuple([x.shape for x in values]))
    if len(values) == 1 and not plan.singles[0].summed:
        return _moved(values[0], plan) if isinstance(values[0], Traced) else np.einsum(*operands, dtype=dtype)
    return _applied(plan, values)


class Formula(NamedTuple):
    """The labels of each operand and of the output (None: implied); Ellipsis stands for any number of axes."""

    inputs: tuple[Labels, ...]
    output: Labels | None


def apply(formula: Formula, values: list[Any]) -> Any:
    """The value of the formula for these arrays."""
    return _applied(_plan(formula, tuple([x.shape for x in values])), values)


def _applied(plan: _Plan, values: list[Any]) -> Any:
    if any(single.summed for single in plan.singles):  # sums in the dtype of the result
        dtype = np.result_type(*map(dtype_of, values))
        values = [as_dtype(x, dtype) for x in values]
    values = [_reduced(x, single) for x, single in zip(values, plan.singles, strict=True)]
    for pair in plan.pairs:
        y = values.pop(pair.right)
        values[pair.left] = _product(values[pair.left], y, pair)
    (out,) = values
    return out if plan.order is None else movement.transpose(out, axes=plan.order)


# --- the formula ------------------------------------------------------------------------------------------------------


def _formula(operands: Sequence[Any]) -> tuple[Formula, Sequence[Any]]:
    """The labels, and the arrays, of a call in either form."""
    if operands and isinstance(operands[0], str):
        return _parsed(operands[0]), operands[1:]
    arrays, labels = operands[0:-1:2], operands[1::2]
    output = tuple(operands[-1]) if len(operands) % 2 else None
    if not arrays or not all(isinstance(each, (list, tuple)) for each in labels):
        expected = "a formula such as 'ij,jk->ik', or every array followed by its labels"
        raise ShapeError(message(expected, f"{len(operands)} arguments without one", user_location()))
    return Formula(tuple([tuple(each) for each in labels]), output), arrays


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Formula:
    left, arrow, right = text.replace(" ", "").partition("->")
    return Formula(tuple([_labels(part, text) for part in left.split(",")]), _labels(right, text) if arrow else None)


def _labels(part: str, text: str) -> Labels:
    before, dots, after = part.partition("...")
    letters = before + after
    if letters and not (letters.isalpha() and letters.isascii()):
        expected = "letters, at most one '...' in each operand, ',' and one '->'"
        raise ShapeError(message(expected, repr(text), user_location(), "'ij,jk->ik'"))
    return (*before, *([Ellipsis] if dots else []), *after)


def _spelled(labels: Labels, ndim: int, formula: Formula) -> Labels:
    """The labels with those of the axes that the ellipsis stands for, counted from the right."""
    count = ndim - len(labels) + (Ellipsis in labels)
    if count < 0 or (count > 0 and Ellipsis not in labels):
        expected = f"{len(labels)} axes for the labels {_text(labels)} in {_show(formula)}"
        raise ShapeError(message(expected, f"an operand with {ndim} axes", user_location(), "a letter for each axis"))
    if Ellipsis not in labels:
        return labels
    place = labels.index(Ellipsis)
    return (*labels[:place], *[(Ellipsis, i) for i in range(count, 0, -1)], *labels[place + 1 :])


def _output(formula: Formula, inputs: Sequence[Labels]) -> Labels:
    """The labels of the result, in order."""
    counts = Counter([label for labels in inputs for label in labels])
    count = max([sum(map(_is_spread, labels)) for labels in inputs])
    spread: list[Label] = [(Ellipsis, i) for i in range(count, 0, -1)]
    if formula.output is None:
        single = [label for label, count in counts.items() if count == 1 and not _is_spread(label)]
        return (*spread, *sorted(single))
    out: list[Label] = []
    for label in formula.output:
        out.extend(spread if label is Ellipsis else [label])
    missing = [label for label in out if label not in counts]
    if missing or len(set(out)) != len(out) or (spread and Ellipsis not in formula.output):
        expected = "an output in which labels of the operands stand once, '...' too where it has axes"
        raise ShapeError(message(expected, _show(formula), user_location()))
    return tuple(out)


def _is_spread(label: Label) -> bool:
    """Whether the label is that of an axis that '...' stands for."""
    return isinstance(label, tuple)


def _text(labels: Iterable[Label]) -> str:
    return "".join(["..." if label is Ellipsis else str(label) for label in labels])


def _show(formula: Formula) -> str:
    arrow = "" if formula.output is None else f"->{_text(formula.output)}"
    return repr(",".join(map(_text, formula.inputs)) + arrow)


# --- the plan ---------------------------------------------------------------------------------------------------------


class _Single(NamedTuple):
    """What is done to one operand: diagonals of pairs of axes, axes of length 1 dropped that broadcast, and a sum."""

    diagonals: tuple[tuple[int, int], ...]
    shape: Shape | None
    summed: Axes


class _Pair(NamedTuple):
    """The product of the values at two positions: a contraction, or elementwise of the two in aligned forms."""

    left: int
    right: int
    dot: tuple[Pairs, Pairs] | None
    aligned: tuple[tuple[Axes, Shape], ...]


class _Plan(NamedTuple):
    singles: tuple[_Single, ...]
    pairs: tuple[_Pair, ...]
    order: Axes | None


@lru_cache(maxsize=1024)
def _plan(formula: Formula, shapes: tuple[Shape, ...]) -> _Plan:
    if len(formula.inputs) != len(shapes):
        expected = f"{len(formula.inputs)} operands for {_show(formula)}"
        raise ShapeError(message(expected, len(shapes), user_location()))
    inputs = [_spelled(labels, len(shape), formula) for labels, shape in zip(formula.inputs, shapes, strict=True)]
    output = _output(formula, inputs)
    sizes = _sizes(formula, inputs, shapes)
    cleared = [_cleared(labels, shape, sizes) for labels, shape in zip(inputs, shapes, strict=True)]
    singles: list[_Single] = []
    terms: list[Labels] = []
    for i, (single, labels) in enumerate(cleared):
        needed = {*output}.union(*[other for _, other in (*cleared[:i], *cleared[i + 1 :])])
        summed = tuple([axis for axis, label in enumerate(labels) if label not in needed])
        singles.append(single._replace(summed=summed))
        terms.append(tuple([label for label in labels if label in needed]))
    pairs: list[_Pair] = []
    while len(terms) > 1:
        i, j = _cheapest(terms, sizes)
        keep = {*output}.union(*terms[:i], *terms[i + 1 : j], *terms[j + 1 :])
        pair, rest = _pair(i, j, terms[i], terms[j], keep, sizes)
        pairs.append(pair)
        terms[i : i + 1], terms[j : j + 1] = [rest], []
    order = tuple([terms[0].index(label) for label in output])
    return _Plan(tuple(singles), tuple(pairs), None if order == tuple(range(len(order))) else order)


def _sizes(formula: Formula, inputs: Sequence[Labels], shapes: Sequence[Shape]) -> dict[Label, int]:
    """The length that each label stands for; an axis of length 1 goes with any other."""
    sizes: dict[Label, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        for label, n in zip(labels, shape, strict=True):
            known = sizes.get(label, n)
            alike = [shape[i] for i, other in enumerate(labels) if other == label]
            if min(alike) != max(alike) or (known != n and 1 not in (known, n)):
                what = "..." if _is_spread(label) else label
                expected = f"one length for '{what}' in {_show(formula)}"
                got = f"{known if known != n else min(alike)} and {max(alike)} in shapes {', '.join(map(str, shapes))}"
                raise ShapeError(message(expected, got, user_location(), "another letter, or a transpose"))
            sizes[label] = n if known == 1 else known
    return sizes


def _cleared(labels: Labels, shape: Shape, sizes: dict[Label, int]) -> tuple[_Single, Labels]:
    """How one operand is brought to different labels of full length, and which these are."""
    rest, lengths = list(labels), list(shape)
    diagonals: list[tuple[int, int]] = []
    for label in labels:
        while rest.count(label) > 1:
            i = rest.index(label)
            j = rest.index(label, i + 1)
            diagonals.append((i, j))
            del rest[j], lengths[j]
    kept = [(label, n) for label, n in zip(rest, lengths, strict=True) if n == sizes[label]]
    squeezed = None if len(kept) == len(rest) else tuple([n for _, n in kept])
    return _Single(tuple(diagonals), squeezed, ()), tuple([label for label, _ in kept])


def _cheapest(terms: Sequence[Labels], sizes: dict[Label, int]) -> tuple[int, int]:
    """The two operands whose product takes the fewest multiplications, the first of equals."""
    found = [(i, j) for i in range(len(terms)) for j in range(i + 1, len(terms))]
    return min(found, key=lambda pair: prod([sizes[label] for label in {*terms[pair[0]], *terms[pair[1]]}]))


def _pair(i: int, j: int, x: Labels, y: Labels, keep: set[Label], sizes: dict[Label, int]) -> tuple[_Pair, Labels]:
    """The product of operands with labels x and y that leaves the labels in `keep`, and the labels of the result."""
    shared = [label for label in x if label in y]
    contracted = [label for label in shared if label not in keep]
    free_x, free_y = ([label for label in each if label not in shared] for each in (x, y))
    if contracted or (free_x and free_y):
        batch = [label for label in shared if label in keep]
        dot = _places(contracted, x, y), _places(batch, x, y)
        return _Pair(i, j, dot, ()), (*batch, *free_x, *free_y)
    out = y if free_y else x
    forms = tuple([_aligned(each, out, sizes) for each in (x, y)])
    return _Pair(i, j, None, forms), out


def _places(labels: Sequence[Label], x: Labels, y: Labels) -> Pairs:
    return tuple([x.index(label) for label in labels]), tuple([y.index(label) for label in labels])


def _aligned(labels: Labels, out: Labels, sizes: dict[Label, int]) -> tuple[Axes, Shape]:
    """The order of axes and the shape in which an operand broadcasts to the labels `out`."""
    order = tuple([labels.index(label) for label in out if label in labels])
    return order, tuple([sizes[label] if label in labels else 1 for label in out])


# --- its execution ----------------------------------------------------------------------------------------------------


def _moved(x: Any, plan: _Plan) -> Any:
    """The view of a traced operand, as NumPy gives it where nothing is summed: diagonals, and axes in another order."""
    for i, j in plan.singles[0].diagonals:
        x = _diagonal_view(x, i, j)
    return x if plan.order is None else transposed(x, plan.order)


def _diagonal_view(x: Any, i: int, j: int) -> Any:
    order = (i, j, *[axis for axis in range(len(x.shape)) if axis not in (i, j)])

    def read(base: Any) -> Any:
        return _diagonal(base, i, j)

    def write(base: Any, part: Any) -> Any:
        first = movement.transpose(base, axes=order)
        flat = movement.reshape(first, shape=(first.shape[0] ** 2, *first.shape[2:]))
        front = movement.transpose(part, axes=(i, *[axis for axis in range(len(part.shape)) if axis != i]))
        new = movement.slice_set(flat, front, **_every(first.shape[0] + 1, flat.shape))
        return movement.transpose(movement.reshape(new, shape=first.shape), axes=movement.inverse(order))

    def strides(of_x: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([step + of_x[j] * (axis == i) for axis, step in enumerate(of_x) if axis != j])

    return x.viewed(read, write, strides)


def _every(step: int, shape: Shape) -> dict[str, Any]:
    """The attributes of a slice with a step along the first axis."""
    rest = len(shape) - 1
    return {"starts": (0,) * (rest + 1), "stops": shape, "steps": (step, *[1] * rest)}


def _reduced(x: Any, single: _Single) -> Any:
    for i, j in single.diagonals:
        x = _diagonal(x, i, j)
    if single.shape is not None:
        x = movement.reshape(x, shape=single.shape)
    return as_dtype(sum_(x, axes=single.summed), dtype_of(x)) if single.summed else x


def _diagonal(x: Any, i: int, j: int) -> Any:
    """x where its indices along axes i < j are equal, axis j gone: every (n + 1)-th of the n * n elements."""
    shape = x.shape
    n, others = shape[i], tuple([axis for axis in range(len(shape)) if axis not in (i, j)])
    flat = movement.transpose(x, axes=(i, j, *others))
    rest = flat.shape[2:]
    flat = movement.reshape(flat, shape=(n * n, *rest))
    taken = movement.slice_(flat, **_every(n + 1, flat.shape))
    back = (*range(1, i + 1), 0, *range(i + 1, len(taken.shape)))
    return movement.transpose(taken, axes=back)


def _product(x: Any, y: Any, pair: _Pair) -> Any:
    if pair.dot is not None:
        return dot_general(x, y, contract=pair.dot[0], batch=pair.dot[1])
    left, right = (_formed(each, *form) for each, form in zip((x, y), pair.aligned, strict=True))
    return arithmetic.multiply(left, right)


def _formed(x: Any, order: Axes, shape: Shape) -> Any:
    if order != tuple(range(len(order))):
        x = movement.transpose(x, axes=order)
    return x if x.shape == shape else movement.reshape(x, shape=shape)
