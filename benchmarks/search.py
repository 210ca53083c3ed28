"""What many heads together cost, beside one: seconds an epoch of the search's batched product and of a single head.

Both train on the same synthetic values, batch 100, and take turns in one process. What bounds the heads is printed too:
their arithmetic, and the bytes of weights and moments that Adam moves each step.

    python benchmarks/search.py
    python benchmarks/search.py --heads 1 4 16 64 --images 20000
"""

import dataclasses
import statistics

import head
from measured import Measurement, take_turns

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.search.heads import Heads, Setting


@dataclasses.dataclass(frozen=True)
class Config(head.Config):
    """What to measure."""

    heads: tuple[int, ...] = (4, 8, 16, 64)
    """How many are trained together."""


def measure(config: Config) -> Measurement:
    """Prints seconds an epoch, in all and a head, and their ratio to a single head's."""
    _, _, batches = head.made_up(config)
    steps = batches.steps.per_epoch
    contenders = {1: head.epoch(config, batches)}
    for count in config.heads:
        settings = [Setting(6.5e-4 * (1 + number / count), 0.713, 0.0116) for number in range(count)]
        heads = Heads(settings, config.width, config.classes, steps_per_execution=batches.steps_per_execution)
        contenders[count] = lambda heads=heads: heads.fit_epoch(batches)
    named = {f"{count} head{'s' * (count > 1)}": run for count, run in contenders.items()}
    shown = f"{config.images:,} x {config.width} values, batches of {config.batch_size}"
    found = take_turns("search", shown, "epochs", 1, named, config.turns)
    print(f"{'heads':>6}{'s an epoch':>12}{'s a head':>10}{'GFLOP/s':>9}{'GB/s of Adam':>14}")
    weights = config.width * config.classes
    for count, rates in zip(contenders, found.rates.values(), strict=True):
        median = 1 / statistics.median(rates)
        flops = 4 * config.batch_size * weights * count * steps / median / 1e9  # forth, and the kernel's gradient
        moved = 7 * 4 * weights * count * steps / median / 1e9  # gradient, weight, two moments in; three out
        print(f"{count:6}{median:12.2f}{median / count:10.2f}{flops:9.0f}{moved:14.1f}")
    found.write(config.output)
    return found


if __name__ == "__main__":
    command(Config, measure, __doc__)
