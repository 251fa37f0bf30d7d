"""A saved model: what comes back, what NumPy makes of it, and what is said of a folder that is damaged or in use."""

from __future__ import annotations

import builtins
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import nn
from chainrule.errors import MissingExtraError, SaveError
from chainrule.train import Epoch, History, Run, Scores, load, save
from chainrule.tree import flatten, named_leaves

safetensors_numpy = pytest.importorskip("safetensors.numpy", reason="the extra train is not installed")

X = np.linspace(-1, 1, 12).reshape(3, 4).astype(np.float32)


class Scaled(nn.Module):
    """A layer of a user's own, with a field of every kind."""

    inner: nn.Module
    scale: Any = nn.param()
    seen: Any = nn.state()
    powers: tuple[float, ...] = nn.static(default=(1.0, float("inf")))
    names: Any = nn.static(default=("a", None, True))
    dtype: Any = nn.static(default=np.dtype(np.int32))

    def __call__(self, x: Any) -> Any:
        return self.inner(x) * self.scale


def mlp() -> nn.MLP:
    return nn.MLP([4, 5, 3], activation="tanh", rng=1)


def a_run(model: Any) -> Run:
    epochs = (
        Epoch(1, 2, Scores(2.0, 0.5), Scores(1.5, 0.25), 0.5),
        Epoch(2, 2, Scores(1.0, 0.75), Scores(float("nan"), 0.5), 0.25),
    )
    return Run(model, None, History(epochs), "interrupted", np.array([1, 4, 7]), seed=3)


def assert_same(model: Any, other: Any) -> None:
    mine, theirs = named_leaves(model), named_leaves(other)
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert array.dtype == theirs[name].dtype
        np.testing.assert_array_equal(array, theirs[name])


@pytest.mark.parametrize(
    "model",
    [
        mlp(),
        nn.MLP([4, 3], rng=0, dtype=np.float64),
        nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False, rng=0), nn.relu, np.sin, nn.Dense(3, 2, "gelu", rng=0)),
        nn.Sequential(nn.Lambda(nn.softmax)),
    ],
    ids=["mlp", "float64", "every layer", "no parameters"],
)
def test_what_is_saved_comes_back(model: Any, tmp_path: Path) -> None:
    folder = save(tmp_path / "model", model)
    assert folder == tmp_path / "model"
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "params.safetensors"]
    loaded = load(folder).model
    assert type(loaded) is type(model)
    assert flatten(loaded)[1] == flatten(model)[1]
    assert_same(loaded, model)
    np.testing.assert_array_equal(loaded(X), model(X))
    assert all(array.flags.writeable for array in named_leaves(loaded).values())


def test_layers_of_ones_own_are_given(tmp_path: Path) -> None:
    model = Scaled(mlp(), np.float32([2, 3, 4]), [np.arange(3), {"mean": np.zeros((), np.uint8)}])
    folder = save(tmp_path / "model", model)
    loaded = load(folder, layers=[Scaled]).model
    assert_same(loaded, model)
    assert (loaded.powers, loaded.names, loaded.dtype) == (model.powers, model.names, model.dtype)
    assert type(loaded.seen) is list
    with pytest.raises(SaveError, match=r"expected layers of chainrule.nn, got Scaled .* at .*test_saved.py:\d+; try"):
        load(folder)


def test_what_is_known_of_a_run_is_kept(tmp_path: Path) -> None:
    run = a_run(mlp())
    metrics, notes = {"test_accuracy": np.float32(0.5)}, {"data": ["digits", 1]}
    saved = load(save(tmp_path / "model", run, metrics=metrics, notes=notes))
    assert saved.seed == 3
    assert saved.stopped == "interrupted"
    assert saved.held_out is not None
    np.testing.assert_array_equal(saved.held_out, [1, 4, 7])
    assert saved.history["loss"] == [2.0, 1.0]
    assert saved.history["validation_loss"] == [1.5, "nan"]
    assert saved.metrics == {
        "train_loss": 1.0, "train_accuracy": 0.75, "validation_loss": "nan", "validation_accuracy": 0.5,
        "test_accuracy": 0.5,
    }  # fmt: skip
    assert saved.notes == notes
    assert saved.versions.keys() == {"chainrule", "numpy", "python", "safetensors"}


def test_plain_numpy_computes_the_same_from_the_folder(tmp_path: Path) -> None:
    model = mlp()
    folder = save(tmp_path / "model", model)
    p = safetensors_numpy.load_file(folder / "params.safetensors")
    assert p.keys() == {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"}
    hidden = np.tanh(X @ p["layers.0.weight"].T + p["layers.0.bias"])
    np.testing.assert_allclose(hidden @ p["layers.1.weight"].T + p["layers.1.bias"], model(X), rtol=1e-6)
    layers = json.loads((folder / "model.json").read_text())["architecture"]["layers"]
    assert [layer["class"] for layer in layers] == ["Dense", "Linear"]
    assert layers[0]["activation"] == {"function": "tanh"}
    assert layers[0]["weight"] == {"array": "float32", "shape": [5, 4]}


def test_arrays_that_are_not_contiguous_are_saved_as_they_read(tmp_path: Path) -> None:
    layer = nn.Linear(4, 3, rng=0)
    weight, bias = np.asfortranarray(layer.weight), np.arange(6, dtype=np.float32)[::2]
    model = nn.Sequential(layer.replace(weight=weight, bias=bias))
    assert_same(load(save(tmp_path / "model", model)).model, model)


# --- a folder that is in use, or cannot be written --------------------------------------------------------------------


def test_a_model_is_replaced_only_when_asked(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", mlp())
    other = nn.MLP([4, 2], rng=5)
    with pytest.raises(SaveError, match=r"expected a new folder, got .*, which holds a saved model at .*:\d+; try"):
        save(folder, other)
    assert_same(load(folder).model, mlp())
    save(folder, other, overwrite=True)
    assert_same(load(folder).model, other)
    assert os.listdir(tmp_path) == ["model"]


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(SaveError, match=r"holds other files \(thesis.tex\)"):
        save(tmp_path, mlp(), overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "words"
    with pytest.raises(SaveError, match="got the file"):
        save(tmp_path / "thesis.tex", mlp(), overwrite=True)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    assert_same(load(save(tmp_path, mlp())).model, mlp())


def test_folders_above_are_made(tmp_path: Path) -> None:
    assert_same(load(save(tmp_path / "a" / "b" / "model", mlp())).model, mlp())


def test_a_place_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match=r"a folder that can be written, got 'Not a directory' .*test_saved.py"):
        save(tmp_path / "file" / "model", mlp())


def test_a_place_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(
        SaveError, match=r"got 'Permission denied' for .*model at .*test_saved.py:\d+; try another place"
    ):
        save(tmp_path / "model", mlp())


def test_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="expected a folder that can be written"):
        save(f"{tmp_path}/a\0b", mlp())


@pytest.mark.parametrize("failing", ["save_file", "rename", "fsync"])
def test_a_failure_on_the_way_leaves_what_was_there(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tmp_path / "model", mlp())

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors_numpy if failing == "save_file" else os, failing, fail)
    with pytest.raises(SaveError, match="No space left on device"):
        save(folder, nn.MLP([4, 2], rng=5), overwrite=True)
    monkeypatch.undo()
    assert_same(load(folder).model, mlp())
    assert os.listdir(tmp_path) == ["model"]


def test_a_failing_second_rename_puts_the_old_model_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tmp_path / "model", mlp())
    ordinary = os.rename

    def rename(source: str, target: str) -> None:
        if source.endswith(".new"):
            raise PermissionError(13, "Permission denied")
        ordinary(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(SaveError, match="Permission denied"):
        save(folder, nn.MLP([4, 2], rng=5), overwrite=True)
    assert_same(load(folder).model, mlp())
    assert os.listdir(tmp_path) == ["model"]


def test_what_a_killed_process_left_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / f".model.{os.getpid()}.0.new").mkdir()
    assert_same(load(save(tmp_path / "model", mlp())).model, mlp())


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (nn.MLP([4, 3, 2], activation=lambda x: x * x, rng=0), r"got the function .*<lambda>"),
        ({"a.b": np.zeros(2), "a": {"b": np.zeros(2)}}, r"got two of the name `a.b`"),
        ({"a": np.zeros(2, np.complex64)}, r"got complex64 for `a`"),
        (np.zeros(2), r"got a model that is one array"),
        ({"a": object()}, r"got object .* at .*test_saved.py|got object for `a`"),
    ],
    ids=["function", "names", "dtype", "array", "object"],
)
def test_models_that_cannot_be_saved(model: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=text):
        save(tmp_path / "model", model)
    assert os.listdir(tmp_path) == []


def test_notes_that_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=r"got set at notes.a.1"):
        save(tmp_path / "model", mlp(), notes={"a": [1, {2}]})


def test_without_safetensors_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "safetensors":
            raise ImportError(name)
        return ordinary(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"at .*test_saved.py:\d+; try pip install 'chainrule\[train\]'"):
        save(tmp_path / "model", mlp())


# --- a folder that is damaged -----------------------------------------------------------------------------------------


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        description = json.loads((folder / "model.json").read_text())
        change(description)
        (folder / "model.json").write_text(json.dumps(description))

    return damage


def parameters(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        arrays = safetensors_numpy.load_file(folder / "params.safetensors")
        change(arrays)
        safetensors_numpy.save_file(arrays, folder / "params.safetensors")

    return damage


def layer(index: int, **changes: Any) -> Callable[[Path], None]:
    return edit(lambda d: d["architecture"]["layers"][index].update(changes))


def truncate(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no description": (lambda f: (f / "model.json").unlink(), r"No such file or directory.*model.json"),
    "no parameters": (lambda f: (f / "params.safetensors").unlink(), r"params.safetensors"),
    "half the parameters": (truncate("params.safetensors"), r"expected a saved model, got .*params.safetensors"),
    "half the description": (truncate("model.json"), r"got no JSON: .*model.json"),
    "bytes that are no text": (lambda f: (f / "model.json").write_bytes(b"\xff\xfe{}"), r"got no JSON"),
    "very deep": (lambda f: (f / "model.json").write_text("[" * 100_000), r"got no JSON"),
    "a list": (lambda f: (f / "model.json").write_text("[]"), r'no "format": "chainrule model"'),
    "another format": (edit(lambda d: d.update(format="onnx")), r'no "format": "chainrule model"'),
    "a later version": (
        edit(lambda d: d.update(format_version=2)), r"expected format version 1, got 2 in .*; try a newer chainrule",
    ),
    "no version": (edit(lambda d: d.pop("format_version")), r"expected format version 1, got None"),
    "no architecture": (edit(lambda d: d.pop("architecture")), r"no 'architecture' in it"),
    "no metrics": (edit(lambda d: d.pop("metrics")), r"no 'metrics' in it"),
    "metrics of another kind": (edit(lambda d: d.update(metrics=[1])), r"got '\[1\]' as metrics"),
    "a seed of another kind": (edit(lambda d: d.update(seed="0")), r"as seed"),
    "a missing field": (
        edit(lambda d: d["architecture"]["layers"][0].pop("activation")), r"a Dense whose fields .* in activation",
    ),
    "a field too many": (layer(1, activation=None), r"a Linear whose fields differ from the layer's in activation"),
    "an unknown layer": (edit(lambda d: d["architecture"].update({"class": "Transformer"})), r"got Transformer in"),
    "code by name": (layer(0, activation={"function": "os.system"}), r"'os.system'.* in the architecture"),
    "a class by path": (edit(lambda d: d["architecture"].update({"class": "os.path"})), r"got os.path in"),
    "a dtype": (layer(0, bias={"array": "object", "shape": [5]}), r"the dtype 'object'"),
    "a shape": (layer(0, bias={"array": "float32", "shape": [-5]}), r"the length -5 in a shape"),
    "a shape of floats": (layer(0, bias={"array": "float32", "shape": [5.0]}), r"the length 5.0 in a shape"),
    "another shape": (
        layer(0, bias={"array": "float32", "shape": [6]}),
        r"float32\[5\] for layers.0.bias where model.json says float32\[6\]",
    ),
    "another dtype": (
        parameters(lambda p: p.update({"layers.1.bias": p["layers.1.bias"].astype(np.float64)})),
        r"float64\[3\] for layers.1.bias where model.json says float32\[3\]",
    ),
    "a parameter too few": (parameters(lambda p: p.pop("layers.1.bias")), r"got no layers.1.bias"),
    "a parameter too many": (parameters(lambda p: p.update(evil=np.zeros(1))), r"got unknown evil"),
    "a number for an array": (layer(0, bias=3.5), r"no layers.0.bias|no array at layers.0.bias|unknown"),
    "an array as an option": (layer(0, activation={"array": "float32", "shape": []}), r"an array as Dense.activation"),
    "a list as an option": (layer(0, activation={"list": []}), r"a list or dict as Dense.activation"),
    "negative rows": (edit(lambda d: d.update(held_out=[-1])), r"as held_out"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(name: str, tmp_path: Path) -> None:
    damage, text = DAMAGES[name]
    folder = save(tmp_path / "model", a_run(mlp()))
    damage(folder)
    with pytest.raises(SaveError, match=text) as caught:
        load(folder)
    assert str(folder) in str(caught.value)
    assert f"{Path(__file__).name}:" in str(caught.value)


def test_reading_imports_and_runs_nothing(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", mlp())
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    edit(lambda d: d["architecture"].update({"class": "evil.Model"}))(folder)
    before = set(sys.modules)
    with pytest.raises(SaveError):
        load(folder)
    assert "evil" not in set(sys.modules) - before


def test_names_that_a_later_version_adds_are_no_damage(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", mlp())
    edit(lambda d: d.update(optimizer_state={"step": 3}))(folder)
    assert_same(load(folder).model, mlp())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=r"expected a folder with a saved model, got 'No such file or directory'"):
        load(tmp_path / "nowhere")
