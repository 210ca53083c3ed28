"""The classifier on transfer values."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.models.heads import transfer_head


def kinds(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


def test_default_is_one_fully_connected_layer():
    model = transfer_head()
    assert kinds(model) == ["Dense"]
    assert model.count_params() == 2048 * 200 + 200
    assert model.get_layer("logits").activation is keras.activations.linear


def test_v2_drops_transfer_values():
    model = transfer_head(dropout_rate=0.2)
    assert kinds(model) == ["Dropout", "Dense"]
    assert model.layers[1].rate == 0.2


def test_hidden_layers_as_tried_in_section_4_1():
    model = transfer_head(32, 5, hidden=(16, 8))
    assert [layer.units for layer in model.layers[1:]] == [16, 8, 5]
    assert model.get_layer("hidden1").activation is keras.activations.relu


@pytest.mark.parametrize("options", [{"classes": 0}, {"dropout_rate": 1.0}, {"weight_decay": -0.1}])
def test_bad_arguments_are_named(options):
    (value,) = options.values()
    with pytest.raises(ValueError, match=f"(got |l2=){value}"):
        transfer_head(**options)


def test_values_can_be_standardized_first():
    values = np.random.default_rng(0).normal(3e-3, 1e-4, (50, 6)).astype(np.float32)
    values[:, 5] = 7e-3  # the same for every image
    mean, variance = values.mean(axis=0), values.var(axis=0)
    head = transfer_head(6, 3, standardized=(mean, variance))
    kernel, bias = head.get_layer("logits").get_weights()
    values[0, 5] = 0.5  # another image's
    expected = (values - mean) / np.sqrt([*variance[:5], 1.0]) @ kernel + bias
    np.testing.assert_allclose(head.predict(values, verbose=0), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.asarray(head(values, training=True)), expected, rtol=1e-3, atol=1e-3)
    assert len(head.trainable_weights) == 2
