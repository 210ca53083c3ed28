"""What a GPU should be asked, meant for five minutes, as JSON files for docs/performance.md.

Training steps of the compact Inception at each precision, extraction at 299 pixels beside Keras' ``predict``, heads,
and the pipeline that has to keep up with them; what tells most comes first. XLA compiles longer than it measures, so
what would begin after ``--seconds`` is left out. One that fails costs its own figures alone. Without a GPU it says so
and ends.

    python benchmarks/gpu.py --output results/benchmarks/h100
"""

import dataclasses
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import extraction
import head
import keras
import pipeline
import search
import training_step

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure on, and where the figures go."""

    source: Path | None = None
    """A tiny-imagenet-200 folder. Without it, 200 synthetic images, shown over and over."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    seconds: float = 180
    """After which no further benchmark begins."""
    output: Path = Path("gpu")
    """A folder, for a JSON file a benchmark."""


def asked(config: Config) -> Iterator[tuple[str, ModuleType, dict[str, Any]]]:
    """Gives the benchmarks: the name of a file, the module, its options."""
    images = {"source": config.source, "data_dir": config.data_dir}
    half = {"precisions": (hardware.resolve_precision("auto"),), "steps": 200, "together": 20}
    yield "training_step", training_step, half
    yield "extraction", extraction, {"images": 4096, "batch_size": 256, "turns": 3, **images}
    yield "head", head, {}
    yield "pipeline", pipeline, {"turns": 3, **images}
    yield "search", search, {"images": 20_000, "heads": (16, 64), "turns": 2}
    yield "training_step_float32", training_step, half | {"precisions": ("float32",)}


def main(config: Config) -> None:
    """Runs all of them.

    Raises:
        UserError: there is no GPU, or not all could be measured.
    """
    hardware.share_gpus()  # before it is asked which there are: PyTorch, if installed, needs some of the memory
    if not hardware.has_gpu():
        raise UserError(f"there is no GPU here: {hardware.describe_device()}")
    config.output.mkdir(parents=True, exist_ok=True)
    backend = "" if keras.backend.backend() == "tensorflow" else f"_{keras.backend.backend()}"
    began, missing = time.monotonic(), []
    for name, module, options in asked(config):
        if time.monotonic() - began > config.seconds:
            missing.append(f"{name}: no time left")
            continue
        try:
            module.measure(module.Config(**options, output=config.output / f"{name}{backend}.json"))
        except Exception as error:  # whatever it is, the others are worth having
            traceback.print_exc()
            missing.append(f"{name}: {error}")
    if missing:
        raise UserError(f"not measured: {'; '.join(missing)}")


if __name__ == "__main__":
    command(Config, main, __doc__)
