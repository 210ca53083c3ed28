"""Le & Yang's staged initialisation: a shallow network first, its weights into the deep one (section 5.2.1)."""

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


def misfits(architecture: str) -> list[str]:
    """Returns the layers that have other shapes in the shallow network than in the deep one, whose weights cannot move.

    Args:
        architecture: in the words of ``tiny_imagenet_tf.models.convnets``.
    """
    import keras  # only now

    from tiny_imagenet_tf.models.convnets import convnet

    with keras.StatelessScope(initialize_variables=False):  # no weight is made
        first, deep = (convnet(words) for words in (shallow(architecture), architecture))
    shapes = {layer.name: [weight.shape for weight in layer.weights] for layer in first.layers}
    return [
        layer.name
        for layer in deep.layers
        if layer.name in shapes and shapes[layer.name] != [weight.shape for weight in layer.weights]
    ]


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
