"""Types of arrays: shape, dtype, and whether the value is a Python scalar that yields to its partner's dtype."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import DTypeError, message
from chainrule.where import user_location

Shape = tuple[int, ...]

SHORT_NAMES: Final[dict[np.dtype[Any], str]] = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float64): "f64",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
    np.dtype(np.uint8): "u8",
    np.dtype(np.bool_): "bool",
}
DTYPES: Final[dict[str, np.dtype[Any]]] = {short: dtype for dtype, short in SHORT_NAMES.items()}
FLOATS: Final = (np.dtype(np.float32), np.dtype(np.float64))
BOOL: Final = np.dtype(np.bool_)
INT64: Final = np.dtype(np.int64)
FLOAT32: Final = np.dtype(np.float32)
FLOAT64: Final = np.dtype(np.float64)
_PYTHON: Final[dict[type, np.dtype[Any]]] = {float: FLOAT64, int: INT64, bool: BOOL}
_CURES: Final = {
    "i": "x.astype(np.int64)",
    "u": "x.astype(np.int64)",
    "f": "x.astype(np.float32)",
    "c": "x.real and x.imag, two arrays",
    "O": "np.array(x, np.float64), all elements being numbers",
}


@dataclass(frozen=True, slots=True)
class Type:
    """Shape and dtype of an array. `weak` marks a Python scalar under NumPy 2 promotion (`~f64` in text)."""

    shape: Shape
    dtype: np.dtype[Any]
    weak: bool = False

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes of the elements."""
        return self.size * self.dtype.itemsize

    @property
    def is_float(self) -> bool:
        """Whether a derivative by such a value has a meaning."""
        return self.dtype.kind == "f"

    def with_shape(self, shape: Shape) -> Type:
        """The same dtype with another shape."""
        return Type(shape, self.dtype, self.weak and shape == ())

    def __str__(self) -> str:
        dims = f"[{','.join(map(str, self.shape))}]" if self.shape else ""
        return f"{'~' if self.weak else ''}{SHORT_NAMES.get(self.dtype, self.dtype.name)}{dims}"


def type_of(value: Any, name: str = "", hint: str = "") -> Type:
    """The type of an array, a NumPy scalar or a Python scalar (weak).

    Of anything else, and of arrays that compute by rules of their own (masked arrays, matrices), a DTypeError;
    `name` (" for `weight`") and `hint` go into its text.
    """
    kind = value.__class__
    if kind is np.ndarray or isinstance(value, (np.generic, np.memmap)):
        return Type(value.shape, supported(value.dtype, name))
    python = _PYTHON.get(kind)
    if python is not None:
        return Type((), python, weak=python != BOOL)
    traced = getattr(value, "type", None)
    if isinstance(traced, Type):
        return traced
    if isinstance(value, np.ndarray):
        hint = "x.filled(value)" if isinstance(value, np.ma.MaskedArray) else "np.asarray(x)"
        raise DTypeError(message(f"a plain array{name}", f"a {kind.__name__}", user_location(), hint))
    hint = hint or ("np.array(x)" if kind in (list, tuple) else "an array of numbers")
    raise DTypeError(message(f"an array or a number{name}", kind.__name__, user_location(), hint))


def supported(dtype: Any, name: str = "") -> np.dtype[Any]:
    """The dtype itself if chainrule computes with it, in this machine's byte order; else a DTypeError."""
    if isinstance(dtype, np.dtype) and dtype in SHORT_NAMES:
        return dtype
    known = f"one of the dtypes {', '.join(d.name for d in SHORT_NAMES)}{name}"
    try:
        dtype = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        raise DTypeError(message(known, repr(dtype), user_location(), "np.float32")) from None
    if dtype not in SHORT_NAMES:
        raise DTypeError(message(known, dtype.name, user_location(), _CURES.get(dtype.kind, "numbers")))
    return dtype


def shape_of(value: Any) -> Shape:
    """The shape of an array or of a Python scalar."""
    return getattr(value, "shape", ())


def dtype_of(value: Any) -> np.dtype[Any]:
    """The dtype of an array or of a Python scalar."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        return dtype
    python = _PYTHON.get(value.__class__)
    return type_of(value).dtype if python is None else python
