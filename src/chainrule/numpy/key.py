"""Keys: what is between the brackets of `x[...]`, read against the shape of x.

A key is read in two steps. The basic one takes integers, slices and new axes: a slice, a flip and a reshape. The second
gathers along the axes that arrays index. An assignment goes the same way back.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, OutOfRangeError, message
from chainrule.ir.op import Traced
from chainrule.numpy.convert import as_array
from chainrule.ops import indexing, movement
from chainrule.types import BOOL, Shape, dtype_of, shape_of
from chainrule.where import user_location


def is_basic(key: Any) -> bool:
    """Whether the key is made of integers, slices, None and Ellipsis alone, so that NumPy gives a view."""
    return all(_is_basic_item(item) for item in items_of(key))


def items_of(key: Any) -> tuple[Any, ...]:
    """What stands between the commas of a key."""
    return key if _is(tuple, key) else (key,)


def _is_basic_item(item: Any) -> bool:
    if isinstance(item, Traced):
        return shape_of(item) == () and dtype_of(item).kind in "iu"
    if item is None or item is Ellipsis or isinstance(item, slice):
        return True
    return isinstance(item, (int, np.integer)) and not isinstance(item, bool)


@dataclass(slots=True)
class Plan:
    """A key read against the shape of x.

    The basic step takes starts[i]:stops[i]:steps[i] of each axis of x, reverses the axes `flips`, and gives it the
    shape `middle`; of that, `axes` are indexed by the arrays `indices`. The axes of the indices go in front of axis
    `front` of what is left: where the indexed axes were if they stood together in the key, else first.
    """

    lengths: Shape  # of the axes of x
    starts: list[int] = field(default_factory=list[int])
    stops: list[int] = field(default_factory=list[int])
    steps: list[int] = field(default_factory=list[int])
    flips: list[int] = field(default_factory=list[int])
    middle: list[int] = field(default_factory=list[int])
    along: list[tuple[int | None, int]] = field(default_factory=list[tuple[int | None, int]])  # for each axis of middle
    axes: list[int] = field(default_factory=list[int])
    indices: list[Any] = field(default_factory=list[Any])
    front: int = 0
    index_shape: Shape = ()
    taken: Shape = ()  # of the slice, before the reshape to `middle`
    whole: bool = True  # whether the slice takes all of x

    @property
    def shape(self) -> Shape:
        """The shape of x[key]."""
        rest = [n for axis, n in enumerate(self.middle) if axis not in self.axes]
        return (*rest[: self.front], *self.index_shape, *rest[self.front :])

    def basic(self, x: Any) -> Any:
        """What the basic step gives."""
        out = x if self.whole else movement.slice_(x, **self._bounds())
        out = movement.flip(out, axes=tuple(self.flips)) if self.flips else out
        middle = tuple(self.middle)
        return out if self.taken == middle else movement.reshape(out, shape=middle)

    def written(self, x: Any, part: Any) -> Any:
        """A copy of x with `part`, an array of the shape `middle`, where the basic step took it from."""
        part = part if shape_of(part) == self.taken else movement.reshape(part, shape=self.taken)
        part = movement.flip(part, axes=tuple(self.flips)) if self.flips else part
        if self.whole and isinstance(part, Traced):
            return part
        return movement.slice_set(x, part, **self._bounds())

    def placed(self, out: Any) -> Any:
        """What was gathered, with the axes of the indices where the key puts them."""
        order = self._order(len(out.shape))
        return movement.transpose(out, axes=order) if self.front else out

    def unplaced(self, part: Any) -> Any:
        """The other way: the axes of the indices first."""
        order = self._order(len(part.shape))
        return movement.transpose(part, axes=movement.inverse(order)) if self.front else part

    def _order(self, ndim: int) -> tuple[int, ...]:
        count = len(self.index_shape)
        rest = range(count, ndim)
        return (*rest[: self.front], *range(count), *rest[self.front :])

    def _bounds(self) -> dict[str, Shape]:
        return {"starts": tuple(self.starts), "stops": tuple(self.stops), "steps": tuple(self.steps)}

    def take(self, item: Any) -> None:
        """Reads the next item of the key."""
        if item is None or isinstance(item, NewAxisIndex):
            self.middle.append(1)
            self.along.append((None, 0))
        else:
            axis = len(self.starts)
            n = self.lengths[axis]
            start, stop, step = _integer(item, n) if isinstance(item, int) else _range(item, n)
            self.starts.append(start)
            self.stops.append(stop)
            self.steps.append(abs(step))
            count = len(range(start, stop, abs(step)))
            self.taken += (count,)
            self.whole = self.whole and count == n
            if step < 0:
                self.flips.append(axis)
            if not isinstance(item, int):
                self.middle.append(count)
                self.along.append((axis, step))
        if not (item is None or isinstance(item, (int, slice))):
            self.axes.append(len(self.middle) - 1)
            self.indices.append(item.index if isinstance(item, NewAxisIndex) else item)


@dataclass(frozen=True, slots=True)
class NewAxisIndex:
    """A mask without axes, True or False: it indexes a new axis of length 1, by 0 or by nothing."""

    index: Any


def read_key(x: Any, key: Any) -> Plan:
    """The key read against the shape of x; not to be changed."""
    fixed = _fixed(key)
    if fixed is not None:
        return _read_fixed(shape_of(x), fixed)
    plan = _read(shape_of(x), key)
    check_known(x, plan.middle, plan.indices, plan.axes)
    return plan


def _fixed(key: Any) -> tuple[Any, ...] | None:
    """The key as something to remember it by, where it is made of numbers, None and Ellipsis; a slice as a tuple."""
    fixed: list[Any] = []
    for item in items_of(key):
        if type(item) is slice:
            parts = (item.start, item.stop, item.step)
            if any(part is not None and type(part) is not int for part in parts):
                return None
            fixed.append(parts)
        elif item is None or item is Ellipsis or type(item) is int:
            fixed.append(item)
        else:
            return None
    return tuple(fixed)


@lru_cache(maxsize=4096)
def _read_fixed(shape: Shape, fixed: tuple[Any, ...]) -> Plan:
    return _read(shape, tuple(slice(*item) if _is(tuple, item) else item for item in fixed))


def _read(shape: Shape, key: Any) -> Plan:
    plan = Plan(shape)
    advanced: list[tuple[int, int]] = []  # of integers and arrays: place in the key, axes of the result before it
    for place, item in enumerate(_expanded(plan.lengths, key)):
        if item is Ellipsis:
            continue
        if not (item is None or isinstance(item, slice)):
            advanced.append((place, len(plan.middle) - len(plan.axes)))
        plan.take(item)
    if plan.indices:
        (first, before), (last, _) = advanced[0], advanced[-1]
        plan.front = before if last - first == len(advanced) - 1 else 0
        plan.index_shape = _together(plan.indices)
    return plan


def check_known(x: Any, shape: Sequence[int], indices: Sequence[Any], axes: Sequence[int]) -> None:
    """Raises where x is staged and an index that is known already is out of range: the line that says so is named."""
    if isinstance(x, Traced) and x.staged:
        known = [(index, axis) for index, axis in zip(indices, axes, strict=True) if not isinstance(index, Traced)]
        indexing.check_range(tuple(shape), [index for index, _ in known], [axis for _, axis in known])


def _together(indices: list[Any]) -> Shape:
    try:
        return np.broadcast_shapes(*(shape_of(index) for index in indices))
    except ValueError:
        got = " and ".join(str(shape_of(index)) for index in indices)
        hint = "i[:, None] and j"
        raise OutOfRangeError(message("indices that broadcast together", got, user_location(), hint)) from None


def _integer(item: int, n: int) -> tuple[int, int, int]:
    if not -n <= item < n:
        indexing.check_range((n,), (item,), (0,))  # says what is wrong
    return item % n, item % n + 1, 1


def _range(item: Any, n: int) -> tuple[int, int, int]:
    """Start, stop and step (negative where the slice runs backwards) over ascending elements; all for an array."""
    taken = range(*item.indices(n)) if isinstance(item, slice) else range(n)
    if len(taken) < 2:
        return (taken[0], taken[0] + 1, 1) if taken else (0, 0, 1)
    return min(taken[0], taken[-1]), max(taken[0], taken[-1]) + 1, taken.step


def _expanded(shape: Shape, key: Any) -> list[Any]:
    """The items of the key: None, slices, ints, integer arrays; masks as their indices, after the Ellipsis its slices.

    The Ellipsis stays, since it parts the indices before it from those behind it even if it stands for no axis.
    """
    ndim = len(shape)
    items = [_canonical(item) for item in items_of(key)]
    used = sum(_axes_used(item) for item in items)
    ellipses = [place for place, item in enumerate(items) if item is Ellipsis]
    if used > ndim or len(ellipses) > 1:
        got = f"{used} indices" if used > ndim else f"{len(ellipses)} Ellipses"
        expected = f"at most {ndim} {'index' if ndim == 1 else 'indices'} and one Ellipsis"
        raise OutOfRangeError(message(f"{expected} for an array of shape {shape}", got, user_location(), "x[..., i]"))
    if not ellipses:
        items.append(Ellipsis)
    found: list[Any] = []
    axis = 0
    for item in items:
        if item is Ellipsis:
            found.extend([Ellipsis, *[slice(None)] * (ndim - used)])
            axis += ndim - used
        elif _is_mask(item):
            found.extend(_mask_indices(item, shape, axis))
            axis += item.ndim
        else:
            found.append(item)
            axis += _axes_used(item)
    return found


def _canonical(item: Any) -> Any:
    """An item of a key as None, Ellipsis, slice, int, or an array of integers or booleans."""
    if item is None or item is Ellipsis or _is(slice, item):
        return item
    if _is((int, np.integer), item) and not _is(bool, item):
        return int(item)
    if not isinstance(item, (Traced, np.ndarray, np.generic, list, tuple, bool)):
        try:
            return operator.index(item)
        except TypeError:
            expected = "integers, slices, None, Ellipsis or masks as an index"
            got = f"a {type(item).__name__}"
            raise DTypeError(message(expected, got, user_location(), "an int, or x.astype(np.int64)")) from None
    array = as_array(item)
    if isinstance(item, (list, tuple)) and not isinstance(array, Traced) and array.size == 0:
        array = array.astype(np.int64)
    kind = dtype_of(array).kind
    if kind not in "iub":
        got = dtype_of(array).name
        raise DTypeError(message("integers or booleans as an index", got, user_location(), "x.astype(np.int64)"))
    if kind == "b" and isinstance(array, Traced):
        return np.asarray(array.concrete("index by a mask", "cr.numpy.where(mask, x, other)"))
    return int(array) if not isinstance(array, Traced) and array.ndim == 0 and kind != "b" else array


def _is(types: Any, item: Any) -> bool:
    return isinstance(item, types)


def _is_mask(item: Any) -> bool:
    return not isinstance(item, Traced) and getattr(item, "dtype", None) == BOOL


def _axes_used(item: Any) -> int:
    return 0 if item is None or item is Ellipsis else item.ndim if _is_mask(item) else 1


def _mask_indices(mask: Any, shape: Shape, axis: int) -> Sequence[Any]:
    """The integer arrays that stand for a mask."""
    if mask.ndim == 0:
        return [NewAxisIndex(np.zeros(int(mask), np.int64))]
    check_mask(mask.shape, shape[axis : axis + mask.ndim])
    return mask.nonzero()


def check_mask(found: Shape, wanted: Shape) -> None:
    """Raises where a mask has not the shape of the axes that it chooses from."""
    if found != wanted:
        hint = "a comparison of the array itself, such as x > 0"
        raise OutOfRangeError(message(f"a mask of shape {wanted}", found, user_location(), hint))
