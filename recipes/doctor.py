"""Looks at the machine, the data and a model, and says in words what is wrong.

The machine: versions, devices, precision, room on the disk. The data: whether the tree is whole, or what is wrong with
it; whether the prepared records are still what was verified. A model: its accuracy on a few hundred val images, read as
the options say; if another pixel range, channel order, class order, or batch normalization by the batch gives much
more, that is what was wrong.

    tiny-imagenet doctor
    tiny-imagenet doctor --source tiny-imagenet-200
    tiny-imagenet doctor --source tiny-imagenet-200 --model mine.keras --pixels 0..1
"""

import dataclasses
import sys
import textwrap
from pathlib import Path

from tiny_imagenet_tf.choices import Pixels
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError

WHOLE_WORDS = {"break_long_words": False, "break_on_hyphens": False}  # paths and options can be copied


@dataclasses.dataclass(frozen=True)
class Config:
    """What to look at."""

    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar; it is prepared, if it has not been. Default: the run's own images, or
    else the prepared records of the download, if there are any."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: the run's, or else TFDS's own, $TFDS_DATA_DIR or
    ~/tensorflow_datasets."""
    model: Path | None = None
    """A .keras file, or a run directory for its best network."""
    pixels: Pixels | None = None
    """What the model is said to expect: -1..1 (write --pixels=-1..1), 0..1, 0..255, or caffe."""
    labels: str | None = None
    """The order that its scores are said to be in: sorted, imagenet1k, or a file with a wnid per line."""
    images: int = 500
    """Val images that the model is shown, spread evenly over all."""


def main(config: Config) -> None:
    """End with status 1 where anything is wrong."""
    if examine(config):
        sys.exit(1)


def examine(config: Config) -> list[str]:
    """Prints what was looked at and what is wrong, and returns the findings."""
    from tiny_imagenet_tf.data import labels
    from tiny_imagenet_tf.evaluation import checkup  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.evaluation.members import find, images_of

    if config.images < 1:
        raise UserError(f"--images {config.images}: must be at least 1")
    if config.model is None and (config.pixels or config.labels or config.images != Config.images):
        raise UserError(
            "--pixels, --labels and --images would be ignored: without --model there is no network to look at"
        )
    if config.labels is not None:
        labels.order(config.labels, ())  # whether there is such an order
    members, source, data_dir = [], config.source, config.data_dir
    model_errors = []  # of the model, until it is its turn
    if config.model is not None:
        try:
            members = find([config.model], "best")
            source, data_dir = images_of(members, source, data_dir)
        except UserError as error:
            model_errors = [str(error)]
    wrong = checkup.machine(data_dir)
    builder, findings = checkup.data(source, data_dir)
    wrong += findings + model_errors
    if builder is None and members:
        wrong.append("--model: skipped, for there are no images to show it; name them with --source")
    elif members:
        try:
            wrong += checkup.network(members[0], builder, config.images, config.pixels, config.labels)
        except UserError as error:
            wrong.append(str(error))
    print(f"\n{len(wrong)} finding(s)" if wrong else "\nNothing is wrong.")
    for finding in wrong:
        print(textwrap.fill(finding, 80, initial_indent="  * ", subsequent_indent="    ", **WHOLE_WORDS))
    return wrong


if __name__ == "__main__":
    command(Config, main, __doc__)
