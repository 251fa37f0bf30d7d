"""What is to be learnt, looked through before anything runs: the model's parameters, the data, the held-out rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chainrule.data import check_data, split
from chainrule.errors import DataError, DTypeError, OptionError, ShapeError, TreeError, message
from chainrule.train.kinds import is_sequence
from chainrule.tree import flatten, unflatten
from chainrule.types import SHORT_NAMES
from chainrule.where import user_location

if TYPE_CHECKING:  # NumPy loads numpy.random on first use
    from chainrule.data.sampling import Seed

Array: TypeAlias = npt.NDArray[Any]
Indices: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """Some rows of a data set: inputs (n, ...), targets (n, ...), and which of them; nothing is copied."""

    x: Array
    y: Array
    indices: Indices

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True, eq=False, slots=True)
class Problem:
    """Rows to train on and rows to validate on. `labelled`: targets are classes, and outputs scores of them."""

    train: Rows
    validation: Rows | None
    held_out: Indices | None
    labelled: bool


def own_model(model: Any) -> Any:
    """The model with arrays of its own, once every parameter is found to be floating-point.

    Python floats become arrays. Raises TreeError for what cannot be called or has no parameters, DTypeError for
    parameters that are not floating-point.
    """
    leaves, structure = flatten(model)
    if not callable(model):
        hint = "a model of chainrule.nn, or a subclass of nn.Module with __call__"
        got = f"{type(model).__name__}, which cannot be called"
        raise TreeError(message("a model that is called as model(x)", got, user_location(), hint))
    if structure.container is None or "param" not in structure.kinds():
        hint = "a subclass of nn.Module with fields nn.param()"
        raise TreeError(message("a model with parameters", f"{model!r} with none", user_location(), hint))
    for path, kind, leaf in zip(structure.paths(), structure.kinds(), leaves, strict=True):
        dtype = getattr(leaf, "dtype", None if isinstance(leaf, float) else type(leaf).__name__)
        wanted = [known.name for known in SHORT_NAMES if known.kind == "f" or kind == "state"]
        if dtype is not None and dtype not in wanted:
            hint = "x.astype(np.float32), or a field nn.state() or nn.static() for what is not trained"
            expected = f"{'floating-point parameters' if kind == 'param' else 'state'} of {', '.join(wanted)}"
            raise DTypeError(message(expected, f"{dtype} for `{path}`", user_location(), hint))
    dtype = parameter_dtype(model)
    return unflatten(structure, [np.array(x, dtype if isinstance(x, float) else None) for x in leaves])


def check_functions(loss: Any, optimizer: Any, on_epoch: Any = None) -> None:
    """Raises OptionError unless the loss (and on_epoch) can be called and the optimizer has `init` and `update`."""
    if not callable(loss):
        expected = "a loss that is called as loss(output, target)"
        raise OptionError(message(expected, type(loss).__name__, user_location(), "nn.cross_entropy"))
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        got = getattr(optimizer, "__name__", None) or repr(optimizer)
        raise OptionError(message("an optimizer", got, user_location(), "optim.adam(1e-3)"))
    if on_epoch is not None and not callable(on_epoch):
        hint = "on_epoch=lambda run: print(run.history[-1])"
        raise OptionError(message("a function on_epoch(run)", type(on_epoch).__name__, user_location(), hint))


def parameter_dtype(model: Any) -> np.dtype[Any]:
    """The widest dtype of the floating-point arrays in a model, float32 where there is none."""
    found = [leaf.dtype for leaf in flatten(model)[0] if getattr(leaf, "dtype", np.dtype(bool)).kind == "f"]
    return np.result_type(*found) if found else np.dtype(np.float32)


def parameter_count(model: Any) -> int:
    """The number of numbers that are trained."""
    leaves, structure = flatten(model)
    return sum(np.size(x) for x, kind in zip(leaves, structure.kinds(), strict=True) if kind == "param")


def all_rows(model: Any, data: Any, name: str = "data") -> tuple[Rows, bool]:
    """The rows of `data`, a pair (x, y), once they are found to be what the model can be trained on, and `labelled`.

    Floating-point arrays are converted to the dtype of the model's parameters. Targets are labels where they are
    integers with one axis less than the model's output.
    """
    if not is_sequence(data) or len(data) != 2:
        got = f"{type(data).__name__} of length {len(data)}" if is_sequence(data) else type(data).__name__
        raise DataError(message(f"{name} as a pair (x, y)", got, user_location(), "(x, y)"))
    check_data(data[0], data[1])
    x, y = (_as_computed(part, parameter_dtype(model)) for part in data)
    with np.errstate(all="ignore"):
        *rest, classes = getattr(model(x[:1]), "shape", None) or (1,)
    labelled = y.dtype.kind in "iu" and len(rest) == y.ndim and classes > 1
    if labelled:
        check_labels(y, classes)
    return Rows(x, y, np.arange(len(x), dtype=np.int64)), labelled


def check_labels(y: Array, classes: int) -> None:
    """Raises DataError where a label is none of the model's classes 0 .. classes - 1."""
    wrong = (y < 0) | (y >= classes)
    if wrong.any():
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), y.shape))
        got = f"{y[place]} in y[{', '.join(map(str, place))}]"
        hint = f"a last layer of {int(y.max()) + 1} outputs, or labels counted from 0"
        if y.min() < 0:
            hint = "labels - labels.min()"
        raise DataError(message(f"labels y in 0 .. {classes - 1}", got, user_location(), hint))


def pose(model: Any, data: Any, validation: Any, batch_size: int, rng: Seed) -> Problem:
    """The problem: the rows of `data` without those held out for validation, by a fraction or as data of their own.

    Held-out rows are drawn by `data.split(y, validation, rng)`, of each class its share where targets are labels.
    """
    rows, labelled = all_rows(model, data)
    check_count(batch_size, "batch_size")
    if is_sequence(validation):
        held, held_labelled = all_rows(model, validation, "validation")
        if held.x.shape[1:] != rows.x.shape[1:] or held.y.shape[1:] != rows.y.shape[1:] or held_labelled != labelled:
            expected = f"validation data of rows like x {rows.x.shape[1:]} and y {rows.y.shape[1:]}"
            got = f"x {held.x.shape[1:]} and y {held.y.shape[1:]} of {held.y.dtype}"
            raise ShapeError(message(expected, got, user_location(), "the same preparation for both"))
        problem = Problem(rows, held, None, labelled)
    elif not isinstance(validation, bool) and isinstance(validation, Real) and 0 <= float(validation) < 1:
        problem = Problem(rows, None, None, labelled)
        if validation:
            stratified = labelled and rows.y.ndim == 1
            kept, held_out = split(rows.y if stratified else len(rows), float(validation), rng)
            problem = Problem(replace(rows, indices=kept), replace(rows, indices=held_out), held_out, labelled)
    else:
        expected = "validation: a fraction from 0 up to 1, or a pair (x, y)"
        raise OptionError(message(expected, repr(validation), user_location(), "validation=0.2"))
    if batch_size > len(problem.train):
        got = f"batch_size={batch_size}"
        expected = f"batch_size of at most {len(problem.train)}, the rows that are trained on"
        raise OptionError(message(expected, got, user_location(), f"batch_size={len(problem.train)}"))
    return problem


def check_count(value: Any, name: str) -> None:
    """Raises OptionError unless the value is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < 1:
        raise OptionError(message(f"{name}: a whole number of at least 1", repr(value), user_location(), f"{name}=10"))


def bit_generator(rng: Seed) -> tuple[np.random.BitGenerator, int | None]:
    """The bit generator of a seed or of a Generator, and the seed where it is a number."""
    if isinstance(rng, np.random.Generator):
        return rng.bit_generator, None
    if isinstance(rng, np.random.BitGenerator):
        return rng, None
    if isinstance(rng, np.random.SeedSequence):
        return np.random.PCG64(rng), None
    if not isinstance(rng, bool) and isinstance(rng, Integral) and int(rng) >= 0:
        return np.random.PCG64(int(rng)), int(rng)
    raise OptionError(message("rng: a seed of 0 or more, or a NumPy generator", repr(rng), user_location(), "rng=0"))


def is_finite(model: Any) -> bool:
    """Whether every floating-point number in the model is finite."""
    return all(bool(np.isfinite(leaf).all()) for leaf in flatten(model)[0])


def _as_computed(data: Any, dtype: np.dtype[Any]) -> Array:
    """The array in a dtype that is computed with: floats as the parameters, other widths of integers as int64."""
    array = np.asarray(data)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            computed = array.astype(dtype, copy=False)
        if computed is not array and not np.isfinite(computed).all():
            largest = np.finfo(dtype).max
            place = ", ".join(map(str, np.unravel_index(int(np.argmin(np.isfinite(computed))), array.shape)))
            expected = f"numbers in x and y up to {largest:.3g}, the largest of {dtype.name}, the model's dtype"
            got = f"{array.flat[int(np.argmin(np.isfinite(computed)))]:.6g} at [{place}]"
            raise DataError(message(expected, got, user_location(), "x / abs(x).max(), or a model of dtype=np.float64"))
        return computed
    if array.dtype.kind in "iu" and array.dtype not in SHORT_NAMES:
        return array.astype(np.int64)
    if array.dtype.kind == "c":
        hint = "np.stack([x.real, x.imag], -1)"
        raise DTypeError(message("real numbers in x and y", array.dtype.name, user_location(), hint))
    return array
