"""The compact Inception by today's methods: its schedule, its stages and its teacher."""

import contextlib
import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.blocks import conv_bn
from tiny_imagenet_tf.data.batches import Steps, in_view
from tiny_imagenet_tf.data.views import RandomViews
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments import images, statistics
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.experiment import Experiment
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.hardware import Placement
from tiny_imagenet_tf.models.layers import image_input, logits, normalizations
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training import modern, teacher
from tiny_imagenet_tf.training.modern import optimizer_of
from tiny_imagenet_tf.training.options import ModernOptions
from tiny_imagenet_tf.training.scratch import Scratch

STUDY = Study("inception_modern", "Modern")


@pytest.mark.parametrize(
    ("options", "highest"), [({}, 0.1), ({"optimizer": "adamw"}, 0.002), ({"learning_rate": 1}, 1)]
)
def test_the_rate_warms_up_and_falls_to_nothing(options, highest):
    optimizer = optimizer_of(ModernOptions(epochs=10, warmup_epochs=2, **options), 50)
    rates = np.array([optimizer._learning_rate(step) for step in (0, 50, 100, 300, 500)])
    np.testing.assert_allclose(rates, np.array([0.01, 0.505, 1, 0.5, 0]) * highest, rtol=1e-5, atol=1e-9)


def test_a_rate_that_warms_up_nearly_to_the_end_still_comes_down():
    optimizer = optimizer_of(ModernOptions(epochs=2, warmup_epochs=1.99), 10)  # of 20 steps
    rates = [float(optimizer._learning_rate(step)) for step in (18, 19, 20)]
    np.testing.assert_allclose(rates, (0.1, 0.05, 0), atol=1e-7)  # the last step has half of the highest
    assert float(optimizer_of(ModernOptions(epochs=1, warmup_epochs=0.9), 1)._learning_rate(0)) == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_kernels_decay_and_nothing_else(name):
    network = modern.compact_inception((15, 15, 3), 4, width_multiplier=0.05)
    optimizer = optimizer_of(ModernOptions(epochs=1, warmup_epochs=0, optimizer=name), 10)
    before = [np.array(variable) for variable in network.trainable_variables]
    optimizer.apply([0 * each for each in before], network.trainable_variables)
    left = 1 - {"sgd": 0.1 * 0.005, "adamw": 0.002 * 0.05}[name]
    for variable, value in zip(network.trainable_variables, before, strict=True):
        expected = value * left if "kernel" in variable.path else value
        np.testing.assert_allclose(variable, expected, rtol=1e-6, err_msg=variable.path)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_optimizer_has_momentum_and_keeps_averages(name):
    optimizer = optimizer_of(ModernOptions(optimizer=name), 10)
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.999)
    assert name == "adamw" or (optimizer.momentum, optimizer.nesterov) == (0.9, True)
    assert not optimizer_of(ModernOptions(optimizer=name, average=0.0), 10).use_ema


def test_each_stage_gets_its_size_views_and_targets(monkeypatch, tmp_path):
    options = ModernOptions(
        epochs=6, sizes=(16, 24, 64), shares=(0.5, 0.3, 0.2), mixup=0.2, least_area=0.3, width_multiplier=0.05,
        batch_norm_momentum=0.8, label_smoothing=0.2, teacher=Path("a run"),
    )  # fmt: skip
    stages, words, told = [], np.eye(4, dtype=np.float32), []

    def fitted(stage, epochs, of, announced):
        stages.append((stage, epochs))
        told.append((of, announced))
        return Clock(10)

    begun = SimpleNamespace(classes=4, precision="float32", options=options, data=None, steps=Steps(1000, 100, 0))
    begun.placement = SimpleNamespace(scope=lambda: keras.device("cpu"), replicas=1)
    begun.run = SimpleNamespace(checkpoint=tmp_path / "checkpoint.npz")
    monkeypatch.setattr(modern, "begin", lambda *_, **more: told.append(more) or contextlib.nullcontext(begun))
    monkeypatch.setattr(modern, "taught", lambda *_: words)
    monkeypatch.setattr(Scratch, "fit", fitted)
    monkeypatch.setattr(Scratch, "report", lambda *_, **__: None)
    modern.run(STUDY, options)
    assert told.pop(0)["source"].path == Path("a run")  # what a resumed run is held to
    assert [(stage.model.get_layer("classifier").input_shape[1], epochs) for stage, epochs in stages] == [
        (16, 3), (24, 5), (64, 6),
    ]  # fmt: skip
    assert told == [(6, True), (6, False), (6, False)]  # the run's epochs; only a run that was stopped goes on
    for stage, _ in stages:
        assert stage.views == RandomViews(mirror=True, mixup=0.2, least_area=0.3)
        assert stage.reestimate and stage.targets is words
        assert stage.model.optimizer.use_ema and stage.model.loss.label_smoothing == 0.2
        assert {layer.momentum for layer in normalizations(stage.model)} == {0.8}
        assert stage.classifier.input_shape[1] == 64  # what is measured and saved


def test_each_size_has_its_share_of_the_epochs():
    assert ModernOptions().ends == (15, 24, 30)
    with pytest.raises(UserError, match="--epochs 3: too few for 3 sizes"):
        ModernOptions(epochs=3).check()
    assert ModernOptions(stop_after=20).ends == (15, 20, 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (32, 64)}, "2 sizes with 3 shares"),
        ({"sizes": (8, 32, 64)}, "--sizes 8"),
        ({"shares": (0.5, 0.5, 0.5)}, "--shares 0.5 0.5 0.5"),
        ({"warmup_epochs": 30.0}, "--warmup-epochs 30.0"),
        ({"teacher_share": 0.2}, "--teacher-share 0.2 would be ignored"),
        ({"stop_after": 31}, "--stop-after 31: the schedule ends with the 30"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        ModernOptions(**options).check()


def test_a_teacher_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="--teacher .*gone: no such folder"):
        ModernOptions(teacher=tmp_path / "gone").check()


@pytest.fixture
def small(downloaded, tmp_path):
    """Options of a run of seconds, in two stages of two epochs."""
    return ModernOptions(
        data_dir=downloaded,
        runs=tmp_path,
        epochs=4,
        batch_size=8,
        measure_every=2,
        checkpoint_every=1,
        sizes=(15, 20),
        shares=(0.5, 0.5),
        average=0.8,
        mixup=0.2,
        width_multiplier=0.05,
        precision="float32",
    )


@pytest.fixture
def quickly_traced(monkeypatch):
    """One convolution in the place of the compact Inception."""

    def network(input_shape, classes, momentum, **_):
        x = images = image_input(input_shape)
        x = conv_bn(x, 8, 3, strides=4, momentum=momentum, name="stem")
        return keras.Model(images, logits(keras.layers.GlobalAveragePooling2D()(x), classes=classes))

    monkeypatch.setattr(modern, "compact_inception", network)


@pytest.mark.usefixtures("quickly_traced")
def test_statistics_are_of_training_images_in_a_random_order(small, monkeypatch):
    shown = []

    def kept(split, *more):
        shown.append(split.labels)
        return in_view(split, *more)

    monkeypatch.setattr(statistics, "in_view", kept)
    modern.run(STUDY, dataclasses.replace(small, stop_after=1))
    train = images.load(small).train.labels
    assert len(shown) == 2 and (train == np.sort(train)).all()  # of two measurements
    for labels in shown:
        assert (labels == shown[0]).all() and (np.sort(labels) == train).all()
        assert min(len(set(labels[first : first + 8])) for first in (0, 8, 16)) > 2  # of 24 images of four classes


@pytest.mark.usefixtures("quickly_traced")
def test_a_run_that_stops_before_its_schedule_says_so(small):
    begun = modern.run(STUDY, dataclasses.replace(small, stop_after=2))
    assert begun.summary.epochs == 2 and "2 of the recipe's 30 epochs" in begun.summary.shortfalls
    with pytest.raises(UserError, match="--stop-after 1: this run has already trained 2 epochs"):
        modern.run(STUDY, dataclasses.replace(small, stop_after=1, resume=begun.path))


@pytest.mark.slow
def test_a_run_that_was_stopped_in_its_second_stage_goes_on_bit_for_bit(small, monkeypatch):
    whole = modern.run(STUDY, small)
    measured, measure = [], Experiment.measure

    def until_the_sixth(self, predict):
        measured.append(predict)
        if len(measured) == 6:
            raise RuntimeError("stopped")
        return measure(self, predict)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="stopped"):
        patched.setattr(Experiment, "measure", until_the_sixth)
        modern.run(STUDY, dataclasses.replace(small, runs=small.runs / "stopped"))
    (path,) = (small.runs / "stopped").iterdir()
    resumed = modern.run(STUDY, dataclasses.replace(small, runs=small.runs / "stopped", resume=path))
    _check_equal(whole, resumed)
    assert [row["step"] for row in whole.metrics] == [2, 3, 5, 6, 8, 9, 11, 12]
    assert Predictor.load(whole.snapshots().paths[-1]).classifier.input_shape == (None, 64, 64, 3)
    best = max(whole.metrics, key=lambda row: row["selection_accuracy"])
    assert whole.summary.validation.top1 == pytest.approx(best["val_accuracy"])


@pytest.mark.slow
def test_a_run_that_was_to_stop_early_goes_on_bit_for_bit(small):
    begun = modern.run(STUDY, dataclasses.replace(small, stop_after=3))
    assert begun.config["stop_after"] == 3 and begun.summary.epochs == 3
    ended = modern.run(STUDY, dataclasses.replace(small, stop_after=None, resume=begun.path))
    assert ended.config["stop_after"] is None
    _check_equal(modern.run(STUDY, small), ended)


def _check_equal(one, other):
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics] for run in (one, other)]
    assert timeless[0] == timeless[1]
    states = [np.load(run.checkpoint) for run in (one, other)]
    for name in states[0].files:
        if name != "position":
            np.testing.assert_array_equal(states[0][name], states[1][name], err_msg=name)


def test_a_student_learns_the_label_and_what_the_teacher_says(small, recipe, tiny_transfer, tmp_path):
    vanilla = recipe("transfer_vanilla")
    options = {"store": tmp_path / "store", "runs": tmp_path, "batch_size": 8, "epochs": 2, "precision": "float32"}
    taught_by = vanilla.main(vanilla.Config(**tiny_transfer, **options))
    data = images.load(small)
    said = teacher.probabilities(taught_by.path, data)
    assert said.shape == (24, 4)
    np.testing.assert_allclose(said, Predictor.load(taught_by.classifier).probabilities(data.train), atol=2e-3)
    part = images.load(dataclasses.replace(small, holdout=0.25))
    assert len(part.rows) < 24
    np.testing.assert_allclose(teacher.probabilities(taught_by.path, part), said[part.rows], atol=1e-6)
    student = dataclasses.replace(small, teacher=taught_by.path, teacher_share=0.25)
    learned = modern.taught(student, data)
    np.testing.assert_allclose(learned, 0.75 * np.eye(4)[data.train.labels] + 0.25 * said, atol=1e-6)
    with pytest.raises(UserError, match="--holdout 0.25: the teacher was trained with 0.0, so it may have learned"):
        dataclasses.replace(student, holdout=0.25).check()
    halved = dataclasses.replace(small, fraction=0.5)
    with pytest.raises(UserError, match="other images"):
        teacher.probabilities(taught_by.path, images.load(halved))
    begun = Run.create(tmp_path, STUDY.recipe, student)
    (tmp_path / "elsewhere").mkdir()
    moved = taught_by.path.rename(tmp_path / "elsewhere" / taught_by.path.name)
    goes_on = ModernOptions.starting_point(["--resume", str(begun.path)])
    dataclasses.replace(goes_on, teacher=moved).check()
    for other in (tmp_path / "another", None):
        with pytest.raises(UserError, match=f"was taught by {moved.name}"):
            dataclasses.replace(goes_on, teacher=other).check()
    moved.rename(taught_by.path)
    shutil.rmtree(tmp_path / "store")
    with pytest.raises(UserError, match="the transfer values of its training images are not on this machine"):
        teacher.probabilities(taught_by.path, data)


def test_mixed_images_are_for_one_device():
    """An image and its partner may be on two."""
    begun = SimpleNamespace(placement=SimpleNamespace(replicas=2))
    with pytest.raises(UserError, match="mixup is for one device"):
        Scratch.compiled(begun, None, RandomViews(mixup=0.2), None, None)


def test_the_options_of_decay_and_averages_reach_the_optimizer():
    optimizer = modern.optimizer_of(ModernOptions(weight_decay=0.01, average=0.9), steps=10)
    assert (optimizer.weight_decay, optimizer.ema_momentum) == (0.01, 0.9)
    assert ModernOptions().decay == 0.005 and ModernOptions(optimizer="adamw").decay == 0.05


def test_a_run_stays_on_one_device_or_on_several(small, monkeypatch):
    begun = modern.run(STUDY, dataclasses.replace(small, stop_after=1))
    monkeypatch.setattr("tiny_imagenet_tf.hardware.place", lambda devices: Placement(2, contextlib.nullcontext))
    with pytest.raises(UserError, match=r"--resume .*: begun on 1 device\(s\), which measure otherwise than 2"):
        modern.run(STUDY, dataclasses.replace(small, stop_after=2, resume=begun.path))
