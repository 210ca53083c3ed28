"""Inception-v3 from our own blocks, weight for weight that of `keras.applications` (Milani Fig. 3(a)).

Milani's figure is a simplification of Szegedy et al., "Rethinking the Inception Architecture for Computer
Vision". The widths below are those of the released network, as Keras has it: 94 convolutions without bias.
"""

import keras
from keras import layers

from tiny_imagenet_tf.blocks import conv_bn, inception_dim, inception_type1, inception_type2, inception_type3
from tiny_imagenet_tf.models.layers import image_input, logits
from tiny_imagenet_tf.published import INCEPTION_V3_IMAGE_SIZE

_POOLINGS = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}


def inception_v3(
    input_shape: tuple[int | None, int | None, int] = (INCEPTION_V3_IMAGE_SIZE, INCEPTION_V3_IMAGE_SIZE, 3),
    classes: int | None = None,
    *,
    pooling: str | None = "avg",
    dropout_rate: float = 0.0,
    weight_decay: float = 0.0,
    name: str = "inception_v3",
) -> keras.Model:
    """Inception-v3: a trunk that gives transfer values, or with `classes` a classifier.

    The output of each block is the layer of Keras' name, `mixed0` to `mixed10`. Images come as
    `keras.applications.inception_v3.preprocess_input` makes them: RGB, -1 to 1.

    Args:
        input_shape: (height, width, channels) in any data format; height and width 75 or more, or None.
        classes: number of classes; None for the trunk alone.
        pooling: "avg" or "max" over the last map, or None for the map itself (trunk only).
        dropout_rate: before the fully connected layer; 0.2 in the original.
        weight_decay: c of Keras' `L2(c)` on every kernel.
        name: of the model.

    Returns:
        A functional model. Output: float32 logits (batch, classes); without classes the transfer values
        (batch, 2048) in float32, or the last map in the policy's compute dtype.

    Raises:
        ValueError: the images are too small, or pooling is unknown or missing under a head.
    """
    if pooling not in (*_POOLINGS, None):
        raise ValueError(f'pooling must be "avg", "max" or None, got {pooling!r}')
    if pooling is None and classes is not None:
        raise ValueError("a classifier needs pooled features: give pooling, or classes=None")
    if classes is None and dropout_rate:
        raise ValueError(f"dropout_rate needs a head, that is classes; got {dropout_rate!r} without")

    options = {"weight_decay": weight_decay}
    images = image_input(input_shape, smallest=75)  # 299x299x3; below 75 the last grid reduction has nothing to reduce
    x = conv_bn(images, 32, 3, strides=2, padding="valid", name="stem1", **options)  # 149x149x32
    x = conv_bn(x, 32, 3, padding="valid", name="stem2", **options)  # 147x147x32
    x = conv_bn(x, 64, 3, name="stem3", **options)  # 147x147x64
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool1")(x)  # 73x73x64
    x = conv_bn(x, 80, 1, padding="valid", name="stem4", **options)  # 73x73x80
    x = conv_bn(x, 192, 3, padding="valid", name="stem5", **options)  # 71x71x192
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool2")(x)  # 35x35x192

    for i, pool in enumerate((32, 64, 64)):
        x = inception_type1(  # 35x35x256, then twice 35x35x288
            x, conv1x1=64, single=(48, 64), double=(64, 96, 96), pool=pool, name=f"mixed{i}", **options
        )
    branches = {"single": [(384, 3)], "double": [(64, 1), (96, 3), (96, 3)]}
    x = inception_dim(x, branches=branches, name="mixed3", **options)  # 17x17x768

    for i, c in enumerate((128, 160, 160, 192), start=4):
        x = inception_type2(  # 17x17x768
            x, conv1x1=192, single=(c, c, 192), double=(c, c, c, c, 192), pool=192, name=f"mixed{i}", **options
        )
    branches = {"single": [(192, 1), (320, 3)], "double": [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)]}
    x = inception_dim(x, branches=branches, name="mixed8", **options)  # 8x8x1280

    for i in (9, 10):
        x = inception_type3(  # 8x8x2048
            x, conv1x1=320, single=(384, 384, 384), double=(448, 384, 384, 384), pool=192, name=f"mixed{i}", **options
        )
    if pooling is not None:
        x = _POOLINGS[pooling](dtype="float32", name="transfer_values")(x)  # 2048
    if classes is not None:
        x = logits(x, classes=classes, dropout_rate=dropout_rate, weight_decay=weight_decay)
    return keras.Model(images, x, name=name)
