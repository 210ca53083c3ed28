"""Trunk and head as one Keras model on raw images."""

import keras
import numpy as np

from tiny_imagenet_tf.data.image_ops import Resize
from tiny_imagenet_tf.transfer.trunk import Trunk


def join(trunk: Trunk, head: keras.Model, *, resize: Resize = "half_pixel", image_size: int = 64) -> keras.Model:
    """Joins resizing, scaling, trunk and head.

    Only plain Keras layers: the model saves and loads without this package.

    Args:
        trunk: built in float32, so that the saved model runs anywhere.
        head: transfer values to scores.
        resize: as it was when the values were extracted.
        image_size: height and width of the images.

    Returns:
        A frozen-trunk model from uint8 (batch, 64, 64, 3) to float32 scores (batch, classes).
    """
    images = keras.Input((image_size, image_size, 3), dtype="uint8", name="images")
    size = trunk.model.input_shape[1]
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="scale")(images)
    if resize == "half_pixel":
        x = keras.layers.Resizing(size, size, interpolation="bilinear", dtype="float32", name="resize")(x)
    else:
        x = _tf1_resize(x, size)
    return keras.Model(images, head(trunk.model(x, training=False)), name="tiny_imagenet_classifier")


def tf1_weights(size_in: int, size_out: int) -> np.ndarray:
    """Returns the (size_in, size_out) matrix by which TensorFlow 1 resized one axis bilinearly.

    Output pixel i samples input position i * size_in / size_out, as ``resize_bilinear`` did in 2017.
    """
    position = np.arange(size_out) * (size_in / size_out)
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, size_in - 1)
    weights = np.zeros((size_in, size_out), np.float32)
    np.add.at(weights, (below, np.arange(size_out)), 1 - (position - below))
    np.add.at(weights, (above, np.arange(size_out)), position - below)
    return weights


def _tf1_resize(x, size: int):
    """Keras' own layer has half-pixel centres only; two fixed products give the older sampling."""
    for axis, equation in (("rows", "bhwc,hH->bHwc"), ("columns", "bhwc,wW->bhWc")):
        letters = {"rows": (None, x.shape[2], 3), "columns": (size, None, 3)}
        shape = tuple(size if side is None else side for side in letters[axis])
        layer = keras.layers.EinsumDense(equation, shape, dtype="float32", name=f"resize_{axis}", trainable=False)
        length = x.shape[1] if axis == "rows" else x.shape[2]
        x = layer(x)
        layer.set_weights([tf1_weights(length, size)])
    return x
