"""What the options of the two Inception recipes do to network, optimizer and images."""

import dataclasses

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data.batches import MILANI, NONE
from tiny_imagenet_tf.experiments import experiment
from tiny_imagenet_tf.training import inception
from tiny_imagenet_tf.training.inception import InceptionConfig, falling_learning_rate, network


def after_a_step_without_gradient(config):
    """Returns the path of every trained variable and what is left of its ones."""
    model = network(dataclasses.replace(config, width_multiplier=0.05), classes=4)
    for variable in model.trainable_variables:
        variable.assign(keras.ops.ones(variable.shape))
    model.optimizer.apply([keras.ops.zeros(variable.shape) for variable in model.trainable_variables])
    return {variable.path: np.array(variable) for variable in model.trainable_variables}


def test_decoupled_weight_decay_shrinks_kernels_and_nothing_else():
    config = InceptionConfig(learning_rate=0.5, weight_decay=0.08, weight_decay_convention="decoupled")
    after = after_a_step_without_gradient(config)
    assert sum("kernel" in path for path in after) == 67  # 66 convolutions and the last layer
    for path, values in after.items():
        np.testing.assert_allclose(values, 1 - 0.5 * 0.08 if "kernel" in path else 1, rtol=1e-6, err_msg=path)


@pytest.mark.parametrize("convention", ["l2_loss", "keras"])
def test_weight_decay_in_the_loss_is_not_in_the_optimizer_too(convention):
    config = InceptionConfig(learning_rate=0.5, weight_decay=0.08, weight_decay_convention=convention)
    assert all((values == 1).all() for values in after_a_step_without_gradient(config).values())


def test_the_learning_rate_falls_as_the_paper_says():
    schedule = falling_learning_rate(InceptionConfig(learning_rate=2e-3, learning_rate_decay=0.9, decay_every_epochs=2))
    schedule.set_model(keras.Sequential([keras.Input((1,))]))
    schedule.model.compile(keras.optimizers.Adam(1.0))
    for epoch, rate in ((0, 2e-3), (1, 2e-3), (2, 1.8e-3), (4, 1.62e-3)):
        schedule.on_epoch_begin(epoch)
        assert float(schedule.model.optimizer.learning_rate) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("convention", ["decoupled", "l2_loss", "keras"])
def test_the_options_reach_the_network(convention):
    config = InceptionConfig(
        dropout_keep=0.7, label_smoothing=0.2, weight_decay=0.06, weight_decay_convention=convention,
        width_multiplier=0.05,
    )  # fmt: skip
    model = network(config, classes=4)
    (dropout,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropout.rate == pytest.approx(0.3)
    assert model.loss.label_smoothing == 0.2
    kernels = [variable for variable in model.trainable_variables if "kernel" in variable.path]
    in_the_loss = {"decoupled": 0, "l2_loss": 0.03, "keras": 0.06}[convention]
    expected = in_the_loss * sum(float(np.square(kernel).sum()) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)
    assert all(
        layer.rate == 0 for layer in network(InceptionConfig(width_multiplier=0.05), 4).layers if "drop" in layer.name
    )


@pytest.mark.parametrize(("augment", "expected"), [(True, MILANI), (False, NONE)])
def test_regularized_sees_augmented_images(monkeypatch, augment, expected):
    class Begun(Exception):
        pass

    def begin(recipe, config, augmentation):
        assert augmentation == expected
        raise Begun

    monkeypatch.setattr(experiment, "begin", begin)
    with pytest.raises(Begun):
        inception.run("recipe", "title", "milani/regularized", InceptionConfig(augment=augment))
