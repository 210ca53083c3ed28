"""Everything that a GPU should be asked, as JSON files for docs/performance.md; XLA compiles longer than it measures.

Extraction at 299 pixels beside Keras' ``predict``, training steps of the compact Inception at each precision, heads,
and the pipeline that has to keep up with them. Without a GPU it says so and ends.

    python benchmarks/gpu.py --output results/benchmarks/h100
"""

import dataclasses
from pathlib import Path

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import extraction
import head
import pipeline
import search
import training_step

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure on, and where the figures go."""

    source: Path | None = None
    """A tiny-imagenet-200 folder. Without it, 200 made-up images, shown over and over."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    output: Path = Path("gpu")
    """A folder, for a JSON file a benchmark."""


def main(config: Config) -> None:
    """Runs all of them."""
    if not hardware.has_gpu():
        raise UserError(f"there is no GPU here: {hardware.describe_device()}")
    config.output.mkdir(parents=True, exist_ok=True)
    precisions = ("float32", hardware.resolve_precision("auto"))
    images = {"source": config.source, "data_dir": config.data_dir}
    for module, options in (
        (extraction, {"images": 4096, "batch_size": 256, "turns": 3, **images}),
        (training_step, {"precisions": precisions, "steps": 200, "together": 20}),
        (head, {}),
        (search, {"heads": (16, 64), "turns": 2}),
        (pipeline, images),
    ):
        module.measure(module.Config(**options, output=config.output / f"{module.__name__}.json"))


if __name__ == "__main__":
    command(Config, main, __doc__)
