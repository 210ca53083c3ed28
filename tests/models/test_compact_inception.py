"""Milani's compact Inception: the figure's maps, the parameter count, the arguments."""

import re

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.hardware import policy
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


def test_every_convolution_is_normalized_and_then_rectified(model):
    layers = {layer.name: layer for layer in model.layers}
    convolutions = [name for name, layer in layers.items() if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 66
    for name in convolutions:
        normalized = next_to(layers[name])
        assert isinstance(normalized, keras.layers.BatchNormalization)
        rectified = next_to(normalized)
        assert isinstance(rectified, keras.layers.Activation) and rectified.activation is keras.activations.relu


def next_to(layer):
    """The one layer that reads another's output."""
    (node,) = layer._outbound_nodes
    return node.operation


def test_there_is_no_side_classifier(model):
    (scores,) = model.outputs
    assert scores.shape == (None, 200)
    assert [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)] == ["logits"]


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
    with policy("mixed_bfloat16"):  # the features of the last layer stay in float32
        model = compact_inception((24, 24, 3), dropout_rate=0.2)
    dropout = model.get_layer("logits").input._keras_history.operation
    assert isinstance(dropout, keras.layers.Dropout)
    assert dropout.rate == 0.2 and dropout.compute_dtype == "float32"
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


def test_the_blocks_as_fig_4_draws_them():
    drawn = compact_inception(blocks="figure")
    assert drawn.count_params() == 2_491_356
    assert drawn.get_layer("type1_1_single_2_conv").kernel_size == (3, 3)
    for name, width in (("dim1", 288), ("dim2", 576)):
        kinds = [layer.kernel_size for layer in drawn.layers if layer.name.startswith(name) and "_conv" in layer.name]
        assert sorted(kinds) == [(1, 1), (1, 1), (3, 3), (3, 3), (3, 3)]
        assert drawn.get_layer(name).output.shape[-1] == width


def test_weight_decay_on_the_last_layer_alone():
    decayed = [v.path for v in compact_inception(weight_decay=0.1, decayed="last").trainable_variables if v.regularizer]
    assert decayed == ["logits/kernel"]


@pytest.mark.parametrize("wrong", [{"blocks": "other"}, {"decayed": "first"}])
def test_no_such_choice(wrong):
    with pytest.raises(ValueError, match="no such choice"):
        compact_inception(**wrong)
