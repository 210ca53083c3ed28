"""Stored transfer values as the batches of a run (Milani sections 4.1 and 4.2)."""

import dataclasses
from typing import Any

import numpy as np

from tiny_imagenet_tf.data.batches import Steps, gathered, on_host
from tiny_imagenet_tf.experiments.fit import largest_divisor

_MOST_STEPS_PER_EXECUTION = 50  # hides Keras' overhead, which is as long as a step of a linear head


@dataclasses.dataclass(frozen=True)
class ValuePool:
    """The views that an image may be trained on; each epoch shows one of them, drawn at random.

    Attributes:
        values: float16 or float32 (rows, width), all stored views one after the other; a tensor, or each pass over
            them would make one.
        choices: int64 (images, most views): rows of ``values``; short rows repeat their last entry.
        counts: int64 (images,): how many of the choices are real.
        labels: int64 (images,).
    """

    values: Any
    choices: np.ndarray
    counts: np.ndarray
    labels: np.ndarray

    @classmethod
    def from_views(cls, views: list[tuple[np.ndarray, np.ndarray]], labels: np.ndarray) -> "ValuePool":
        """Makes a pool from stored views.

        Args:
            views: for each, the values (n, width) and the images (n,) that they are of, as indices into
                ``labels``; a view may cover some of the images only.
            labels: int (images,).

        Raises:
            ValueError: an image has no view.
        """
        images = np.concatenate([images for _, images in views])
        rows, counts = np.argsort(images, kind="stable"), np.bincount(images, minlength=len(labels))
        if not counts.all():
            raise ValueError(f"{np.count_nonzero(counts == 0)} training images have no transfer values")
        places = np.minimum(np.arange(counts.max()), counts[:, None] - 1)  # short rows repeat their last entry
        choices = rows[(np.cumsum(counts) - counts)[:, None] + places]
        values = views[0][0] if len(views) == 1 else np.concatenate([values for values, _ in views])
        return cls(on_host(values), choices, counts, np.asarray(labels, np.int64))

    def only(self, images: np.ndarray) -> "ValuePool":
        """Returns the pool of the given images."""
        return dataclasses.replace(
            self, choices=self.choices[images], counts=self.counts[images], labels=self.labels[images]
        )


@dataclasses.dataclass(frozen=True)
class ValueBatches:
    """The steps of a run on transfer values.

    Attributes:
        pool: what may be shown.
        steps: the order of the images.
        classes: length of the one-hot labels.
        together: steps between two returns to Python, where they are long; None for the most that divide an epoch.
    """

    pool: ValuePool
    steps: Steps
    classes: int
    together: int | None = None

    @property
    def steps_per_execution(self) -> int:
        """Steps between two returns to Python."""
        return self.together or largest_divisor(self.steps.per_epoch, _MOST_STEPS_PER_EXECUTION)

    def of_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns an epoch's images and, of each, the row of its values that is drawn; int64 (n,) both."""
        pool, images = self.pool, self.steps.order(epoch)
        drawn = np.random.default_rng([self.steps.seed, epoch, 1]).random(len(pool.labels))[images]
        return images, pool.choices[images, (drawn * pool.counts[images]).astype(np.int64)]

    def dataset(self, first: int, last: int) -> Any:
        """Returns the batches of some steps: float32 values (batch, width) and one-hot labels (batch, classes)."""
        steps = self.steps.dataset(first, last, self.of_epoch)
        ahead = 2 if self.together else 2 * _MOST_STEPS_PER_EXECUTION  # of long rows few: in float32 they are gigabytes
        return gathered(steps, self.pool.labels, self.classes, self.pool.values).prefetch(ahead)
