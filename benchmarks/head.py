"""Epochs a second of a linear head on stored transfer values: this package's trainer beside Keras' plain ``fit``.

Both train the same head on the same made-up values, batch 100, and take turns in one process.

    python benchmarks/head.py
"""

import dataclasses
import statistics
import time

import keras
import numpy as np

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.data.batches import Steps
from tiny_imagenet_tf.experiments.fit import compile_for_training
from tiny_imagenet_tf.experiments.losses import smoothed_cross_entropy
from tiny_imagenet_tf.hardware import describe_device
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


def made_up(config: Config) -> tuple[np.ndarray, np.ndarray, ValueBatches]:
    """Returns values, labels, and the batches of a run on them."""
    random = np.random.default_rng(0)
    values = random.random((config.images, config.width), dtype=np.float32).astype(np.float16)
    labels = random.integers(config.classes, size=config.images)
    pool = ValuePool.from_views([(values, np.arange(config.images))], labels)
    return values, labels, ValueBatches(pool, Steps(config.images, config.batch_size, seed=0), config.classes)


def measure(config: Config) -> None:
    """Prints the seconds an epoch and the ratio."""
    values, labels, batches = made_up(config)

    def compiled(steps_per_execution):
        head = transfer_head(config.width, config.classes, weight_decay=0.0058)
        loss = smoothed_cross_entropy(0.1)
        compile_for_training(head, keras.optimizers.Adam(6.5e-4), loss, steps_per_execution=steps_per_execution)
        return head

    plain, ours = compiled(1), compiled(batches.steps_per_execution)
    targets = keras.utils.to_categorical(labels, config.classes)
    inputs = values.astype(np.float32)
    epoch = batches.steps.per_epoch
    contenders = {
        "Keras fit on arrays": lambda turn: plain.fit(inputs, targets, batch_size=config.batch_size, verbose=0),
        "head trainer": lambda turn: ours.fit(
            batches.dataset(turn * epoch, (turn + 1) * epoch), steps_per_epoch=epoch, shuffle=False, verbose=0
        ),
    }
    for run in contenders.values():
        run(0)
    seconds = {name: [] for name in contenders}
    for turn in range(config.turns):
        for name, run in contenders.items():
            started = time.perf_counter()
            run(turn + 1)
            seconds[name].append(time.perf_counter() - started)
    print(f"{describe_device()}, {config.images:,} x {config.width} values, batch {config.batch_size}")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:22}{median:7.2f} s an epoch, {1 / median:.2f} epochs/s, {10 * median:.0f} s for ten epochs")
    first, second = (statistics.median(times) for times in seconds.values())
    print(f"ratio{first / second:24.2f}")


if __name__ == "__main__":
    command(Config, measure, __doc__)
