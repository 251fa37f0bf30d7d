"""`chainrule train`: what it trains, prints and keeps, in children as a user runs it and, faster, in this process."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import QUICK, accuracy, by_numpy, command, one_line

from chainrule import data, train
from chainrule.cli import main
from chainrule.cli.threads import blas_threads

MNIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"


def test_digits_are_trained_tested_and_saved(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    done = command(*QUICK, "--seed", "3", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "digits"
    assert f"saved to  {folder}\n" in done.stdout
    assert re.search(
        r"^time +\d+\.\d\d s training, \d\.\d{3} s an epoch; \d+\.\d\d s start-up$", done.stdout, re.MULTILINE
    )
    assert "64-16-10, relu, 1,210 parameters of float32" in done.stdout
    assert [line[:10] for line in done.stderr.splitlines()] == ["epoch 1/2:", "epoch 2/2:"]
    described = json.loads((folder / "model.json").read_text())
    held_out = np.array(described["held_out"])
    x, y = data.digits()
    np.testing.assert_array_equal(held_out, data.split(y, 0.2, 3)[1])
    assert described["seed"] == 3
    assert described["notes"]["data"] == "digits"
    assert accuracy(done.stdout) == pytest.approx(by_numpy(folder, x[held_out], y[held_out]), abs=0.005)
    assert described["metrics"]["test_accuracy"] == described["metrics"]["validation_accuracy"]
    assert accuracy(done.stdout) > 50


def test_ten_seeds_on_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Median and least accuracy of the defaults, each recomputed by plain NumPy from the saved folder."""
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    x, y = data.digits()
    found = []
    for seed in range(10):
        assert main(["train", "digits", "--seed", str(seed), "--out", f"seed-{seed}"]) == 0
        said = accuracy(capsys.readouterr().out)
        folder = tmp_path / f"seed-{seed}"
        held_out = np.array(json.loads((folder / "model.json").read_text())["held_out"])
        found.append(by_numpy(folder, x[held_out], y[held_out]))
        assert said == pytest.approx(found[-1], abs=0.005)
        assert np.bincount(y[held_out]).tolist() == pytest.approx(np.bincount(y) / 5, abs=1)
    assert np.median(found) >= 97.5
    assert min(found) >= 96


def test_a_second_run_takes_the_next_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    assert main(QUICK) == main(QUICK) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["digits", "digits-2"]
    assert (tmp_path / "runs/digits/params.safetensors").read_bytes() == (
        tmp_path / "runs/digits-2/params.safetensors"
    ).read_bytes()


def test_every_option_has_its_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    size = ["--epochs", "1", "--batch", "256", "--hidden", "12,8", "--activation", "tanh", "--dtype", "float64"]
    how = ["--optimizer", "nesterov", "--lr", "0.05", "--seed", "9", "--threads", "2", "--out", "mine"]
    assert main(["train", *size, *how]) == 0
    assert blas_threads() in (None, min(2, os.cpu_count() or 1))
    saved = train.load("mine")
    assert repr(saved.model).count("Dense") == 2
    assert "tanh" in repr(saved.model)
    assert saved.model.layers[1].weight.shape == (8, 12)
    assert saved.model.layers[1].weight.dtype == np.float64
    assert saved.seed == 9
    assert saved.notes["batch_size"] == 256
    assert saved.notes["optimizer"].startswith("sgd(cosine(0.05, 6, 0.0), momentum=0.9, nesterov=True)")
    assert "trained   1 epoch, 6 steps" in capsys.readouterr().out


def test_hidden_none_is_logistic_regression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--hidden", "none", "--epochs", "1", "--batch", "64"]) == 0
    assert "64-10, relu, 650 parameters" in capsys.readouterr().out


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw"])
def test_every_optimizer_learns_with_its_own_rate(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--optimizer", optimizer, "--epochs", "4", "--hidden", "32"]) == 0
    assert accuracy(capsys.readouterr().out) > 85


def test_without_the_extra_it_trains_and_says_what_saving_needs(tmp_path: Path) -> None:
    missing = (
        "sys.modules.update({name: None for name in ('tqdm', 'tqdm.notebook', 'safetensors', 'safetensors.numpy')})"
    )
    done = command(*QUICK, folder=tmp_path, before=missing)
    assert done.returncode == 0, done.stderr
    assert accuracy(done.stdout) > 50
    assert "saved" not in done.stdout
    assert done.stderr.splitlines()[0].count("pip install 'chainrule[train]'") == 1
    assert len(done.stderr.splitlines()) == 3
    assert list(tmp_path.iterdir()) == []
    refused = command(*QUICK, "--out", "mine", folder=tmp_path, before=missing)
    assert refused.returncode == 2
    assert one_line(refused.stderr, "expected the package safetensors, got none installed; try pip install")


@pytest.mark.skipif(os.name == "nt", reason="a child cannot be sent Ctrl-C alone on Windows")
def test_an_interrupt_saves_what_was_learnt(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    call = [sys.executable, "-u", "-m", "chainrule", "train", "--epochs", "100000", "--hidden", "16", "--batch", "256"]
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        assert child.stdout is not None
        assert child.stderr.readline().startswith("epoch 1/100000: ")
        child.send_signal(signal.SIGINT)
        errors, output = child.stderr.read(), child.stdout.read()
        assert child.wait(60) == 130
    assert "Traceback" not in errors
    assert "interrupted" in output
    saved = train.load(tmp_path / "runs" / "digits")
    assert saved.stopped == "interrupted"
    x, y = data.digits()
    held = saved.held_out
    assert accuracy(output) == pytest.approx(100 * np.mean(saved.model(x[held]).argmax(1) == y[held]), abs=0.005)


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([6, 6], "2 epochs, 12 steps"),
        ([6, 4], "1 epoch and 4 steps"),
        ([6, 6, 1], "2 epochs and 1 step"),
        ([4], "4 steps"),
    ],
)
def test_an_epoch_that_was_broken_off_is_told_in_steps(
    steps: list[int], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    ordinary = train.fit

    def fit(*args: Any, **options: Any) -> Any:
        run = ordinary(*args, **{**options, "epochs": 1})
        epochs = [dataclasses.replace(run.history[0], steps=count) for count in steps]
        return dataclasses.replace(run, history=train.History(epochs), stopped="interrupted")

    monkeypatch.setattr(train, "fit", fit)
    assert main(["train", "--hidden", "16", "--batch", "256"]) == 130
    assert f"trained   {text}, interrupted\n" in capsys.readouterr().out


def test_an_interrupt_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "digits", lambda dtype: signal.raise_signal(signal.SIGINT))
    assert main(QUICK) == 130
    assert capsys.readouterr().err == "chainrule: interrupted\n"


def test_a_run_that_diverges_is_said_and_keeps_its_last_finite_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--optimizer", "sgd", "--lr", "1e30", "--epochs", "2"]) == 1
    said = capsys.readouterr()
    assert one_line(said.err.splitlines(keepends=True)[-1], "expected finite numbers, got ")
    assert "at " not in said.err.splitlines()[-1].partition("; try")[0].partition("step")[2]
    saved = train.load("runs/digits")
    assert saved.stopped == "diverged"
    assert all(np.isfinite(layer.weight).all() for layer in saved.model.layers)


def test_mnist_in_one_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    if not MNIST.is_dir():
        pytest.skip("MNIST is not in ../shared/data/mnist")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "mnist", "--data", str(MNIST)]) == 0
    output = capsys.readouterr().out
    assert "784-100-10, relu, 79,510 parameters of float32" in output
    assert "trained   1 epoch, 938 steps" in output
    assert "(10000 digits not trained on)" in output
    assert accuracy(output) > 90
    saved = Path("runs/mnist")
    if saved.exists():
        assert accuracy(output) == pytest.approx(by_numpy(saved, *data.mnist(MNIST, "test")), abs=0.015)
