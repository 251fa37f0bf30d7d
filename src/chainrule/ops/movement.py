"""Operations that move elements and compute nothing: each is a map of indices, and linear."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, message
from chainrule.ir.kinds import Case, IndexMap, Linear
from chainrule.ir.op import Op
from chainrule.types import Shape, Type, shape_of, supported
from chainrule.where import user_location


def _misfit(expected: str, got: object, hint: str = "") -> ShapeError:
    return ShapeError(message(expected, got, user_location(), hint))


# --- reshape, transpose, broadcast ------------------------------------------------------------------------------------


def _infer_reshape(x: Type, *, shape: Shape) -> Type:
    out = Type(shape, x.dtype)
    if out.size != x.size:
        raise _misfit(f"a shape of {x.size} elements for {x}", shape, "-1 for one of the lengths")
    return out


reshape = Op(
    "reshape",
    _infer_reshape,
    lambda x, *, shape: np.reshape(x, shape),
    Linear(lambda ct, x, *, shape: (reshape(ct, shape=x.shape),)),
    IndexMap(),
    (Case(((2, 3),), {"shape": (3, 2)}), Case(((4,),), {"shape": (2, 1, 2)}), Case(((),), {"shape": (1, 1)})),
    "the same elements, in the same (row-major) order, in another shape",
)


def _infer_transpose(x: Type, *, axes: tuple[int, ...]) -> Type:
    if sorted(axes) != list(range(x.ndim)):
        raise _misfit(f"a permutation of the {x.ndim} axes of {x}", axes, f"{tuple(range(x.ndim))[::-1]}")
    return Type(tuple(x.shape[axis] for axis in axes), x.dtype)


transpose = Op(
    "transpose",
    _infer_transpose,
    lambda x, *, axes: np.transpose(x, axes),
    Linear(lambda ct, x, *, axes: (transpose(ct, axes=inverse(axes)),)),
    IndexMap(),
    (Case(((2, 3),), {"axes": (1, 0)}), Case(((2, 3, 4),), {"axes": (2, 0, 1)}), Case(((),), {"axes": ()})),
    "axis i of the result is axis `axes[i]` of x",
)


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(axes.index(axis) for axis in range(len(axes)))


def _repeated(x: Any, shape: Shape) -> Any:
    """One number everywhere, as a view: what np.broadcast_to gives, in a tenth of its time."""
    x = np.asarray(x)
    return np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape)) if shape else x[()]


def _infer_broadcast(x: Type, *, shape: Shape) -> Type:
    fits = len(shape) >= x.ndim and all(a in (1, b) for a, b in zip(x.shape[::-1], shape[::-1], strict=False))
    if not fits:
        raise _misfit(f"a shape that {x} broadcasts to", shape, "x[:, None] to add an axis")
    return Type(shape, x.dtype)


broadcast_to = Op(
    "broadcast_to",
    _infer_broadcast,
    lambda x, *, shape: np.broadcast_to(x, shape) if shape_of(x) else _repeated(x, shape),
    Linear(lambda ct, x, *, shape: (ct,)),  # the cotangent is summed to the input's shape for every operation alike
    IndexMap(),
    (Case(((3,),), {"shape": (2, 3)}), Case(((2, 1),), {"shape": (4, 2, 3)}), Case(((),), {"shape": (2,)})),
    "x repeated along new axes in front and along axes of length 1",
)

# --- parts ------------------------------------------------------------------------------------------------------------


def _slices(starts: Shape, stops: Shape, steps: Shape) -> tuple[slice, ...]:
    return tuple(slice(a, b, c) for a, b, c in zip(starts, stops, steps, strict=True))


def _infer_slice(x: Type, *, starts: Shape, stops: Shape, steps: Shape) -> Type:
    rows = tuple(zip(starts, stops, steps, strict=True))
    if len(rows) != x.ndim or not all(0 <= a <= b <= n and c > 0 for (a, b, c), n in zip(rows, x.shape, strict=True)):
        raise _misfit(f"0 <= start <= stop <= length and step > 0 along each axis of {x}", rows)
    return Type(tuple(-((a - b) // c) for a, b, c in rows), x.dtype)


slice_ = Op(
    "slice",
    _infer_slice,
    lambda x, *, starts, stops, steps: x[_slices(starts, stops, steps)],
    Linear(
        lambda ct, x, *, starts, stops, steps: (slice_set(zeros(x, ct), ct, starts=starts, stops=stops, steps=steps),)
    ),
    IndexMap(),
    (
        Case(((5,),), {"starts": (1,), "stops": (5,), "steps": (2,)}),
        Case(((3, 4),), {"starts": (0, 1), "stops": (2, 3), "steps": (1, 1)}),
        Case(((3,),), {"starts": (2,), "stops": (2,), "steps": (1,)}),
    ),
    "x[start:stop:step] along each axis, steps positive",
)


def _infer_slice_set(x: Type, y: Type, **attrs: Any) -> Type:
    part = _infer_slice(x, **attrs)
    if part.shape != y.shape:
        raise _misfit(f"an update of shape {part.shape}", y.shape)
    return Type(x.shape, supported(np.result_type(x.dtype, y.dtype)))


def _slice_set_numpy(x: Any, y: Any, *, starts: Shape, stops: Shape, steps: Shape) -> Any:
    out = np.array(x, dtype=np.result_type(x, y))
    out[_slices(starts, stops, steps)] = y
    return out


def _slice_set_transpose(ct: Any, x: Type, y: Type, **attrs: Any) -> tuple[Any, Any]:
    return slice_set(ct, zeros(y, ct), **attrs), slice_(ct, **attrs)


slice_set = Op(
    "slice_set",
    _infer_slice_set,
    _slice_set_numpy,
    Linear(_slice_set_transpose, (0, 1)),
    IndexMap(),
    (
        Case(((5,), (2,)), {"starts": (1,), "stops": (5,), "steps": (2,)}),
        Case(((3, 4), (2, 2)), {"starts": (0, 1), "stops": (2, 3), "steps": (1, 1)}),
    ),
    "a copy of x with y at x[start:stop:step]",
)

flip = Op(
    "flip",
    lambda x, *, axes: x,
    lambda x, *, axes: np.flip(x, axes),
    Linear(lambda ct, x, *, axes: (flip(ct, axes=axes),)),
    IndexMap(),
    (Case(((3,),), {"axes": (0,)}), Case(((2, 3),), {"axes": (0, 1)})),
    "x with the order along `axes` reversed",
)


def _infer_concatenate(*xs: Type, axis: int) -> Type:
    first = xs[0] if xs else None
    if first is None or not 0 <= axis < first.ndim:
        raise _misfit("arrays with the axis to join along", f"{', '.join(map(str, xs)) or 'nothing'} and axis {axis}")
    rests = {x.shape[:axis] + x.shape[axis + 1 :] for x in xs}
    if len(rests) > 1 or any(x.ndim != first.ndim for x in xs):
        got, hint = " and ".join(map(str, xs)), "another axis=, or a reshape of one of them"
        raise _misfit(f"arrays of the same lengths but along axis {axis}", got, hint)
    shape = (*first.shape[:axis], sum(x.shape[axis] for x in xs), *first.shape[axis + 1 :])
    return Type(shape, supported(np.result_type(*(x.dtype for x in xs))))


def _concatenate_transpose(ct: Any, *xs: Type, axis: int) -> list[Any]:
    """The part of ct that each array became."""
    stops = accumulate(x.shape[axis] for x in xs)
    return [part(ct, axis, stop - x.shape[axis], stop) for x, stop in zip(xs, stops, strict=True)]


def part(x: Any, axis: int, start: int, stop: int) -> Any:
    """x[start:stop] along one axis."""
    starts = tuple(start if i == axis else 0 for i in range(len(x.shape)))
    stops = tuple(stop if i == axis else n for i, n in enumerate(x.shape))
    return slice_(x, starts=starts, stops=stops, steps=(1,) * len(starts))


concatenate = Op(
    "concatenate",
    _infer_concatenate,
    lambda *xs, axis: np.concatenate(xs, axis),
    Linear(_concatenate_transpose, None),
    IndexMap(),
    (
        Case(((2,), (3,)), {"axis": 0}),
        Case(((2, 3), (2, 1), (2, 2)), {"axis": 1}),
        Case(((1, 2), (0, 2)), {"axis": 0}),
        Case(((3,),), {"axis": 0}),
    ),
    "the arrays one behind the other along `axis`",
)

Widths = tuple[tuple[int, int], ...]


def _infer_pad(x: Type, y: Type, *, widths: Widths) -> Type:
    if len(widths) != x.ndim or any(before < 0 or after < 0 for before, after in widths):
        raise _misfit(f"a pair of widths of at least 0 for each of the {x.ndim} axes of {x}", widths)
    if y.shape != ():
        raise _misfit("one number to pad with", str(y))
    return Type(tuple(a + n + b for n, (a, b) in zip(x.shape, widths, strict=True)), x.dtype)


def _inner(shape: Shape, widths: Widths) -> dict[str, Shape]:
    """Where in the padded array x is, as the attributes of a slice."""
    starts = tuple(before for before, _ in widths)
    stops = tuple(a + n for a, n in zip(starts, shape, strict=True))
    return {"starts": starts, "stops": stops, "steps": (1,) * len(shape)}


def _pad_numpy(x: Any, y: Any, *, widths: Widths) -> Any:
    out = np.full(tuple(a + n + b for n, (a, b) in zip(x.shape, widths, strict=True)), y, x.dtype)
    out[_slices(**_inner(x.shape, widths))] = x
    return out


def _pad_transpose(ct: Any, x: Type, y: Type, *, widths: Widths) -> tuple[Any, Any]:
    """ct without its border, and the sum of the border."""
    inner = _inner(x.shape, widths)
    return slice_(ct, **inner), slice_set(ct, zeros(x, ct), **inner)  # y's is summed to y's shape


pad = Op(
    "pad",
    _infer_pad,
    _pad_numpy,
    Linear(_pad_transpose, (0, 1)),
    IndexMap(),
    (
        Case(((3,), ()), {"widths": ((1, 2),)}),
        Case(((2, 3), ()), {"widths": ((0, 1), (2, 0))}),
        Case(((0, 2), ()), {"widths": ((1, 1), (0, 0))}),
    ),
    "x with `widths` (before, after) elements of the number y around it along each axis",
)


# --- constants --------------------------------------------------------------------------------------------------------

full = Op(
    "full",
    lambda *, shape, value, dtype: Type(shape, supported(dtype)),
    lambda *, shape, value, dtype: _repeated(np.dtype(dtype).type(value), shape),
    None,
    IndexMap(),
    (Case((), {"shape": (2, 3), "value": 1.5, "dtype": "float32"}),),
    "the number `value` everywhere",
)
iota = Op(
    "iota",
    lambda *, length, dtype: Type((length,), supported(dtype)),
    lambda *, length, dtype: np.arange(length, dtype=dtype),
    None,
    IndexMap(),
    (Case((), {"length": 4, "dtype": "int64"}), Case((), {"length": 0, "dtype": "float32"})),
    "0, 1, 2, ... `length` numbers",
)


def zeros(like: Any, beside: Any) -> Any:
    """Zeros of the shape and dtype of `like` (an array, a traced value or a Type), staged where `beside` is."""
    return full.beside(beside, shape=like.shape, value=0, dtype=like.dtype.name) if like.shape else like.dtype.type(0)
