import keras
import numpy as np
import pytest

from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.training.inception import InceptionConfig, adam, falling_learning_rate


def after_a_step_without_gradient(config):
    """Returns the path of every trained variable and what is left of its ones."""
    model = compact_inception(classes=4, width_multiplier=0.05)
    for variable in model.trainable_variables:
        variable.assign(keras.ops.ones(variable.shape))
    optimizer = adam(config)
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.zeros(variable.shape) for variable in model.trainable_variables])
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
