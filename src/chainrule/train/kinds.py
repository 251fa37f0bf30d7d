"""What kind of thing a value is that came from outside, told so that the type checker knows it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt


def is_sequence(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether it is a list or a tuple."""
    return isinstance(value, (list, tuple))


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether it is a list."""
    return isinstance(value, list)


def is_tuple(value: Any) -> TypeGuard[tuple[Any, ...]]:
    """Whether it is a tuple without names for its parts."""
    return type(value) is tuple


def is_mapping(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Whether it is a mapping."""
    return isinstance(value, Mapping)


def is_dict(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether it is a dict with strings as keys."""
    return type(value) is dict and all(isinstance(key, str) for key in value)  # pyright: ignore[reportUnknownVariableType]


def is_dtype(value: Any) -> TypeGuard[npt.DTypeLike]:
    """Whether it is a dtype of NumPy's, or the class of its numbers."""
    return isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic))


def is_array(value: Any) -> TypeGuard[npt.NDArray[Any]]:
    """Whether it is an array, or a number of NumPy's, which has an array's attributes."""
    return isinstance(value, (np.ndarray, np.generic))
