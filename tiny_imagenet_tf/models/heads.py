"""Classifiers on stored transfer values (Milani section 4.1 and Fig. 7)."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from tiny_imagenet_tf.models.layers import l2, logits
from tiny_imagenet_tf.published import CLASSES, TRANSFER_VALUES

_AT_A_TIME = 1000  # rows
_MOST_VALUES = 2**23  # in them
_LEAST = 1e-14  # variance; of a value that is the same for every image


def transfer_head(
    features: int = TRANSFER_VALUES,
    classes: int = CLASSES,
    *,
    hidden: Sequence[int] = (),
    dropout_rate: float = 0.0,
    weight_decay: float = 0.0,
    standardized: tuple[np.ndarray, np.ndarray] | None = None,
    name: str = "transfer_head",
) -> keras.Model:
    """The fully connected layer that replaces Inception-v3's, as a model of its own.

    Args:
        features: length of a vector of transfer values.
        classes: number of classes.
        hidden: widths of fully connected layers with ReLU in between. Section 4.1 tried some and found no
            gain; none by default.
        dropout_rate: on the last layer's inputs, without ``hidden`` the transfer values: 0.2 for "TL v2" (keep 80%), 0
            for the others.
        weight_decay: c of Keras' `L2(c)` on every kernel.
        standardized: mean and variance, float32 (features,), that the values lose first; no paper speaks of it.
        name: of the model.

    Returns:
        A functional model from (batch, features) to float32 logits (batch, classes).

    Raises:
        ValueError: an argument is out of range.
    """
    values = keras.Input((features,), name="transfer_values")
    x = values
    if standardized:
        # Frozen, batch normalization keeps its statistics; Normalization has them as constants, which ONNX loses.
        standardize = layers.BatchNormalization(
            center=False, scale=False, epsilon=_LEAST, trainable=False, name="standardized"
        )
        x = standardize(x)
        mean, variance = standardized
        # What is the same for every image is not enlarged, or one that differs later would decide alone.
        standardize.set_weights([mean, np.where(variance > _LEAST, variance, 1.0)])
    for index, width in enumerate(hidden, start=1):
        x = layers.Dense(width, activation="relu", kernel_regularizer=l2(weight_decay), name=f"hidden{index}")(x)
    x = logits(x, classes=classes, dropout_rate=dropout_rate, weight_decay=weight_decay)
    return keras.Model(values, x, name=name)


def scores(head: keras.Model, values: np.ndarray) -> np.ndarray:
    """Returns what a head makes of stored values (n, width): float32 (n, classes)."""
    rows = max(1, min(_AT_A_TIME, _MOST_VALUES // values.shape[1]))  # fewer where they are maps
    parts = (values[first : first + rows] for first in range(0, len(values), rows))
    return np.concatenate([head.predict_on_batch(part.astype(np.float32)) for part in parts])
