"""What the options of the two Inception recipes do to network, optimizer and images."""

import contextlib
import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data.batches import Steps
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.fit import steps_together
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models.layers import normalizations
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training import inception
from tiny_imagenet_tf.training.inception import l2
from tiny_imagenet_tf.training.options import InceptionOptions
from tiny_imagenet_tf.training.scratch import Scratch


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """The network that a run would train, from its options."""
    found = []
    begun = SimpleNamespace(classes=4, placement=SimpleNamespace(scope=lambda: keras.device("cpu"), replicas=1))
    begun.precision, begun.run = "float32", SimpleNamespace(checkpoint=tmp_path / "checkpoint.npz")

    def begin(study, options, devices):
        begun.options, begun.steps = options, Steps(2400, options.batch_size, options.seed)
        return contextlib.nullcontext(begun)

    monkeypatch.setattr(inception, "begin", begin)
    monkeypatch.setattr(Scratch, "fit", lambda self, **options: found.append((self, options)))
    monkeypatch.setattr(Scratch, "report", lambda self, clock: None)

    def run(**options):
        inception.run(Study("recipe", "title"), InceptionOptions(**{"width_multiplier": 0.05} | options))
        return found[-1]

    return run


def after_a_step_without_gradient(training):
    """Returns the path of every trained variable and what is left of its ones."""
    model = training.model
    for variable in model.trainable_variables:
        variable.assign(keras.ops.ones(variable.shape))
    model.optimizer.apply([keras.ops.zeros(variable.shape) for variable in model.trainable_variables])
    return {variable.path: np.array(variable) for variable in model.trainable_variables}


def test_decoupled_weight_decay_shrinks_kernels_and_nothing_else(trained):
    training, _ = trained(learning_rate=0.5, weight_decay=0.08, weight_decay_convention="decoupled")
    after = after_a_step_without_gradient(training)
    assert sum("kernel" in path for path in after) == 67  # 66 convolutions and the last layer
    for path, values in after.items():
        np.testing.assert_allclose(values, 1 - 0.5 * 0.08 if "kernel" in path else 1, rtol=1e-6, err_msg=path)


@pytest.mark.parametrize("convention", ["l2_loss", "keras"])
def test_weight_decay_in_the_loss_is_not_in_the_optimizer_too(trained, convention):
    training, _ = trained(learning_rate=0.5, weight_decay=0.08, weight_decay_convention=convention)
    assert all((values == 1).all() for values in after_a_step_without_gradient(training).values())


@pytest.mark.parametrize("convention", ["decoupled", "l2_loss", "keras"])
def test_the_options_reach_the_network(trained, convention):
    options = {"dropout_keep": 0.7, "label_smoothing": 0.2, "batch_norm_momentum": 0.8}
    training, _ = trained(**options, weight_decay=0.06, weight_decay_convention=convention, cross_entropy="mean")
    network = training.classifier.layers[-1]
    assert {layer.momentum for layer in normalizations(network)} == {0.8}
    (dropout,) = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropout.rate == pytest.approx(0.3)
    assert training.model.loss.label_smoothing == 0.2
    kernels = [variable for variable in network.trainable_variables if "kernel" in variable.path]
    in_the_loss = {"decoupled": 0, "l2_loss": 0.03, "keras": 0.06}[convention]
    expected = in_the_loss * sum(float(np.square(kernel).sum()) for kernel in kernels)
    assert float(sum(training.model.losses)) == pytest.approx(expected, rel=1e-4)


def test_beside_the_sum_over_a_batch_the_decay_is_a_batch_size_smaller():
    """Candidate R3 for the paper's 0.08: it is 0.0008 as l2_loss beside the mean."""
    summed, beside_the_mean = InceptionOptions(), InceptionOptions(weight_decay=0.0008, cross_entropy="mean")
    assert l2(summed) == pytest.approx(l2(beside_the_mean)) == pytest.approx(0.0004)
    decoupled = InceptionOptions(weight_decay_convention="decoupled", demo=True)
    decoupled.check()
    assert l2(decoupled) == 0
    with pytest.raises(UserError, match="--cross-entropy mean would be ignored: a decoupled"):
        dataclasses.replace(decoupled, cross_entropy="mean").check()


def test_a_penalty_on_the_last_layer_alone(trained):
    training, _ = trained(weight_decay=0.06, cross_entropy="mean", weight_decay_on="last")
    kernel = training.classifier.layers[-1].get_layer("logits").kernel
    assert float(sum(training.model.losses)) == pytest.approx(0.03 * float(np.square(kernel).sum()), rel=1e-4)


def test_decoupled_decay_of_the_last_layer_alone(trained):
    own = {"learning_rate": 0.5, "weight_decay": 0.08, "weight_decay_convention": "decoupled"}
    training, _ = trained(**own, weight_decay_on="last")
    shrunk = [path for path, values in after_a_step_without_gradient(training).items() if not (values == 1).all()]
    assert [path.split("/")[-2:] for path in shrunk] == [["logits", "kernel"]]


@pytest.mark.parametrize(("blocks", "kernel_size"), [("released", (5, 5)), ("figure", (3, 3))])
def test_the_blocks_reach_the_network(trained, blocks, kernel_size):
    network = trained(blocks=blocks)[0].classifier.layers[-1]
    assert network.get_layer("type1_1_single_2_conv").kernel_size == kernel_size


def test_the_rate_grows_with_the_batch_where_that_is_asked_for(trained):
    training, fitted = trained(batch_size=800, scale_learning_rate=True)
    (staircase,) = fitted["callbacks"]
    assert float(training.model.optimizer.learning_rate) == pytest.approx(8e-3)
    assert staircase.schedule(0, None) == pytest.approx(8e-3) and staircase.schedule(2, None) == pytest.approx(6.48e-3)
    with pytest.raises(UserError, match="--scale-learning-rate True would be ignored: the batches are"):
        InceptionOptions(scale_learning_rate=True).check()


def test_on_a_gpu_several_steps_are_run_together(trained, monkeypatch):
    monkeypatch.setattr("tiny_imagenet_tf.hardware.on_gpu", lambda devices=(): True)
    training, _ = trained(measure_every=12, checkpoint_every=6)  # 24 steps an epoch
    assert training.model.steps_per_execution == 6


def test_a_pause_that_no_epoch_reaches_cuts_nothing_short(tmp_path, monkeypatch):
    monkeypatch.setattr("tiny_imagenet_tf.hardware.on_gpu", lambda devices=(): True)
    assert steps_together(Run(tmp_path), 492, 500, 500) == 12  # Le & Yang's screened images
    assert steps_together(Run(tmp_path), 781, 500, 100) == 11  # batches of 128


def test_steps_together_end_an_epoch_that_a_cpu_was_stopped_in(trained, monkeypatch):
    monkeypatch.setattr("tiny_imagenet_tf.hardware.on_gpu", lambda devices=(): True)
    monkeypatch.setattr(
        "tiny_imagenet_tf.experiments.checkpoints.read_clock", lambda path, per_epoch: Clock(per_epoch, 9)
    )
    training, _ = trained(measure_every=12, checkpoint_every=6)  # 24 steps an epoch
    assert training.model.steps_per_execution == 3


def test_the_options_reach_the_optimizer_and_its_rate(trained):
    decoupled = {"weight_decay": 0.06, "weight_decay_convention": "decoupled"}
    training, options = trained(learning_rate=1e-2, learning_rate_decay=0.8, **decoupled)
    assert training.model.optimizer.weight_decay == 0.06
    (schedule,) = options["callbacks"]
    schedule.set_model(training.model)
    schedule.on_epoch_begin(2)
    assert float(training.model.optimizer.learning_rate) == pytest.approx(1e-2 * 0.64, rel=1e-6)
