"""A run that was interrupted ends exactly as one that was not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_run

from tiny_imagenet_tf import interrupts
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.runs.summary import Summary, Validation

ROOT = Path(__file__).parents[2]


class Interrupted(Exception):
    pass


def interrupt():
    raise Interrupted


def rows(run):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.metrics]


def assert_same(run, model_state, other, other_state):
    assert len(model_state) == len(other_state)
    for mine, theirs in zip(model_state, other_state, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert rows(run) == rows(other)
    assert run.snapshots().entries == other.snapshots().entries


@pytest.fixture(scope="module")
def uninterrupted(builder, tmp_path_factory):
    run = tiny_run.make_run(tmp_path_factory.mktemp("uninterrupted"))
    model = tiny_run.train(run, splits.load(builder, "train"), splits.load(builder, "validation"))
    return run, tiny_run.state(model)


def test_an_uninterrupted_run_has_all_that_can_go_wrong(uninterrupted):
    run, _ = uninterrupted
    assert [row["step"] for row in run.metrics] == [4, 6, 10, 12, 16, 18]
    assert [row["epoch"] for row in run.metrics][1::2] == [1, 2, 3]
    assert len({row["learning_rate"] for row in run.metrics}) > 1, "the plateau never came"
    assert len(run.snapshots().entries) > 1


# 1: before any checkpoint. 3: between two. 4: with a measurement. 6: an epoch's end. 11: in a later epoch.
@pytest.mark.parametrize("step", [*(pytest.param(step, marks=pytest.mark.slow) for step in (1, 4, 11)), 3, 6])
def test_resuming_after_any_step_ends_the_same(run, images, uninterrupted, step):
    with pytest.raises(Interrupted):
        tiny_run.train(run, images.train, images.validation, callbacks=[tiny_run.At(step, interrupt)])
    model = tiny_run.train(run, images.train, images.validation)
    assert_same(run, tiny_run.state(model), *uninterrupted)


class EndsAfterTwo(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


def test_a_callback_ends_the_training_in_the_epoch_that_was_taken_up_again_too(run, images):
    with pytest.raises(Interrupted):
        tiny_run.train(run, images.train, images.validation, callbacks=[tiny_run.At(9, interrupt)])
    tiny_run.train(run, images.train, images.validation, callbacks=[EndsAfterTwo()])
    assert run.metrics[-1]["step"] == 12


def test_callbacks_of_keras_find_what_was_measured(run, images):
    stopping = keras.callbacks.EarlyStopping("val_loss", min_delta=100, patience=1)  # nothing improves so much
    tiny_run.train(run, images.train, images.validation, callbacks=[stopping])
    assert run.metrics[-1]["step"] == 12
    assert stopping.best == run.metrics[1]["val_loss"]


def test_resuming_restores_the_random_state_of_dropout(run, images):
    tiny_run.train(run, images.train, images.validation, epochs=1)
    model = tiny_run.train(run, images.train, images.validation, epochs=1)
    dropout = tiny_run.layer(model, "dropout")
    assert dropout.seed_generator.state.numpy()[1] >= 6, "it has been drawn from at every step"


@pytest.mark.slow
def test_a_killed_process_goes_on_bit_for_bit(tmp_path, tree, uninterrupted):
    command = [sys.executable, "tests/experiments/tiny_run.py", tmp_path / "run", tree, tmp_path / "prepared"]
    settings = {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": str(ROOT)}}

    killed = subprocess.run([*command, "9"], **settings)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "run" / "final.npz").exists()
    subprocess.run(command, **settings, check=True)

    with np.load(tmp_path / "run" / "final.npz") as final:
        assert_same(tiny_run.make_run(tmp_path / "run"), list(final.values()), *uninterrupted)


@pytest.fixture(scope="module")
def averaged(builder, tmp_path_factory):
    """An uninterrupted run with Keras' averages of the weights, its callback that swaps them in, and mixup."""
    run = tiny_run.make_run(tmp_path_factory.mktemp("averaged"))
    images = splits.load(builder, "train"), splits.load(builder, "validation")
    model = tiny_run.train(run, *images, callbacks=[keras.callbacks.SwapEMAWeights()], ema=True, mixup=0.4)
    return run, tiny_run.state(model)


def test_a_snapshot_holds_the_averages_that_were_measured(averaged, images):
    kept = averaged[0].snapshots()
    assert len(kept.entries) > 1
    for entry in kept.entries:
        assert tiny_run.accuracy(Predictor.load(kept.path(entry)), images.validation) == pytest.approx(entry.accuracy)


def test_averages_are_measured_and_are_not_the_weights(averaged, images, tmp_path):
    run, _ = averaged
    plain = tiny_run.make_run(tmp_path / "plain")
    tiny_run.train(plain, images.train, images.validation, mixup=0.4)
    assert run.metrics[0]["loss"] == plain.metrics[0]["loss"]
    assert run.metrics[0]["val_accuracy"] != plain.metrics[0]["val_accuracy"]


# 3: within an epoch. 12: at the end of one.
@pytest.mark.parametrize("step", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_keras_own_averaging_goes_on_to_the_very_weights(run, images, averaged, step):
    options = {"ema": True, "mixup": 0.4}
    stopped = [keras.callbacks.SwapEMAWeights(), tiny_run.At(step, interrupt)]
    with pytest.raises(Interrupted):
        tiny_run.train(run, images.train, images.validation, callbacks=stopped, **options)
    swap = [keras.callbacks.SwapEMAWeights()]
    model = tiny_run.train(run, images.train, images.validation, callbacks=swap, **options)
    assert_same(run, tiny_run.state(model), *averaged)


@pytest.mark.slow
def test_averages_without_a_callback_end_as_the_weights_after_an_interruption_too(tmp_path, images):
    finals = []
    for name, step in (("whole", None), ("stopped", 7)):
        run = tiny_run.make_run(tmp_path / name)
        if step:
            with pytest.raises(Interrupted):
                stop = [tiny_run.At(step, interrupt)]
                tiny_run.train(run, images.train, images.validation, ema=True, callbacks=stop)
        finals.append((run, tiny_run.state(tiny_run.train(run, images.train, images.validation, ema=True))))
    assert_same(*finals[0], *finals[1])


@pytest.mark.slow
def test_a_killed_process_with_averages_goes_on_bit_for_bit(tmp_path, tree, averaged):
    command = [sys.executable, "tests/experiments/tiny_run.py", tmp_path / "run", tree, tmp_path / "prepared"]
    settings = {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    assert subprocess.run([*command, "9", "ema"], **settings).returncode == -signal.SIGKILL
    subprocess.run([*command, "", "ema"], **settings, check=True)
    with np.load(tmp_path / "run" / "final.npz") as final:
        assert_same(tiny_run.make_run(tmp_path / "run"), list(final.values()), *averaged)


def test_two_runs_with_one_seed_are_identical_and_with_another_not(tmp_path, images, uninterrupted):
    again, other = (tiny_run.make_run(tmp_path / name) for name in ("again", "other"))
    model = tiny_run.train(again, images.train, images.validation)
    assert_same(again, tiny_run.state(model), *uninterrupted)
    tiny_run.train(other, images.train, images.validation, seed=1)
    assert rows(other) != rows(again)


def test_a_staircase_goes_on_where_it_was(run, images):
    tiny_run.train(run, images.train, images.validation, plateau=False, epochs=1)
    tiny_run.train(run, images.train, images.validation, plateau=False, epochs=3)
    rates = [row["learning_rate"] for row in run.metrics]
    np.testing.assert_allclose(rates, [1e-2, 1e-2, 5e-3, 5e-3, 2.5e-3, 2.5e-3], rtol=1e-6)


def test_time_is_that_of_all_parts(run, images):
    tiny_run.train(run, images.train, images.validation, epochs=1)
    with np.load(run.checkpoint) as stored:
        arrays = dict(stored)
    position = json.loads(arrays["position"].item())
    np.savez(run.checkpoint, **arrays | {"position": json.dumps(position | {"seconds": 1e6})})
    tiny_run.train(run, images.train, images.validation, epochs=2)
    assert run.metrics[-1]["seconds"] > 1e6 > run.metrics[0]["seconds"]


def test_a_signal_after_the_last_step_ends_the_run_and_nothing_is_lost(run, images, uninterrupted, monkeypatch):
    def signalled(logs):  # as the handler does it while Keras is at work
        monkeypatch.setattr(interrupts._State, "received", signal.SIGTERM)

    last = keras.callbacks.LambdaCallback(on_train_end=signalled)
    with pytest.raises(interrupts.Interrupted):
        tiny_run.train(run, images.train, images.validation, callbacks=[last])
    assert not interrupts.received()
    model = tiny_run.train(run, images.train, images.validation)
    assert_same(run, tiny_run.state(model), uninterrupted[0], uninterrupted[1])


@pytest.mark.parametrize("rows", [2, 1])
def test_a_run_whose_checkpoint_is_gone_is_left_alone(run, images, rows):
    tiny_run.train(run, images.train, images.validation, epochs=1)
    (run.checkpoint).unlink()
    run.write_metrics(run.metrics[-rows:])
    if rows == 1:  # a first row alone may be one that no checkpoint followed, but not of a run that ended
        run.write_summary(Summary("ended", Validation(12, 0.5)))
    rows, entries = run.metrics, run.snapshots().entries
    with pytest.raises(UserError, match="is missing; restore"):
        tiny_run.train(run, images.train, images.validation)
    assert (run.metrics, run.snapshots().entries) == (rows, entries)


def test_a_checkpoint_of_another_network_is_refused(run, images):
    tiny_run.train(run, images.train, images.validation, epochs=1)
    with np.load(run.checkpoint) as stored:
        arrays = dict(stored)
    position = json.loads(arrays["position"].item())
    assert (position["step"], position["per_epoch"]) == (6, 6)
    name = next(name for name in arrays if name.startswith("model/") and name.endswith("/kernel"))
    arrays[name] = arrays[name][..., :-1]
    np.savez(run.checkpoint, **arrays)
    with pytest.raises(UserError, match=f"{name} is"):
        tiny_run.train(run, images.train, images.validation)
