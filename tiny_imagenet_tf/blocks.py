"""The inception blocks of Milani's Fig. 4, as plain functions on Keras tensors.

Every block maps a 4D image tensor to a 4D image tensor in the channel order of
`keras.config.image_data_format`, on any Keras backend. Its branches are chains of `conv_bn`, so that batch
normalization stands before each ReLU (Milani section 3.2). Shapes are written `H x W x C` here.

All blocks take the same options:

* `name`: the block's name. All its layers start with it, and the layer that gives the output bears it.
* `scale`: whether batch normalization has a gamma; not needed before a ReLU that feeds a convolution, and
  off as in `keras.applications.InceptionV3`.
* `weight_decay`: c of Keras' `L2(c)` on every kernel, which adds c * sum(w^2) to the loss. TensorFlow's
  `l2_loss` and Caffe's weight decay d mean d * sum(w^2) / 2: there c = d / 2.
* `momentum`: of batch normalization's moving averages, which take 1 / (1 - momentum) steps to follow.

There are no custom objects: a model made of blocks saves and loads with plain Keras.
"""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, Required, TypedDict, Unpack

import keras
from keras import KerasTensor as Tensor
from keras import layers

Size = int | tuple[int, int]  # of a kernel; or (height, width)
Widths = Sequence[int]
Padding = Literal["same", "valid"]
Convolution = tuple[int, Size]  # filters, and the kernel's size


class Options(TypedDict, total=False):
    """What every block takes; see the module."""

    name: Required[str]
    scale: bool
    weight_decay: float
    momentum: float


def conv_bn(
    x: Tensor,
    filters: int,
    kernel_size: Size,
    *,
    strides: int = 1,
    padding: Padding = "same",
    **options: Unpack[Options],
) -> Tensor:
    """Convolution without bias, batch normalization, ReLU.

    Args:
        x: tensor of rank 4, H x W x C, any float dtype.
        filters: channels of the output.
        kernel_size: an int, or (height, width).
        strides: an int.
        padding: "same" or "valid".
        options: see the module. The layers are `name_conv`, `name_bn` and `name`.

    Returns:
        H' x W' x filters with H' = ceil(H / strides), or ceil((H - height + 1) / strides) when "valid".

    Raises:
        ValueError: x is not 4D or smaller than a valid kernel, or an argument is out of range.
    """
    block = _Block("conv_bn", x, **options)
    return block.conv(x, "", filters, kernel_size, strides=strides, padding=padding)


def inception_type1(
    x: Tensor,
    *,
    conv1x1: int,
    single: Widths,
    double: Widths,
    pool: int,
    middle_size: int = 5,
    **options: Unpack[Options],
) -> Tensor:
    """Inception type-1, Fig. 4(a): for large maps (35x35 in Inception-v3, 27x27 in the compact network).

    Args:
        x: tensor of rank 4, H x W x C.
        conv1x1: width of the 1x1 branch.
        single: (1x1, middle) widths of the branch with one wide convolution.
        double: (1x1, 3x3, 3x3) widths of the branch with two.
        pool: width of the 1x1 convolution after the 3x3 average pool.
        middle_size: kernel size of `single`'s second convolution. 5 as in the released Inception-v3;
            the figure shows 3.
        options: see the module.

    Returns:
        H x W x (conv1x1 + single[-1] + double[-1] + pool), in this order.

    Raises:
        ValueError: x is not 4D, a width is not a positive integer, or there are too many or too few.
    """
    block = _Block("inception_type1", x, **options)
    block.odd("middle_size", middle_size)
    reduce1, middle = block.widths("single", single, 2)
    reduce2, first, second = block.widths("double", double, 3)
    return block.concatenate(
        block.conv(x, "_conv1x1", conv1x1, 1),
        block.chain(x, "single", [(reduce1, 1), (middle, middle_size)]),
        block.chain(x, "double", [(reduce2, 1), (first, 3), (second, 3)]),
        block.average_pool(x, pool),
    )


def inception_type2(
    x: Tensor, *, conv1x1: int, single: Widths, double: Widths, pool: int, n: int = 7, **options: Unpack[Options]
) -> Tensor:
    """Inception type-2, Fig. 4(b): n x n convolutions as 1 x n and n x 1, for middle-sized maps.

    Args:
        x: tensor of rank 4, H x W x C.
        conv1x1: width of the 1x1 branch.
        single: (1x1, 1xn, nx1) widths.
        double: (1x1, nx1, 1xn, nx1, 1xn) widths.
        pool: width of the 1x1 convolution after the 3x3 average pool.
        n: odd, 7 in both networks.
        options: see the module.

    Returns:
        H x W x (conv1x1 + single[-1] + double[-1] + pool), in this order.

    Raises:
        ValueError: x is not 4D, n is even, a width is not a positive integer, or their number is wrong.
    """
    block = _Block("inception_type2", x, **options)
    block.odd("n", n)
    row, column = (1, n), (n, 1)
    single = block.widths("single", single, 3)
    double = block.widths("double", double, 5)
    return block.concatenate(
        block.conv(x, "_conv1x1", conv1x1, 1),
        block.chain(x, "single", zip(single, (1, row, column), strict=True)),
        block.chain(x, "double", zip(double, (1, column, row, column, row), strict=True)),
        block.average_pool(x, pool),
    )


def inception_type3(
    x: Tensor, *, conv1x1: int, single: Widths, double: Widths, pool: int, **options: Unpack[Options]
) -> Tensor:
    """Inception type-3, Fig. 4(c): two branches end in a 1x3 and a 3x1 side by side, for small maps.

    Args:
        x: tensor of rank 4, H x W x C.
        conv1x1: width of the 1x1 branch.
        single: (1x1, 1x3, 3x1) widths; the 1x3 and the 3x1 both read the 1x1.
        double: (1x1, 3x3, 1x3, 3x1) widths; the 1x3 and the 3x1 both read the 3x3.
        pool: width of the 1x1 convolution after the 3x3 average pool.
        options: see the module.

    Returns:
        H x W x (conv1x1 + sum(single[-2:]) + sum(double[-2:]) + pool), in this order.

    Raises:
        ValueError: x is not 4D, a width is not a positive integer, or their number is wrong.
    """
    block = _Block("inception_type3", x, **options)
    reduce1, *split1 = block.widths("single", single, 3)
    reduce2, middle, *split2 = block.widths("double", double, 4)
    stem1 = block.chain(x, "single", [(reduce1, 1)])
    stem2 = block.chain(x, "double", [(reduce2, 1), (middle, 3)])
    return block.concatenate(
        block.conv(x, "_conv1x1", conv1x1, 1),
        block.split(stem1, "single", split1),
        block.split(stem2, "double", split2),
        block.average_pool(x, pool),
    )


def inception_dim(
    x: Tensor, *, branches: Mapping[str, Sequence[Convolution]], padding: Padding = "valid", **options: Unpack[Options]
) -> Tensor:
    """Inception dim, Fig. 4(d): halves the map without a bottleneck; convolutions and a pool, both stride 2.

    The branches are data, because Inception-v3 has two such blocks with different ones. The figure's is
    `{"single": [(a, 1), (b, 3)], "double": [(c, 1), (d, 3), (e, 3)]}`.

    Args:
        x: tensor of rank 4, H x W x C.
        branches: by name, the (filters, kernel size) of each convolution from the input on. The last of
            each branch has stride 2 and this block's padding, those before it stride 1 and "same".
        padding: of the strided convolutions and of the 3x3 maximum pool. "valid" as in Inception-v3 halves
            35 to 17; "same" halves 27 to 14.
        options: see the module.

    Returns:
        H' x W' x (last width of each branch, in order, + C), with H' = (H - 1) // 2 when "valid" and
        ceil(H / 2) when "same". The pool comes last.

    Raises:
        ValueError: x is not 4D or too small to be reduced, there is no branch, or a width is not a positive
            integer.
    """
    block = _Block("inception_dim", x, **options)
    block.check_size(x, (3, 3) if padding == "valid" else (2, 2))
    if not isinstance(branches, Mapping) or not branches:
        raise block.error("branches must map names to lists of (filters, kernel size)", branches)
    reduced = [
        block.chain(x, branch, convolutions, strides=2, padding=padding) for branch, convolutions in branches.items()
    ]
    pooled = layers.MaxPooling2D(3, strides=2, padding=padding, name=f"{block.name}_pool")(x)
    return block.concatenate(*reduced, pooled)


class _Block:
    """What the blocks share: one name, the options of every convolution, and errors that say where."""

    def __init__(
        self, kind: str, x: Tensor, *, name: str, scale: bool = False, weight_decay: float = 0.0, momentum: float = 0.99
    ):
        self.kind, self.name, self.scale = kind, name, bool(scale)
        if not isinstance(name, str) or not name:
            raise self.error("name must be a string that is not empty", name)
        if len(getattr(x, "shape", ())) != 4:
            raise self.error("the input must be a 4D tensor of images", getattr(x, "shape", x))
        if not isinstance(weight_decay, Real) or not 0 <= weight_decay < float("inf"):
            raise self.error("weight_decay must be 0 or more", weight_decay)
        if not isinstance(momentum, Real) or not 0 <= momentum < 1:
            raise self.error("momentum must be at least 0 and below 1", momentum)
        self.momentum = float(momentum)
        self.regularizer = keras.regularizers.L2(float(weight_decay)) if weight_decay else None
        channels_last = keras.config.image_data_format() == "channels_last"
        self.channel_axis = 3 if channels_last else 1
        self.spatial_axes = (1, 2) if channels_last else (2, 3)

    def error(self, rule: str, value: object) -> ValueError:
        return ValueError(f"{self.kind} {self.name!r}: {rule}, got {value!r}")

    def positive(self, what: str, value: Any) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise self.error(f"{what} must be a positive integer", value)
        return int(value)

    def odd(self, what: str, value: Any) -> None:
        if self.positive(what, value) % 2 == 0:
            raise self.error(f"{what} must be odd", value)

    def widths(self, what: str, values: Any, count: int) -> Widths:
        if not isinstance(values, Iterable) or isinstance(values, str) or len(values := tuple(values)) != count:
            raise self.error(f"{what} must hold {count} widths", values)
        return values

    def check_size(self, x: Tensor, at_least: tuple[int, int]) -> None:
        size = tuple(x.shape[axis] for axis in self.spatial_axes)
        if any(side is not None and side < least for side, least in zip(size, at_least, strict=True)):
            raise self.error(f"the map must be at least {at_least} high and wide", size)

    def conv(
        self, x: Tensor, suffix: str, filters: int, kernel_size: Size, *, strides: int = 1, padding: Padding = "same"
    ) -> Tensor:
        name = self.name + suffix
        sides = kernel_size if isinstance(kernel_size, Sequence) else (kernel_size, kernel_size)
        if len(sides) != 2:
            raise self.error("a kernel size must be an int or (height, width)", kernel_size)
        sides = tuple(self.positive("a kernel size", side) for side in sides)
        if padding not in ("same", "valid"):
            raise self.error('padding must be "same" or "valid"', padding)
        if padding == "valid":
            self.check_size(x, sides)
        x = layers.Conv2D(
            self.positive(f"the width of {name}", filters),
            sides,
            strides=self.positive("strides", strides),
            padding=padding,
            use_bias=False,  # batch normalization's beta is the bias
            kernel_regularizer=self.regularizer,
            name=f"{name}_conv",
        )(x)
        x = layers.BatchNormalization(self.channel_axis, momentum=self.momentum, scale=self.scale, name=f"{name}_bn")(x)
        return layers.Activation("relu", name=name)(x)

    def chain(self, x: Tensor, branch: str, convolutions: Iterable[Convolution], **last: Any) -> Tensor:
        """Convolutions one after the other; the last one has strides and padding."""
        convolutions = list(convolutions) if isinstance(convolutions, Iterable) else []
        if not convolutions or any(not hasattr(pair, "__len__") or len(pair) != 2 for pair in convolutions):
            raise self.error(f"branch {branch!r} must be a list of (filters, kernel size)", convolutions)
        for index, (filters, kernel_size) in enumerate(convolutions, start=1):
            options = last if index == len(convolutions) else {}
            x = self.conv(x, f"_{branch}_{index}", filters, kernel_size, **options)
        return x

    def split(self, x: Tensor, branch: str, widths: Widths) -> Tensor:
        """A 1x3 and a 3x1 convolution side by side."""
        row, column = widths
        sides = [self.conv(x, f"_{branch}_1x3", row, (1, 3)), self.conv(x, f"_{branch}_3x1", column, (3, 1))]
        return layers.Concatenate(self.channel_axis, name=f"{self.name}_{branch}")(sides)

    def average_pool(self, x: Tensor, filters: int) -> Tensor:
        x = layers.AveragePooling2D(3, strides=1, padding="same", name=f"{self.name}_pool")(x)
        return self.conv(x, "_pool_1x1", filters, 1)

    def concatenate(self, *branches: Tensor) -> Tensor:
        return layers.Concatenate(self.channel_axis, name=self.name)(list(branches))
