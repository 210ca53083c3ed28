"""Epochs a second of a linear head on stored transfer values: this package's trainer beside Keras' plain ``fit``.

Both train the same head on the same synthetic values, batch 100, and take turns in one process.

    python benchmarks/head.py
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import keras
import numpy as np
from measured import Measurement, take_turns

from tiny_imagenet_tf.data.batches import Steps
from tiny_imagenet_tf.experiments.fit import compile_for_training
from tiny_imagenet_tf.experiments.losses import ADAM_EPSILON, smoothed_cross_entropy
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.transfer.pool import ValueBatches, ValuePool


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure."""

    images: int = 100_000
    """Rows of transfer values."""
    width: int = 2048
    """Values a row."""
    classes: int = 200
    """Scores."""
    batch_size: int = 100
    """Images a step."""
    turns: int = 3
    """Epochs of each; the medians are compared."""
    output: Path | None = None
    """Where to write the figures."""


def made_up(config: Config) -> tuple[np.ndarray, np.ndarray, ValueBatches]:
    """Returns values, labels, and the batches of a run on them."""
    random = np.random.default_rng(0)
    values = random.random((config.images, config.width), dtype=np.float32).astype(np.float16)
    labels = random.integers(config.classes, size=config.images)
    pool = ValuePool.from_views([(values, np.arange(config.images))], labels)
    return values, labels, ValueBatches(pool, Steps(config.images, config.batch_size, seed=0), config.classes)


def compiled(config: Config, steps_per_execution: int) -> keras.Model:
    """Returns a head with vanilla's settings, to be fitted."""
    head = transfer_head(config.width, config.classes, weight_decay=0.0058)
    adam, loss = keras.optimizers.Adam(6.5e-4, epsilon=ADAM_EPSILON), smoothed_cross_entropy(0.1)
    compile_for_training(head, adam, loss, steps_per_execution=steps_per_execution)
    return head


def epoch(config: Config, batches: ValueBatches) -> Callable[[], object]:
    """Returns what trains a head for an epoch, as the recipes do."""
    head, steps = compiled(config, batches.steps_per_execution), batches.steps.per_epoch
    return lambda: head.fit(batches.dataset(0, steps), steps_per_epoch=steps, shuffle=False, verbose=0)


def measure(config: Config) -> Measurement:
    """Prints the epochs a second and their ratio."""
    values, labels, batches = made_up(config)
    plain = compiled(config, 1)
    targets = keras.utils.to_categorical(labels, config.classes)
    inputs = values.astype(np.float32)
    contenders = {
        "Keras fit on arrays": lambda: plain.fit(inputs, targets, batch_size=config.batch_size, verbose=0),
        "head trainer": epoch(config, batches),
    }
    shown = f"{config.images:,} x {config.width} values, batches of {config.batch_size}"
    found = take_turns("head", shown, "epochs", 1, contenders, config.turns)
    found.write(config.output)
    return found


if __name__ == "__main__":
    command(Config, measure, __doc__)
