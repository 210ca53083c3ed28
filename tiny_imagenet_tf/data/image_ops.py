"""Small pure functions on one image, for use inside ``tf.data``.

A fixed op is ``image -> image``; a random one is ``(image, seed) -> image`` with a stateless seed of two
integers, so that a parallel map gives the same images in any order. Images are (height, width, 3); uint8 stays
uint8 under crops and mirror images, and becomes float32 in 0..255 where values are changed.
"""

from typing import Literal

import tensorflow as tf

Resize = Literal["half_pixel", "tf1"]
CROP_SIZE = 56  # pixels; Milani section 4.2, Le & Yang section 4.2.1
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")

# Milani gives no ranges. These are the ones of the tutorials whose code he says he used, for values in 0..1.
BRIGHTNESS_DELTA = 0.2
CONTRAST_RANGE = (0.3, 1.0)


def decode(jpeg: tf.Tensor) -> tf.Tensor:
    """Decodes a 64x64 JPEG to uint8 (64, 64, 3); grayscale is replicated (Milani section 2)."""
    return tf.ensure_shape(tf.io.decode_jpeg(jpeg, channels=3), (64, 64, 3))


def mirror(image: tf.Tensor) -> tf.Tensor:
    """Flips left and right."""
    return tf.reverse(image, axis=[1])


def crop(image: tf.Tensor, top, left, size: int = CROP_SIZE) -> tf.Tensor:
    """Cuts the square of ``size`` pixels whose upper left pixel is (``top``, ``left``)."""
    return tf.ensure_shape(tf.slice(image, [top, left, 0], [size, size, 3]), (size, size, 3))


def corner_crop(image: tf.Tensor, corner: str, size: int = CROP_SIZE) -> tf.Tensor:
    """Cuts one of :data:`CORNERS` of a static-shaped image.

    Raises:
        ValueError: ``corner`` is no such name.
    """
    if corner not in CORNERS:
        raise ValueError(f"corner={corner!r}: must be one of {', '.join(CORNERS)}")
    height, width, _ = image.shape
    top = 0 if corner.startswith("top") else height - size
    left = 0 if corner.endswith("left") else width - size
    return crop(image, top, left, size)


def center_crop(image: tf.Tensor, size: int = CROP_SIZE) -> tf.Tensor:
    """Cuts the middle of a static-shaped image (Le & Yang section 5.2.2)."""
    height, width, _ = image.shape
    return crop(image, (height - size) // 2, (width - size) // 2, size)


def random_mirror(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flips left and right with probability 1/2."""
    return tf.image.stateless_random_flip_left_right(image, seed)


def random_brightness(image: tf.Tensor, seed: tf.Tensor, delta: float = BRIGHTNESS_DELTA) -> tf.Tensor:
    """Adds one number drawn from ±``delta`` (of the full range) to all pixels; float32, clipped to 0..255."""
    shift = tf.random.stateless_uniform((), seed, -delta, delta) * 255
    return tf.clip_by_value(tf.cast(image, tf.float32) + shift, 0, 255)


def random_contrast(
    image: tf.Tensor, seed: tf.Tensor, low: float = CONTRAST_RANGE[0], high: float = CONTRAST_RANGE[1]
) -> tf.Tensor:
    """Scales each channel's distance from its mean by a factor from ``low``..``high``; float32 in 0..255."""
    factor = tf.random.stateless_uniform((), seed, low, high)
    image = tf.cast(image, tf.float32)
    mean = tf.reduce_mean(image, axis=(0, 1), keepdims=True)
    return tf.clip_by_value((image - mean) * factor + mean, 0, 255)


def resize(image: tf.Tensor, size: int, method: Resize = "half_pixel") -> tf.Tensor:
    """Bilinear resize to (``size``, ``size``, 3), float32 in the range of the input.

    Args:
        image: (height, width, 3).
        size: pixels.
        method: ``half_pixel`` places pixel centres at halves, as TensorFlow 2 does; ``tf1`` maps output pixel i
            to input position i * in / out, as TensorFlow 1 did in 2017.
    """
    resized = tf.raw_ops.ResizeBilinear(
        images=image[tf.newaxis], size=(size, size), align_corners=False, half_pixel_centers=method == "half_pixel"
    )
    return tf.ensure_shape(resized[0], (size, size, 3))


def scale(image: tf.Tensor) -> tf.Tensor:
    """Maps 0..255 to -1..1 in float32, as Inception-v3 expects its input."""
    return tf.cast(image, tf.float32) / 127.5 - 1
