"""Makes Tiny-ImageNet-C of the val images: corruptions of five severities each, for robustness.

Fourteen of the fifteen corruptions of Hendrycks and Dietterich (2019), with their constants for 64x64 pixels; frost,
which needs photographs, is left out. Their published set shows other pictures of the same 200 classes, scaled down from
ImageNet's val. Groups that already exist are kept: the same command continues where it was stopped. Needs the extra:
pip install "tiny_imagenet_tf[corrupt]"

Time: one or two minutes a corruption and severity for 10,000 images on a CPU core, zoom_blur and glass_blur five. Room:
2 KB an image.

    tiny-imagenet corrupt --output corrupted --fraction 0.1
    tiny-imagenet evaluate --corrupted corrupted --fraction 0.1
    tiny-imagenet corrupt --output weather --corruptions fog snow --severities 3
"""

import dataclasses
import functools
import itertools
import shlex
from pathlib import Path

from tiny_imagenet_tf import extras, progress
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.places import check_folder


@dataclasses.dataclass(frozen=True)
class Config:
    """Which corruptions, of which images."""

    output: Path = Path("corrupted")
    """A new folder, or one that this command has begun."""
    corruptions: tuple[str, ...] = ()
    """Corruptions to make. Default: all fourteen."""
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Severities to make, of the five."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Default: the official archive, which is downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    fraction: float = 1.0
    """Share of each class to use."""
    seed: int = 0
    """Seed of what is random in each image."""


def main(config: Config) -> None:
    extras.require("corruptions", "corrupt")
    from tiny_imagenet_tf.data import corruptions, splits, tiny_imagenet_c  # TensorFlow is loaded when it runs

    known = corruptions.CORRUPTIONS
    if odd := [each for each in config.corruptions if each not in known]:
        raise UserError(f"--corruptions {' '.join(odd)}: unknown; choose from {', '.join(known)}")
    if not config.severities:
        raise UserError("--severities: name at least one")
    if odd := [each for each in config.severities if each not in corruptions.SEVERITIES]:
        raise UserError(f"--severities {' '.join(map(str, odd))}: they go from 1 to 5")
    if not 0 <= config.seed < 2**32:
        raise UserError(f"--seed {config.seed}: from 0 to {2**32 - 1}")
    splits.check_fraction(config.fraction)
    check_folder("--output", config.output)
    split = splits.load(splits.prepare(config.source, config.data_dir), "validation").fraction(config.fraction)
    wanted = itertools.product(sorted({*(config.corruptions or known)}), sorted({*config.severities}))
    with tiny_imagenet_c.claimed(config.output, split, config.seed):
        groups = [(name, severity) for name, severity in wanted if not (config.output / name / str(severity)).exists()]
        with progress.bar("corrupted", len(groups) * len(split)) as bar:
            for group in groups:
                corrupt = functools.partial(corruptions.corrupted, config.seed, *group)
                tiny_imagenet_c.write(config.output, *group, split, corrupt, bar.update)
    print(f"{config.output}: {len(groups)} groups of {len(split):,} images written; next:")
    images = {"source": config.source, "data-dir": config.data_dir}
    words = ["--corrupted", str(config.output)]
    words += [word for name, value in images.items() if value for word in (f"--{name}", str(value))]
    words += ["--fraction", f"{config.fraction:g}"] * (config.fraction != 1)
    print(f"  tiny-imagenet evaluate RUN {shlex.join(words)}")


if __name__ == "__main__":
    command(Config, main, __doc__)
