"""Shuffled, augmented batches in which every pixel is a function of the seed, the epoch and the image.

No generator keeps a state: the batches of an epoch are the same from whichever step on they are asked for. That
is what lets an interrupted run go on exactly.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from tiny_imagenet_tf.data import image_ops, pipelines
from tiny_imagenet_tf.data.screening import FIVE_CROPS
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.published import CROP_SIZE, IMAGE_SIZE


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is drawn anew for each image in each epoch.

    Attributes:
        crop: one of the five 56x56 crops instead of the whole image.
        mirror: a mirror image, half of the time.
        brightness_contrast: random brightness, then random contrast, in the ranges of
            :mod:`~tiny_imagenet_tf.data.image_ops`, which are assumptions.
    """

    crop: bool = False
    mirror: bool = False
    brightness_contrast: bool = False

    @property
    def size(self) -> int:
        """Height and width in pixels of the images that come out."""
        return CROP_SIZE if self.crop else IMAGE_SIZE

    @property
    def description(self) -> str:
        """What the images are, in words."""
        parts = ["one of five 56x56 crops" if self.crop else "whole image"]
        parts += ["random mirror image"] if self.mirror else []
        parts += ["random brightness and contrast"] if self.brightness_contrast else []
        return ", ".join(parts)

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns a random view in 0..255 of a uint8 (64, 64, 3) image; ``seed`` is two integers."""
        seeds = tf.unstack(tf.random.split(seed, 4))
        if self.crop:
            which = tf.random.stateless_uniform((), seeds[0], maxval=len(FIVE_CROPS), dtype=tf.int32)
            top, left = tf.unstack(tf.gather(FIVE_CROPS, which))
            image = image_ops.crop(image, top, left)
        if self.mirror:
            image = image_ops.random_mirror(image, seeds[1])
        if self.brightness_contrast:
            image = image_ops.random_brightness(image, seeds[2])
            image = image_ops.random_contrast(image, seeds[3])
        return image


NONE = Augmentation()
MILANI = Augmentation(mirror=True, brightness_contrast=True)
"""Section 3.3, "Regularized"."""
LE_YANG = Augmentation(crop=True, mirror=True)
"""Section 4.2.1: one of ten, the five crops and their mirror images."""


@dataclasses.dataclass(frozen=True)
class TrainingBatches:
    """The training images of a run, epoch by epoch.

    Attributes:
        split: the images.
        augmentation: how they are shown.
        batch_size: images a step, on all devices together. An epoch has whole batches only; the rest of each
            shuffle is left out, another rest every epoch.
        seed: the run's.
        cache: keep the decoded images in memory, 12 KB each, instead of decoding them every epoch.

    Raises:
        ValueError: there are fewer images than a batch holds.
    """

    split: Split
    augmentation: Augmentation
    batch_size: int
    seed: int
    cache: bool = False

    def __post_init__(self):
        if not 1 <= self.batch_size <= len(self.split):
            raise ValueError(f"--batch-size {self.batch_size}: must be from 1 to the {len(self.split)} training images")

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self.split) // self.batch_size

    def order(self, epoch: int) -> np.ndarray:
        """Returns the rows that an epoch shows, in order; int64 (steps * batch_size,)."""
        shuffled = np.random.default_rng([self.seed, epoch]).permutation(len(self.split))
        return shuffled[: self.steps * self.batch_size]

    def epoch(self, epoch: int, start: int = 0) -> tf.data.Dataset:
        """Returns a finite dataset of one epoch's batches, from a step on.

        Args:
            epoch: from 0.
            start: batches to skip; they cost nothing.

        Returns:
            Pairs of images, float32 (batch, size, size, 3) in -1..1, and one-hot labels, float32 (batch, classes).
        """
        split, keys, decoded = self.split, self.split.image_keys, self._decoded
        labels, classes = tf.constant(split.labels), len(split.wnids)
        stream = tf.constant(self.seed * 1_000_003 + epoch, tf.int64)

        def show(row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            seed = tf.stack([stream, tf.cast(keys[row], tf.int64)])
            image = image_ops.decode(split.jpegs[row]) if decoded is None else decoded[row]
            image = self.augmentation(image, seed)
            return image_ops.scale(image), tf.one_hot(labels[row], classes)

        rows = tf.data.Dataset.from_tensor_slices(self.order(epoch)[start * self.batch_size :])
        shown = rows.map(show, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return shown.batch(self.batch_size, drop_remainder=True).prefetch(2)

    @functools.cached_property
    def _decoded(self) -> tf.Tensor | None:
        if not self.cache:
            return None
        images = np.empty((len(self.split), IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
        for number, batch in enumerate(pipelines.images(self.split, batch_size=1000).as_numpy_iterator()):
            images[1000 * number : 1000 * (number + 1)] = batch
        with tf.device("CPU:0"):  # the pipeline's memory, not a GPU's
            return tf.constant(images)
