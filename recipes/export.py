"""Writes a trained network for other runtimes: SavedModel, ONNX and LiteRT, with int8 if asked for.

What is written takes float32 images (batch, 64, 64, 3) with pixels in 0..255 and gives one score per class; the classes
are stored next to it. Each file is read back by its own runtime and compared with Keras on val images: its size, the
largest difference of a probability, and top-1. int8 is LiteRT's: weights and maps in 8 bits, by the range of some
training images. Needs the extra: pip install "tiny_imagenet_tf[export]"

    tiny-imagenet export runs/inception_baseline-20260101-120000 --source tiny-imagenet-200
    tiny-imagenet export best.keras --formats litert --int8 --output phone/
"""

import dataclasses
from pathlib import Path

import tyro

from tiny_imagenet_tf.choices import Format
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.options import NetworkOptions
from tiny_imagenet_tf.runs.files import new_folder, sweep, write_json
from tiny_imagenet_tf.runs.places import check_folder


@dataclasses.dataclass(frozen=True)
class Config(NetworkOptions):
    """What to write."""

    model: tyro.conf.Positional[Path]
    """A run directory, for its best network, or a .keras file of this package."""
    formats: tuple[Format, ...] = ("saved_model", "onnx", "litert")
    """Formats to write."""
    int8: bool = False
    """Write a LiteRT file in int8, too; needs training images."""
    output: Path = Path("exported")
    """A new folder."""
    images: int = 500
    """Val images to compare on."""


def main(config: Config) -> list[dict]:
    from tiny_imagenet_tf.data import splits  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.deployment import exporting, formats
    from tiny_imagenet_tf.evaluation.members import find, images_of
    from tiny_imagenet_tf.evaluation.metrics import near_chance
    from tiny_imagenet_tf.runs import networks
    from tiny_imagenet_tf.runs.networks import Classes

    _check(config)
    chosen = [(each, False) for each in dict.fromkeys(config.formats)] + [("litert", True)] * config.int8
    for format, _ in chosen:
        formats.require(format)
    (member,) = find([config.model], "best", config.pixels, config.labels)
    network = member.network()
    builder = splits.prepare(*images_of([member], config.source, config.data_dir))
    validation = splits.load(builder, "validation")
    own = member.order_of(network, validation)
    if sorted(own) != sorted(validation.wnids):
        raise UserError(
            f"{member.name}: {network.classes} scores for the {len(validation.wnids)} classes of the images"
        )
    subject = exporting.Subject.of(network, validation.take(validation.spread_rows(config.images)), own)
    calibration = splits.load(builder, "train") if config.int8 else None
    print(f"{member.name}: top-1 {subject.top1:.2%} of {len(subject.images)} val images by Keras")
    print(near_chance(subject.top1, len(own)), end="")

    name = member.path.stem if member.run is None else member.run.path.name
    classes = networks.classes_of(member.path) or Classes.of(own, validation.words)
    with new_folder(config.output, "--output") as folder:
        print(f"{'':28}{'MB':>8}{'largest difference':>20}{'top-1':>9}")
        found = []
        for format, int8 in chosen:
            path = folder / f"{name}{'-int8' if int8 else ''}{formats.SUFFIXES[format]}"
            found.append(subject.written(path, format, calibration if int8 else None))
        taken = {"pixels": "0..255", "size": 64, "images": len(subject.images), "files": found}
        write_json(folder / networks.FILE, dataclasses.asdict(classes) | taken)
    print(f"written to {config.output}, with classes.json")
    return found


def _check(config: Config) -> None:
    """Raises UserError where an option makes no sense."""
    if config.images < 1:
        raise UserError(f"--images {config.images}: must be at least 1")
    if not config.formats and not config.int8:
        raise UserError("--formats: name at least one, or give --int8")
    if config.output.exists():
        raise UserError(f"--output {config.output}: already exists; name a new folder")
    check_folder("--output", config.output)
    sweep(config.output.absolute().parent, config.output)


if __name__ == "__main__":
    command(Config, main, __doc__)
