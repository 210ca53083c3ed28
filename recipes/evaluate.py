"""Evaluates a saved network on any split: one crop, the centre crop, both mirror images, or ten.

One crop is the whole 64x64 image (Milani section 3), the centre crop is Le & Yang's 56x56 (section 5.2.2), ten crops
are summed as probabilities (Milani section 4.2 and Eq. 2). A crop that is not of the network's size is resized
bilinearly. Test has no labels: for it the predictions are written in the challenge's format.

Time: half a minute for 10,000 images and one crop of the compact Inception on 2 CPU cores; a crop of Inception-v3
takes ten minutes there.

    python recipes/evaluate.py
    python recipes/evaluate.py runs/inception_baseline-20260101-120000
    python recipes/evaluate.py runs/convnets-20260101-120000 --crops ten
    python recipes/evaluate.py runs/transfer_v2-20260101-120000 --crops whole
    python recipes/evaluate.py runs/transfer_v2-20260101-120000 --corrupted Tiny-ImageNet-C
    python recipes/evaluate.py resnet50.keras --pixels caffe --labels imagenet1k
    python recipes/evaluate.py model.keras --split test --output predictions-test.txt
"""

import dataclasses
from pathlib import Path
from typing import Literal

import tyro

from tiny_imagenet_tf import progress
from tiny_imagenet_tf.choices import Crops
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.options import NetworkOptions
from tiny_imagenet_tf.runs.files import replacing
from tiny_imagenet_tf.runs.places import check_output
from tiny_imagenet_tf.runs.run import prediction_lines


@dataclasses.dataclass(frozen=True)
class Config(NetworkOptions):
    """What to evaluate, and on what."""

    model: tyro.conf.Positional[Path | None] = None
    """A .keras file, or a run directory for its best snapshot. Default: the network that comes with the package."""
    split: Literal["train", "validation", "test"] = "validation"
    """Which images to evaluate on."""
    crops: Crops | None = None
    """How each image is shown at test time; mirror adds its mirror image. Default: as the transfer run did, otherwise
    as the network's paper did: whole for networks of whole images, center for those of crops."""
    corrupted: Path | None = None
    """A folder of Tiny-ImageNet-C, as its authors publish it or the command corrupt makes it: the error under each
    corruption and severity, beside that of val."""
    output: Path | None = None
    """Where to write one line per image, "val_0.JPEG n01443537"."""
    fraction: float = 1.0
    """Share of each class to use."""


def main(config: Config) -> dict[str, float]:
    from tiny_imagenet_tf.data import splits, tiny_imagenet_c  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.evaluation.members import find, images_of
    from tiny_imagenet_tf.evaluation.metrics import near_chance, top_k_accuracy
    from tiny_imagenet_tf.models import packaged

    if config.split == "test" and config.output is None:
        raise UserError("--split test: test images have no labels; give --output PATH to write the predictions")
    if config.corrupted is not None and (config.split != "validation" or config.output is not None):
        raise UserError("--corrupted measures val and its corruptions; leave out --split and --output")
    kinds = tiny_imagenet_c.groups(config.corrupted) if config.corrupted else []
    splits.check_fraction(config.fraction)
    model = config.model or packaged.FILE
    (member,) = find([model], "best", config.pixels, config.labels)
    source, data_dir = images_of([member], config.source, config.data_dir)
    labels = Path(config.labels) if config.labels else None
    read = (model, member.run and member.run.path, source, splits.root_of(data_dir), config.corrupted, labels)
    check_output("--output", config.output, [path for path in read if path is not None])
    network = member.network() if member.path else None  # what is wrong with it is told before images are prepared
    split = splits.load(splits.prepare(source, data_dir), config.split).fraction(config.fraction)
    tiny_imagenet_c.check_same(config.corrupted, kinds)
    share = 1.0 if kinds and tiny_imagenet_c.check_made(config.corrupted, split) else config.fraction
    probabilities = member.probabilities(split, config.crops, network=network)
    figures = {}
    if config.split != "test":
        figures = {f"top-{k}": top_k_accuracy(probabilities, split.labels, k) for k in (1, 5)}
        print(f"{member.name}: {len(split):,} {split.name} images", *(f"{k} {v:.2%}" for k, v in figures.items()))
        print(near_chance(figures["top-1"], len(split.wnids)), end="")
    errors = {}
    for kind in progress.bar("corruptions", len(kinds), unit="groups", over=kinds):
        images = tiny_imagenet_c.read(config.corrupted, *kind, split, share)
        errors[kind] = 1 - top_k_accuracy(member.probabilities(images, config.crops, network=network), images.labels)
    if errors:
        print(*tiny_imagenet_c.table(errors, 1 - figures["top-1"]), sep="\n")
        figures |= {f"{name} {severity}": error for (name, severity), error in errors.items()}
    if config.output is not None:
        with replacing(config.output) as file:
            file.write(prediction_lines(split.file_names, probabilities.argmax(axis=1), split.wnids).encode())
        print(f"wrote {config.output}")
    return figures


if __name__ == "__main__":
    command(Config, main, __doc__)
