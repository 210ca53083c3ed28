"""Trains a head on stored transfer values (Milani sections 4.1 and 4.2)."""

import dataclasses
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

STEPS_PER_EXECUTION = 50  # hides Keras' overhead, which is as long as a step of a linear head


@dataclasses.dataclass(frozen=True)
class ValuePool:
    """The views that an image may be trained on; each epoch shows one of them, drawn at random.

    Attributes:
        values: float16 or float32 (rows, width), all stored views one after the other.
        choices: int64 (images, most views): rows of ``values``; short rows repeat their last entry.
        counts: int64 (images,): how many of the choices are real.
        labels: int64 (images,).
    """

    values: np.ndarray
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
        rows_of: list[list[int]] = [[] for _ in labels]
        row = 0
        for _, images in views:
            for image in images:
                rows_of[image].append(row)
                row += 1
        counts = np.array([len(rows) for rows in rows_of], np.int64)
        if not counts.all():
            raise ValueError(f"{np.count_nonzero(counts == 0)} training images have no transfer values")
        choices = np.array([rows + rows[-1:] * (counts.max() - len(rows)) for rows in rows_of], np.int64)
        values = views[0][0] if len(views) == 1 else np.concatenate([values for values, _ in views])
        return cls(values, choices, counts, np.asarray(labels, np.int64))

    def only(self, images: np.ndarray) -> "ValuePool":
        """Returns the pool of the given images."""
        return dataclasses.replace(
            self, choices=self.choices[images], counts=self.counts[images], labels=self.labels[images]
        )

    def batches(self, *, batch_size: int, classes: int, seed: int) -> Callable[[int], tf.data.Dataset]:
        """Returns the function from an epoch's number to its batches.

        Each epoch has its own order and its own draw of views, both fixed by ``seed`` and the number.

        Args:
            batch_size: images a batch; the last one may be smaller.
            classes: length of the one-hot labels.
            seed: of order and draws.

        Returns:
            epoch -> dataset of float32 values (batch, width) and one-hot labels (batch, classes).
        """
        values, labels = tf.constant(self.values), tf.constant(self.labels)

        def of_epoch(epoch: int) -> tf.data.Dataset:
            random = np.random.default_rng([seed, epoch])
            images = random.permutation(len(self.labels))
            chosen = (random.random(len(images)) * self.counts[images]).astype(np.int64)
            rows, images = tf.constant(self.choices[images, chosen]), tf.constant(images)

            def look_up(start):
                row, image = (order[start : start + batch_size] for order in (rows, images))
                return tf.cast(tf.gather(values, row), tf.float32), tf.one_hot(tf.gather(labels, image), classes)

            starts = tf.data.Dataset.range(0, len(self.labels), batch_size)
            return starts.map(look_up, num_parallel_calls=2, deterministic=True).prefetch(2 * STEPS_PER_EXECUTION)

        return of_epoch


def compile_for_training(
    model: keras.Model,
    *,
    learning_rate: float,
    decay_per_epoch: float,
    steps_per_epoch: int,
    label_smoothing: float,
    steps_per_execution: int = STEPS_PER_EXECUTION,
) -> None:
    """Compiles with Adam, a learning rate that falls each epoch, and smoothed cross-entropy.

    Args:
        model: ends in scores.
        learning_rate: of the first epoch.
        decay_per_epoch: factor from one epoch to the next.
        steps_per_epoch: batches an epoch.
        label_smoothing: epsilon of Milani's Eq. 1.
        steps_per_execution: steps between two returns to Python.
    """
    schedule = keras.optimizers.schedules.ExponentialDecay(
        learning_rate, decay_steps=steps_per_epoch, decay_rate=decay_per_epoch, staircase=True
    )
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
        jit_compile=False,  # XLA is no faster on a CPU, and MirroredStrategy wants it off
    )


def fit(
    model: keras.Model,
    batches: Callable[[int], tf.data.Dataset],
    *,
    epochs: int,
    measure: Callable[[], dict[str, float]],
    on_rows: Callable[[list[dict]], object] = lambda rows: None,
    verbose: int = 0,
) -> list[dict]:
    """Trains a compiled model epoch by epoch, measures after each, and leaves it at the best.

    Args:
        model: compiled by :func:`compile_for_training`.
        batches: epoch (from 0) to its dataset.
        epochs: how many.
        measure: called after each epoch; its figures join the epoch's row. The row with the largest
            ``selection_accuracy`` is the best, the first of equals.
        on_rows: called after each epoch with the rows so far.
        verbose: Keras' progress bar within an epoch: 0 or 1.

    Returns:
        A row an epoch: ``epoch`` (from 1), ``learning_rate``, ``loss``, ``accuracy`` (mean over the
        minibatches), ``seconds`` and what ``measure`` gave.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    rows: list[dict] = []
    best_weights = None
    for epoch in range(epochs):
        started = time.perf_counter()
        learning_rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        history = model.fit(
            batches(epoch),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=verbose,
        ).history
        row = {
            "epoch": epoch + 1,
            "learning_rate": learning_rate,
            "loss": history["loss"][-1],
            "accuracy": history["accuracy"][-1],
            "seconds": time.perf_counter() - started,
        }
        if not np.isfinite(row["loss"]):
            raise FloatingPointError(f"the loss of epoch {epoch + 1} is {row['loss']}; try a smaller --learning-rate")
        row |= measure()
        rows.append(row)
        on_rows(rows)
        _show(row, epochs)
        if best(rows) is row:
            best_weights = model.get_weights()
    model.set_weights(best_weights)
    return rows


def best(rows: list[dict]) -> dict:
    """Returns the row with the largest ``selection_accuracy``, the first of equals."""
    return max(rows, key=lambda row: row["selection_accuracy"])


def _show(row: dict, epochs: int) -> None:
    print(
        f"epoch {row['epoch']:>2}/{epochs}  loss {row['loss']:.4f}  train {row['accuracy']:6.2%}  "
        f"val {row['val_accuracy']:6.2%} (top-5 {row['val_top5']:6.2%})  {row['seconds']:.1f} s",
        flush=True,
    )
