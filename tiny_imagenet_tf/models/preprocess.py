"""From images to what a network reads: random views in training, a fixed view in the saved model.

A saved model is two nested ones, ``preprocess`` and ``classifier``, of plain Keras layers, so that it loads without
this package: ``preprocess`` shows a 64x64 image as at test time, ``classifier`` takes 0..255 at the network's
size, scales it to the network's own range and gives scores. Who shows images otherwise takes the ``classifier``.
"""

import functools
from collections.abc import Callable
from typing import Any, get_args

import keras
import numpy as np
from keras import layers, ops

from tiny_imagenet_tf.choices import Pixels, Resize
from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.data.views import COLUMNS, WHOLE, RandomViews, View
from tiny_imagenet_tf.published import IMAGE_SIZE

_RINGING = 0.1  # of the brightest pixel: bicubic and Lanczos overshoot by less, but for extreme pictures
_CAFFE_MEANS = (103.939, 116.779, 123.68)  # of blue, green and red, as `keras.applications` subtracts them


@functools.cache
def show_function(
    size: int, resize: Resize, *, recolour: bool, mix: bool = False, cut: bool = True
) -> Callable[[Any, Any], Any]:
    """Returns ``tiny_imagenet_tf.data.views.show`` of images and their table, compiled where it draws colours.

    One for all of the same kind, since each compilation takes a second.
    """
    from tiny_imagenet_tf import hardware  # only now: what is saved needs Keras alone

    show = functools.partial(views.show, size=size, resize=resize, recolour=recolour, mix=mix, cut=cut)
    return hardware.compiled(show) if recolour or mix else show


class Views(layers.Layer):
    """Shows a batch of uint8 images as a table of views says; ``tiny_imagenet_tf.data.views.show`` as a layer.

    Args:
        drawn: what the tables may hold.
        size: of the output in pixels; None for that of the windows.
        resize: sampling of the bilinear resize.
    """

    def __init__(self, drawn: RandomViews, size: int | None = None, resize: Resize = "half_pixel", **options: Any):
        super().__init__(dtype="float32", autocast=False, **options)
        self.views, self.size, self.resize = drawn, size or drawn.size, resize
        recolour, mix = drawn.brightness_contrast, bool(drawn.mixup)
        cut = drawn.cuts or self.size != IMAGE_SIZE
        self._show = show_function(self.size, resize, recolour=recolour, mix=mix, cut=cut)

    def call(self, inputs: tuple[Any, Any]) -> Any:
        """Returns float32 (batch, size, size, 3) in 0..255 from uint8 images and their table."""
        return self._show(*inputs)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The batch in the new size."""
        return (input_shape[0][0], self.size, self.size, 3)


def behind_views(classifier: keras.Model, drawn: RandomViews, resize: Resize = "half_pixel") -> keras.Model:
    """Returns the classifier behind views: uint8 images and their table to scores.

    Args:
        classifier: float32 (batch, size, size, 3) in 0..255 to scores.
        drawn: what the tables may hold; ``PLAIN`` for any fixed views.
        resize: sampling, where the windows have not the classifier's size.
    """
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), dtype="uint8", name="images")
    table = keras.Input((len(COLUMNS),), dtype="float32", name="views")
    pixels = Views(drawn, classifier.input_shape[1], resize, name="shown")([images, table])
    return keras.Model([images, table], classifier(pixels), name=f"{classifier.name}_behind_views")


def classifier(network: keras.Model, pixels: Pixels = "-1..1", size: int = IMAGE_SIZE) -> keras.Model:
    """Returns a network of images (batch, size, size, 3) that takes 0..255 where its own range is ``pixels``.

    Args:
        network: of images of one size, or of any.
        pixels: its range.
        size: in pixels, that a network of any size is given.
    """
    if keras.config.image_data_format() != "channels_last":
        raise ValueError("views and saved networks need channels_last images: keras.config.set_image_data_format")
    sides = (side or size for side in network.input_shape[1:3])
    images = keras.Input((*sides, 3), dtype="float32", name="pixels")
    of_bytes = network.inputs[0].dtype == "uint8"
    x = scaled(images, pixels, rounded=of_bytes)
    if of_bytes:
        x = ops.cast(x, "uint8")
    (scores,) = keras.tree.flatten(network(x))  # some have a list or a name around their one output
    return keras.Model(images, scores, name="classifier")


def scaled(images: Any, pixels: Pixels, *, rounded: bool = False) -> Any:
    """Maps pixels in 0..255 to a network's range, with a plain layer, in float32.

    Args:
        images: float32 (batch, height, width, 3).
        pixels: the network's range.
        rounded: to whole numbers first, for a network of uint8: a cast alone would cut them off.
    """
    if rounded:
        images = ops.round(images)
    if pixels not in get_args(Pixels):
        raise ValueError(f"pixels {pixels!r}: must be one of {', '.join(get_args(Pixels))}")
    if pixels == "caffe":
        to_bgr = layers.EinsumDense("bhwc,cd->bhwd", (None, None, 3), bias_axes="d", dtype="float32", name="scale")
        to_bgr.trainable = False
        images = to_bgr(images)
        to_bgr.set_weights([np.eye(3, dtype="float32")[::-1], -np.array(_CAFFE_MEANS, "float32")])
        return images
    factor, offset = {"-1..1": (1 / 127.5, -1.0), "0..1": (1 / 255, 0.0), "0..255": (1.0, 0.0)}[pixels]
    return layers.Rescaling(factor, offset, dtype="float32", name="scale")(images)


def preprocess(view: View, size: int, resize: Resize = "half_pixel", *, ranges: bool = True) -> keras.Model:
    """Returns a model that shows every image in one view, float32 (batch, size, size, 3) in 0..255.

    It takes (batch, 64, 64, 3): uint8, or floats in 0..255, 0..1 or -1..1. Plain Keras can refuse nothing, and pixels
    in 0..1 taken for 0..255 would make every image black without a word; so each image's own range tells. One with
    pixels in none of them, normalized by means and deviations, say, is NaN; so are floats in 0..255 that are not whole
    and end below 3. One in -1..1 without a pixel below 0 cannot be told from one in 0..1, and is taken for that, and
    so is one in 0..255 without a pixel above 1, all but black: give 0..255, and leave out ``ranges``, where images can
    be such. What a bicubic resize adds below 0 and above 255 is cut. Without ``ranges`` it takes 0..255 alone.
    """
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), dtype="float32", name="images")
    x = layers.Rescaling(1.0, dtype="float32", name="to_float")(images)
    if ranges:
        least, most = (of(images, axis=(1, 2, 3), keepdims=True) for of in (ops.min, ops.max))
        whole = ops.all(ops.equal(images, ops.round(images)), axis=(1, 2, 3), keepdims=True)
        overshot = ops.logical_and(most >= 64.0, least >= -_RINGING * most)
        near = ops.logical_and(ops.logical_or(least >= 0.0, overshot), most <= 255.0 * (1 + _RINGING))
        of_bytes = ops.logical_and(near, ops.logical_or(most > 3.0, whole))
        x = ops.where(of_bytes, ops.clip(images, 0.0, 255.0), ops.full_like(images, float("nan")))
        small = ops.where(least < 0.0, (images + 1.0) * 127.5, images * 255.0)
        x = ops.where(ops.logical_and(least >= -1.0, most <= 1.0), small, x)
    if (view, size) != (WHOLE, IMAGE_SIZE):
        top, left, length, mirrored = view.table(1)[:, :4].T
        rows = views.axis_weights(top, length, 0 * mirrored, size, resize)
        columns = views.axis_weights(left, length, mirrored, size, resize)
        x = _product(x, "bhwc,hH->bHwc", (size, None, 3), rows, "rows")
        x = _product(x, "bhwc,wW->bhWc", (None, size, 3), columns, "columns")
    return keras.Model(images, x, name="preprocess")


def deployed(
    classifier: keras.Model, view: View = WHOLE, resize: Resize = "half_pixel", *, ranges: bool = True
) -> keras.Model:
    """Returns what is saved: images as ``preprocess`` takes them to scores, in one view.

    An image in no known range has NaN for scores, whatever the network makes of it: a ReLU may turn NaN into 0.
    """
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), dtype="float32", name="images")
    pixels = preprocess(view, classifier.input_shape[1], resize, ranges=ranges)(images)
    (scores,) = keras.tree.flatten(classifier(pixels))
    return keras.Model(images, guarded(pixels, scores) if ranges else scores, name="tiny_imagenet_classifier")


def guarded(pixels: Any, scores: Any) -> Any:
    """Returns the scores of images, NaN where ``preprocess`` has made an image NaN."""
    known = ops.logical_not(ops.isnan(pixels[:, 0, 0, :1]))
    return ops.where(known, scores, ops.full_like(scores, float("nan")))


def is_deployed(model: keras.Model) -> bool:
    """Whether a model is one of ``deployed``'s, whose ``classifier`` can be shown images otherwise."""
    named = {layer.name: layer for layer in model.layers}
    own = all(isinstance(named.get(name), keras.Model) for name in ("preprocess", "classifier"))
    return own and named["classifier"].layers[0].name == "pixels"  # others may call their layers so, too


def resize_of(model: keras.Model, size: int) -> Resize | None:
    """Returns how a saved ``preprocess`` samples whole images, by its matrix; None where it shows a crop of them."""
    kernels = [layer.get_weights()[0] for layer in model.layers if layer.name == "rows"]
    if not kernels:
        return "half_pixel"  # they have its size
    for resize in get_args(Resize):
        whole = ops.convert_to_numpy(views.axis_weights([0], [IMAGE_SIZE], [0], size, resize))[0].T
        if kernels[0].shape == whole.shape and np.allclose(kernels[0], whole):
            return resize
    return None


def _product(x: Any, equation: str, shape: tuple, weights: Any, name: str) -> Any:
    shape = tuple(x.shape[axis] if side is None else side for axis, side in enumerate(shape, start=1))
    layer = layers.EinsumDense(equation, shape, dtype="float32", name=name, trainable=False)
    x = layer(x)
    layer.set_weights([ops.convert_to_numpy(weights)[0].T])
    return x
