"""From uint8 images to what a network reads, and the saved model."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.data.views import LE_YANG, MILANI, PLAIN, RandomViews, View
from tiny_imagenet_tf.models import preprocess

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def flat(size: int) -> keras.Model:
    """A network whose scores are its pixels."""
    images = keras.Input((size, size, 3))
    return keras.Model(images, keras.layers.Flatten()(images))


@pytest.mark.parametrize("drawn", [PLAIN, MILANI, LE_YANG], ids=lambda each: each.description)
def test_in_training_a_classifier_is_shown_its_table_of_views(drawn):
    model = preprocess.behind_views(preprocess.classifier(flat(drawn.size)), drawn)
    table = drawn.table(3, 1)
    expected = np.asarray(views.show(IMAGES, table, drawn.size, recolour=drawn.brightness_contrast)) / 127.5 - 1
    found = model.predict([IMAGES, table], verbose=0)
    np.testing.assert_allclose(found, expected.reshape(3, -1), atol=1e-6)  # compiled, and op by op


@pytest.mark.parametrize("drawn", [RandomViews(mixup=0.4), RandomViews(mirror=True, least_area=0.4)])
def test_mixed_images_and_random_squares_reach_the_network(drawn):
    table = drawn.table(3, 1)
    squares = np.asarray(views.show(IMAGES, table, 64, recolour=False))
    share = table[:, 6].reshape(-1, 1, 1, 1)  # with the images in the opposite order
    expected = share * squares + (1 - share) * squares[::-1]
    assert np.abs(expected - IMAGES).max() > 5
    model = preprocess.behind_views(preprocess.classifier(flat(64), "0..255"), drawn)
    np.testing.assert_allclose(model.predict([IMAGES, table], verbose=0), expected.reshape(3, -1), atol=1e-2)


@pytest.mark.parametrize(
    ("pixels", "black", "white"),
    [("-1..1", [-1] * 3, [1] * 3), ("0..1", [0] * 3, [1] * 3), ("0..255", [0] * 3, [255] * 3),
     ("caffe", [-103.939, -116.779, -123.68], [151.061, 138.221, 131.32])],
)  # fmt: skip
def test_pixels_are_scaled_to_the_networks_range(pixels, black, white):
    model = preprocess.classifier(flat(1), pixels)
    found = model.predict(np.array([0, 255], np.float32).reshape(2, 1, 1, 1) * np.ones((1, 1, 1, 3)), verbose=0)
    np.testing.assert_allclose(found, [black, white], atol=1e-4)


def test_caffe_is_blue_first():
    red = np.array([255, 0, 0], np.float32).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(
        preprocess.classifier(flat(1), "caffe").predict(red, verbose=0)[0], [-103.939, -116.779, 131.32], atol=1e-4
    )


def test_at_test_time_nothing_is_resized_that_need_not_be():
    whole = preprocess.preprocess(View(), 64)
    np.testing.assert_array_equal(whole.predict(IMAGES, verbose=0), IMAGES)
    assert not whole.weights
    center = preprocess.preprocess(View("center"), 56).predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(center, IMAGES[:, 4:60, 4:60])


@pytest.mark.parametrize("resize", ["half_pixel", "tf1"])
def test_a_saved_model_loads_with_plain_keras_and_shows_images_as_the_table_does(resize, tmp_path):
    view = View("top_right", mirrored=True)
    preprocess.deployed(preprocess.classifier(flat(75), "0..255"), view, resize).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert model.input_shape == (None, 64, 64, 3)
    assert [layer.name for layer in model.layers][1:3] == ["preprocess", "classifier"]
    expected = np.asarray(views.show(IMAGES, view.table(3), 75, resize, recolour=False)).reshape(3, -1)
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), expected, atol=1e-3)
    whole = preprocess.deployed(preprocess.classifier(flat(75)), resize=resize)
    assert preprocess.resize_of(whole.get_layer("preprocess"), 75) == resize


@pytest.mark.parametrize("kind", ["uint8", "0..255", "0..1", "-1..1"])
def test_a_saved_model_takes_pixels_in_every_usual_range(kind, tmp_path):
    preprocess.deployed(preprocess.classifier(flat(64), "0..255")).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    floats = IMAGES.astype(np.float32)
    shown = {"uint8": IMAGES, "0..255": floats, "0..1": floats / 255, "-1..1": floats / 127.5 - 1}[kind]
    np.testing.assert_allclose(model.predict(shown, verbose=0), floats.reshape(3, -1), atol=1e-4)
    np.testing.assert_allclose(np.asarray(model(shown)), floats.reshape(3, -1), atol=1e-4)
    black = np.zeros((1, 64, 64, 3), np.uint8)
    assert not model.predict(black, verbose=0).any()


def convolved():
    """A network with a ReLU, into which TensorFlow fuses the convolution."""
    images = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(images)
    return keras.Model(images, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("network", [lambda: flat(64), convolved], ids=["pixels", "convolution"])
@pytest.mark.parametrize(
    "range_of",
    [
        lambda x: (x / 255 - 0.485) / 0.229,
        lambda x: x - 123.7,
        lambda x: 2.0 * x,
        lambda x: x / 36 - 0.7,  # standardized, dark, with a bright spot
        lambda x: x * 0.67 - 17.5,  # of which means were subtracted, bright
    ],
)
def test_floats_in_no_known_range_score_nan(network, range_of, tmp_path):
    preprocess.deployed(preprocess.classifier(network())).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    mixed = np.concatenate([range_of(IMAGES[:1].astype(np.float32)), IMAGES[1:].astype(np.float32)])
    found = model.predict(mixed, verbose=0)
    assert np.isnan(found[0]).all() and np.isfinite(found[1:]).all()
    assert np.isnan(np.asarray(model(mixed))[0]).all()


def test_what_a_bicubic_resize_adds_is_cut_and_the_darkest_bytes_are_bytes():
    model = preprocess.deployed(preprocess.classifier(flat(64), "0..255"))
    rung = IMAGES.astype(np.float32)
    rung[:, 0, 0], rung[:, 1, 1] = -6.5, 263.5
    np.testing.assert_allclose(model.predict(rung, verbose=0), np.clip(rung, 0, 255).reshape(3, -1), atol=1e-4)
    dark = np.full((1, 64, 64, 3), 2, np.uint8)
    assert (model.predict(dark, verbose=0) == 2).all()
    assert np.isnan(model.predict(np.full((1, 64, 64, 3), 2.25, np.float32), verbose=0)).all()


def test_an_unknown_range_and_another_channel_order_are_refused():
    with pytest.raises(ValueError, match="pixels '0-1': must be one of -1..1, "):
        preprocess.classifier(flat(64), "0-1")
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels_last"):
            preprocess.classifier(flat(64))
    finally:
        keras.config.set_image_data_format("channels_last")


def test_one_output_with_a_name_around_it_is_taken():
    images = keras.Input((64, 64, 3))
    named = keras.Model({"image": images}, {"scores": flat(64)(images)})
    scores = preprocess.deployed(preprocess.classifier(named)).predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(
        scores, preprocess.deployed(preprocess.classifier(flat(64))).predict(IMAGES, verbose=0)
    )
