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
from tiny_imagenet_tf.hardware import describe_device
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.transfer import pool


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


def measure(config: Config) -> None:
    """Prints the seconds an epoch and the ratio."""
    random = np.random.default_rng(0)
    values = random.random((config.images, config.width), dtype=np.float32).astype(np.float16)
    labels = random.integers(config.classes, size=config.images)
    steps = -(-config.images // config.batch_size)

    def compiled(**options):
        head = transfer_head(config.width, config.classes, weight_decay=0.0058)
        pool.compile_for_training(
            head, learning_rate=6.5e-4, decay_per_epoch=0.713, steps_per_epoch=steps, label_smoothing=0.1, **options
        )
        return head

    plain, ours = compiled(steps_per_execution=1), compiled()
    targets = keras.utils.to_categorical(labels, config.classes)
    inputs = values.astype(np.float32)
    values_pool = pool.ValuePool.from_views([(values, np.arange(config.images))], labels)
    batches = values_pool.batches(batch_size=config.batch_size, classes=config.classes, seed=0)
    contenders = {
        "Keras fit on arrays": lambda turn: plain.fit(inputs, targets, batch_size=config.batch_size, verbose=0),
        "head trainer": lambda turn: ours.fit(batches(turn), shuffle=False, verbose=0),
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
