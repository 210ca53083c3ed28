"""Milani's compact Inception: the figure's maps, the parameter count, the arguments."""

import re

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.models.compact_inception import compact_inception


@pytest.fixture(scope="module")
def model():
    return compact_inception()


def test_parameters_by_kind_of_layer(model):
    def count(kind):
        return sum(layer.count_params() for layer in model.layers if isinstance(layer, kind))

    assert model.count_params() == 2_582_660
    assert count(keras.layers.Conv2D) == 2_395_344
    assert count(keras.layers.BatchNormalization) == 3 * 4_772
    assert count(keras.layers.Dense) == 173_000
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == 2_573_116


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("stem1", (31, 31, 32)),
        ("stem2", (29, 29, 32)),
        ("stem3", (27, 27, 64)),
        ("type1_1", (27, 27, 144)),
        ("type1_2", (27, 27, 144)),
        ("dim1", (14, 14, 288)),
        ("type2_1", (14, 14, 288)),
        ("type2_2", (14, 14, 288)),
        ("type2_3", (14, 14, 288)),
        ("dim2", (7, 7, 576)),
        ("type3", (7, 7, 864)),
        ("features", (864,)),
        ("logits", (200,)),
    ],
)
def test_maps_are_those_of_the_figure(model, name, shape):
    assert model.get_layer(name).output.shape == (None, *shape)


def test_gamma_adds_one_weight_a_channel():
    assert compact_inception(scale=True).count_params() == 2_582_660 + 4_772


@pytest.mark.parametrize("multiplier", [0.5, 2, 0.01])
def test_width_multiplier_scales_every_convolution(model, multiplier):
    scaled = compact_inception(width_multiplier=multiplier)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert scaled.get_layer(layer.name).filters == max(1, round(layer.filters * multiplier))
    assert scaled.output_shape == (None, 200)


def test_dropout_stands_before_the_last_layer_and_drops_the_given_fraction():
    model = compact_inception((24, 24, 3), dropout_rate=0.2)
    dropout = model.get_layer("logits").input._keras_history.operation
    assert isinstance(dropout, keras.layers.Dropout)
    assert dropout.rate == 0.2
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in compact_inception((24, 24, 3)).layers)


@pytest.mark.parametrize(
    "options",
    [
        {"width_multiplier": 0},
        {"width_multiplier": -1.0},
        {"dropout_rate": 1.0},
        {"dropout_rate": -0.1},
        {"classes": 0},
        {"weight_decay": -1e-4},
        {"input_shape": (14, 64, 3)},
    ],
)
def test_bad_arguments_are_named(options):
    (value,) = options.values()
    with pytest.raises(ValueError, match=re.escape(f"got {value}")):
        compact_inception(**options)


def test_the_smallest_image_ends_in_one_pixel():
    assert compact_inception((15, 15, 3)).get_layer("type3").output.shape == (None, 1, 1, 864)
