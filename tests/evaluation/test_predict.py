"""Views at test time: which ones, and that the network sees exactly them."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import splits, views
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.data.views import LE_YANG_TEN_CROP, MILANI_TEN_CROP, WHOLE, View
from tiny_imagenet_tf.evaluation.metrics import softmax
from tiny_imagenet_tf.evaluation.predict import Predictor, as_scores
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.models.compact_inception import compact_inception


def mean_color(size: int, dtype="float32") -> keras.Model:
    """A network whose three scores are the mean color of what it is shown."""
    images = keras.Input((size, size, 3), dtype=dtype)
    x = keras.layers.Rescaling(1.0, dtype="float32")(images)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D(name="logits")(x))


def places() -> keras.Model:
    """Nine mean colors in their places, mixed to three scores: what resizing does to them shows."""
    x = images = keras.Input((75, 75, 3))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(25)(x))
    return keras.Model(images, keras.layers.Dense(3, name="logits")(x))


def pixels(split):
    return np.concatenate(list(in_order(split, 10).as_numpy_iterator())).astype(np.float64)


def test_each_network_is_tested_as_its_paper_does():
    of_whole, of_crops = Predictor.of(mean_color(64)), Predictor.of(mean_color(56))
    assert (of_whole.crops, of_crops.crops) == ("whole", "center")
    assert of_whole.views() == of_crops.views("whole") == (WHOLE,)
    assert of_crops.views() == (View("center"),)
    assert (of_whole.views("ten"), of_crops.views("ten")) == (MILANI_TEN_CROP, LE_YANG_TEN_CROP)
    assert of_whole.views("mirror") == (WHOLE, View(mirrored=True))
    assert of_crops.views("mirror") == (View("center"), View("center", mirrored=True))


@pytest.mark.parametrize("resize", ["half_pixel", "tf1"])
def test_a_saved_network_of_56_pixels_says_whether_it_is_shown_whole_images(resize):
    classifier = preprocess.classifier(mean_color(56))
    of_whole = Predictor.of(preprocess.deployed(classifier, WHOLE, resize))
    assert (of_whole.crops, of_whole.resize, of_whole.views("ten")) == ("whole", resize, MILANI_TEN_CROP)
    assert Predictor.of(preprocess.deployed(classifier, View("center"), resize)).crops == "center"
    with pytest.raises(KeyError, match="five"):
        of_whole.views("five")


def test_scores_are_those_of_the_whole_image_or_the_centre(train):
    whole = Predictor.of(mean_color(64)).scores(train, WHOLE)
    np.testing.assert_allclose(whole, pixels(train).mean((1, 2)) / 127.5 - 1, atol=1e-4)
    center = Predictor.of(mean_color(56)).scores(train, View("center"))
    np.testing.assert_allclose(center, pixels(train)[:, 4:60, 4:60].mean((1, 2)) / 127.5 - 1, atol=1e-4)


def test_ten_crops_are_the_mean_of_ten_softmaxes(train):
    predictor, few = Predictor.of(mean_color(56)), train.take(np.arange(3))
    all_pixels = pixels(few) / 127.5 - 1
    corners = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
    # Mirror images have the same mean color, so five softmaxes make the mean of the ten.
    expected = np.mean([softmax(all_pixels[:, t : t + 56, s : s + 56].mean((1, 2))) for t, s in corners], axis=0)
    np.testing.assert_allclose(predictor.probabilities(few, predictor.views("ten")), expected, atol=1e-5)


@pytest.mark.parametrize("resize", ["half_pixel", "tf1"])
def test_a_saved_model_is_shown_crops_as_it_shows_whole_ones_to_itself(train, resize, tmp_path):
    network, few = places(), train.take(np.arange(3))
    preprocess.deployed(preprocess.classifier(network), resize=resize).save(tmp_path / "best.keras")
    saved, predictor = keras.saving.load_model(tmp_path / "best.keras"), Predictor.load(tmp_path / "best.keras")
    assert predictor.resize == resize and predictor.views("ten") == MILANI_TEN_CROP
    np.testing.assert_allclose(predictor.scores(few, WHOLE), saved.predict(in_order(few, 3), verbose=0), atol=1e-5)
    for view in (WHOLE, View("bottom_right", mirrored=True)):
        shown = views.show(pixels(few).astype(np.uint8), view.table(3), 75, resize, recolour=False)
        expected = network.predict(np.asarray(shown) / 127.5 - 1, verbose=0)
        np.testing.assert_allclose(predictor.scores(few, view), expected, atol=1e-5)


@pytest.mark.parametrize("resize", ["half_pixel", "tf1"])
def test_a_flat_model_as_it_was_saved_before_is_read(train, resize):
    network, few = places(), train.take(np.arange(3))
    x = images = keras.Input((64, 64, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="scale")(x)
    if resize == "half_pixel":
        x = keras.layers.Resizing(75, 75, interpolation="bilinear", name="resize")(x)
    else:
        x = keras.layers.Resizing(75, 75, interpolation="bilinear", name="resize_columns")(x)
    predictor = Predictor.of(keras.Model(images, network(x)))
    shown = views.show(pixels(few).astype(np.uint8), View("center").table(3), 75, resize, recolour=False)
    expected = network.predict(np.asarray(shown) / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(predictor.scores(few, View("center")), expected, atol=1e-5)


def test_a_network_of_uint8_images_from_elsewhere_is_shown_whole_pixels(train):
    network = Predictor.of(mean_color(64, "uint8"))
    np.testing.assert_allclose(network.scores(train, WHOLE), pixels(train).mean((1, 2)), atol=1e-3)


def test_features_are_what_goes_into_the_last_layer(train):
    x = images = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    network = keras.Model(images, keras.layers.Dense(4, name="logits")(x))
    expected = pixels(train).mean((1, 2)) / 127.5 - 1
    for model in (network, preprocess.deployed(preprocess.classifier(network))):
        found = Predictor.of(model).features(train, WHOLE)
        np.testing.assert_allclose(found, expected, atol=1e-4)  # dropout is off at test time


def test_a_network_of_any_size_is_shown_whole_images(train):
    x = images = keras.Input((None, None, 3))
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D(name="logits")(x))
    predictor = Predictor.of(model)
    assert predictor.crops == "whole"
    np.testing.assert_allclose(predictor.scores(train, WHOLE), pixels(train).mean((1, 2)) / 127.5 - 1, atol=1e-4)


def test_weights_on_another_device_are_read(train, monkeypatch):
    """TensorFlow's XLA would not read them, and Keras takes XLA on a GPU unless a model says no."""
    monkeypatch.setattr("keras.src.trainers.trainer.model_supports_jit", lambda model: True)
    predictor = Predictor.of(mean_color(64))
    predictor.scores(train, WHOLE)
    assert predictor.behind_views.jit_compile is (keras.backend.backend() == "jax")


def test_what_a_sigmoid_makes_of_scores_is_taken_back(train):
    network = Predictor.of(mean_color(64, "uint8"))
    scores = network.scores(train, WHOLE)
    images = keras.Input((64, 64, 3), dtype="uint8")
    beside = keras.layers.Activation("sigmoid")(keras.layers.Rescaling(0.02)(mean_color(64, "uint8")(images)))
    found = Predictor.of(keras.Model(images, beside)).scores(train, WHOLE)
    np.testing.assert_allclose(found, 0.02 * scores, atol=1e-2)


def test_small_probabilities_of_a_network_in_half_precision_stay_finite():
    found = np.array([[0, 6e-8, 1]], np.float16)
    np.testing.assert_allclose(as_scores(found), np.log([[1e-12, 5.9605e-8, 1]]), rtol=1e-4)


@pytest.mark.parametrize(("policy", "native", "expected"), [("mixed_float16", True, "float32"),
    ("mixed_bfloat16", False, "float32"), ("mixed_bfloat16", True, "bfloat16")])  # fmt: skip
def test_a_network_from_a_gpu_computes_in_what_is_fast_here(tmp_path, builder, monkeypatch, policy, native, expected):
    monkeypatch.setattr("tiny_imagenet_tf.hardware.cpu_has_bfloat16", lambda: native)
    with hardware.policy(policy):
        network = compact_inception((64, 64, 3), 4, width_multiplier=0.05)
    preprocess.deployed(preprocess.classifier(network)).save(tmp_path / "half.keras")
    predictor = Predictor.load(tmp_path / "half.keras", of_run=True)
    inner = predictor.classifier._flatten_layers()
    assert {layer.compute_dtype for layer in inner if isinstance(layer, keras.layers.Conv2D)} == {expected}
    validation = splits.load(builder, "validation")
    other = Predictor.of(keras.saving.load_model(tmp_path / "half.keras", compile=False)).probabilities(validation)
    np.testing.assert_allclose(predictor.probabilities(validation), other, atol=0.02)
