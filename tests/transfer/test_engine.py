import numpy as np
import tensorflow as tf

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.transfer import engine

IMAGES = np.random.default_rng(0).uniform(-1, 1, (5, 75, 75, 3)).astype("float32")


def test_float32_gives_what_predict_gives(small_trunk):
    extract = engine.extractor(small_trunk.model, "float32")
    expected = small_trunk.model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(extract(tf.constant(IMAGES)), expected, atol=1e-7, rtol=1e-4)
    np.testing.assert_allclose(extract(tf.constant(IMAGES[:2])), expected[:2], atol=1e-7, rtol=1e-4)


def test_bfloat16_is_close_and_does_not_leak_into_float32(small_trunk):
    exact = engine.extractor(small_trunk.model, "float32")
    fast = engine.extractor(small_trunk.model, "bfloat16")
    before, approximate, after = exact(IMAGES), fast(IMAGES), exact(IMAGES)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_allclose(approximate, before, atol=0.05 * np.abs(before).max())
    if hardware.cpu_has_bfloat16() and not hardware.has_gpu():
        assert np.abs(approximate - before).max() > 0  # else nothing was rewritten


def test_it_is_repeatable(small_trunk):
    extract = engine.extractor(small_trunk.model, "float32")
    np.testing.assert_array_equal(extract(IMAGES), extract(IMAGES))
