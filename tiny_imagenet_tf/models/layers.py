"""The two ends of every network, images in and logits out, and what is done to layers of any."""

from collections.abc import Callable

import keras
from keras import KerasTensor, layers

from tiny_imagenet_tf.published import CLASSES


def image_input(input_shape: tuple[int | None, int | None, int], smallest: int = 1) -> KerasTensor:
    """The input of a network, `images`, arranged as `keras.config.image_data_format` wants it.

    Args:
        input_shape: (height, width, channels) whatever `keras.config.image_data_format` is; height and
            width may be None where the network allows it.
        smallest: height and width in pixels that the network takes.

    Raises:
        ValueError: input_shape has not three entries, or the images are too small.
    """
    if len(input_shape) != 3:
        raise ValueError(f"input_shape must be (height, width, channels), got {input_shape!r}")
    height, width, channels = input_shape
    if any(side is not None and side < smallest for side in (height, width)):
        raise ValueError(f"the network needs images of {smallest} pixels or more, got {input_shape!r}")
    channels_first = keras.config.image_data_format() == "channels_first"
    return keras.Input((channels, height, width) if channels_first else (height, width, channels), name="images")


def logits(
    x: KerasTensor,
    *,
    classes: int = CLASSES,
    dropout_rate: float = 0.0,
    weight_decay: float = 0.0,
    kernel_initializer: str = "glorot_uniform",
) -> KerasTensor:
    """Dropout if asked for, then the last fully connected layer, in float32 under any precision policy.

    Args:
        x: features, (batch, features).
        classes: number of scores.
        dropout_rate: the fraction dropped; 1 minus the papers' keep probability.
        weight_decay: c of Keras' `L2(c)` on the kernel.
        kernel_initializer: Keras' name of it.

    Returns:
        (batch, classes), float32; the softmax is the loss's affair.

    Raises:
        ValueError: classes, dropout_rate or weight_decay is out of range.
    """
    if classes < 1:
        raise ValueError(f"classes must be at least 1, got {classes!r}")
    if dropout_rate:
        x = layers.Dropout(valid_rate(dropout_rate), dtype="float32", name="dropout")(x)
    kernel = {"kernel_initializer": kernel_initializer, "kernel_regularizer": l2(weight_decay)}
    return layers.Dense(classes, dtype="float32", name="logits", **kernel)(x)


def valid_rate(rate: float) -> float:
    """The rate, if it is one: ValueError unless 0 <= rate < 1."""
    if not 0 <= rate < 1:
        raise ValueError(f"dropout_rate is the fraction dropped, from 0 to below 1, got {rate!r}")
    return rate


def l2(weight_decay: float) -> keras.regularizers.L2 | None:
    """Keras' `L2(weight_decay)`, or None for 0: ValueError when negative."""
    return keras.regularizers.L2(weight_decay) if weight_decay else None


def with_dtypes(model: keras.Model, dtype_of: Callable[[layers.Layer], str | None]) -> keras.Model:
    """Returns the same network with its weights, some of its layers under another dtype policy.

    Args:
        model: a graph of layers; what of it is no layer, but one of `keras.ops`, has no policy.
        dtype_of: the name of a layer's new policy; None where it keeps its own.

    Raises:
        ValueError: it is no graph that Keras can build anew.
    """

    def layer_of(layer: keras.Operation) -> keras.Operation:
        dtype = dtype_of(layer) if isinstance(layer, layers.Layer) else None
        return layer.__class__.from_config(layer.get_config() | ({"dtype": dtype} if dtype else {}))

    other = keras.models.clone_model(model, clone_function=layer_of, recursive=True)
    other.set_weights(model.get_weights())
    return other


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a network with every layer in float32; as it is where that is so.

    Raises:
        ValueError: it is no graph that Keras can build anew.
    """
    if all(layer.compute_dtype == "float32" for layer in model._flatten_layers()):
        return model
    return with_dtypes(model, lambda layer: "float32")


def normalizations(model: keras.Model) -> list[layers.BatchNormalization]:
    """Returns all layers of batch normalization, those of networks inside the model as well."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
