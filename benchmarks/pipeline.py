"""Images a second that reach the network: this package's pipeline beside Keras' own, both augmented.

Here the images lie in memory, as JPEGs or (with --cache in the recipes) decoded, and random views of a batch are one
linear map; there ``image_dataset_from_directory`` reads the files of the official layout, and Keras' layers mirror and
recolour.

    python benchmarks/pipeline.py --output results/benchmarks/avx2/pipeline.json
"""

import dataclasses
import tempfile
from pathlib import Path

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import keras
import numpy as np
import tensorflow as tf
from measured import Measurement, take_turns

from tiny_imagenet_tf.data import splits, synthetic, views
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.models import preprocess


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure."""

    source: Path | None = None
    """A tiny-imagenet-200 folder. Without it, synthetic images."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    steps: int = 200
    """Batches a turn."""
    batch_size: int = 100
    """Images a batch."""
    turns: int = 5
    """Turns of each; the medians are compared."""
    output: Path | None = None
    """Where to write the figures."""


def measure(config: Config) -> Measurement:
    """Prints the rates and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        source, data_dir = config.source, config.data_dir
        if source is None:
            source, data_dir = synthetic.write(Path(folder)), Path(folder) / "data"
        split = splits.load(splits.prepare(source, data_dir), "train")
        found = _measure(config, split, source)
    found.write(config.output)
    return found


def _measure(config: Config, split: splits.Split, source: Path) -> Measurement:
    on_jax, show = keras.backend.backend() == "jax", preprocess.Views(views.MILANI)
    if on_jax:
        import jax

        show = jax.jit(show)  # as the step is of which it is a part

    def ours(cache: bool) -> None:
        batches = made[cache].dataset(0, config.steps)
        for (images, table), _ in batches.as_numpy_iterator() if on_jax else batches:
            shown = show([images, table])
        np.asarray(shown)  # a GPU may still be at work on it

    made = {cache: ImageBatches(split, views.MILANI, config.batch_size, 0, cache) for cache in (False, True)}
    read = keras.utils.image_dataset_from_directory(
        source / "train",
        label_mode="categorical",
        image_size=(64, 64),
        batch_size=config.batch_size,
        seed=0,
        verbose=False,
    )
    layers = [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomBrightness(0.2, value_range=(0, 255)),
        keras.layers.RandomContrast(0.3, value_range=(0, 255)),
    ]

    def augmented(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for layer in layers:
            images = layer(images, training=True)
        return images, labels

    theirs = read.map(augmented, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    plain = read.prefetch(tf.data.AUTOTUNE)

    def through(dataset: tf.data.Dataset) -> None:
        for _ in dataset.repeat().take(config.steps):
            pass

    contenders = {
        "image_dataset_from_directory, augmented": lambda: through(theirs),
        "image_dataset_from_directory alone": lambda: through(plain),
        "from JPEGs in memory, augmented": lambda: ours(False),
        "from decoded images, augmented": lambda: ours(True),
    }
    words = f"batches of {config.batch_size}, {len(split):,} training images"
    return take_turns("pipeline", words, "images", config.steps * config.batch_size, contenders, config.turns)


if __name__ == "__main__":
    command(Config, measure, __doc__)
