"""What a run writes down, what stops it, and that two devices do what one does."""

import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_run
from tiny_imagenet_tf.experiments.callbacks import NonFiniteLoss, TensorBoard

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data.batches import NONE, TrainingBatches
from tiny_imagenet_tf.experiments import checkpoints, fitting, losses
from tiny_imagenet_tf.models.convnets import TABLE_1, le_yang
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots

ROOT = Path(__file__).parents[2]
ROW = {"epoch", "step", "learning_rate", "loss", "penalty", "accuracy", "val_loss", "val_accuracy"} | {
    "selection_accuracy", "seconds",
}  # fmt: skip


def test_a_row_holds_means_over_the_epoch_so_far(run, images):
    """With a learning rate of 0 nothing changes, so the means can be computed from outside."""
    model = tiny_run.network(4)
    batches = TrainingBatches(images.train, NONE, 12, seed=0)
    loss = losses.smoothed_cross_entropy(0.1)
    fitting.compile_for_training(model, keras.optimizers.SGD(0.0), loss)
    model.get_layer("dropout").rate = 0
    measure = lambda: {"val_loss": 1.5, "val_accuracy": 0.25, "selection_accuracy": 0.5}  # noqa: E731
    snapshots = Snapshots(run.path / "snapshots", images.train.wnids)
    fitting.fit(
        model, batches, run, snapshots, epochs=1, measure=measure, measure_every=1, checkpoint_every=9, verbose=0
    )
    first, second = run.metrics
    assert first.keys() == ROW
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (0.5, 1, 1, 2)
    assert (second["val_loss"], second["val_accuracy"], second["learning_rate"]) == (1.5, 0.25, 0.0)
    assert [entry.accuracy for entry in snapshots.entries] == [0.5], "selection_accuracy decides; a tie is not kept"

    pairs = list(batches.epoch(0))
    kernels = [layer.kernel for layer in model.layers if getattr(layer, "kernel_regularizer", None)]
    penalty = 1e-3 * sum(float(np.square(kernel.numpy()).sum()) for kernel in kernels)
    scores = [model(images, training=True).numpy() for images, _ in pairs]
    expected = [float(loss(truth, score)) for (_, truth), score in zip(pairs, scores, strict=True)]
    assert first["loss"] == pytest.approx(expected[0], rel=1e-4)
    assert second["loss"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert second["penalty"] == pytest.approx(penalty, rel=1e-3)
    right = [np.mean(s.argmax(1) == t.numpy().argmax(1)) for (_, t), s in zip(pairs, scores, strict=True)]
    assert second["accuracy"] == pytest.approx(np.mean(right))


def fit_on_the_screen(model, loss, run, images):
    """An epoch of four steps with the progress bar, measured at its end."""
    fitting.compile_for_training(model, keras.optimizers.SGD(0.1), loss)
    fitting.fit(
        model,
        TrainingBatches(images.train, NONE, 6, seed=0),
        run,
        Snapshots(run.path / "snapshots", images.train.wnids),
        epochs=1,
        measure=lambda: {"val_loss": 0.0, "val_accuracy": 0.5, "selection_accuracy": 0.5},
        measure_every=9,
        checkpoint_every=9,
    )


def test_a_network_without_weight_penalty_shows_none(run, images, capsys):
    model = tiny_run.network(4)
    model.get_layer("first_conv").kernel.regularizer = None
    fit_on_the_screen(model, losses.smoothed_cross_entropy(0.1), run, images)
    assert run.metrics[0].keys() == ROW - {"penalty"}
    assert "penalty" not in capsys.readouterr().out


class BadUpdate(keras.callbacks.Callback):
    """Lets one step leave weights that are not finite behind a loss that still is."""

    def __init__(self, clock, step):
        super().__init__()
        self._clock, self._step = clock, step

    def on_train_batch_begin(self, batch, logs=None):
        if self._clock.total_steps == self._step - 1:
            self.model.optimizer.learning_rate = math.nan


# 8 would be a checkpoint, 10 a measurement and 12 an epoch's end; after 9 the loss shows it.
@pytest.mark.parametrize(("step", "stops_at"), [(8, 8), (9, 10), (10, 10), (12, 12)])
def test_numbers_that_are_not_finite_stop_the_run_and_keep_what_was_good(run, images, step, stops_at):
    with pytest.raises(NonFiniteLoss, match=f"step {stops_at}, epoch {stops_at / 6:.2f}"):
        tiny_run.train(run, images.train, images.validation, callbacks=lambda clock: [BadUpdate(clock, step)])
    position = checkpoints.read_position(run.path / checkpoints.NAME)
    assert 6 * position["epoch"] + position["step"] < stops_at
    assert all(row["step"] < stops_at for row in run.metrics)
    with np.load(run.path / checkpoints.NAME) as stored:
        assert all(np.isfinite(stored[name]).all() for name in stored.files if name != "position")
    snapshots = Snapshots(run.path / "snapshots")
    assert all(entry.step < stops_at for entry in snapshots.entries)
    assert np.isfinite(tiny_run.accuracy(keras.saving.load_model(snapshots.path(snapshots.best)), images.validation))


def test_the_screen_shows_loss_accuracy_and_speed(run, images, capsys):
    model = tiny_run.network(4)
    fit_on_the_screen(model, losses.MulticlassHinge(), run, images)
    last = capsys.readouterr().out.strip().splitlines()[-1]
    for word in ("4/4", "loss: ", "penalty: ", "accuracy: ", "images_per_second: ", "val_accuracy: 0.5"):
        assert word in last


def test_the_screen_shows_what_the_rows_hold_and_the_steps_that_remain(run, images, capsys):
    """An epoch that is taken up in its middle has half of its steps."""

    class Interrupted(Exception):
        pass

    def interrupt():
        raise Interrupted

    values = iter([0.1, 0.5, 0.7])

    def fit(**options):
        model = tiny_run.network(4)
        fitting.compile_for_training(model, keras.optimizers.SGD(0.1), losses.smoothed_cross_entropy(0.1))

        def measure():
            return dict.fromkeys(("val_loss", "val_accuracy", "selection_accuracy"), next(values))

        snapshots = Snapshots(run.path / "snapshots", images.train.wnids)
        batches = TrainingBatches(images.train, NONE, 6, seed=0)  # 4 steps
        fitting.fit(
            model, batches, run, snapshots, epochs=1, measure=measure, measure_every=2, checkpoint_every=9, **options
        )

    with pytest.raises(Interrupted):
        fit(callbacks=lambda clock: [tiny_run.At(clock, 3, interrupt)])
    capsys.readouterr()
    fit()
    shown = capsys.readouterr().out
    assert "2/2" in shown and "/4" not in shown
    row = run.metrics[-1]
    assert f"accuracy: {row['accuracy']:.4f} - loss: {row['loss']:.4f}" in shown
    assert "val_accuracy: 0.5000" in shown


def test_tensorboard_gets_every_measurement(run, images):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tiny_run.train(run, images.train, images.validation, callbacks=lambda clock: [TensorBoard(run, clock)])
    written = EventAccumulator(str(run.path / "tensorboard")).Reload().Tensors("val_accuracy")
    assert [event.step for event in written] == [row["step"] for row in run.metrics]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_scores_loss_and_variables_stay_in_float32(images, precision):
    keras.config.set_dtype_policy(hardware.training_policy(precision))
    model = tiny_run.network(4)
    fitting.compile_for_training(model, keras.optimizers.SGD(0.01), losses.smoothed_cross_entropy(0.1))
    (shown, truth) = next(iter(TrainingBatches(images.train, NONE, 4, seed=0).epoch(0)))
    assert model.get_layer("first_conv").compute_dtype == precision
    assert model(shown).dtype == "float32"
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    loss = model.compute_loss(y=truth, y_pred=model(shown))
    assert loss.dtype == "float32"
    assert math.isfinite(model.train_on_batch(shown, truth)[0])


@pytest.mark.parametrize(
    "number", [pytest.param(number, marks=pytest.mark.slow if number > 6 else ()) for number in TABLE_1]
)
def test_each_model_of_table_1_takes_a_step(number):
    hardware.set_seed(0)
    model = le_yang(number, classes=4)  # without weight decay, which would move a kernel that no gradient reaches
    fitting.compile_for_training(model, keras.optimizers.SGD(0.01, 0.9), losses.smoothed_cross_entropy(0))
    shown = np.random.default_rng(0).uniform(-1, 1, (2, 56, 56, 3)).astype(np.float32)
    before = [layer.kernel.numpy().copy() for layer in model.layers if hasattr(layer, "kernel")]
    assert math.isfinite(model.train_on_batch(shown, np.eye(4, dtype=np.float32)[:2])[0])
    after = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("devices", [["CPU:0"], ["CPU:0", "CPU:1"]], ids=len)
def test_losses_do_not_depend_on_the_devices_nor_on_an_interruption(tmp_path, tree, devices, without_devices):
    run = run_on(devices, tmp_path, tree, epochs=1)
    assert len(run.metrics) == 6
    assert run_on(devices, tmp_path, tree, epochs=2) == run
    for name in ("loss", "penalty", "val_loss"):
        found, expected = ([row[name] for row in each.metrics] for each in (run, without_devices))
        assert len(set(expected)) == 12
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=name)
    snapshots = Snapshots(run.path / "snapshots")
    saved = keras.saving.load_model(snapshots.path(snapshots.best))
    assert not saved.get_layer("first_bn").synchronized, "it loads on any backend"


@pytest.fixture(scope="module")
def without_devices(tmp_path_factory, builder):
    tree = next(Path(builder.data_path).parents[4].glob("tiny-imagenet-200"))
    return run_on([], tmp_path_factory.mktemp("without_devices"), tree, epochs=2)


def run_on(devices: list[str], folder: Path, tree: Path, epochs: int) -> Run:
    """A run in a process with two logical CPUs; called again, it goes on."""
    command = [sys.executable, "tests/training/devices_run.py", folder / "run", tree, folder / "data", epochs, *devices]
    subprocess.run(map(str, command), cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    return Run(folder / "run")


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="--devices GPU:7"):
        hardware.strategy(["GPU:7"])
