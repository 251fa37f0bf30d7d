"""The options: help, defaults, and what is refused, in one line on standard error and with status 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import QUICK, accuracy, command, one_line

from chainrule import train
from chainrule._version import __version__
from chainrule.cli import main
from chainrule.cli.arguments import DATA_SETS, parse

OPTIONS = ("--data", "--out", "--hidden", "--activation", "--dtype", "--epochs", "--batch", "--optimizer", "--lr",
           "--seed", "--threads")  # fmt: skip

REFUSED: dict[str, tuple[list[str], str]] = {
    "no command": ([], "the following arguments are required: COMMAND; try chainrule --help"),
    "another command": (["fly"], "invalid choice: 'fly'"),
    "another data set": (["train", "cifar"], "invalid choice: 'cifar'"),
    "a misspelt option": (["train", "--epoch", "3"], "got --epoch (is --epochs meant?); try chainrule train --help"),
    "an unknown option": (["train", "--xyzzy"], "expected a known option, got --xyzzy; try chainrule train --help"),
    "an option of info": (["info", "--all"], "expected a known option, got --all; try chainrule --help"),
    "epochs": (["train", "--epochs", "0"], "--epochs: expected a whole number of at least 1, got '0'"),
    "batch": (["train", "--batch", "x"], "--batch: expected a whole number of at least 1, got 'x'"),
    "lr": (["train", "--lr", "-1"], "--lr: expected a number above 0, got '-1'"),
    "no lr": (["train", "--lr", "nan"], "--lr: expected a number above 0, got 'nan'"),
    "hidden": (["train", "--hidden", "10,,3"], "--hidden: expected sizes of at least 1 such as 128 or 128,64, or none"),
    "activation": (["train", "--activation", "rely"], "--activation: expected one of identity, relu"),
    "another case": (["train", "--activation", "Relu"], "got 'Relu' (is relu meant?); try chainrule train --help"),
    "optimizer": (
        ["train", "--optimizer", "lion"],
        "--optimizer: expected one of sgd, momentum, nesterov, adam, adamw, got 'lion'; try",
    ),
    "dtype": (["train", "--dtype", "float16"], "--dtype: invalid choice: 'float16'"),
    "seed": (["train", "--seed", "-1"], "--seed: expected a whole number of at least 0, got '-1'"),
    "threads": (["train", "--threads", "0"], "--threads: expected a whole number of at least 1, got '0'"),
    "mnist without data": (["train", "mnist"], "expected --data DIR with the four files of MNIST, got none"),
    "digits with data": (["train", "--data", "x"], "expected --data with mnist only"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_option_is_one_line_and_status_2(name: str, capsys: Any) -> None:
    arguments, text = REFUSED[name]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert one_line(said.err, text)


def test_data_that_is_not_there_or_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "mnist", "--data", "nowhere"]) == 2
    said = capsys.readouterr().err
    assert one_line(said, "expected train-images-idx3-ubyte", f"got no folder {tmp_path / 'nowhere'}; try putting")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + bytes(12) + b"more")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"no labels")
    assert main(["train", "mnist", "--data", "."]) == 2
    assert one_line(capsys.readouterr().err, "train-images-idx3-ubyte; try copying or downloading the file again")
    assert main([*QUICK, "--batch", "2000"]) == 2
    assert one_line(capsys.readouterr().err, "expected --batch of at most 1438,", "got --batch 2000; try --batch 1438")


def test_a_place_that_cannot_be_written_is_found_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        assert main([*QUICK, "--out", place]) == 2
        said = capsys.readouterr()
        assert one_line(said.err, "expected a folder", str(tmp_path / place), "; try another")
        assert said.out == ""
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "file").rename(tmp_path / "runs")
    assert main(QUICK) == 2
    assert one_line(capsys.readouterr().err, "Not a directory")


def test_a_place_in_use_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    assert main([*QUICK, "--out", "mine"]) == 0
    before = (tmp_path / "mine" / "params.safetensors").read_bytes()
    capsys.readouterr()
    assert main([*QUICK, "--out", "mine", "--seed", "1"]) == 2
    assert one_line(capsys.readouterr().err, "which holds a saved model; try another --out\n")
    assert (tmp_path / "mine" / "params.safetensors").read_bytes() == before


def test_a_place_lost_while_training_costs_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    ordinary = train.fit

    def fit(*args: Any, **options: Any) -> Any:
        run = ordinary(*args, **options)
        (tmp_path / "mine").write_text("in the way")
        return run

    monkeypatch.setattr(train, "fit", fit)
    assert main([*QUICK, "--out", "mine"]) == 2
    said = capsys.readouterr()
    assert accuracy(said.out) > 50
    assert one_line(said.err.splitlines(keepends=True)[-1], "expected a folder to save in, got the file")


def test_errors_of_a_child_are_one_line(tmp_path: Path) -> None:
    done = command("train", "mnist", "--data", "nowhere", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert one_line(done.stderr, "got no folder")
    assert ".py" not in done.stderr


def test_help_names_every_option_with_its_default(capsys: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in OPTIONS:
        assert f"{option} " in text
    assert f"(default: {DATA_SETS['digits'].epochs} for digits, {DATA_SETS['mnist'].epochs} for mnist)" in text
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "info" in capsys.readouterr().out


def test_defaults_are_those_of_the_data_set() -> None:
    for name in DATA_SETS:
        arguments = parse(["train", name, *(["--data", "x"] if name == "mnist" else [])])
        assert arguments.hidden == DATA_SETS[name].hidden
        assert arguments.epochs == DATA_SETS[name].epochs
    assert parse(["train"]).data_set == "digits"
    assert parse(["train", "--optimizer", "sgd"]).lr > parse(["train"]).lr


def test_version(capsys: Any) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"chainrule {__version__}\n"
