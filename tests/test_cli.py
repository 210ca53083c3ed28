"""What ends in a message, and what keeps its traceback."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.cli import _parsed, command
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.options import ConvnetOptions

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Config:
    """A recipe's."""

    size: int = 3
    """Of nothing."""


def ends(monkeypatch, run) -> int:
    monkeypatch.setattr(sys, "argv", ["recipe.py"])
    with pytest.raises(SystemExit) as ended:
        command(Config, run, "A recipe.")
    return ended.value.code


def test_what_a_user_can_cure_is_a_message(monkeypatch, capsys, tmp_path):
    assert ends(monkeypatch, lambda config: hardware.place(["GPU:7"])) == 2
    assert "error: --devices GPU:7" in capsys.readouterr().err
    assert ends(monkeypatch, lambda config: (tmp_path / "nowhere").read_text()) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named"), [(["--size", ""], "--size"), (["--size="], "--size="), ([""], "the command line")]
)
def test_an_empty_word_is_refused(capsys, words, named):
    with pytest.raises(SystemExit) as ended:
        command(Config, lambda config: None, "A recipe.", words)
    assert ended.value.code == 2
    assert f"error: {named}: an empty argument; is a shell variable unset?" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError, RuntimeError, KeyError])
def test_a_defect_keeps_its_traceback(monkeypatch, error):
    def run(config):
        if error is ValueError:
            np.zeros(2).reshape(config.size)
        raise error

    monkeypatch.setattr(sys, "argv", ["recipe.py"])
    with pytest.raises(error):
        command(Config, run, "A recipe.")


def test_an_interruption_is_status_130(monkeypatch):
    def run(config):
        raise KeyboardInterrupt

    assert ends(monkeypatch, run) == 130


LIST = [sys.executable, "-m", "tiny_imagenet_tf", "list", "--names", "compact_inception"]


def listed(tmp_path, keras_json, **environment):
    (tmp_path / "keras.json").write_text(json.dumps({"floatx": "float32", "epsilon": 1e-7} | keras_json))
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"} | environment
    environment |= {"KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    return subprocess.run(LIST, env=environment, capture_output=True, text=True)


def test_a_keras_json_of_another_project_does_no_harm(tmp_path):
    done = listed(tmp_path, {"backend": "tensorflow", "image_data_format": "channels_first"})
    assert done.returncode == 0 and "64x64x3" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("backend", ["torch", pytest.param("nonsense", marks=pytest.mark.slow)])
def test_a_backend_that_cannot_be_had_is_one_line(tmp_path, backend):
    done = listed(tmp_path, {}, KERAS_BACKEND=backend)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: KERAS_BACKEND, or keras.json: ")


@pytest.mark.parametrize("flag", ["screen", "no_screen"])
def test_a_flag_of_a_run_that_goes_on_stays_set(tmp_path, flag):
    run = Run.create(tmp_path, "convnets", ConvnetOptions(model=1, **{flag: True}))
    for again in ([], [f"--{flag.replace('_', '-')}"]):
        found = _parsed(ConvnetOptions, ["--resume", str(run.path), *again], None)
        assert getattr(found, flag) and found.resume == run.path
