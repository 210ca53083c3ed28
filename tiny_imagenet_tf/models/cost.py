"""What a network costs: parameters and floating point operations, counted from the built model."""

from math import prod

import keras
from keras import layers


def forward_flop(model: keras.Model) -> int:
    """Floating point operations of one image's way through a network, at inference.

    A multiply-add counts 2, a bias 1 a value. Batch normalization counts 2 a value (a factor and a term),
    pooling 1 for every value of every window. Activations, concatenation and dropout count nothing.
    TensorFlow's profiler counts the same way.

    Args:
        model: a functional Keras model with fixed input shape, flat (without nested models).

    Raises:
        ValueError: a layer's output shape is not fixed.
    """
    return sum(_layer_flop(layer) for layer in model.layers)


def _layer_flop(layer: layers.Layer) -> int:
    values = prod(_fixed(layer, layer.output.shape))
    if isinstance(layer, layers.Conv2D):
        positions = values // layer.filters
        return 2 * prod(layer.kernel.shape) * positions + values * layer.use_bias
    if isinstance(layer, layers.Dense):
        return 2 * prod(layer.kernel.shape) + values * layer.use_bias
    if isinstance(layer, layers.BatchNormalization):
        return 2 * values
    if isinstance(layer, layers.MaxPooling2D | layers.AveragePooling2D):
        return prod(layer.pool_size) * values
    if isinstance(layer, layers.GlobalMaxPooling2D | layers.GlobalAveragePooling2D):
        return prod(_fixed(layer, layer.input.shape))
    return 0


def _fixed(layer: layers.Layer, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    if None in shape[1:]:
        raise ValueError(f"layer {layer.name!r} has no fixed shape: {shape}; build with a fixed input_shape")
    return shape[1:]
