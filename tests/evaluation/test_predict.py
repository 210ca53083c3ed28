"""Views at test time: which ones, and that the network sees exactly them."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tiny_imagenet_tf.transfer.classifier import join

from tiny_imagenet_tf.data import image_ops, pipelines
from tiny_imagenet_tf.data.views import TEN_CROP, WHOLE, View
from tiny_imagenet_tf.evaluation import predict
from tiny_imagenet_tf.evaluation.metrics import softmax


def mean_color(size: int, dtype="float32") -> keras.Model:
    """A network whose three scores are the mean color of what it is shown."""
    images = keras.Input((size, size, 3), dtype=dtype)
    x = keras.layers.Rescaling(1.0, dtype="float32")(images)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D(name="logits")(x))


def pixels(split):
    return np.stack([image_ops.decode(jpeg).numpy() for jpeg in split.jpegs]).astype(np.float64)


def test_each_network_is_tested_as_its_paper_does():
    assert predict.default_crops(mean_color(64)) == "one"
    assert predict.default_crops(mean_color(56)) == "center"
    assert predict.test_views(mean_color(64), "one") == (WHOLE,)
    assert predict.test_views(mean_color(56), "center") == (View("center"),)
    assert predict.test_views(mean_color(64), "ten") == TEN_CROP
    ten = predict.test_views(mean_color(56), "ten")
    assert len(set(ten)) == 10 and View("center", mirrored=True) in ten and WHOLE not in ten
    with pytest.raises(ValueError, match="--crops five"):
        predict.test_views(mean_color(64), "five")


def test_scores_are_those_of_the_whole_image_or_the_centre(train):
    whole = predict.scores(mean_color(64), train, WHOLE)
    np.testing.assert_allclose(whole, pixels(train).mean((1, 2)) / 127.5 - 1, atol=1e-4)
    center = predict.scores(mean_color(56), train, View("center"))
    np.testing.assert_allclose(center, pixels(train)[:, 4:60, 4:60].mean((1, 2)) / 127.5 - 1, atol=1e-4)


def test_ten_crops_are_the_mean_of_ten_softmaxes(train):
    model, few = mean_color(56), train.take(np.arange(3))
    all_pixels = pixels(few) / 127.5 - 1
    places = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
    # Mirror images have the same mean color, so five softmaxes make the mean of the ten.
    expected = np.mean([softmax(all_pixels[:, t : t + 56, s : s + 56].mean((1, 2))) for t, s in places], axis=0)
    found = predict.probabilities(model, few, predict.test_views(model, "ten"))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("resize", ["half_pixel", "tf1"])
def test_a_classifier_of_uint8_images_sees_crops_as_it_sees_whole_ones(train, resize):
    """Nine mean colors in their places: what resizing does to them shows."""
    x = inputs = keras.Input((75, 75, 3))
    trunk = keras.Model(inputs, keras.layers.Flatten()(keras.layers.AveragePooling2D(25)(x)))
    head = keras.Sequential([keras.Input((27,)), keras.layers.Dense(3)])
    model = join(SimpleNamespace(model=trunk), head, resize=resize)
    few = train.take(np.arange(3))
    whole = model.predict(pipelines.images(few), verbose=0)
    np.testing.assert_allclose(predict.scores(model, few, WHOLE), whole, atol=1e-5)
    inputs = pipelines.network_inputs(few, View("bottom_right"), size=75, resize=resize, batch_size=3)
    expected = head.predict(trunk.predict(inputs, verbose=0), verbose=0)
    np.testing.assert_allclose(predict.scores(model, few, View("bottom_right")), expected, atol=1e-6)
    assert predict.test_views(model, "ten") == TEN_CROP


def test_a_network_of_uint8_images_from_elsewhere_is_refused(train):
    with pytest.raises(ValueError, match="not of a transfer recipe"):
        predict.scores(mean_color(64, "uint8"), train, WHOLE)


def test_features_are_what_goes_into_the_last_layer(train):
    x = images = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    model = keras.Model(images, keras.layers.Dense(4, name="logits")(x))
    np.testing.assert_allclose(
        predict.features(model, train, WHOLE), pixels(train).mean((1, 2)) / 127.5 - 1, atol=1e-4
    )  # dropout is off at test time
