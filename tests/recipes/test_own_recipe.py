"""What a stranger writes: one file, with nothing of the package touched."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf.runs.run import Run

FILE = Path(__file__).with_name("own_recipe.py")


def call(*arguments, **environment):
    root = str(FILE.parents[2])
    return subprocess.run(
        [sys.executable, FILE, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": root} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_it_runs_with_its_own_options_and_says_what_it_showed(tmp_path):
    done = call("--demo", "--width-multiplier", 0.05, "--epochs", 2, "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("own_recipe-*")
    run = Run(path)
    assert run.summary.train.views == "whole image, random mirror image, mixup 0.2"
    assert (
        run.summary.published is None and run.summary.title == "Compact Inception, mixup with --width-multiplier 0.05"
    )
    rates = [row["learning_rate"] for row in run.metrics]
    np.testing.assert_allclose(rates[-1], 0, atol=1e-6)
    assert rates == sorted(rates, reverse=True)


@pytest.mark.slow
def test_its_options_are_checked_by_their_rules(tmp_path):
    done = call("--demo", "--mixup", "-1", "--runs", tmp_path)
    assert done.returncode == 2 and "--mixup -1.0: must be at least 0" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_runs_on_jax_too(tmp_path):
    options = ("--demo", "--width-multiplier", 0.1, "--epochs", 1, "--runs", tmp_path)
    done = call(*options, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr
