import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data import image_ops

# Channels differ, so that a swap of channels would show.
IMAGE = tf.constant(np.stack([np.arange(16), np.arange(16) + 100, 255 - np.arange(16)], -1).reshape(4, 4, 3), tf.uint8)
RED = np.arange(16).reshape(4, 4)


def both_ways(op, image=IMAGE):
    """The op's result eagerly and inside tf.data, which must agree."""
    eager = op(image).numpy()
    (mapped,) = tf.data.Dataset.from_tensors(image).map(op)
    np.testing.assert_array_equal(eager, mapped.numpy())
    return eager


def test_mirror():
    np.testing.assert_array_equal(both_ways(image_ops.mirror)[..., 0], RED[:, ::-1])


@pytest.mark.parametrize(
    ("corner", "expected"),
    [
        ("top_left", RED[:3, :3]),
        ("top_right", RED[:3, 1:]),
        ("bottom_left", RED[1:, :3]),
        ("bottom_right", RED[1:, 1:]),
    ],
)
def test_corner_crop(corner, expected):
    np.testing.assert_array_equal(both_ways(lambda x: image_ops.corner_crop(x, corner, 3))[..., 0], expected)


def test_center_crop():
    np.testing.assert_array_equal(both_ways(lambda x: image_ops.center_crop(x, 2))[..., 0], RED[1:3, 1:3])


def test_an_unknown_corner_is_refused():
    with pytest.raises(ValueError, match="corner='middle'"):
        image_ops.corner_crop(IMAGE, "middle")


def test_scale_maps_0_to_minus_1_and_255_to_1():
    image = tf.constant([[[0, 127, 255]]], tf.uint8)
    np.testing.assert_allclose(both_ways(image_ops.scale, image)[0, 0], [-1, 127 / 127.5 - 1, 1], atol=1e-7)


def test_half_pixel_resize():
    # Twice as wide: output pixel i samples (i + 1/2) / 2 - 1/2 = -1/4, 1/4, 3/4, 5/4 of the pixels 0 and 8.
    image = tf.constant([[[0] * 3, [8] * 3], [[0] * 3, [8] * 3]], tf.uint8)
    out = both_ways(lambda x: image_ops.resize(x, 4, "half_pixel"), image)
    np.testing.assert_array_equal(out[0, :, 0], [0, 2, 6, 8])


def test_tf1_resize():
    # Output pixel i samples i / 2 = 0, 1/2, 1, 3/2 (beyond the last pixel: its value).
    image = tf.constant([[[0] * 3, [8] * 3], [[0] * 3, [8] * 3]], tf.uint8)
    out = both_ways(lambda x: image_ops.resize(x, 4, "tf1"), image)
    np.testing.assert_array_equal(out[0, :, 0], [0, 4, 8, 8])


def test_tf1_resize_is_that_of_tensorflow_1():
    image = tf.random.stateless_uniform((64, 64, 3), (1, 2), 0, 255)
    theirs = tf.compat.v1.image.resize_bilinear(image[tf.newaxis], (299, 299), align_corners=False)[0]
    np.testing.assert_array_equal(image_ops.resize(image, 299, "tf1"), theirs)


def test_half_pixel_resize_is_that_of_tensorflow_2():
    image = tf.random.stateless_uniform((56, 56, 3), (1, 2), 0, 255)
    np.testing.assert_allclose(image_ops.resize(image, 299), tf.image.resize(image, (299, 299)), atol=1e-4)


def test_brightness_adds_one_number_and_clips():
    out = both_ways(lambda x: image_ops.random_brightness(x, tf.constant([3, 4]), 0.2))
    shift = tf.random.stateless_uniform((), (3, 4), -0.2, 0.2).numpy() * 255
    np.testing.assert_allclose(out, np.clip(IMAGE.numpy() + shift, 0, 255), rtol=1e-6)
    assert abs(shift) > 1


def test_contrast_scales_the_distance_from_each_channels_mean():
    out = both_ways(lambda x: image_ops.random_contrast(x, tf.constant([3, 4]), 0.3, 1.0))
    factor = tf.random.stateless_uniform((), (3, 4), 0.3, 1.0).numpy()
    pixels = IMAGE.numpy().astype(float)
    mean = pixels.mean(axis=(0, 1), keepdims=True)
    np.testing.assert_allclose(out, (pixels - mean) * factor + mean, rtol=1e-5)
    assert 0.3 <= factor < 0.99


def test_random_mirror_is_one_of_two_and_both_occur():
    seen = set()
    for i in range(20):
        red = image_ops.random_mirror(IMAGE, tf.constant([0, i])).numpy()[..., 0]
        assert red.tolist() in (RED.tolist(), RED[:, ::-1].tolist())
        seen.add(red[0, 0])
    assert seen == {0, 3}


def test_grayscale_is_replicated():
    gray = tf.reshape(tf.cast(tf.range(64 * 64) % 200, tf.uint8), (64, 64, 1))
    image = image_ops.decode(tf.io.encode_jpeg(gray)).numpy()
    assert image.shape == (64, 64, 3)
    np.testing.assert_array_equal(image[..., 0], image[..., 1])
    np.testing.assert_array_equal(image[..., 0], image[..., 2])
