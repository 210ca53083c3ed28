"""How extraction grows with images, views and processes: from JPEGs to whole stores.

Each process computes on one core, as an actor of a cluster does, and takes from the stores, which they share, the
shards that no other is at work on. MobileNetV3-Large with random weights stands for a backbone.

    python benchmarks/growth_extraction.py
"""

import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import numpy as np
from measured import Measurement, keep_to_core, take_turns

from tiny_imagenet_tf import hardware, progress
from tiny_imagenet_tf.data import splits, synthetic, views
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.transfer.engine import Engine
from tiny_imagenet_tf.transfer.extraction import Extraction


@dataclasses.dataclass(frozen=True)
class Config:
    """What to begin with."""

    images: int = 400
    """Made-up images to begin with."""
    views: int = 5
    """Views of each to begin with, up to five."""
    input_size: int = 96
    """Pixels of the backbone's input."""
    turns: int = 3
    """Turns of each; the medians are compared."""
    output: Path | None = None
    """Where to write the figures."""


def measure(config: Config) -> Measurement:
    """Prints how many times a second all is done, and the ratios to the first."""
    if not 1 <= config.views <= len(views.MILANI_TEN_CROP) // 2:
        raise UserError(f"--views {config.views}: from 1 to 5, which are doubled")
    with tempfile.TemporaryDirectory() as folder, _processes(Path(folder), config.input_size) as (one, two):
        numbers = iter(range(10**6))

        def contender(images: int, shown: int, processes: list[concurrent.futures.Executor]) -> Callable[[], None]:
            def run() -> None:
                root = Path(folder) / f"stores-{next(numbers)}"
                for each in [process.submit(fill, root, images, shown) for process in processes]:
                    each.result()

            return run

        images, shown = config.images, config.views
        contenders = {
            f"{images:,} images, {shown} views": contender(images, shown, [one]),
            f"{2 * images:,} images, {shown} views": contender(2 * images, shown, [one]),
            f"{images:,} images, {2 * shown} views": contender(images, 2 * shown, [one]),
            f"{images:,} images, {2 * shown} views, two processes": contender(images, 2 * shown, [one, two]),
        }
        words = f"stores of MobileNetV3-Large at {config.input_size} pixels, a core a process"
        found = take_turns("growth_extraction", words, "times", 1, contenders, config.turns)
    found.write(config.output)
    return found


@contextlib.contextmanager
def _processes(folder: Path, input_size: int) -> Iterator[list[concurrent.futures.Executor]]:
    """Starts two processes, on a core each where there are two."""
    source = synthetic.write(folder)
    splits.prepare(source, folder / "data")
    with contextlib.ExitStack() as started:
        yield [
            started.enter_context(
                concurrent.futures.ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), begin, (source, folder / "data", input_size, number)
                )
            )
            for number in range(2)
        ]


_extraction: Callable[[Path], Extraction]
_train: splits.Split


def begin(source: Path, data_dir: Path, input_size: int, number: int) -> None:
    """Makes a process ready: on its core, with its backbone and the images."""
    global _extraction, _train
    keep_to_core(number)
    hardware.keep_to(1)
    progress.silence()
    trunk = backbones.build(backbones.find("mobilenet_v3_large"), "random", input_size=input_size)
    engine = Engine(trunk, "float32")
    _train, _extraction = splits.load(splits.prepare(source, data_dir), "train"), lambda root: Extraction(engine, root)


def fill(root: Path, images: int, shown: int) -> None:
    """Fills the stores of some images, which come again where there are fewer, and views: each view is a shard."""
    split = _train.take(np.arange(images) % len(_train))
    _extraction(root).fill(split, views.MILANI_TEN_CROP[:shown])


if __name__ == "__main__":
    command(Config, measure, __doc__)
