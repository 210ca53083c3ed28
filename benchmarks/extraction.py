"""Images a second through the frozen trunk: this package's engines beside Keras' ``predict``, decoding and resizing
included.

All read the same files through the same pipeline and take turns in one process, so that a busy machine slows all.
The ratios are what counts.

    python benchmarks/extraction.py                                             # made-up images, random weights
    python benchmarks/extraction.py --source tiny-imagenet-200 --images 400
"""

import dataclasses
import functools
import importlib.util
import statistics
import tempfile
import time
from pathlib import Path

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import keras

from tiny_imagenet_tf.choices import Precision
from tiny_imagenet_tf.data import splits, synthetic, views
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.hardware import describe_device, has_gpu, resolve_precision
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.models.preprocess import scaled
from tiny_imagenet_tf.transfer import engine


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure."""

    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Without it, made-up images."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    backbone: str = "inception_v3"
    """A network of keras.applications, or a .keras file."""
    weights: str = "random"
    """Of the trunk; they do not change the speed."""
    images: int = 200
    """Images a turn."""
    turns: int = 5
    """Turns of each; the medians are compared."""
    batch_size: int = 50
    """Of Keras' predict; the engine chooses its own."""
    input_size: int | None = None
    """Pixels; default: the backbone's own."""
    precision: Precision = "auto"
    """Of the engine."""


def measure(config: Config) -> None:
    """Prints all rates, and their ratios to Keras' ``predict``."""
    with tempfile.TemporaryDirectory() as folder:
        if config.source is None:
            source, data_dir = synthetic.write(Path(folder)), Path(folder) / "data"
        else:
            source, data_dir = config.source, config.data_dir
        split = splits.load(splits.prepare(source, data_dir), "train")
        _measure(config, split.take(range(min(config.images, len(split)))), Path(folder))


def _measure(config: Config, split: splits.Split, folder: Path) -> None:
    precision = resolve_precision(config.precision)
    options = {"weights": config.weights, "input_size": config.input_size}
    plain = backbones.build(backbones.find(config.backbone), **options)
    fast = backbones.build(backbones.find(config.backbone), **options, dtype=engine.trunk_dtype(precision))
    engines = {f"TensorFlow engine, {precision}": engine.Engine(fast, precision)}
    if importlib.util.find_spec("openvino") and not has_gpu():
        for each in (precision, "int8"):
            ready = engine.Engine(plain, each).under_openvino(split, folder)
            engines[f"OpenVINO engine, {each}"] = ready
    table = views.WHOLE.table(len(split))
    images = keras.Input((64, 64, 3), dtype="uint8")
    pixels = keras.layers.Resizing(plain.size, plain.size, dtype="float32")(images)
    whole = keras.Model(images, plain.model(scaled(pixels, plain.backbone.pixels), training=False))

    def pass_through(extract: engine.Extractor) -> None:
        for batch in in_order(split, engine.batch_size()):
            extract(batch, table[: len(batch)])

    contenders = {"Keras predict, float32": lambda: whole.predict(in_order(split, config.batch_size), verbose=0)}
    for name, each in engines.items():
        contenders[name] = functools.partial(pass_through, each.extractor(views.WHOLE))
    for run in contenders.values():
        run()  # tracing and first allocations
    rates = {name: [] for name in contenders}
    for turn in range(config.turns):
        for name, run in contenders.items():
            started = time.perf_counter()
            run()
            rates[name].append(len(split) / (time.perf_counter() - started))
        print(f"turn {turn + 1}: " + ", ".join(f"{name} {rate[-1]:.1f} images/s" for name, rate in rates.items()))
    (_, reference), *_ = rates.items()
    print(f"\n{describe_device()}, {len(split)} images at {plain.size} pixels, decoded and resized")
    print(f"{'':30}{'images/s':>9}{'ratio':>7}   turn by turn")
    for name, rate in rates.items():
        ratios = sorted(e / k for e, k in zip(rate, reference, strict=True))
        median, ratio = statistics.median(rate), statistics.median(ratios)
        print(f"{name:30}{median:9.1f}{ratio:7.2f}   {ratios[0]:.2f} to {ratios[-1]:.2f}")


if __name__ == "__main__":
    command(Config, measure, __doc__)
