"""Writes a trained network for other runtimes: SavedModel, ONNX and LiteRT, with int8 if asked for.

What is written takes float32 images (batch, 64, 64, 3) with pixels in 0..255 and gives one score per class; the classes
are stored next to it. Each file is read back by its own runtime and compared with Keras on val images: its size, the
largest difference of a probability, and top-1. int8 is LiteRT's: weights and maps in 8 bits, by the range of some
training images. Needs the extra: pip install "tiny_imagenet_tf[export]"

    tiny-imagenet export runs/inception_baseline-20260101-120000 --source tiny-imagenet-200
    tiny-imagenet export best.keras --formats litert --int8 --output phone/
"""

import dataclasses
import errno
import shutil
from pathlib import Path
from typing import Literal

import tyro

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.options import NetworkOptions
from tiny_imagenet_tf.runs.files import check_folder, part_of, sweep, write_json, writing

CALIBRATION_IMAGES = 100
MUCH = 0.1  # of accuracy, that a format loses


@dataclasses.dataclass(frozen=True)
class Config(NetworkOptions):
    """What to write."""

    model: tyro.conf.Positional[Path]
    """A run directory, for its best network, or a .keras file of this package."""
    formats: tuple[Literal["saved_model", "onnx", "litert"], ...] = ("saved_model", "onnx", "litert")
    """Some of the three."""
    int8: bool = False
    """Write a LiteRT file in int8, too; needs training images."""
    output: Path = Path("exported")
    """A new folder."""
    images: int = 500
    """Val images to compare on."""


def main(config: Config) -> list[dict]:
    import numpy as np

    from tiny_imagenet_tf.data import splits  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.data.batches import decoded
    from tiny_imagenet_tf.data.labels import columns
    from tiny_imagenet_tf.deployment import formats
    from tiny_imagenet_tf.evaluation.members import find, images_of
    from tiny_imagenet_tf.evaluation.metrics import near_chance, softmax, top_k_accuracy
    from tiny_imagenet_tf.evaluation.predict import are_probabilities, as_scores
    from tiny_imagenet_tf.models import preprocess
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
    rows, places = validation.spread_rows(config.images), columns(own, validation.wnids)
    images, labels = decoded(validation.take(rows)).astype(np.float32), places[validation.labels[rows]]
    classifier = formats.in_float32(network.classifier)  # one that learned in bfloat16 computes in it
    model = preprocess.deployed(classifier, network.views()[0], network.resize, ranges=False)
    answers = model.predict(images, verbose=0)
    probable = are_probabilities(answers)
    expected = softmax(as_scores(answers, probable))
    calibration = None
    if config.int8:
        train = splits.load(builder, "train")
        calibration = decoded(train.take(train.spread_rows(CALIBRATION_IMAGES))).astype(np.float32)

    name = member.path.stem if member.run is None else member.run.path.name
    classes = networks.classes_of(member.path) or Classes.of(own, validation.words)
    top1 = top_k_accuracy(expected, labels)
    print(f"{member.name}: top-1 {top1:.2%} of {len(rows)} val images by Keras")
    print(near_chance(top1, len(own)), end="")

    def compared(path: Path, format: str, int8: bool) -> dict:
        """Writes a file, reads it back and measures it."""
        formats.write(model, path, format, calibration if int8 else None)
        run = formats.read(path, format)
        answers = np.concatenate([run(images[n : n + 50]) for n in range(0, len(images), 50)])
        answers = softmax(as_scores(answers, probable))
        row = {
            "file": path.name,
            "format": f"{format}, int8" if int8 else format,
            "bytes": formats.size_of(path),
            "largest_difference": float(np.abs(answers - expected).max()),
            "top1": top_k_accuracy(answers, labels),
        }
        print(f"{row['format']:28}{row['bytes'] / 1e6:8.1f}{row['largest_difference']:20.1e}{row['top1']:9.2%}")
        if row["top1"] < top1 - MUCH:
            print(f"  far below Keras: do not use {path.name} for this network")
        return row

    part, found = part_of(config.output), []
    with writing(part):
        part.mkdir(parents=True)
    try:
        print(f"{'':28}{'MB':>8}{'largest difference':>20}{'top-1':>9}")
        for format, int8 in chosen:
            path = part / f"{name}{'-int8' if int8 else ''}{formats.SUFFIXES[format]}"
            found.append(compared(path, format, int8))
        taken = {"pixels": "0..255", "size": 64, "images": len(rows), "files": found}
        write_json(part / networks.FILE, dataclasses.asdict(classes) | taken)
        try:
            part.rename(config.output)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            raise UserError(f"--output {config.output}: another process has made it meanwhile") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print(f"written to {config.output}, with classes.json")
    return found


def _check(config: Config) -> None:
    """Raises UserError where an option makes no sense."""
    if config.images < 1:
        raise UserError(f"--images {config.images}: must be at least 1")
    if not config.formats and not config.int8:
        raise UserError("--formats: name one at least, or --int8")
    if config.output.exists():
        raise UserError(f"--output {config.output}: is there already; name a new folder")
    check_folder("--output", config.output)
    sweep(config.output.absolute().parent, config.output)


if __name__ == "__main__":
    command(Config, main, __doc__)
