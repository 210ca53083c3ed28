"""Batches of a ``tiny_imagenet_tf.data.splits.Split``: in its order, or as the steps of a run.

A run is a finite sequence of steps, and the batch of a step is a function of the seed and the step's number: which
images, in which views, mixed with which. No generator keeps a state, so a run that was stopped goes on at any step
with the very batches of one that was not.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.untuned import untuned
from tiny_imagenet_tf.data.views import RandomViews, View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import IMAGE_SIZE

_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)


def decode(jpeg: tf.Tensor) -> tf.Tensor:
    """Decodes a 64x64 JPEG to uint8 (64, 64, 3); grayscale is replicated (Milani section 2)."""
    return tf.ensure_shape(tf.io.decode_jpeg(jpeg, channels=3), _SHAPE)


def decode_all(jpegs: tf.Tensor) -> tf.Tensor:
    """Decodes a batch: uint8 (batch, 64, 64, 3)."""
    return tf.map_fn(decode, jpegs, fn_output_signature=tf.uint8)


def in_order(split: Split, batch_size: int) -> tf.data.Dataset:
    """Returns batches of uint8 images (batch, 64, 64, 3) in the split's order; the last may be smaller."""
    images = untuned(tf.data.Dataset.from_tensor_slices(split.jpegs))
    return images.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size).prefetch(2)


def decoded(split: Split) -> np.ndarray:
    """Returns all images of a split in its order, uint8 (images, 64, 64, 3)."""
    return np.concatenate(list(in_order(split, 1000).as_numpy_iterator()))


def of_rows(split: Split, rows: Iterable[np.ndarray]) -> tf.data.Dataset:
    """Returns batches of a split whose rows are chosen while those before are computed.

    Args:
        split: the images.
        rows: of each batch, int64 (batch,); asked for some batches ahead, in a thread of its own, and once.

    Returns:
        Pairs of uint8 images (batch, 64, 64, 3) and their rows.
    """

    def look_up(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return decode_all(tf.gather(split.jpegs, rows)), rows

    named = tf.data.Dataset.from_generator(lambda: rows, output_signature=tf.TensorSpec((None,), tf.int64))
    return untuned(named).map(look_up, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def in_view(split: Split, view: View, batch_size: int) -> tf.data.Dataset:
    """Returns what a model behind views predicts from: a split in its order, every image in one view.

    Returns:
        Batches of a tuple of one: (uint8 images (batch, 64, 64, 3), views (batch, 7)).
    """
    rows = tf.data.Dataset.from_tensor_slices(view.table(len(split))).batch(batch_size)
    return tf.data.Dataset.zip((in_order(split, batch_size), rows)).map(lambda images, table: ((images, table),))


@dataclasses.dataclass(frozen=True)
class Steps:
    """The order in which a run shows its images.

    Attributes:
        images: how many there are.
        batch_size: images a step, on all devices together. An epoch has whole batches only; the rest of each shuffle
            is left out, another rest every epoch.
        seed: the run's.

    Raises:
        UserError: there are fewer images than a batch holds.
    """

    images: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= self.images:
            raise UserError(f"--batch-size {self.batch_size}: must be from 1 to the {self.images} training images")

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return self.images // self.batch_size

    def order(self, epoch: int) -> np.ndarray:
        """Returns the rows that an epoch shows, in order; int64 (per_epoch * batch_size,)."""
        shuffled = np.random.default_rng([self.seed, epoch]).permutation(self.images)
        return shuffled[: self.per_epoch * self.batch_size]

    def dataset(self, first: int, last: int, of_epoch: Callable[[int], tuple[np.ndarray, ...]]) -> tf.data.Dataset:
        """Returns the steps from ``first`` to before ``last``.

        Args:
            first: a step, counted over all epochs.
            last: the step after the last.
            of_epoch: an epoch's number to arrays with a row for each entry of its ``order``.

        Returns:
            A finite dataset whose elements are those arrays, cut into batches; what is skipped costs nothing.
        """

        def epochs() -> Iterator[tuple[np.ndarray, ...]]:
            for epoch in range(first // self.per_epoch, -(-last // self.per_epoch)):
                begin = max(first - epoch * self.per_epoch, 0) * self.batch_size
                end = min(last - epoch * self.per_epoch, self.per_epoch) * self.batch_size
                yield tuple(array[begin:end] for array in of_epoch(epoch))

        signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in of_epoch(0))
        rows = untuned(tf.data.Dataset.from_generator(epochs, output_signature=signature))
        return rows.rebatch(self.batch_size, drop_remainder=True)


def on_host(values: np.ndarray, dtype: tf.DType | None = None) -> tf.Tensor:
    """Returns values as a tensor in the memory of the pipeline, not of a GPU; one that is there already as it is."""
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(values, dtype)


def gathered(steps: tf.data.Dataset, labels: np.ndarray, classes: int, values: tf.Tensor) -> tf.data.Dataset:
    """Returns stored values for the steps of a run.

    Args:
        steps: batches of images, as indices into ``labels``, and of rows of ``values``.
        labels: int (images,).
        classes: how many.
        values: (rows, width), from ``on_host``.

    Returns:
        Batches of float32 values (batch, width) and one-hot float32 labels (batch, classes).
    """
    truth = on_host(labels)

    def look_up(images: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(tf.gather(values, rows), tf.float32), tf.one_hot(tf.gather(truth, images), classes)

    return steps.map(look_up, num_parallel_calls=2, deterministic=True)


@dataclasses.dataclass(frozen=True)
class ImageBatches:
    """Training images with the views that are drawn for them, for ``tiny_imagenet_tf.models.preprocess.Views``.

    Attributes:
        split: the images.
        views: how they are shown.
        batch_size: images a step.
        seed: the run's.
        cache: keep the decoded images in memory, 12 KB each, instead of decoding them every epoch.
        targets: what is learned instead of the labels, float32 (images, classes); a teacher's probabilities, say.
        share: which rows of each batch are made here, where other processes make the rest; None for all.
    """

    split: Split
    views: RandomViews
    batch_size: int
    seed: int
    cache: bool = False
    targets: np.ndarray | None = None
    share: slice | None = None

    @functools.cached_property
    def steps(self) -> Steps:
        """Their order."""
        return Steps(len(self.split), self.batch_size, self.seed)

    def of_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns an epoch's rows, int64 (n,), and their views, float32 (n, 7)."""
        rows = self.steps.order(epoch)
        return rows, self.views.table(len(self.split), self.seed, epoch, 1)[rows]

    def dataset(self, first: int, last: int) -> tf.data.Dataset:
        """Returns the batches of some steps; see ``Steps.dataset``.

        Returns:
            A finite dataset of ((uint8 images (batch, 64, 64, 3), float32 views (batch, 7)), one-hot float32 labels
            (batch, classes), or targets; mixed images have mixed labels.
        """
        classes, decoded_images = len(self.split.wnids), self._decoded
        labels = on_host(self.split.labels)
        targets = None if self.targets is None else on_host(self.targets, tf.float32)

        def look_up(rows: tf.Tensor, table: tf.Tensor) -> tuple:
            if self.share:
                rows, table = rows[self.share], table[self.share]
            if decoded_images is None:
                images = decode_all(tf.gather(self.split.jpegs, rows))
            else:
                images = tf.gather(decoded_images, rows)
            truth = tf.one_hot(tf.gather(labels, rows), classes) if targets is None else tf.gather(targets, rows)
            if self.views.mixup:
                weight = table[:, -1:]
                truth = weight * truth + (1 - weight) * tf.reverse(truth, [0])
            return (tf.ensure_shape(images, (None, *_SHAPE)), table), truth

        steps = self.steps.dataset(first, last, self.of_epoch)
        return steps.map(look_up, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    @functools.cached_property
    def _decoded(self) -> tf.Tensor | None:
        return on_host(decoded(self.split)) if self.cache else None
