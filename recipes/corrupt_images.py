"""Makes Tiny-ImageNet-C of the val images at hand: corruptions of five severities each, for robustness.

Fourteen of the fifteen corruptions of Hendrycks and Dietterich (2019), with their constants for 64x64 pixels; frost is
left out, which takes photographs. Their published set is of other pictures of the same 200 classes, larger ones of
ImageNet's val that were made smaller. Groups that are there already are kept: the same command goes on where it was
stopped. Needs the extra: pip install "tiny_imagenet_tf[corrupt]"

Time: 2 minutes a corruption and severity for 10,000 images on a CPU core; glass_blur takes ten. Room: 2 KB an image.

    tiny-imagenet corrupt --output corrupted --fraction 0.1
    tiny-imagenet evaluate --corrupted corrupted --fraction 0.1
    tiny-imagenet corrupt --output corrupted --corruptions fog snow --severities 3
"""

import dataclasses
import importlib.util
from pathlib import Path

from tiny_imagenet_tf import progress
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import check_folder


@dataclasses.dataclass(frozen=True)
class Config:
    """Which corruptions, of which images."""

    output: Path = Path("corrupted")
    """A new folder, or one that this command has begun."""
    corruptions: tuple[str, ...] = ()
    """Some of them. Default: all fourteen."""
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Some of the five."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Default: the official archive, which is downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    fraction: float = 1.0
    """Share of each class to use."""
    seed: int = 0
    """Of what is random in each image."""


def main(config: Config) -> None:
    if not importlib.util.find_spec("scipy"):
        raise UserError('corruptions need the extra: pip install "tiny_imagenet_tf[corrupt]"')
    from tiny_imagenet_tf.data import corruptions, splits, tiny_imagenet_c  # TensorFlow is loaded when it runs

    known = corruptions.CORRUPTIONS
    if odd := [each for each in config.corruptions if each not in known]:
        raise UserError(f"--corruptions {' '.join(odd)}: there are {', '.join(known)}")
    if odd := [each for each in config.severities if each not in corruptions.SEVERITIES]:
        raise UserError(f"--severities {' '.join(map(str, odd))}: they go from 1 to 5")
    splits.check_fraction(config.fraction)
    check_folder("--output", config.output)
    split = splits.load(splits.prepare(config.source, config.data_dir), "validation").fraction(config.fraction)
    tiny_imagenet_c.claim(config.output, split, config.seed)
    groups = [(each, severity) for each in config.corruptions or known for severity in sorted({*config.severities})]
    groups = [(each, severity) for each, severity in groups if not (config.output / each / str(severity)).exists()]
    with progress.bar("corrupted", len(groups) * len(split)) as bar:
        for name, severity in groups:

            def corrupt(image, file, name=name, severity=severity):
                return corruptions.corrupt(image, name, severity, corruptions.rng_of(config.seed, name, severity, file))

            tiny_imagenet_c.write(config.output, name, severity, split, corrupt, bar.update)
    print(f"{config.output}: {len(groups)} groups of {len(split):,} images written; next:")
    share = "" if config.fraction == 1 else f" --fraction {config.fraction:g}"
    print(f"  tiny-imagenet evaluate --corrupted {config.output}{share}")


if __name__ == "__main__":
    command(Config, main, __doc__)
