"""The same run on TensorFlow and on JAX."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[2]
QUICK = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # compiles faster, and computes the same but for rounding


def start(program, *arguments, backend, **more):
    command = [sys.executable, f"tests/experiments/{program}.py", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend} | more
    return subprocess.run(command, cwd=ROOT, env=environment)


@pytest.mark.slow
def test_several_devices_of_jax_change_neither_scores_nor_what_is_decayed():
    flags = "--xla_force_host_platform_device_count=3"
    assert start("jax_devices_run", backend="jax", XLA_FLAGS=flags).returncode == 0


@pytest.mark.slow
def test_what_a_gpu_is_given_can_be_lowered_for_cuda():
    assert start("jax_cuda_lowering", backend="jax", **QUICK).returncode == 0


ON_BOTH = [
    "tests/search/test_heads.py",
    "tests/transfer/test_engine.py",
    "tests/transfer/test_extraction.py::test_a_gpus_extraction_is_traced_once_for_all_crops",
    "tests/experiments/test_statistics.py",
]


@pytest.mark.slow
def test_heads_side_by_side_what_extracts_and_new_statistics_are_the_same_on_jax():
    command = [sys.executable, "-m", "pytest", "-q", "-n0", *ON_BOTH, "-k", "not inception_v3 and not every_device"]
    environment = os.environ | {"KERAS_BACKEND": "jax"} | QUICK
    assert subprocess.run(command, cwd=ROOT, env=environment).returncode == 0


def test_jax_and_tensorflow_agree_on_losses_and_measurements(tmp_path, tree):
    runs = []
    for backend in ("tensorflow", "jax"):
        arguments = (tmp_path / backend, tree, tmp_path / "data", tmp_path / "weights.npz")
        assert start("backend_run", *arguments, backend=backend, **QUICK).returncode == 0
        runs.append(Run(tmp_path / backend).metrics)
    assert len(runs[0]) == len(runs[1]) == 6
    for name in ("loss", "penalty", "val_loss"):
        theirs, ours = ([row[name] for row in rows] for rows in runs)
        np.testing.assert_allclose(ours, theirs, atol=1e-3, err_msg=name)
    assert len({round(row["loss"], 4) for row in runs[0]}) == 6, "they all change"


@pytest.mark.slow
@pytest.mark.parametrize("ema", ["", "ema"])
def test_a_killed_process_goes_on_bit_for_bit_on_jax(tmp_path, tree, ema):
    finals = []
    for name, kill_at in (("whole", None), ("killed", "9")):
        arguments = (tmp_path / name, tree, tmp_path / "data")
        if kill_at:
            assert start("tiny_run", *arguments, kill_at, ema, backend="jax").returncode == -signal.SIGKILL
        assert start("tiny_run", *arguments, "", ema, backend="jax").returncode == 0
        with np.load(tmp_path / name / "final.npz") as final:
            finals.append(dict(final))
    for name, expected in finals[0].items():
        np.testing.assert_array_equal(finals[1][name], expected, err_msg=name)


SMALL = "--epochs 2 --width-multiplier 0.1"
DEMOS = [f"train baseline {SMALL}", f"train modern {SMALL}", "transfer v3 --epochs 2 --augmented-views 0", "finetune"]


@pytest.mark.slow
def test_the_pipeline_is_measured_on_jax(tmp_path):
    path = tmp_path / "figures.json"
    command = [sys.executable, "benchmarks/pipeline.py", "--steps", "2", "--turns", "1", "--output", path]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"KERAS_BACKEND": "jax"} | QUICK, check=True)
    assert json.loads(path.read_text())["backend"] == "jax"


@pytest.mark.slow
@pytest.mark.parametrize("words", DEMOS)
def test_every_way_of_training_ends_on_jax(tmp_path, words):
    command = [sys.executable, "-m", "tiny_imagenet_tf", *words.split(), "--demo", "--runs", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"KERAS_BACKEND": "jax"} | QUICK, check=True)
    assert list(tmp_path.glob("*/summary.json"))
