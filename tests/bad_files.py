"""Bad input from files, folders and the command line."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bad_rows import Given, Table

import chainrule as cr
from chainrule import nn, train
from chainrule.cli import main
from chainrule.data.idx import read_idx
from chainrule.errors import DataError, DTypeError, SaveError

TABLE = Table()
AGAIN = "; try copying or downloading the file again"
SAVED = "expected a saved model, got {} {{here}}; try saving it again"


def idx(*shape: int, kind: int = 0x08, body: bytes | None = None) -> bytes:
    """An IDX file of bytes (kind 8) of this shape; a body of another length makes it a wrong one."""
    header = bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + (bytes(int(np.prod(shape))) if body is None else body)


def written(given: Given, content: bytes, name: str = "data") -> Path:
    """A file in the folder, which is to stay as it is."""
    path = given.folder / name
    path.write_bytes(content)
    given.freeze()
    return path


def frugally(read: Callable[[], Any], most: int = 2**22) -> Any:
    """What `read` does, seen to take no more memory than this."""
    tracemalloc.start()
    try:
        return read()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most, f"{peak} bytes were taken"


# --- IDX files --------------------------------------------------------------------------------------------------------


@TABLE.called(DataError, "expected 6016 bytes (shape (60, 10, 10) of uint8), got 6015 in ... {here}" + AGAIN)
def file_that_is_too_short(given: Given) -> Any:
    path = written(given, idx(60, 10, 10)[:-1])
    return read_idx(path)  # wrong


@TABLE.called(DataError, "expected 12 bytes (shape (4,) of uint8), got 13 in ... {here}" + AGAIN)
def file_that_is_too_long(given: Given) -> Any:
    path = written(given, idx(4, body=bytes(5)))
    return read_idx(path)  # wrong


@TABLE.called(DataError, "expected 4 bytes after the header, got 2 in ... {here}" + AGAIN)
def compressed_file_that_is_too_short(given: Given) -> Any:
    path = written(given, gzip.compress(idx(4, body=bytes(2))))
    return read_idx(path)  # wrong


@TABLE.called(DataError, "expected intact data, got ... in ... {here}" + AGAIN)
def compressed_file_cut_off(given: Given) -> Any:
    path = written(given, gzip.compress(idx(999, body=np.random.default_rng(0).bytes(999)))[:300])
    return read_idx(path)  # wrong


@TABLE.called(
    DataError, "expected an IDX file, two zero bytes first, got bytes 89 50 4e 47 in ... {here}; try a file ..."
)
def picture(given: Given) -> Any:
    path = written(given, b"\x89PNG\r\n\x1a\n" + bytes(100))
    return read_idx(path)  # wrong


@TABLE.called(DataError, "expected an IDX header of at least 4 bytes, got 0 bytes in ... {here}" + AGAIN)
def empty_file(given: Given) -> Any:
    path = written(given, b"")
    return read_idx(path)  # wrong


@TABLE.called(
    DataError, "expected at most max_bytes=..., got 4294836225 bytes (shape (65535, 65535) of uint8) in ... {here}; ..."
)
def file_that_promises_four_gigabytes(given: Given) -> Any:
    path = written(given, idx(65535, 65535, body=bytes(10)))
    return frugally(lambda: read_idx(path))  # wrong


@TABLE.called(DataError, "expected 1000000008 bytes (...) once unpacked, got ... compressed ones in ... {here}" + AGAIN)
def compressed_file_that_promises_more_than_it_can_hold(given: Given) -> Any:
    path = written(given, gzip.compress(idx(10**9, body=bytes(10))))
    return frugally(lambda: read_idx(path))  # wrong


@TABLE.called(DataError, "expected 12 bytes (shape (4,) of uint8), got more in ... {here}" + AGAIN)
def gzip_bomb(given: Given) -> Any:
    path = written(given, gzip.compress(idx(4, body=bytes(2**26))))
    return frugally(lambda: read_idx(path))  # wrong


@TABLE.called(DataError, "expected an IDX file, got the folder ... {here}; try the path of the file itself")
def folder_in_place_of_a_file(given: Given) -> Any:
    return read_idx(given.folder)  # wrong


@TABLE.called(
    DataError, "expected train-images-idx3-ubyte or train-images-idx3-ubyte.gz, got no folder ... {here}; try ..."
)
def missing_folder_of_data(given: Given) -> Any:
    return cr.data.mnist(given.folder / "nowhere")  # wrong


@TABLE.called(
    DataError, "expected images of shape (n, 28, 28) of uint8, got shape (2, 27, 28) of uint8 in ... {here}; try ..."
)
def images_of_27_rows(given: Given) -> Any:
    written(given, idx(2, 27, 28), "train-images-idx3-ubyte")
    written(given, idx(2), "train-labels-idx1-ubyte")
    return cr.data.mnist(given.folder)  # wrong


@TABLE.called(
    DataError,
    "expected as many labels as images, and at least one, got 2 images in ... and 3 labels in ... {here}; ...",
)
def labels_of_another_part(given: Given) -> Any:
    written(given, idx(2, 28, 28), "train-images-idx3-ubyte")
    written(given, idx(3), "train-labels-idx1-ubyte")
    return cr.data.mnist(given.folder)  # wrong


@TABLE.called(DataError, "expected labels of 0 to 9, got 10 in row 1 in ... {here}; try the labels file of MNIST")
def labels_that_are_none(given: Given) -> Any:
    written(given, idx(2, 28, 28), "train-images-idx3-ubyte")
    written(given, idx(2, body=bytes([9, 10])), "train-labels-idx1-ubyte")
    return cr.data.mnist(given.folder)  # wrong


@TABLE.called(DTypeError, "expected dtype float32 or float64, got <class 'int'> {here}; try dtype=np.float32")
def digits_as_integers(given: Given) -> Any:
    return cr.data.digits(dtype=int)  # wrong


# --- saved models -----------------------------------------------------------------------------------------------------


@TABLE.called(SaveError, "expected a folder to save in, got the file ... {here}; try another name")
def file_in_place_of_a_folder(given: Given) -> Any:
    path = written(given, b"precious")
    return train.save(path, given.model, overwrite=True)  # wrong


@TABLE.called(
    SaveError, "expected a folder that can be written, got 'Not a directory' for ... {here}; try another place"
)
def folder_below_a_file(given: Given) -> Any:
    path = written(given, b"precious")
    return train.save(path / "model", given.model)  # wrong


@TABLE.called(
    SaveError, "expected a new folder, or one with a saved model, got ..., which holds other files (data) {here}; ..."
)
def folder_with_other_files(given: Given) -> Any:
    path = written(given, b"precious")
    return train.save(path.parent, given.model, overwrite=True)  # wrong


@TABLE.called(
    SaveError,
    "expected a new folder, got ..., which holds a saved model {here}; try another name, or overwrite=True...",
)
def folder_with_a_saved_model(given: Given) -> Any:
    train.save(given.folder / "model", given.model)
    given.freeze()
    return train.save(given.folder / "model", given.model)  # wrong


@TABLE.called(SaveError, "expected a folder to save in, got the file ... {here}; try another name")
def link_to_another_folder(given: Given) -> Any:
    (given.folder / "precious").mkdir()
    (given.folder / "link").symlink_to("precious")
    given.freeze()
    return train.save(given.folder / "link", given.model, overwrite=True)  # wrong


@TABLE.called(SaveError, "expected a model of layers, arrays and plain options, got the function ... {here}; try ...")
def function_in_a_model(given: Given) -> Any:
    given.freeze()
    return train.save(given.folder / "model", nn.Sequential(nn.Linear(2, 2), lambda x: x))  # wrong


@TABLE.called(
    SaveError, "expected at most 100 levels, got a dict that is deeper, or holds itself, at notes.a.a... {here}; ..."
)
def notes_that_hold_themselves(given: Given) -> Any:
    notes: dict[str, Any] = {}
    notes["a"] = notes
    given.freeze()
    return train.save(given.folder / "model", given.model, notes=notes)  # wrong


def damaged(given: Given, name: str, change: Callable[[Path], Any]) -> Any:
    """Loads a saved model, one of whose files was changed."""
    folder = train.save(given.folder / "model", given.model)
    change(folder / name)
    given.freeze()
    return train.load(folder)  # wrong


def edited(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """A change of the description."""

    def edit(path: Path) -> None:
        description = json.loads(path.read_text())
        change(description)
        path.write_text(json.dumps(description))

    return edit


def replaced(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


DAMAGES: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "parameters missing": (
        "params.safetensors",
        os.unlink,
        SAVED.format("No such file or directory (...params.safetensors)"),
    ),
    "parameters cut off": (
        "params.safetensors",
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        SAVED.format("... (...params.safetensors)"),
    ),
    "parameters of endless zeros": (
        "params.safetensors",
        lambda path: replaced(path, "/dev/zero"),
        SAVED.format("not a file (...params.safetensors)"),
    ),
    "description cut off": (
        "model.json",
        lambda path: path.write_text(path.read_text()[:99]),
        SAVED.format("no JSON: ... (...model.json)"),
    ),
    "description nested without end": (
        "model.json",
        lambda path: path.write_text("[" * 10**5),
        SAVED.format("no JSON: ... (...model.json)"),
    ),
    "description of endless zeros": (
        "model.json",
        lambda path: replaced(path, "/dev/zero"),
        "expected a folder with a saved model, got 'not a file' for ...model.json {here}; try the folder that ...",
    ),
    "layer that is unknown": (
        "model.json",
        edited(lambda d: d["architecture"].update({"class": "os.system"})),
        "expected layers of chainrule.nn, got os.system in ...model.json {here}; try train.load(...) ...",
    ),
    "function that is unknown": (
        "model.json",
        edited(lambda d: d["architecture"]["layers"][0].update(activation={"function": "os.system"})),
        SAVED.format("\"{'function': 'os.system'}\" in the architecture (...model.json)"),
    ),
    "shape beyond all memory": (
        "model.json",
        edited(lambda d: d["architecture"]["layers"][0]["weight"].update(shape=[10**12, 10**12])),
        SAVED.format("float32[5, 4] for layers.0.weight where model.json says float32[1000000000000, ...] (...)"),
    ),
    "held out rows that are none": (
        "model.json",
        edited(lambda d: d.update(held_out=[2**70])),
        SAVED.format("... as held_out (...model.json)"),
    ),
    "later version": (
        "model.json",
        edited(lambda d: d.update(format_version=99)),
        "expected format version 1, got 99 in ...model.json {here}; try a newer chainrule",
    ),
}


def add_damage(name: str, file: str, change: Callable[[Path], Any], text: str) -> None:
    def row(given: Given) -> Any:
        return damaged(given, file, change)

    row.__name__ = name
    TABLE.called(SaveError, text, source=damaged)(row)


for _name, (_file, _change, _text) in DAMAGES.items():
    add_damage(_name, _file, _change, _text)


# --- the command line -------------------------------------------------------------------------------------------------


class Told(Exception):
    """What the command said on standard error, having ended with status 2."""


def command(given: Given, *arguments: str) -> None:
    given.freeze()
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = main(arguments)
        except SystemExit as error:
            status = error.code
    assert status == 2
    raise Told(said.getvalue())


COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown option": (
        ("train", "digits", "--epoch", "3"),
        "chainrule train: expected a known option, got --epoch (is --epochs meant?); try chainrule train --help\n",
    ),
    "unknown data set": (
        ("train", "cifar"),
        "chainrule train: ...invalid choice: 'cifar' ...; try chainrule train --help\n",
    ),
    "no epochs": (
        ("train", "digits", "--epochs", "0"),
        "chainrule train: argument --epochs: expected a whole number of at least 1, got '0'; try ...\n",
    ),
    "learning rate that is no number": (
        ("train", "digits", "--lr", "nan"),
        "chainrule train: argument --lr: expected a number above 0, got 'nan'; try chainrule train --help\n",
    ),
    "folder of data that is missing": (
        ("train", "mnist", "--data", "{folder}/nowhere"),
        "chainrule: expected train-images-idx3-ubyte or ..., got no folder ...; try putting the four files ...\n",
    ),
    "output into a file": (
        ("train", "digits", "--out", "{folder}/data"),
        "chainrule: expected a folder to save in, got the file ...; try another name\n",
    ),
    "output below a file": (
        ("train", "digits", "--out", "{folder}/data/model"),
        "chainrule: expected a folder that can be written, got 'Not a directory' for ...; try another place\n",
    ),
}


def add_command(name: str, arguments: tuple[str, ...], text: str) -> None:
    def row(given: Given) -> None:
        written(given, b"precious")
        command(given, *(argument.format(folder=given.folder) for argument in arguments))

    row.__name__ = f"command, {name}"
    TABLE.called(Told, text)(row)


for _name, (_arguments, _text) in COMMANDS.items():
    add_command(_name, _arguments, _text)

if os.name != "posix":  # no links without privileges, no endless devices, other words of the system
    LINKED = {"link to another folder", "parameters of endless zeros", "description of endless zeros"}
    WORDED = {"folder below a file", "parameters missing", "command, output below a file"}
    TABLE.rows = [row for row in TABLE.rows if row.name not in LINKED | WORDED]
