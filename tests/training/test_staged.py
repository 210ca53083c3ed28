"""Staged initialisation: which layers are trained first, and where their weights go (Le & Yang section 5.2.1)."""

import numpy as np
import pytest

from tiny_imagenet_tf.models.convnets import convnet
from tiny_imagenet_tf.published import LE_YANG_TABLE_1
from tiny_imagenet_tf.training import staged


@pytest.mark.parametrize(
    ("model", "shallow"),
    [
        (1, "conv5-64 maxpool conv5-64 maxpool conv5-128 maxpool fc-256 dropout"),
        (6, "conv3-64 maxpool conv3-128 maxpool conv3-256 dropout maxpool fc-1024 dropout"),
        (9, "conv3-64 maxpool conv3-128 maxpool conv3-256 maxpool conv3-512 fc-4096 dropout fc-4096 dropout"),
    ],
)
def test_the_first_convolution_of_each_stage_and_all_that_is_fully_connected(model, shallow):
    assert staged.shallow(LE_YANG_TABLE_1[model].architecture) == shallow


def test_weights_move_by_name_and_the_rest_stays_random():
    architecture = "conv3-2 conv3-2 maxpool conv3-4 conv3-4 maxpool fc-8 dropout fc-8 dropout"
    deep, shallow = (
        convnet(words, (8, 8, 3), classes=5, activation="prelu")
        for words in (architecture, staged.shallow(architecture))
    )
    before = {layer.name: [weight.copy() for weight in layer.get_weights()] for layer in deep.layers}
    moved = staged.move_weights(shallow, deep)
    assert moved == (
        "conv1_1", "conv1_1_prelu", "conv2_1", "conv2_1_prelu", "fc1", "fc1_prelu", "fc2", "fc2_prelu", "logits",
    )  # fmt: skip
    for layer in deep.layers:
        source = shallow.get_layer(layer.name).get_weights() if layer.name in moved else before[layer.name]
        for now, expected in zip(layer.get_weights(), source, strict=True):
            np.testing.assert_array_equal(now, expected)
    assert not np.array_equal(deep.get_layer("conv1_1").get_weights()[0], before["conv1_1"][0])


def test_a_layer_of_another_shape_is_an_error():
    deep, shallow = (convnet(words, (8, 8, 3), classes=5) for words in ("conv3-2 fc-8", "conv3-2 fc-7"))
    with pytest.raises(ValueError, match="shape"):
        staged.move_weights(shallow, deep)
