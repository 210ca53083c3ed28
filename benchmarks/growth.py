"""How a head's epoch grows with images, classes and values an image, one doubled or more at a time.

Made-up values, batch 100; the contenders take turns in one process. What costs a pass through the backbone (images,
views, pixels) grows as that does: see extraction.py.

    python benchmarks/growth.py
"""

import dataclasses

import head
from measured import Measurement, take_turns

from tiny_imagenet_tf.cli import command


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
    contenders = {}
    for each in sizes:
        *_, batches = head.made_up(each)
        contenders[f"{each.images:,} x {each.width:,}, {each.classes:,} classes"] = head.epoch(each, batches)
    found = take_turns("growth", "values x their number, batches of 100", "epochs", 1, contenders, config.turns)
    found.write(config.output)
    return found


if __name__ == "__main__":
    command(Config, measure, __doc__)
