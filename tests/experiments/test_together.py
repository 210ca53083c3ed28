"""Processes that train one network together, on loopback."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tiny_imagenet_tf import processes
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.training.options import InceptionOptions

CONVNET = ("convnet", "--architecture", "conv5-4 maxpool fc-8 dropout")
INCEPTION = ("baseline", "--width-multiplier", "0.05")


def test_alone_a_process_has_every_row():
    assert (processes.count(), processes.number(), processes.is_first()) == (1, 0, True)
    assert processes.share(100) == slice(0, 100)
    rows = processes.in_shares(5, lambda rows: rows[:, None] * 2.0)
    assert rows.tolist() == [[0], [2], [4], [6], [8]]
    with processes.own_folder() as folder:
        assert folder is None


def test_of_two_each_has_its_half(monkeypatch):
    monkeypatch.setattr(processes, "count", lambda: 2)
    monkeypatch.setattr(processes, "number", lambda: 1)
    assert processes.share(100) == slice(50, 100)


def test_the_second_begins_with_a_copy_and_leaves_the_run_alone(monkeypatch, tmp_path):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "checkpoint.npz").write_text("state")
    (tmp_path / ".lock").write_text("")
    monkeypatch.setattr(processes, "number", lambda: 1)
    with processes.own_folder(tmp_path) as folder:
        assert (folder / "checkpoint.npz").read_text() == "state" and not (folder / ".lock").exists()
        (folder / "checkpoint.npz").write_text("other")
    assert not folder.exists() and (tmp_path / "checkpoint.npz").read_text() == "state"


def test_tensorflow_is_told_that_only_jax_does_it(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    with pytest.raises(UserError, match="--distributed: needs KERAS_BACKEND=jax, not tensorflow"):
        processes.join(0)


def test_a_run_that_was_begun_on_some_devices_goes_on_in_many_processes_without_them(monkeypatch):
    begun = InceptionOptions(devices=("GPU:0", "GPU:1"))
    monkeypatch.setattr(InceptionOptions, "implied", [InceptionOptions(), begun])
    with pytest.raises(UserError, match="--devices GPU:0 GPU:1: not with --distributed; add --devices without any"):
        dataclasses.replace(begun, distributed=True).check()
    dataclasses.replace(begun, distributed=True, devices=()).check()


@pytest.mark.slow
def test_where_the_others_are_follows_from_slurm():
    """Two processes as ``srun`` starts them, each told of itself by its environment alone."""
    program = "import sys; from tiny_imagenet_tf import processes; processes.join(0); "
    program += "print(processes.number(), 'of', processes.count(), file=sys.stderr)"
    step = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    step |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=os.environ | step | {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    said = [each.communicate(timeout=300)[1] for each in both]
    assert [words.splitlines()[-1] for words in said] == ["0 of 2", "1 of 2"], said


def started(runs, count, *more, network=CONVNET, devices=1):
    """A small network in training, by so many processes of so many devices each, in epochs of ten steps."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    together = ["--distributed"] if count > 1 else []
    command = [sys.executable, "-m", "tiny_imagenet_tf", "train", *network, "--demo", "--epochs", "2"]
    command += ["--precision", "float32", "--runs", str(runs), *together, *more]
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": f"--xla_backend_optimization_level=0 --xla_force_host_platform_device_count={devices}",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
    }
    return [
        subprocess.Popen(
            command,
            env=environment | {"KERAS_DISTRIBUTION_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(count)
    ]


def ended(runs, count, *more, **network):
    """The same, to its end: the run's directory."""
    for each in started(runs, count, *more, **network):
        words, _ = each.communicate(timeout=900)
        assert each.returncode == 0, words
    (run,) = runs.glob("*-2*")
    return run


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    return ended(tmp_path_factory.mktemp("two"), 2)


@pytest.mark.slow
def test_two_processes_train_as_one_does(by_two, tmp_path):
    """Masks of dropout, views and order are drawn for the whole batch, so the numbers are those of one process."""
    one, two, four = rows_of(ended(tmp_path / "1", 1)), rows_of(by_two), rows_of(ended(tmp_path / "4", 2, devices=2))
    assert len(one) == len(two) == len(four) == 4
    for alone, together, on_four in zip(one, two, four, strict=True):
        for name in ("loss", "val_loss"):
            assert together[name] == pytest.approx(alone[name], rel=1e-4), name
            assert on_four[name] == pytest.approx(alone[name], rel=1e-4), name
    assert json.loads((by_two / "environment.json").read_text())["processes"] == 2


@pytest.mark.slow
def test_batch_normalization_covers_what_all_processes_see_of_a_batch(tmp_path):
    """With the statistics of half a batch the first loss would already be another."""
    one, two = (rows_of(ended(tmp_path / str(count), count, network=INCEPTION)) for count in (1, 2))
    assert len(one) == len(two) > 1
    assert two[0]["loss"] == pytest.approx(one[0]["loss"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("told", [[1], [0, 1]])  # by a person, or by SLURM at the end of a job's time
def test_one_is_told_to_end_and_all_end_with_a_checkpoint(by_two, tmp_path, told):
    both = started(tmp_path, 2, "--epochs", "500")
    while not list(tmp_path.glob("convnets-*/checkpoint.npz")):
        assert all(each.poll() is None for each in both)
        time.sleep(0.05)
    for number in told:
        both[number].send_signal(signal.SIGTERM)
    for each in both:
        words, _ = each.communicate(timeout=120)
        assert each.returncode == 128 + signal.SIGTERM, words
    (run,) = tmp_path.glob("convnets-*")
    assert (run / "checkpoint.npz").exists() and not (run / "summary.json").exists()


@pytest.mark.slow
def test_one_is_killed_all_go_on_and_end_as_if_nothing_had_been(by_two, tmp_path):
    first, second = started(tmp_path, 2)
    while not list(tmp_path.glob("convnets-*/checkpoint.npz")):
        assert first.poll() is None and second.poll() is None
        time.sleep(0.05)
    second.send_signal(signal.SIGKILL)
    time.sleep(0.2)
    first.kill()  # as a launcher does; by itself it ends when the others' silence is noticed
    first.wait()
    (run,) = tmp_path.glob("convnets-*")
    assert not (run / "summary.json").exists()
    ended(tmp_path, 2, "--resume", str(run))
    whole, resumed = (np.load(each / "checkpoint.npz") for each in (by_two, run))
    differing = [name for name in whole if name != "position" and not np.array_equal(whole[name], resumed[name])]
    assert whole.files == resumed.files and differing == []
