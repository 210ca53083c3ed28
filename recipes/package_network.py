"""Puts a run's best compact Inception into the package, for ``predict`` and ``evaluate`` without a model.

For maintainers, in a checkout. The statistics of batch normalization are estimated anew, the weights rounded to half
precision (5 MB), measured on val as they are then, and stored with their sha256, the run's record and its options.
Time: a minute.

    python recipes/package_network.py runs/inception_modern-20260101-120000
    python recipes/package_network.py        # the network that is there: statistics and figures anew
"""

import dataclasses
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import tyro

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import replacing
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.options import ModernOptions

PAGE = Path(__file__).resolve().parents[1] / "docs" / "model_card.md"
ORIGIN = ("epoch", "teacher", "config", "environment")
RECIPES = ("inception_modern", "inception_baseline", "inception_regularized")
SAID = (
    "optimizer", "learning_rate", "weight_decay", "sizes", "shares", "warmup_epochs", "label_smoothing", "least_area",
    "mixup", "average", "batch_size", "holdout", "fraction",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Config:
    """Which run."""

    run: tyro.conf.Positional[Path | None] = None
    """A run of inception_modern, inception_baseline or inception_regularized, all of whose classes are Tiny
    ImageNet's. Default: none, the packaged network itself."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Default: the run's own images, or else the official archive, which is
    downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: the run's, or else TFDS's own, $TFDS_DATA_DIR or
    ~/tensorflow_datasets."""


def main(config: Config) -> dict:
    from tiny_imagenet_tf.data import splits  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import classes
    from tiny_imagenet_tf.evaluation.members import find, images_of
    from tiny_imagenet_tf.evaluation.metrics import negative_log_likelihood, top_k_accuracy
    from tiny_imagenet_tf.experiments.statistics import Reestimation
    from tiny_imagenet_tf.models import packaged

    (member,) = find([config.run or packaged.FILE], "best")
    real = member.run and not member.run.config.get("demo") and member.run.config["recipe"] in RECIPES
    if config.run and not real:
        raise UserError(f"{config.run}: not a run of {', '.join(RECIPES)} on the real images")
    if member.wnids != tuple(classes()):
        raise UserError(f"{member.name}: its {len(member.wnids)} classes are not Tiny ImageNet's 200")
    network = member.network()
    source, data_dir = images_of([member], config.source, config.data_dir)
    images = splits.prepare(source, data_dir)
    train, validation = splits.load(images, "train"), splits.load(images, "validation")
    if member.wnids != validation.wnids:
        raise UserError(f"{member.name}: its classes are not the {len(validation.wnids)} classes of the images")
    known = packaged.figures() if member.run is None else _origin(member.run, member.path.name)
    origin = {name: known[name] for name in ORIGIN}

    def describe() -> dict:
        answers, made = network.probabilities(validation), describe_environment()
        figures = {f"top{k}": top_k_accuracy(answers, validation.labels, k) for k in (1, 5)}
        figures["loss"] = negative_log_likelihood(answers, validation.labels)
        packaged_at = {name: made[name] for name in ("command", "commit", "uncommitted_changes")}
        return {"validation": {"images": len(validation), **figures}, "packaged": packaged_at, **origin}

    with Reestimation(network.behind_views).of_images(train, network.views()[0], origin["config"]["batch_size"]):
        packaged.write(network.classifier, member.classes(network), describe)
    found = packaged.figures()
    if PAGE.parent.is_dir():
        with replacing(PAGE) as file:
            file.write(card(found).encode())
    print(f"{packaged.FILE}: {found['validation']['top1']:.2%} of {len(validation):,} val images")
    return found


def _origin(run: Run, snapshot: str) -> dict[str, Any]:
    """Where the weights of a run's snapshot are from."""
    return {
        "epoch": next(each.epoch for each in run.snapshots().entries if each.file == snapshot),
        "teacher": _teacher(run.config.get("teacher")),
        "config": records.without_paths(records.options_of(run)),
        "environment": records.without_paths(run.environment),
    }


def _teacher(path: str | None) -> dict[str, Any] | None:
    """What a run learned from."""
    if path is None:
        return None
    summary = Run.finished(Path(path)).summary
    return {"title": summary.title, "top1": summary.validation.top1, "images": summary.validation.images}


def card(found: dict[str, Any]) -> str:
    """The model card of the packaged network, from what is stored beside its weights."""
    val, made, teacher = found["validation"], found["packaged"], found["teacher"]
    config, environment = found["config"], found["environment"]
    if config["recipe"] == "inception_modern":  # whose rate and decay are the optimizer's own where none is given
        chosen = ModernOptions(**{name: config[name] for name in ("optimizer", "learning_rate", "weight_decay")})
        config = config | {"learning_rate": chosen.rate, "weight_decay": chosen.decay}
    options = " ".join(f"`{name}={config[name]}`" for name in SAID if config.get(name) is not None)
    taught = (
        f"{config['teacher_share']:.0%} of each training target, before label smoothing, is what a teacher answered: "
        f"{teacher['title']}, {teacher['top1']:.2%} of {teacher['images']:,} val images."
        if teacher
        else "It had no teacher."
    )
    filled = partial(textwrap.fill, width=120, break_on_hyphens=False)
    learned = filled(
        "The training images of Tiny ImageNet: photographs that ImageNet collected from the internet, with ImageNet's "
        f"labels, their faults and their choice of the world. {taught} The images and their terms of use are "
        "ImageNet's; none are in this package."
    )
    picked = (
        "Held-out training images picked the snapshot."
        if config.get("holdout")
        else "The val images picked the snapshot, so the figure is the best of several."
    )
    unknown = filled(
        f"{picked} On the official test images, whose labels are not public, it was not measured; in Milani's tables "
        "the test errors are 4 to 8 points above those of val."
    )
    return f"""# The packaged network

<!-- Written by recipes/package_network.py from tiny_imagenet_tf/models/weights/compact_inception.json. -->

The network that `predict` and `evaluate` take where none is named: Milani's compact Inception, its 2,582,660 parameters
in half precision. In Python `models.packaged.deployed()` returns it for images of 64x64 pixels, preferably uint8, and
`models.build("compact_inception", weights="tiny_imagenet")` bare, to train on: that takes pixels in -1..1, and its
layer `features` has 864 values. Both give 200 logits, in the order of the sorted wnids.

| | |
| --- | --- |
| top-1 of val | {val["top1"]:.2%} |
| top-5 of val | {val["top5"]:.2%} |
| loss of val | {val["loss"]:.3f}, the mean of -log of the truth's probability |
| measured on | {val["images"]:,} val images, whole, one view |
| sha256 of the weights | `{found["sha256"]}` |
| recipe | `{config["recipe"]}`, the snapshot of epoch {found["epoch"]:g} of {config["epochs"]} |
| options | {options} |
| seed | {config["seed"]} |
| commit | `{(environment.get("commit") or "unknown")[:7]}` |
| batch normalization | statistics of 2,000 training images, of commit `{(made["commit"] or "unknown")[:7]}` |
| device | {environment.get("device")} |

## What it is for

A first answer without a download, a baseline to compare with, a start for experiments. It knows the 200 classes of
Tiny ImageNet, in images of 64x64 pixels that show one of them in the middle; of anything else it names one of the 200
all the same, and its probabilities say little there.

## What it learned from

{learned}

## What is not known

{unknown}
"""


if __name__ == "__main__":
    command(Config, main, __doc__)
