"""A view: the way in which an image is shown to a network, described by data.

Stored transfer values are keyed by this description, so every choice that changes pixels stands in it.
"""

import dataclasses
from typing import Literal

import tensorflow as tf

from tiny_imagenet_tf.data import image_ops

Window = Literal["whole", "top_left", "top_right", "bottom_left", "bottom_right", "center"]


@dataclasses.dataclass(frozen=True)
class View:
    """A fixed view: the whole image or a 56x56 crop, mirrored or not.

    Attributes:
        window: what is cut out.
        mirrored: flipped left and right after the cut.
    """

    window: Window = "whole"
    mirrored: bool = False

    def __call__(self, image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Returns the view of a uint8 (64, 64, 3) image; ``key`` does not matter here."""
        if self.window == "center":
            image = image_ops.center_crop(image)
        elif self.window != "whole":
            image = image_ops.corner_crop(image, self.window)
        return image_ops.mirror(image) if self.mirrored else image


@dataclasses.dataclass(frozen=True)
class AugmentedView:
    """One random training view of each image (Milani section 4.2).

    The whole image or one of its four 56x56 corner crops, each as likely as the others, then random brightness and
    contrast. The paper gives neither the odds nor the ranges: these are assumptions.

    Attributes:
        seed: the run's seed.
        number: which of an image's views; views of different numbers are independent.
        brightness_delta: largest shift, as a share of the full range.
        contrast_low: smallest contrast factor.
        contrast_high: largest contrast factor.
    """

    seed: int
    number: int
    brightness_delta: float = image_ops.BRIGHTNESS_DELTA
    contrast_low: float = image_ops.CONTRAST_RANGE[0]
    contrast_high: float = image_ops.CONTRAST_RANGE[1]

    def __call__(self, image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Returns a float32 view in 0..255 of a uint8 (64, 64, 3) image, drawn for this ``key``.

        The size is (64, 64, 3) or (56, 56, 3).
        """
        seeds = tf.random.split(_seed(self.seed, self.number, key), 3)
        windows = [lambda: image] + [
            lambda corner=corner: image_ops.corner_crop(image, corner) for corner in image_ops.CORNERS
        ]
        chosen = tf.random.stateless_uniform((), seeds[0], 0, len(windows), tf.int32)
        view = tf.switch_case(chosen, windows)
        view = image_ops.random_brightness(view, seeds[1], self.brightness_delta)
        return image_ops.random_contrast(view, seeds[2], self.contrast_low, self.contrast_high)


WHOLE = View()
TEN_CROP = tuple(View(window, mirrored) for mirrored in (False, True) for window in ("whole", *image_ops.CORNERS))
"""Milani section 4.2: the whole image, four 56x56 corners, and the mirror images of these five."""


def describe(view: View | AugmentedView) -> dict:
    """Returns the view as plain data, for a store's key."""
    return {"view": type(view).__name__, **dataclasses.asdict(view)}


def _seed(seed: int, number: int, key: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.constant(seed * 1_000_003 + number, tf.int64), tf.cast(key, tf.int64)])
