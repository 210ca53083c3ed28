"""How a head's epoch grows with images, classes and values an image, one doubled or more at a time.

Made-up values, batch 100; the contenders take turns in one process. What costs a pass through the backbone (images,
views, pixels) grows as that does: see extraction.py.

    python benchmarks/growth.py
"""

import dataclasses
from collections.abc import Callable

import head
import keras
from measured import Measurement, take_turns

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.experiments.fit import compile_for_training
from tiny_imagenet_tf.experiments.losses import smoothed_cross_entropy
from tiny_imagenet_tf.models.heads import transfer_head


@dataclasses.dataclass(frozen=True)
class Config(head.Config):
    """What to begin with, and by how much each grows."""

    images: int = 5_000
    """Rows of transfer values to begin with."""
    factors: tuple[int, ...] = (2, 4)
    """By which images, classes and width grow, each alone."""


def measure(config: Config) -> Measurement:
    """Prints the epochs a second of each size, and their ratio to the first."""
    sizes = [config]
    for name in ("images", "classes", "width"):
        sizes += [dataclasses.replace(config, **{name: getattr(config, name) * factor}) for factor in config.factors]
    contenders = {f"{each.images:,} x {each.width:,}, {each.classes:,} classes": epoch(each) for each in sizes}
    found = take_turns("growth", "values x their number, batches of 100", "epochs", 1, contenders, config.turns)
    found.write(config.output)
    return found


def epoch(config: Config) -> Callable[[], object]:
    """Returns what trains a head for an epoch."""
    *_, batches = head.made_up(config)
    model, steps = transfer_head(config.width, config.classes, weight_decay=0.0058), batches.steps.per_epoch
    adam, loss = keras.optimizers.Adam(6.5e-4), smoothed_cross_entropy(0.1)
    compile_for_training(model, adam, loss, steps_per_execution=batches.steps_per_execution)
    return lambda: model.fit(batches.dataset(0, steps), steps_per_epoch=steps, shuffle=False, verbose=0)


if __name__ == "__main__":
    command(Config, measure, __doc__)
