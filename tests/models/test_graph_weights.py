"""Weights are paired by the layers' places in the graph, not by names or creation order."""

import keras
import numpy as np
import pytest
from keras import layers

from tiny_imagenet_tf.models.graph_weights import copy_by_structure


def two_branches(*, kernel=3, strides=1, side_head=False):
    """Two equal branches joined; with a side classifier, whose equal convolutions mix with theirs."""
    images = keras.Input((6, 6, 3))
    side = layers.Conv2D(4, kernel, strides=strides, padding="same", name="side")(images)
    branches = [
        layers.Activation("relu")(layers.Conv2D(4, kernel, strides=strides, padding="same")(images)) for _ in range(2)
    ]
    joined = layers.Concatenate()(branches)
    return keras.Model(images, [joined, layers.Flatten()(layers.ReLU()(layers.ReLU()(side)))] if side_head else joined)


BATCH = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")


def convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]


def test_layers_are_paired_by_place_where_their_order_differs():
    source, target = two_branches(), two_branches(side_head=True)
    assert convolutions(target)[0].name == "side", "an order-wise copy would work: the test shows nothing"
    copy_by_structure(source, target)
    np.testing.assert_array_equal(target(BATCH)[0], source(BATCH))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: two_branches(kernel=5), r"kernel_size is \(5, 5\) in .*, \(3, 3\) in"),
        (lambda: two_branches(strides=2), r"strides is \(2, 2\) in .*, \(1, 1\) in"),
        (lambda: chain("Conv2D", "ReLU"), "kind is ReLU in .*, Concatenate in"),
        (lambda: chain("Conv2D", "Activation", "Concatenate3"), "number of inputs is 3 in .*, 2 in"),
        (lambda: chain("Conv2D", "Activation", "Concatenate2"), "wired differently"),
        (lambda: chain("Dense"), "no 4D map"),
    ],
)
def test_differences_are_named_and_nothing_is_copied(other, message):
    target = two_branches()
    before = target.get_weights()
    with pytest.raises(ValueError, match=message):
        copy_by_structure(other(), target)
    for old, new in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def chain(*kinds):
    if kinds == ("Dense",):
        vector = keras.Input((3,))
        return keras.Model(vector, layers.Dense(2)(vector))
    x = images = keras.Input((6, 6, 3))
    for kind in kinds:
        if kind == "Conv2D":
            x = layers.Conv2D(4, 3, padding="same")(x)
        elif kind == "Activation":
            x = layers.Activation("relu")(x)
        elif kind == "ReLU":
            x = layers.ReLU()(x)
        else:  # one tensor joined with itself
            x = layers.Concatenate()([x] * int(kind[-1]))
    return keras.Model(images, x)


def test_two_layers_do_not_fit_into_one():
    with pytest.raises(ValueError, match="wired differently"):
        copy_by_structure(two_branches(), chain("Conv2D", "Activation", "Concatenate2"))


def test_heads_are_neither_compared_nor_copied():
    def with_head(units):
        trunk = two_branches()
        x = layers.GlobalAveragePooling2D()(trunk.output)
        return keras.Model(trunk.input, layers.Dense(units)(layers.Dropout(0.1)(x)))

    source, target = with_head(5), with_head(7)
    head = target.layers[-1].get_weights()
    copy_by_structure(source, target)
    np.testing.assert_array_equal(target.layers[-1].get_weights()[0], head[0])
    np.testing.assert_array_equal(target.layers[1].get_weights()[0], source.layers[1].get_weights()[0])
