"""A saved model: one folder with `params.safetensors` and `model.json`. Reading it executes nothing."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from chainrule._version import __version__
from chainrule.errors import MissingExtraError, SaveError, message
from chainrule.train.architecture import Registry, Slot, UnknownLayer, describe, rebuild
from chainrule.train.folder import check_folder, write_folder
from chainrule.train.history import History, Run, Scores
from chainrule.train.kinds import is_array, is_dict, is_list, is_mapping, is_sequence
from chainrule.tree import flatten, unflatten
from chainrule.types import SHORT_NAMES
from chainrule.where import user_location

FORMAT: Final = "chainrule model"
FORMAT_VERSION: Final = 1
PARAMETERS: Final = "params.safetensors"
DESCRIPTION: Final = "model.json"
FILES: Final = frozenset({PARAMETERS, DESCRIPTION})
_DEEPEST: Final = 100  # levels of notes and metrics
_LINE: Final = 100  # the length up to which a part of model.json stays on one line


@dataclass(frozen=True, eq=False)
class Saved:
    """What `load` returns: the model, and what `model.json` says of it.

    `held_out` are the indices of the rows that were not trained on; `metrics` numbers by name; `history` the columns of
    the run's history by name; `notes` what `save` was given; `versions` those of the libraries that wrote it.
    """

    model: Any
    seed: int | None
    held_out: npt.NDArray[np.int64] | None
    metrics: dict[str, Any]
    history: dict[str, list[Any]]
    stopped: str | None
    notes: dict[str, Any]
    versions: dict[str, str]


def save(
    folder: str | os.PathLike[str],
    run_or_model: Any,
    *,
    metrics: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """The absolute path of the folder, which afterwards holds the model: all of it, or, after an error, nothing new.

    `params.safetensors` has the arrays under the names of their places, such as `layers.0.weight`; `model.json` has
    the architecture and, of a Run, its seed, held-out rows, scores and history. `metrics` and `notes` (numbers,
    strings, and lists and dicts of them) are kept with it. A folder with a saved model is replaced only with
    `overwrite`.

    Raises SaveError where the folder cannot be written or the model has parts without a form in a file, and
    MissingExtraError without the package safetensors.
    """
    tensors, version = find_safetensors()
    target = os.path.abspath(Path(folder))
    run = run_or_model if isinstance(run_or_model, Run) else None
    model = run.model if run is not None else run_or_model
    arrays = _arrays(model)
    description = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "architecture": describe(model, Registry()),
        "dtype": _dtype_name(arrays),
        **_of_run(run),
        "metrics": {**_scores_of(run), **_plain(metrics or {}, "metrics")},
        "notes": _plain(notes or {}, "notes"),
        "versions": {
            "chainrule": __version__,
            "numpy": np.__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            "safetensors": version,
        },
    }
    text = _as_text(description) + "\n"

    def write_description(path: str) -> None:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)

    def write_parameters(path: str) -> None:
        tensors.save_file(arrays, path, metadata={"format": FORMAT})

    write_folder(target, {PARAMETERS: write_parameters, DESCRIPTION: write_description}, overwrite)
    return Path(target)


def load(folder: str | os.PathLike[str], *, layers: Sequence[type] = ()) -> Saved:
    """The model in the folder, with what is known of it.

    Nothing in the folder is executed: layers are those of chainrule.nn, and classes of your own are given as `layers`.
    Names, shapes and dtypes of the parameters are compared with the architecture.

    Raises SaveError, naming the file and what is wrong with it.
    """
    place = os.path.abspath(Path(folder))
    description = _read_description(os.path.join(place, DESCRIPTION))
    try:
        model = rebuild(description["architecture"], Registry(layers))
        held_out = description.get("held_out")
        saved = Saved(
            model=None,
            seed=_kind(description, "seed", (int, type(None))),
            held_out=None if held_out is None else _indices(held_out),
            metrics=_kind(description, "metrics", (dict,)),
            history=_kind(description, "history", (dict,)),
            stopped=_kind(description, "stopped", (str, type(None))),
            notes=_kind(description, "notes", (dict,)),
            versions=_kind(description, "versions", (dict,)),
        )
    except KeyError as error:
        raise _damaged(place, DESCRIPTION, f"no {error} in it") from error
    except UnknownLayer as error:
        got = f"{error} in {os.path.join(place, DESCRIPTION)}"
        hint = f"train.load(folder, layers=[{error}]) with your class of that name"
        raise SaveError(message("layers of chainrule.nn", got, user_location(), hint)) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(place, DESCRIPTION, str(error)) from error
    slots, structure = flatten(model)
    wanted = dict(zip(structure.paths(), slots, strict=True))
    arrays = _read_arrays(place, wanted)
    return dataclasses.replace(saved, model=unflatten(structure, [arrays[name] for name in wanted]))


def check_place(folder: str | os.PathLike[str]) -> None:
    """Nothing where `save` could write a new folder; else the error that it would raise."""
    find_safetensors()
    check_folder(os.path.abspath(Path(folder)), set(FILES))


def find_safetensors() -> tuple[Any, str]:
    """The module safetensors.numpy and its version; an error that names the extra where it is missing."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError(
            message("the package safetensors", "none installed", user_location(), "pip install 'chainrule[train]'")
        ) from error
    return safetensors.numpy, safetensors.__version__


# --- writing ----------------------------------------------------------------------------------------------------------


def _arrays(model: Any) -> dict[str, npt.NDArray[Any]]:
    """The model's arrays by name, in memory as the file wants them."""
    leaves, structure = flatten(model)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, leaf in zip(structure.paths(), leaves, strict=True):
        if not is_array(leaf) or leaf.dtype not in SHORT_NAMES:
            got = f"{getattr(leaf, 'dtype', type(leaf).__name__)} for `{name}`"
            known = ", ".join(dtype.name for dtype in SHORT_NAMES)
            raise SaveError(message(f"arrays of {known} in a model", got, user_location(), "x.astype(np.float32)"))
        if name in arrays or not name:
            got = f"two of the name `{name}`" if name else "a model that is one array"
            raise SaveError(message("a name of its own for every array", got, user_location(), "a layer around it"))
        arrays[name] = np.array(leaf, order="C")
    return arrays


def _dtype_name(arrays: dict[str, npt.NDArray[Any]]) -> str | None:
    """The dtype of the parameters that are floating-point numbers."""
    floats = [array.dtype for array in arrays.values() if array.dtype.kind == "f"]
    return np.result_type(*floats).name if floats else None


def _of_run(run: Run | None) -> dict[str, Any]:
    columns = ("loss", "accuracy", "validation_loss", "validation_accuracy", "seconds")
    history = History() if run is None else run.history
    return {
        "seed": None if run is None else run.seed,
        "held_out": None if run is None or run.held_out is None else run.held_out.tolist(),
        "stopped": None if run is None else run.stopped,
        "history": {name: _plain(getattr(history, name), f"history.{name}") for name in columns},
    }


def _scores_of(run: Run | None) -> dict[str, Any]:
    """The scores of the last epoch by name."""
    if run is None or not run.history:
        return {}
    parts: dict[str, Scores | None] = {"train": run.history[-1].train, "validation": run.history[-1].validation}
    named = {
        f"{part}_{field}": getattr(scores, field)
        for part, scores in parts.items()
        for field in ("loss", "accuracy")
        if getattr(scores, field, None) is not None
    }
    return _plain(named, "metrics")


def _plain(value: Any, name: str) -> Any:
    """The value as JSON can hold it; numbers that are not finite become strings."""
    if is_array(value):
        return _plain(value.tolist(), name)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if name.count(".") > _DEEPEST:
        got = f"a {type(value).__name__} that is deeper, or holds itself, at {name[:_LINE]}..."
        raise SaveError(message(f"at most {_DEEPEST} levels", got, user_location(), "one list"))
    if is_mapping(value):
        return {str(key): _plain(part, f"{name}.{key}") for key, part in value.items()}
    if is_sequence(value):
        return [_plain(part, f"{name}.{i}") for i, part in enumerate(value)]
    got = f"{type(value).__name__} at {name}"
    raise SaveError(message("numbers, strings, and lists and dicts of them", got, user_location(), f"str({name})"))


def _as_text(value: Any, indent: str = "") -> str:
    """JSON for people: on one line what is short, or numbers in a row; else an entry a line."""
    line = json.dumps(value, allow_nan=False)
    parts: list[Any] = list(value.values()) if is_dict(value) else value if is_list(value) else []
    if len(indent) + len(line) <= _LINE or not any(isinstance(part, (dict, list, str)) for part in parts):
        return line
    inner = indent + "  "
    texts = [_as_text(part, inner) for part in parts]
    if is_dict(value):
        texts = [f"{json.dumps(key)}: {text}" for key, text in zip(value, texts, strict=True)]
    opening, closing = "{}" if is_dict(value) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(texts) + f"\n{indent}{closing}"


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_description(path: str) -> dict[str, Any]:
    try:
        _check_regular(path)
        with open(path, encoding="utf-8") as file:
            description = json.load(file)
    except OSError as error:
        hint = "the folder that train.save returned"
        got = f"{error.strerror or error!r} for {path}"
        raise SaveError(message("a folder with a saved model", got, user_location(), hint)) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(*os.path.split(path), f"no JSON: {error}") from error
    if not is_dict(description) or description.get("format") != FORMAT:
        raise _damaged(*os.path.split(path), f'no "format": "{FORMAT}" in it')
    version = description.get("format_version")
    if version != FORMAT_VERSION:
        got = f"{version!r} in {path}"
        raise SaveError(message(f"format version {FORMAT_VERSION}", got, user_location(), "a newer chainrule"))
    return description


def _read_arrays(place: str, wanted: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """The arrays in the folder, each as the architecture has it."""
    tensors, _ = find_safetensors()
    try:
        _check_regular(os.path.join(place, PARAMETERS))
        found = tensors.load_file(os.path.join(place, PARAMETERS))
    except Exception as error:  # of the library's own kind, which its versions name differently
        raise _damaged(place, PARAMETERS, getattr(error, "strerror", None) or str(error)) from error
    if found.keys() != wanted.keys():
        missing, strange = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        said = [f"no {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(strange)}"] * bool(strange)
        raise _damaged(place, PARAMETERS, "; ".join(said))
    for name, slot in wanted.items():
        array = found[name]
        if not isinstance(slot, Slot):
            raise _damaged(place, DESCRIPTION, f"no array at {name}")
        if array.shape != slot.shape or array.dtype != slot.dtype:
            got = f"{array.dtype.name}{list(array.shape)} for {name} where {DESCRIPTION} says {slot}"
            raise _damaged(place, PARAMETERS, got)
    return {name: np.array(array) for name, array in found.items()}


def _check_regular(path: str) -> None:
    """Raises OSError for folders, and for devices and pipes, which could block or never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        code = errno.EISDIR if os.path.isdir(path) else errno.EINVAL
        raise OSError(code, "not a file", path)


def _kind(description: dict[str, Any], key: str, kinds: tuple[type, ...]) -> Any:
    value = description[key]
    if not isinstance(value, kinds):
        raise ValueError(f"{str(value)[:80]!r} as {key}")
    return value


def _indices(value: Any) -> npt.NDArray[np.int64]:
    if not is_list(value) or not all(type(i) is int and 0 <= i < 2**63 for i in value):
        raise ValueError(f"{str(value)[:80]!r} as held_out")
    return np.array(value, dtype=np.int64)


def _damaged(place: str, name: str, what: str) -> SaveError:
    path = os.path.join(place, name)
    return SaveError(message("a saved model", f"{what} ({path})", user_location(), "saving it again"))
