"""What training minimises: the two papers' losses, and the reading of their weight decay. Keras operations only."""

from typing import Any

import keras
from keras import ops

from tiny_imagenet_tf.choices import WeightDecayConvention

ADAM_EPSILON = 1e-8
"""Milani trained with TensorFlow 1's default; Keras' is 1e-7."""


def smoothed_cross_entropy(epsilon: float) -> keras.losses.Loss:
    """Returns the cross-entropy with Milani's smoothed truth, Eq. 1, of one-hot labels and scores, (batch, classes).

    Args:
        epsilon: how much of the truth is spread over all classes; 0 is the plain cross-entropy.
    """
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=epsilon)


@keras.saving.register_keras_serializable("tiny_imagenet_tf")
class MulticlassHinge(keras.losses.Loss):
    """The multiclass SVM loss of Le & Yang section 4.1, as CS 231N teaches it (Weston and Watkins).

    Of one image with scores s and class y: the sum over j other than y of max(0, s_j - s_y + 1).
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each image, (batch,), from one-hot labels and scores, both (batch, classes)."""
        y_true = ops.cast(y_true, y_pred.dtype)
        right = ops.sum(y_true * y_pred, axis=-1, keepdims=True)
        margins = ops.maximum(y_pred - right + 1, 0)
        return ops.sum((1 - y_true) * margins, axis=-1)


def l2_coefficient(weight_decay: float, convention: WeightDecayConvention) -> float:
    """Returns c of Keras' ``L2(c)``, which adds c * sum(w^2), for a weight decay as a paper prints it.

    Args:
        weight_decay: as printed.
        convention: ``l2_loss`` where the paper's program multiplies sum(w^2) / 2, as TensorFlow's ``l2_loss`` and
            Caffe do; ``keras`` where it multiplies sum(w^2).
    """
    return weight_decay / 2 if convention == "l2_loss" else weight_decay
