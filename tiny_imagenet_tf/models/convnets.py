"""Le & Yang's convolutional networks: Table 1 as a table, and one builder for its language.

A network is written in the words of Table 1, as one string from images to scores:

    conv5-64 maxpool conv5-64 maxpool conv5-128 maxpool fc-256 dropout

`convK-W` is a KxK convolution to W channels and its nonlinearity, `fc-W` a fully connected layer to W and
its nonlinearity; the last layer, Table 1's FC3, is not written. So the three grammars of section 4.1 are
string arithmetic:

    [conv-relu-pool]xN - conv-relu - [affine]xM    "conv5-64 maxpool " * N + "conv3-128 " + "fc-256 " * M
    [conv-relu-pool]xN - [affine]xM                "conv5-64 maxpool " * N + "fc-256 " * M
    [conv-relu-conv-relu-pool]xN - [affine]xM      "conv3-64 conv3-64 maxpool " * N + "fc-256 " * M

where the unwritten last layer is one more affine. Softmax or SVM is a matter of the loss.
"""

import re
from math import prod
from typing import Any

import keras
from keras import KerasTensor, layers

from tiny_imagenet_tf.models.layers import image_input, l2, logits, valid_rate
from tiny_imagenet_tf.published import (
    CLASSES,
    CROP_SIZE,
    LE_YANG_DROPOUT_KEEP,
    LE_YANG_LEAKY_RELU_SLOPE,
    LE_YANG_TABLE_1,
)

_XAVIER = "lecun_uniform"  # Caffe's


def le_yang(model: int, **options: Any) -> keras.Model:
    """One of the nine models of Table 1, for 56x56 crops.

    Args:
        model: 1 to 9.
        **options: of `convnet`, except the architecture. The defaults are the paper's.

    Returns:
        A functional model from images to float32 logits.

    Raises:
        ValueError: there is no such model, or an option is out of range.
    """
    if model not in LE_YANG_TABLE_1:
        raise ValueError(f"Table 1 has models 1 to 9, got {model!r}")
    column = LE_YANG_TABLE_1[model]
    defaults = {"activation": column.activation, "name": f"le_yang_model_{model}"}
    return convnet(column.architecture, **defaults | options)


def convnet(
    architecture: str,
    input_shape: tuple[int | None, int | None, int] = (CROP_SIZE, CROP_SIZE, 3),
    classes: int = CLASSES,
    *,
    activation: str = "relu",
    dropout_rate: float = 1 - LE_YANG_DROPOUT_KEEP,
    weight_decay: float = 0.0,
    name: str = "convnet",
) -> keras.Model:
    """A plain convolutional network from one line of Table 1's words; see the module.

    Convolutions are "same" with stride 1, maxpool is 2x2 with stride 2: that makes the table's 56, 28, 14
    and 7 pixels. Kernels start from the "xavier" of section 5.2.1 as Caffe draws it by default, uniform within
    sqrt(3 / inputs), which is Keras' `lecun_uniform`; the sentence "based on the number of input and output
    neurons" is that of Caffe's tutorial, which uses this default. Biases start from 0. The nonlinearity after fully
    connected layers is not printed; it is that of the convolutions. A PReLU has one slope a channel and starts at
    0.25, as in He et al. and Caffe.

    Layers are named by stage and place, `conv2_1`, `fc1`, as VGG's are, so that a shallower network's
    weights can start a deeper one (section 5.2.1).

    Args:
        architecture: words `convK-W`, `maxpool`, `dropout`, `fc-W`, separated by spaces.
        input_shape: (height, width, channels) in any data format.
        classes: number of classes.
        activation: "relu", "leaky_relu" (slope 0.01, section 5.3.2) or "prelu".
        dropout_rate: of every `dropout`; the fraction dropped.
        weight_decay: c of Keras' `L2(c)` on every kernel; half the weight decay of the paper's Caffe.
        name: of the model.

    Returns:
        A functional model from images to float32 logits (batch, classes).

    Raises:
        ValueError: a word is unknown or misplaced, the images are too small for the pools, or an option is
            out of range.
    """
    if activation not in _ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(_ACTIVATIONS)}, got {activation!r}")
    dropout_rate = valid_rate(dropout_rate)
    kernel = {"kernel_initializer": _XAVIER, "kernel_regularizer": l2(weight_decay)}
    images = x = image_input(input_shape)
    stage, place, fcs, dropouts = 1, 0, 0, 0
    for word in architecture.split():
        match = re.fullmatch(r"conv([1-9]\d*)-([1-9]\d*)|fc-([1-9]\d*)|maxpool|dropout", word)
        if not match:
            raise ValueError(f"{word!r} is none of convK-W, fc-W, maxpool, dropout")
        kernel_size, width, units = (int(group) if group else None for group in match.groups())
        if (kernel_size or word == "maxpool") and len(x.shape) != 4:
            raise ValueError(f"{word!r} cannot follow a fully connected layer")
        size = (kernel_size or 0) ** 2 * x.shape[-1] * (width or 0) + (units or 0) * prod(x.shape[1:], start=1)
        if size > _MOST_WEIGHTS:
            raise ValueError(f"{word!r} would have {size:,} weights, more than the {_MOST_WEIGHTS:,} that are taken")
        if kernel_size:
            place += 1
            conv = f"conv{stage}_{place}"
            x = layers.Conv2D(width, kernel_size, padding="same", name=conv, **kernel)(x)
            x = _ACTIVATIONS[activation](x, f"{conv}_{activation}")
        elif units:
            fcs += 1
            x = layers.Dense(units, name=f"fc{fcs}", **kernel)(_flat(x))
            x = _ACTIVATIONS[activation](x, f"fc{fcs}_{activation}")
        elif word == "maxpool":
            sides = [x.shape[axis] for axis in _spatial_axes()]
            if any(side is not None and side < 2 for side in sides):
                raise ValueError(f"nothing left for maxpool {stage} to halve, got maps of {sides}")
            x = layers.MaxPooling2D(2, name=f"maxpool{stage}")(x)
            stage, place = stage + 1, 0
        else:
            dropouts += 1
            x = layers.Dropout(dropout_rate, name=f"dropout{dropouts}")(x)
    x = logits(_flat(x), classes=classes, weight_decay=weight_decay, kernel_initializer=_XAVIER)
    return keras.Model(images, x, name=name)


def _flat(x: KerasTensor) -> KerasTensor:
    return layers.Flatten(name="flatten")(x) if len(x.shape) == 4 else x


def _spatial_axes() -> tuple[int, int]:
    return (1, 2) if keras.config.image_data_format() == "channels_last" else (2, 3)


def _prelu(x: KerasTensor, name: str) -> KerasTensor:
    shared_axes = _spatial_axes() if len(x.shape) == 4 else None
    return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=shared_axes, name=name)(x)


_MOST_WEIGHTS = 2**31  # of a layer: 8 GB
_ACTIVATIONS = {
    "relu": lambda x, name: layers.ReLU(name=name)(x),
    "leaky_relu": lambda x, name: layers.LeakyReLU(LE_YANG_LEAKY_RELU_SLOPE, name=name)(x),
    "prelu": _prelu,
}
