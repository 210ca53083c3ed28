"""How fast the compact Inception trains here: images a second at each precision, and the share that data costs.

The steps are those of a real run, on made-up images that are decoded (and augmented) from memory. "Waiting" is the
share of the time in which the step had no batch to work on.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --precisions float32 bfloat16 --augment
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import keras
import numpy as np
from measured import Measurement, take_turns

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.choices import Arithmetic, Precision
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
    steps: int = 10
    """Steps a turn."""
    turns: int = 3
    """Turns of each; the medians are compared."""
    augment: bool = False
    """Mirror images, brightness and contrast, as in "Regularized"."""
    width_multiplier: float = 1.0
    """Factor on the width of every convolution."""
    output: Path | None = None
    """Where to write the figures."""


def contender(
    config: Config, split: splits.Split, precision: Arithmetic, waited: dict[str, list[float]]
) -> Callable[[], None]:
    """Returns what trains for a turn, and adds to ``waited`` the seconds without a batch and those in all."""
    hardware.set_seed(0)
    drawn = views.MILANI if config.augment else views.PLAIN
    with hardware.policy(hardware.training_policy(precision)):
        network = compact_inception(width_multiplier=config.width_multiplier)
        model = preprocess.behind_views(preprocess.classifier(network), drawn)
        compile_for_training(model, keras.optimizers.Adam(1e-3), smoothed_cross_entropy(0.1))
    rows = np.arange(config.steps * config.batch_size) % len(split)
    shown = dataclasses.replace(split.take(rows), wnids=tuple(map(str, range(200))))
    batches = ImageBatches(shown, drawn, config.batch_size, seed=0)

    def train() -> None:
        began = asked = time.perf_counter()
        waiting = 0.0
        for images, labels in batches.dataset(0, config.steps):
            waiting += time.perf_counter() - asked
            model.train_on_batch(list(images), labels)
            asked = time.perf_counter()
        waited.setdefault(precision, []).append(waiting / (asked - began))

    return train


def measure(config: Config) -> Measurement:
    """Prints images a second, and the share of the time without a batch."""
    with tempfile.TemporaryDirectory() as folder:
        builder = splits.prepare(synthetic.write(Path(folder)), Path(folder) / "datasets")
        split = splits.load(builder, "train")
    waited: dict[str, list[float]] = {}
    precisions = dict.fromkeys(hardware.resolve_precision(each) for each in config.precisions)
    contenders = {each: contender(config, split, each, waited) for each in precisions}
    shown = f"steps of {config.batch_size} images, the compact Inception{', augmented' * config.augment}"
    found = take_turns("training_step", shown, "images", config.steps * config.batch_size, contenders, config.turns)
    for precision, shares in waited.items():
        print(f"{precision}: {min(shares[1:]):.1%} of the time without a batch")
    found.write(config.output)
    return found


if __name__ == "__main__":
    command(Config, measure, __doc__)
