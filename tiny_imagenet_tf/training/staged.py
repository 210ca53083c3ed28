"""Le & Yang's staged initialisation: a shallow network first, its weights into the deep one (section 5.2.1)."""

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def shallow(architecture: str) -> str:
    """Returns the shallow network of a deep one: the first convolution of each stage, and what is fully connected.

    The paper says "first few convolutional layers and the last three fully connected layers". The fully connected
    layers can move only if their input keeps its shape, so every stage keeps a convolution, and its pool.

    Args:
        architecture: in the words of ``tiny_imagenet_tf.models.convnets``.

    Example:
        ``conv3-64 conv3-64 maxpool fc-1024 dropout`` becomes ``conv3-64 maxpool fc-1024 dropout``.
    """
    kept, after_convolution = [], False
    for word in architecture.split():
        is_convolution = word.startswith("conv")
        if not (is_convolution and after_convolution):
            kept.append(word)
        after_convolution = is_convolution or (after_convolution and word == "dropout")
    return " ".join(kept)


def misfit(architecture: str) -> str | None:
    """Returns the convolutions of a stage that the shallow network cannot stand for, None where it can for all.

    What comes after a stage keeps its shape only if the last convolution has as many maps as the first.

    Args:
        architecture: in the words of ``tiny_imagenet_tf.models.convnets``.
    """
    words = [word for word in architecture.split() if word != "dropout"]
    for convolutional, stage in itertools.groupby(words, lambda word: word.startswith("conv")):
        stage = list(stage)
        if convolutional and stage[0].split("-")[1] != stage[-1].split("-")[1]:
            return " ".join(stage)
    return None


def move_weights(shallow_model: "keras.Model", deep_model: "keras.Model") -> tuple[str, ...]:
    """Copies the weights of every layer that both networks have by name; the others keep their random ones.

    Returns:
        The names of the layers, in the deep network's order.

    Raises:
        ValueError: a layer has another shape in the deep network.
    """
    trained = {layer.name: layer for layer in shallow_model.layers if layer.weights}
    moved = [layer for layer in deep_model.layers if layer.name in trained]
    for layer in moved:
        layer.set_weights(trained[layer.name].get_weights())
    return tuple(layer.name for layer in moved)
