"""Inception-v3 from our blocks is that of keras.applications, weight for weight and output for output."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.models.graph_weights import copy_by_structure
from tiny_imagenet_tf.models.inception_v3 import inception_v3


def copied(ours, theirs):
    copy_by_structure(theirs, ours)
    return ours


def randomised(model, seed=0):
    """Random weights that exercise everything: normalization that is not the identity, live ReLUs."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.beta.shape
            layer.set_weights([rng.normal(0, 0.3, shape), rng.normal(0, 0.3, shape), rng.uniform(0.3, 2, shape)])
    return model


def images(size, count=1):
    return np.random.default_rng(1).uniform(-1, 1, (count, size, size, 3)).astype("float32")


def largest_difference(ours, theirs, batch):
    a, b = (keras.ops.convert_to_numpy(model(batch, training=False)) for model in (ours, theirs))
    assert np.abs(b).max() > 0.1, "an output of zeros would agree with anything"
    return np.abs(a - b).max()


@pytest.fixture(scope="module")
def theirs():
    return randomised(keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg"))


@pytest.fixture(scope="module")
def ours(theirs):
    return copied(inception_v3(), theirs)


def test_counts_are_those_of_keras(ours, theirs):
    assert ours.count_params() == theirs.count_params() == 21_802_784
    for kind, count in ((keras.layers.Conv2D, 94), (keras.layers.BatchNormalization, 94)):
        for model in (ours, theirs):
            assert sum(isinstance(layer, kind) for layer in model.layers) == count
    blocks = [layer.name for layer in theirs.layers if layer.name in {f"mixed{number}" for number in range(20)}]
    stem = [each for each in ours.layers if isinstance(each, keras.layers.Conv2D) and each.name.startswith("stem")]
    assert (len(stem), len(blocks)) == (5, 11)  # section 3.1 counts 6 and 12


def test_outputs_agree_with_random_weights(ours, theirs):
    assert largest_difference(ours, theirs, images(299)) < 1e-5


def test_every_block_agrees(ours, theirs):
    names = [f"mixed{i}" for i in range(11)]
    batch = images(299)
    outputs = [
        keras.Model(model.input, [model.get_layer(name).output for name in names])(batch, training=False)
        for model in (ours, theirs)
    ]
    for name, a, b in zip(names, *outputs, strict=True):
        assert a.shape == b.shape, name
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=name)


def test_outputs_agree_with_the_real_weights(shared_weights, theirs):
    released = keras.applications.InceptionV3(weights=str(shared_weights), include_top=False, pooling="avg")
    ours = copied(inception_v3(), released)
    assert largest_difference(ours, released, images(299)) < 1e-5


def test_weights_come_from_a_model_with_its_top():
    with_top = randomised(keras.applications.InceptionV3(weights=None, classes=7), seed=3)
    ours = copied(inception_v3(classes=5), with_top)
    trunk = keras.Model(ours.input, ours.get_layer("transfer_values").output)
    top_trunk = keras.Model(with_top.input, with_top.get_layer("avg_pool").output)
    assert largest_difference(trunk, top_trunk, images(299)) < 1e-5


def test_a_head_keeps_its_weights(theirs):
    ours = inception_v3((75, 75, 3), classes=5, dropout_rate=0.2)
    assert ours.output_shape == (None, 5)
    head = ours.get_layer("logits")
    before = head.get_weights()
    copied(ours, theirs)
    for old, new in zip(before, head.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_round_trip_through_a_file(ours, tmp_path):
    file = tmp_path / "trunk.weights.h5"
    ours.save_weights(file)
    again = inception_v3((75, 75, 3))
    again.load_weights(file)
    for a, b in zip(again.weights, ours.weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)


@pytest.fixture(scope="module")
def small():
    return inception_v3((75, 75, 3))


def assert_refused(small, source, message):
    before = small.get_weights()
    with pytest.raises(ValueError, match=message):
        copied(small, source)
    for old, new in zip(before, small.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_network_is_refused_by_the_layers_that_differ(small):
    other = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    assert_refused(small, other, "kind is ReLU in 'out_relu', Concatenate in 'mixed10'")


def test_an_inception_of_other_widths_is_refused_by_its_shapes(small):
    wider = keras.applications.InceptionV3(weights=None, include_top=False, input_shape=(75, 75, 4))
    assert_refused(small, wider, r"weight shapes is \[\(3, 3, 4, 32\)\] in .*, \[\(3, 3, 3, 32\)\] in 'stem1_conv'")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_shape": (74, 75, 3)}, r"75 pixels or more, got \(74, 75, 3\)"),
        ({"input_shape": (75, 75)}, r"must be \(height, width, channels\), got \(75, 75\)"),
        ({"pooling": "sum"}, "got 'sum'"),
        ({"pooling": None, "classes": 5}, "needs pooled features"),
        ({"dropout_rate": 0.2}, "needs a head"),
        ({"classes": 5, "dropout_rate": 1.0}, "got 1.0"),
        ({"classes": 0}, "classes must be at least 1, got 0"),
        ({"weight_decay": -1.0}, "got -1.0"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        inception_v3(**options)


@pytest.mark.parametrize(
    ("options", "output"), [({"pooling": "max"}, (None, 2048)), ({"pooling": None}, (None, 1, 1, 2048))]
)
def test_outputs(options, output):
    assert inception_v3((75, 75, 3), **options).output_shape == output
