import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_imagenet_tf.transfer.classifier import join, tf1_weights

from tiny_imagenet_tf.data import image_ops
from tiny_imagenet_tf.models.heads import transfer_head

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)


def test_tf1_weights_resize_as_tensorflow_1_did():
    rows = tf1_weights(64, 75)
    by_matrix = np.einsum("bhwc,hH,wW->bHWc", IMAGES.astype("float64"), rows, rows)
    expected = tf.compat.v1.image.resize_bilinear(IMAGES, (75, 75), align_corners=False)
    np.testing.assert_allclose(by_matrix, expected, atol=1e-3)
    np.testing.assert_allclose(rows.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("resize", ["half_pixel", "tf1"])
def test_the_saved_model_scores_raw_images_as_trunk_and_head_do(small_trunk, resize, tmp_path):
    head = transfer_head(2048, 5)
    kernel, bias = head.get_weights()
    head.set_weights([1000 * kernel, bias])  # a random trunk's values are small
    join(small_trunk, head, resize=resize).save(tmp_path / "best.keras")
    model = keras.saving.load_model(tmp_path / "best.keras")
    assert model.input_shape == (None, 64, 64, 3) and model.input.dtype == "uint8"
    inputs = tf.stack([image_ops.scale(image_ops.resize(image, 75, resize)) for image in IMAGES])
    expected = head(small_trunk.model(inputs))
    got = model.predict(IMAGES, verbose=0)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert np.abs(np.diff(got, axis=0)).max() > 1e-2  # different images, different scores
