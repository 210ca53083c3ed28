"""What several devices on the JAX backend must not change; prints "same" at its end.

KERAS_BACKEND=jax XLA_FLAGS=--xla_force_host_platform_device_count=3 python tests/experiments/jax_devices_run.py
"""

import jax
import keras
import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.blocks import conv_bn
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import WHOLE
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.models.layers import image_input, logits
from tiny_imagenet_tf.training.inception import adam
from tiny_imagenet_tf.training.options import InceptionOptions


def split_of(images: int) -> Split:
    """Noise."""
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (images, 64, 64, 3), np.uint8)
    names = np.array([f"val_{number}.JPEG" for number in range(images)])
    return Split(
        name="validation",
        jpegs=tf.constant([tf.io.encode_jpeg(each).numpy() for each in pixels]),
        labels=np.zeros(images, np.int64),
        boxes=np.zeros((images, 4), np.int64),
        file_names=names,
        wnids=("n1", "n2"),
        words={},
        digest="",
    )


def small_network() -> keras.Model:
    """Its weights are those of seed 0, whatever was drawn before."""
    keras.utils.set_random_seed(0)
    images = image_input((64, 64, 3))
    x = conv_bn(conv_bn(images, 8, 3, strides=4, name="stem1"), 8, 3, name="stem2")
    return keras.Model(images, logits(keras.layers.GlobalAveragePooling2D()(x), classes=2))


def main() -> None:
    assert len(jax.devices()) == 3
    split = split_of(7)  # not in three equal shares

    alone = Predictor(preprocess.classifier(small_network())).scores(split, WHOLE)

    with hardware.placement_given_back():
        assert hardware.place(["CPU:1"]).replicas == 1
        assert keras.ops.zeros(()).device == jax.devices()[1]
        assert hardware.place().replicas == 3 and keras.distribution.distribution() is not None
    assert keras.ops.zeros(()).device == jax.devices()[0] and keras.distribution.distribution() is None

    assert hardware.place().replicas == 3
    spread = small_network()
    np.testing.assert_allclose(Predictor(preprocess.classifier(spread)).scores(split, WHOLE), alone, atol=1e-5)
    assert keras.distribution.distribution() is not None  # it goes on training so

    optimizer = adam(InceptionOptions(weight_decay_on="last"), spread)
    decayed = [each.path for each in spread.trainable_variables if optimizer._use_weight_decay(each)]
    assert [path.split("/")[-2:] for path in decayed] == [["logits", "kernel"]], decayed
    print("same")


if __name__ == "__main__":
    main()
