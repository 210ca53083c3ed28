"""How fast the compact Inception trains here: images a second at each precision, and the share that data costs.

Steps are timed one by one, after a few that trace and warm up, on made-up images that are decoded (and augmented)
from memory as in a real run. "Waiting" is the share of the time in which the step had no batch to work on.

Time: two minutes. Two cores with AVX512-BF16: 115 images a second in float32 and 149 in bfloat16 on one CPU, 59 and 85
on an older one.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --precisions float32 --augment
"""

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import keras
import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.choices import Precision
from tiny_imagenet_tf.data import splits, synthetic, views
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.experiments.fit import compile_for_training
from tiny_imagenet_tf.experiments.losses import smoothed_cross_entropy
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.models.compact_inception import compact_inception


@dataclasses.dataclass(frozen=True)
class Config:
    """What to time."""

    precisions: tuple[Precision, ...] = ("float32", "auto")
    """Of the arithmetic; auto is what the recipes take on this machine."""
    batch_size: int = 100
    """Images a step."""
    steps: int = 20
    """Steps that are timed."""
    warm_up: int = 3
    """Steps before those."""
    augment: bool = False
    """Mirror images, brightness and contrast, as in "Regularized"."""
    width_multiplier: float = 1.0
    """Factor on the width of every convolution."""


@dataclasses.dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes:
        precision: of the arithmetic.
        images_per_second: at the median step.
        waiting: share of the time without a batch.
    """

    precision: str
    images_per_second: float
    waiting: float


def measure(config: Config, split: splits.Split, precision: Precision) -> Speed:
    """Times training steps at one precision."""
    precision = hardware.resolve_precision(precision)
    hardware.set_seed(0)
    drawn = views.MILANI if config.augment else views.PLAIN
    with hardware.policy(hardware.training_policy(precision)):
        network = compact_inception(width_multiplier=config.width_multiplier)
        model = preprocess.behind_views(preprocess.classifier(network), drawn)
        compile_for_training(model, keras.optimizers.Adam(1e-3), smoothed_cross_entropy(0.1))
    total = config.warm_up + config.steps
    rows = np.arange(total * config.batch_size) % len(split)
    split = dataclasses.replace(split.take(rows), wnids=tuple(map(str, range(200))))
    batches = ImageBatches(split, drawn, config.batch_size, seed=0)
    waits, steps = [], []
    asked = time.perf_counter()
    for images, labels in batches.dataset(0, total):
        got = time.perf_counter()
        model.train_on_batch(list(images), labels)
        done = time.perf_counter()
        waits.append(got - asked)
        steps.append(done - asked)
        asked = done
    waits, steps = waits[config.warm_up :], steps[config.warm_up :]
    return Speed(precision, config.batch_size / statistics.median(steps), sum(waits) / sum(steps))


def main(config: Config) -> list[Speed]:
    with tempfile.TemporaryDirectory() as folder:
        builder = splits.prepare(synthetic.write(Path(folder)), Path(folder) / "datasets")
        split = splits.load(builder, "train")
    print(f"\n{hardware.describe_device()}, batches of {config.batch_size}\n")
    print("| precision | images/s | waiting for data |\n|---|---:|---:|")
    found = []
    for precision in config.precisions:
        found.append(measure(config, split, precision))
        print(f"| {found[-1].precision} | {found[-1].images_per_second:.0f} | {found[-1].waiting:.1%} |", flush=True)
    return found


if __name__ == "__main__":
    command(Config, main, __doc__)
