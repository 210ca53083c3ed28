"""What a run writes down, what stops it, and that two devices do what one does."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_run

from tiny_imagenet_tf import hardware, interrupts, progress
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.data.views import PLAIN
from tiny_imagenet_tf.errors import NonFiniteLoss
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments import checkpoints, losses
from tiny_imagenet_tf.experiments import fit as fitting
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.fit import compile_for_training, fit
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.models.convnets import le_yang
from tiny_imagenet_tf.published import LE_YANG_TABLE_1
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[2]
ROW = {
    "epoch", "step", "learning_rate", "loss", "penalty", "accuracy", "val_loss", "val_accuracy", "val_top5",
    "selection_accuracy", "seconds",
}  # fmt: skip


def fitted(run, images, *, network=None, loss=None, rate=0.1, batch_size=6, measure=None, callbacks=(), **options):
    """A tiny network after an epoch of plain images; returns it, behind its views, and its batches."""
    classifier = preprocess.classifier(network or tiny_run.network(4))
    model = preprocess.behind_views(classifier, PLAIN)
    compile_for_training(model, keras.optimizers.SGD(rate), loss or losses.smoothed_cross_entropy(0.1))
    batches = ImageBatches(images.train, PLAIN, batch_size, seed=0)
    options = {"measure_every": 9, "checkpoint_every": 9} | options
    kept = tiny_run.keeping(run, images.train, classifier, measure or (lambda: tiny_run.measured(0.5)), **options)
    fit(model, batches, kept, epochs=1, callbacks=callbacks)
    return model, batches


def test_a_row_holds_means_over_the_epoch_so_far(run, images):
    """With a learning rate of 0 nothing changes, so the means can be computed from outside."""
    measured = {"val_loss": 1.5, "val_accuracy": 0.25, "val_top5": 0.75, "selection_accuracy": 0.5}
    loss = losses.smoothed_cross_entropy(0.1)
    network = tiny_run.network(4, dropout=0)
    model, batches = fitted(
        run, images, network=network, rate=0.0, batch_size=12, measure=lambda: dict(measured), measure_every=1
    )
    first, second = run.metrics
    assert first.keys() == ROW
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (0.5, 1, 1, 2)
    assert measured.items() <= second.items() and second["learning_rate"] == 0
    assert [entry.accuracy for entry in run.snapshots().entries] == [0.5], "selection_accuracy decides; no tie is kept"

    pairs = list(batches.dataset(0, 2))
    penalty = 1e-3 * float(np.square(network.get_layer("first_conv").kernel).sum())
    scores = [model(list(shown), training=True).numpy() for shown, _ in pairs]
    expected = [float(loss(truth, score)) for (_, truth), score in zip(pairs, scores, strict=True)]
    assert first["loss"] == pytest.approx(expected[0], rel=1e-4)
    assert second["loss"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert second["penalty"] == pytest.approx(penalty, rel=1e-3)
    right = [np.mean(s.argmax(1) == t.numpy().argmax(1)) for (_, t), s in zip(pairs, scores, strict=True)]
    assert second["accuracy"] == pytest.approx(np.mean(right))


def test_a_row_of_a_schedule_has_the_rate_of_its_own_step(run, images):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.4, 4, end_learning_rate=0.0)
    fitted(run, images, rate=schedule, measure_every=2)  # four steps an epoch
    assert [row["learning_rate"] for row in run.metrics] == pytest.approx([0.3, 0.1])


def test_a_rate_that_a_callback_sets_stays_where_averages_are_kept(run, images):
    averages = [keras.callbacks.SwapEMAWeights()]
    tiny_run.train(run, images.train, images.validation, plateau=False, epochs=2, ema=True, callbacks=averages)
    rates = [row["learning_rate"] for row in run.metrics]
    np.testing.assert_allclose(rates, [1e-2, 1e-2, 5e-3, 5e-3], rtol=1e-6)


def test_a_signal_costs_no_step(run, images, monkeypatch):
    """Step 2 is a checkpoint's and step 4 a measurement's; the signal comes during the third."""
    tell = tiny_run.At(2, lambda: monkeypatch.setattr(interrupts._State, "received", signal.SIGTERM))
    with pytest.raises(interrupts.Interrupted):
        tiny_run.train(run, images.train, images.validation, callbacks=[tell])
    assert checkpoints.read_clock(run.checkpoint, 6).step == 3


def test_intervals_are_counted_from_an_epochs_beginning_and_may_be_passed_within_one_execution():
    clock = Clock(12, step=6)
    assert fitting._passed(4, clock, 5) and not fitting._passed(5, clock, 5)
    clock.step = 14
    assert not fitting._passed(12, clock, 5)


def test_the_rate_on_the_screen_is_in_images():
    supervisor, logs = fitting.Supervisor(None, Clock(6), 4), {"loss": 1.0, "data_loss": 1.0}
    supervisor._penalized, supervisor._steps, supervisor._seconds = False, 3, 2.0
    supervisor._show(logs)
    assert logs == {"loss": 1.0, "images_per_second": 6}


def test_a_network_without_weight_penalty_shows_none(run, images, capsys):
    fitted(run, images, network=tiny_run.network(4, penalty=0))
    assert run.metrics[0].keys() == ROW - {"penalty"}
    assert "penalty" not in capsys.readouterr().out


class BadUpdate(keras.callbacks.Callback):
    """Lets one step leave weights that are not finite behind a loss that still is."""

    def __init__(self, step):
        super().__init__()
        self._step = step

    def on_train_batch_begin(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self._step - 1:
            self.model.optimizer.learning_rate = math.nan


# 8 would be a checkpoint, 10 a measurement and 12 an epoch's end; after 9 the measurement shows it.
@pytest.mark.parametrize(("step", "stops_at"), [(8, 8), (9, 10), (10, 10), (12, 12)])
def test_numbers_that_are_not_finite_stop_the_run_and_keep_what_was_good(run, images, step, stops_at):
    with pytest.raises(NonFiniteLoss, match=f"step {stops_at}, epoch {stops_at / 6:.2f}"):
        tiny_run.train(run, images.train, images.validation, callbacks=[BadUpdate(step)])
    assert checkpoints.read_clock(run.checkpoint, 6).step < stops_at
    assert all(row["step"] < stops_at for row in run.metrics)
    with np.load(run.checkpoint) as stored:
        assert all(np.isfinite(stored[name]).all() for name in stored.files if name != "position")
    snapshots = run.snapshots()
    assert all(entry.step < stops_at for entry in snapshots.entries)
    assert np.isfinite(tiny_run.accuracy(Predictor.load(snapshots.paths[-1]), images.validation))


def test_a_snapshot_is_the_network_at_its_step_without_the_optimizer(run, images):
    tiny_run.train(run, images.train, images.validation)
    snapshots = run.snapshots()
    assert snapshots.wnids == images.train.wnids
    measured = {row["step"]: row["selection_accuracy"] for row in run.metrics}
    assert snapshots.best.accuracy == max(measured.values())
    for entry in snapshots.entries:
        saved = Predictor.load(snapshots.path(entry))
        assert tiny_run.accuracy(saved, images.validation) == entry.accuracy == measured[entry.step]
        assert getattr(keras.saving.load_model(snapshots.path(entry)), "optimizer", None) is None


def test_the_screen_shows_loss_accuracy_and_speed(run, images, capsys):
    fitted(run, images, loss=losses.MulticlassHinge())
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert line.startswith("epoch 1/1  loss ") and len(line) <= 80
    for word in (" + 0.0", "train ", "val 50.00%", " images/s  0:0"):
        assert word in line


def test_the_screen_shows_what_the_rows_hold_and_the_steps_that_remain(run, images, capsys, monkeypatch):
    """An epoch that is taken up in its middle has half of its steps."""

    class Interrupted(Exception):
        pass

    def interrupt():
        raise Interrupted

    values = iter([0.1, 0.5, 0.7])
    measure = lambda: tiny_run.measured(next(values))  # noqa: E731
    with pytest.raises(Interrupted):
        fitted(run, images, measure=measure, measure_every=2, callbacks=[tiny_run.At(3, interrupt)])
    assert "epoch 1/1" not in capsys.readouterr().out
    bars, bar = [], progress.bar

    def seen(what, total, **options):
        bars.append((total, options["done"]))
        return bar(what, total, **options)

    monkeypatch.setattr(progress, "bar", seen)
    fitted(run, images, measure=measure, measure_every=2)
    captured = capsys.readouterr()
    row = run.metrics[-1]
    assert f"train {row['accuracy']:.2%}  val 50.00%" in captured.out and f"loss {row['loss']:.3f}" in captured.out
    assert bars == [(4, 2)], "the bar begins where the run stands"


def test_tensorboard_gets_every_measurement(run, images):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fitted(run, images, measure_every=2, tensorboard=True)
    written = EventAccumulator(str(run.path / "tensorboard")).Reload().Tensors("val_accuracy")
    assert [event.step for event in written] == [row["step"] for row in run.metrics] == [2, 4]


@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_scores_loss_and_variables_stay_in_float32(images, precision):
    with hardware.policy(hardware.training_policy(precision)):
        model = preprocess.behind_views(preprocess.classifier(tiny_run.network(4)), PLAIN)
        compile_for_training(model, keras.optimizers.SGD(0.01), losses.smoothed_cross_entropy(0.1))
    (shown, truth) = next(iter(ImageBatches(images.train, PLAIN, 4, seed=0).dataset(0, 1)))
    shown = list(shown)
    assert tiny_run.layer(model, "first_conv").compute_dtype == precision
    assert model.get_layer("shown").compute_dtype == "float32"
    assert model(shown).dtype == "float32"
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    loss = model.compute_loss(y=truth, y_pred=model(shown))
    assert loss.dtype == "float32"
    assert math.isfinite(model.train_on_batch(shown, truth)[0])


@pytest.mark.parametrize(
    "number", [pytest.param(number, marks=pytest.mark.slow if number > 6 else ()) for number in LE_YANG_TABLE_1]
)
def test_each_model_of_table_1_takes_a_step(number):
    hardware.set_seed(0)
    model = le_yang(number, classes=4)  # without weight decay, which would move a kernel that no gradient reaches
    compile_for_training(model, keras.optimizers.SGD(0.01, 0.9), losses.smoothed_cross_entropy(0))
    shown = np.random.default_rng(0).uniform(-1, 1, (2, 56, 56, 3)).astype(np.float32)
    before = [layer.kernel.numpy().copy() for layer in model.layers if hasattr(layer, "kernel")]
    assert math.isfinite(model.train_on_batch(shown, np.eye(4, dtype=np.float32)[:2])[0])
    after = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("devices", [["CPU:0"], ["CPU:0", "CPU:1"]], ids=["one", "two"])
def test_losses_do_not_depend_on_the_devices_nor_on_an_interruption(tmp_path, tree, devices, without_devices):
    run = run_on(devices, tmp_path, tree, epochs=1)
    assert len(run.metrics) == 6
    assert run_on(devices, tmp_path, tree, epochs=2) == run
    for name in ("loss", "penalty", "val_loss"):
        found, expected = ([row[name] for row in each.metrics] for each in (run, without_devices))
        assert len(set(expected)) == 12
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=name)
    saved = keras.saving.load_model(run.snapshots().paths[-1])
    assert not tiny_run.layer(saved, "first_bn").synchronized, "it loads on any backend"


@pytest.fixture(scope="module")
def without_devices(tmp_path_factory, builder):
    tree = next(Path(builder.data_path).parents[4].glob("tiny-imagenet-200"))
    return run_on([], tmp_path_factory.mktemp("without_devices"), tree, epochs=2)


def run_on(devices: list[str], folder: Path, tree: Path, epochs: int) -> Run:
    """A run in a process with two logical CPUs; called again, it goes on."""
    command = [
        sys.executable,
        "tests/experiments/devices_run.py",
        folder / "run",
        tree,
        folder / "data",
        epochs,
        *devices,
    ]
    subprocess.run(map(str, command), cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    return Run(folder / "run")
