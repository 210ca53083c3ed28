"""Floating point operations, against sums done by hand."""

import keras
import pytest
from keras import layers

from tiny_imagenet_tf.models.cost import forward_flop


def flop(shape, *chain):
    return forward_flop(keras.Sequential([keras.Input(shape), *chain]))


@pytest.mark.parametrize(
    ("shape", "layer", "expected"),
    [
        ((8, 6, 3), layers.Conv2D(5, (3, 1), padding="same", use_bias=False), 2 * 3 * 3 * 5 * 48),
        ((8, 6, 3), layers.Conv2D(5, 3, strides=2), 2 * 27 * 5 * (3 * 2) + 5 * (3 * 2)),
        ((7,), layers.Dense(4), 2 * 7 * 4 + 4),
        ((8, 6, 3), layers.BatchNormalization(), 2 * 144),
        ((8, 6, 3), layers.MaxPooling2D(3, strides=2), 9 * (3 * 2 * 3)),
        ((8, 6, 3), layers.AveragePooling2D(3, strides=1, padding="same"), 9 * 144),
        ((8, 6, 3), layers.GlobalAveragePooling2D(), 144),
        ((8, 6, 3), layers.ReLU(), 0),
        ((8, 6, 3), layers.Dropout(0.5), 0),
    ],
)
def test_one_layer(shape, layer, expected):
    assert flop(shape, layer) == expected


def test_layers_add_up():
    assert flop((4, 4, 1), layers.Conv2D(2, 1), layers.Flatten(), layers.Dense(3)) == 64 + 32 + 2 * 96 + 3


def test_channels_first_counts_the_same():
    data_format = "channels_first"
    assert flop((3, 8, 6), layers.Conv2D(5, 3, data_format=data_format)) == 2 * 27 * 5 * 24 + 5 * 24
    assert flop((3, 8, 6), layers.GlobalAveragePooling2D(data_format=data_format)) == 144


def test_an_open_shape_is_an_error():
    with pytest.raises(ValueError, match="no fixed shape"):
        flop((None, None, 3), layers.Conv2D(5, 3))
