"""What ends in a message, and what keeps its traceback."""

import dataclasses
import sys

import numpy as np
import pytest

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.cli import command


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
