"""Milani's own network (Fig. 3(b)): a shallower and narrower Inception-v3 for 64x64 images.

The paper's text says that it has "the same inception layers as Inception-v3, but is shallower and narrower",
for 64x64 images; its numbers are in the figure alone. What this module takes from where:

* Read from the figure, by one public reader of it (github.com/Sirius083/tiny_imagenet): a stem of 3x3/2,
  3x3, 3x3; two type-1, dim, three type-2, dim, one type-3, average pool, fully connected; maps of 27x27x64,
  27x27x144, 14x14x288, 7x7x576 and 7x7x864.
* Follows from those: "valid" stem convolutions (64, 31, 29, 27) and "same" reductions (27, 14, 7).
* Assumed, as that reader does: the widths inside the blocks, which add up to the figure's sums.
* Open: which blocks. "released" has those of the released Inception-v3, as that reader does: type-1's middle
  branch is 5x5, the first dim is built like mixed3, the second like mixed8. "figure" has those of Fig. 4,
  which the text calls "taken directly" from Inception-v3's paper: a 3x3 middle, and one kind of dim.
"""

from typing import Any, get_args

import keras
from keras import layers

from tiny_imagenet_tf.blocks import conv_bn, inception_dim, inception_type1, inception_type2, inception_type3
from tiny_imagenet_tf.choices import Blocks, Decayed
from tiny_imagenet_tf.models.layers import image_input, logits
from tiny_imagenet_tf.published import CLASSES, IMAGE_SIZE


def compact_inception(
    input_shape: tuple[int | None, int | None, int] = (IMAGE_SIZE, IMAGE_SIZE, 3),
    classes: int = CLASSES,
    *,
    width_multiplier: float = 1.0,
    dropout_rate: float = 0.0,
    scale: bool = False,
    weight_decay: float = 0.0,
    decayed: Decayed = "all",
    momentum: float = 0.99,
    blocks: Blocks = "released",
    name: str = "compact_inception",
) -> keras.Model:
    """Milani's compact Inception; 2,582,660 parameters, of which 2,573,116 are trained; 2,491,356 with Fig. 4's blocks.

    Args:
        input_shape: (height, width, channels) in any data format; height and width 15 or more, or None.
        classes: number of classes.
        width_multiplier: factor on the width of every convolution, rounded to the nearest, at least 1.
        dropout_rate: before the fully connected layer: 0 for "Baseline", 0.2 for "Regularized" (keep 80%).
        scale: batch normalization with a gamma.
        weight_decay: c of Keras' `L2(c)`.
        decayed: on every kernel, or on the last layer's alone.
        momentum: of batch normalization's moving averages.
        blocks: of the released Inception-v3, or of Fig. 4; see the module.
        name: of the model.

    Returns:
        A functional model from images to float32 logits (batch, classes).

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 < width_multiplier < float("inf"):
        raise ValueError(f"width_multiplier must be above 0 and finite, got {width_multiplier!r}")

    def w(*widths: int) -> Any:
        scaled = [max(1, round(width * width_multiplier)) for width in widths]
        return scaled if len(scaled) > 1 else scaled[0]

    if blocks not in get_args(Blocks) or decayed not in get_args(Decayed):
        raise ValueError(f"blocks and decayed: no such choice as {blocks!r} and {decayed!r}")
    released = blocks == "released"
    options = {"scale": scale, "weight_decay": weight_decay if decayed == "all" else 0.0, "momentum": momentum}
    images = image_input(input_shape, smallest=15)  # 64x64x3; from 15: 15, 7, 5, 3 through the stem, then 2 and 1
    x = conv_bn(images, w(32), 3, strides=2, padding="valid", name="stem1", **options)  # 31x31x32
    x = conv_bn(x, w(32), 3, padding="valid", name="stem2", **options)  # 29x29x32
    x = conv_bn(x, w(64), 3, padding="valid", name="stem3", **options)  # 27x27x64

    for index, inner in enumerate((16, 24), start=1):
        x = inception_type1(  # 27x27x144
            x,
            conv1x1=w(32),
            single=w(inner, 32),
            double=w(32, 48, 48),
            pool=w(32),
            middle_size=5 if released else 3,
            name=f"type1_{index}",
            **options,
        )
    bottleneck = [] if released else [(w(116), 1)]
    branches = {"single": [*bottleneck, (w(116), 3)], "double": [(w(16), 1), (w(28), 3), (w(28), 3)]}
    x = inception_dim(x, branches=branches, padding="same", name="dim1", **options)  # 14x14x288

    for i, c in enumerate((48, 60, 60), start=1):
        x = inception_type2(  # 14x14x288
            x, conv1x1=w(72), single=w(c, c, 72), double=w(c, c, c, c, 72), pool=w(72), name=f"type2_{i}", **options
        )
    middle = [(w(108), (1, 7)), (w(108), (7, 1))] if released else [(w(108), 3)]
    branches = {"single": [(w(108), 1), (w(180), 3)], "double": [(w(108), 1), *middle, (w(108), 3)]}
    x = inception_dim(x, branches=branches, padding="same", name="dim2", **options)  # 7x7x576

    x = inception_type3(  # 7x7x864
        x, conv1x1=w(144), single=w(160, 160, 160), double=w(192, 160, 160, 160), pool=w(80), name="type3", **options
    )
    x = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)  # 864
    x = logits(x, classes=classes, dropout_rate=dropout_rate, weight_decay=weight_decay)
    return keras.Model(images, x, name=name)
