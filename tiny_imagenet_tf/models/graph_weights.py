"""Copies weights between two networks of one structure, by walking both graphs side by side.

Names and order of layers differ between our Inception-v3 and Keras', and mean nothing. What identifies a
layer is its place: the inputs of every layer are ordered, so walking back from the outputs of two equal
networks meets their layers in pairs.
"""

from collections.abc import Iterable

import keras

# What must agree for two layers to compute the same, apart from their weights.
_SETTINGS = {
    "Conv2D": ("kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias"),
    "BatchNormalization": ("epsilon", "center", "scale"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "Activation": ("activation",),
}


_POOLINGS = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
_NORMALIZATIONS = (keras.layers.LayerNormalization, keras.layers.BatchNormalization)


def copy_by_structure(source: keras.Model, target: keras.Model) -> None:
    """Copies the weights of one network's convolutional part into another's.

    Heads (everything after the last map, which a global pooling reads) are neither compared nor copied, but for a
    normalization of the features, such as ConvNeXt's.

    Args:
        source, target: functional Keras models on images.

    Raises:
        ValueError: the graphs differ; the message names the first two layers that do. Nothing is copied.
    """
    (their_map, their_norm), (our_map, our_norm) = _last_map(source), _last_map(target)
    pairs = [*_paired_layers(their_map, our_map)]
    if our_norm:
        _compare(their_norm or _layer(their_map), our_norm, 1, 1)
        pairs.append((their_norm, our_norm))
    for theirs, ours in pairs:
        if _weights(ours):
            ours.set_weights(theirs.get_weights())


def _last_map(model: keras.Model) -> tuple[keras.KerasTensor, keras.layers.Layer | None]:
    """What the global pooling of a head, a chain of layers, reads, and a normalization of what that gives, or None.

    Without a pooling it is the last 4D tensor.
    """
    tensor, last, behind = model.outputs[0], None, None
    while True:
        layer = _layer(tensor)
        inputs = _inputs(layer)
        if isinstance(layer, _POOLINGS):
            return inputs[0], behind if isinstance(behind, _NORMALIZATIONS) else None
        behind = layer
        if last is None and len(tensor.shape) == 4:
            last = tensor
        if len(inputs) != 1:
            break
        (tensor,) = inputs
    if last is None:
        raise ValueError(f"{model.name}: found no 4D map behind its output {model.outputs[0].name!r}")
    return last, None


def _paired_layers(
    their_map: keras.KerasTensor, our_map: keras.KerasTensor
) -> Iterable[tuple[keras.Operation, keras.Operation]]:
    pairs = {}  # by their layer's id: (their layer, our layer)
    taken = set()  # ids of our layers in pairs
    waiting = [(_layer(their_map), _layer(our_map))]
    while waiting:
        theirs, ours = waiting.pop()
        if id(theirs) in pairs or id(ours) in taken:
            if pairs.get(id(theirs), (None, None))[1] is not ours:
                raise ValueError(f"layers {theirs.name!r} and {ours.name!r} are wired differently")
            continue
        their_inputs, our_inputs = _inputs(theirs), _inputs(ours)
        _compare(theirs, ours, len(their_inputs), len(our_inputs))
        pairs[id(theirs)] = (theirs, ours)
        taken.add(id(ours))
        waiting += zip(map(_layer, their_inputs), map(_layer, our_inputs), strict=True)
    return pairs.values()


def _compare(theirs: keras.Operation, ours: keras.Operation, their_inputs: int, our_inputs: int) -> None:
    for what, a, b in (
        ("kind", type(theirs).__name__, type(ours).__name__),
        ("number of inputs", their_inputs, our_inputs),
        *((s, getattr(theirs, s), getattr(ours, s, None)) for s in _SETTINGS.get(type(theirs).__name__, ())),
        ("weight shapes", [tuple(w.shape) for w in _weights(theirs)], [tuple(w.shape) for w in _weights(ours)]),
    ):
        if a != b:
            raise ValueError(f"not the same network: {what} is {a} in {theirs.name!r}, {b} in {ours.name!r}")


def _weights(layer: keras.Operation) -> list[keras.Variable]:
    return getattr(layer, "weights", [])  # an operation, such as a product of two maps, is no layer


def _layer(tensor: keras.KerasTensor) -> keras.Operation:
    return tensor._keras_history.operation  # Keras has no public way from a tensor to its layer


def _inputs(layer: keras.Operation) -> list[keras.KerasTensor]:
    if isinstance(layer, keras.layers.InputLayer):
        return []
    return keras.tree.flatten(layer.input)
