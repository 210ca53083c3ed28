"""No training at all: an ImageNet network's 1,000 scores, cut to Tiny ImageNet's 200 classes.

All 200 are among ImageNet's 1,000, so a network that keeps its head needs no recipe: the scores of the other 800
classes are left out. This is the floor; what a recipe of transfer learning reaches above it is what its training gave.

Time: a pass over val and test for each crop, whose scores are stored and found again.

    python recipes/zero_shot.py --backbone efficientnet_v2_b0
    python recipes/zero_shot.py --backbone efficientnet_lite2.keras --pixels=-1..1 --crops ten
"""

import dataclasses
from pathlib import Path
from typing import ClassVar

import numpy as np

from tiny_imagenet_tf.choices import Engine, FrozenPrecision, Pixels, TransferCrops
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.runs.places import check_folder
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Summary
from tiny_imagenet_tf.transfer.options import ValueOptions


@dataclasses.dataclass(frozen=True)
class Config:
    """A network with ImageNet's head, and how images are shown to it."""

    FROZEN: ClassVar[bool] = True

    backbone: str = "inception_v3"
    """A network of keras.applications (docs/map.md), with Keras' ImageNet weights (downloaded), or a .keras file with
    ImageNet's 1,000 scores, in the order of the sorted wnids, which keras.applications, PyTorch and timm have."""
    pixels: Pixels | None = None
    """What a .keras file expects, where it does not scale pixels itself: -1..1 (write --pixels=-1..1), 0..1, 0..255, or
    caffe."""
    crops: TransferCrops = "whole"
    """The whole image, or the sum of ten crops' probabilities (Milani section 4.2 and Eq. 2)."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Without it the official archive is downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    fraction: float = 1.0
    """Share of each class's images to use."""
    store: Path = ValueOptions.store
    """Where scores are kept."""
    engine: Engine = "auto"
    """What computes on a CPU: tensorflow, or openvino. auto: openvino for int8, and for bfloat16 where it is installed;
    otherwise tensorflow."""
    precision: FrozenPrecision = "auto"
    """Precision of the network's arithmetic: auto, float32, bfloat16, float16, or int8, which OpenVINO computes."""
    runs: Path = Path("runs")
    """Where run directories are made."""

    @property
    def values(self) -> ValueOptions:
        """The same as options of transfer values, which the scores are stored as."""
        names = {field.name for field in dataclasses.fields(ValueOptions)}
        return ValueOptions(**{name: value for name, value in vars(self).items() if name in names})

    @property
    def devices(self) -> tuple[str, ...]:
        """What computes them."""
        return self.values.devices


def main(config: Config) -> Run:
    from tiny_imagenet_tf import hardware  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.data import labels, splits, views
    from tiny_imagenet_tf.evaluation.metrics import combine, near_chance, validation_of
    from tiny_imagenet_tf.evaluation.recording import record
    from tiny_imagenet_tf.models import backbones
    from tiny_imagenet_tf.transfer import engine
    from tiny_imagenet_tf.transfer.values import extraction_of

    options = config.values
    options.check()
    options = options.settled
    config = dataclasses.replace(config, engine=options.engine)
    check_folder("--runs", config.runs)
    precision = hardware.resolve_precision(config.precision, options.devices, frozen=True)
    dtype = engine.trunk_dtype(precision, options.openvino)
    network = backbones.with_head(backbones.find(config.backbone, config.pixels), dtype=dtype)
    data = splits.load_all(splits.prepare(config.source, config.data_dir), config.fraction)
    wnids = data["validation"].wnids
    columns = labels.columns(labels.order("imagenet1k", wnids), wnids)
    crops = views.MILANI_TEN_CROP if config.crops == "ten" else (views.WHOLE,)
    extraction = extraction_of(options, network, data["train"], precision)
    extraction = dataclasses.replace(extraction, dtype="float32")

    def probabilities(split: splits.Split) -> np.ndarray:
        """Of a split's classes, (n, classes): of several crops, their mean."""
        return combine(store.load()[:, columns] for store in extraction.fill(split, crops))

    answers = [(split, probabilities(split)) for name, split in data.items() if name != "train"]
    val = validation_of(answers[0][1], data["validation"].labels, config.crops)
    notes = splits.shortfalls([split for split, _ in answers])
    summary = Summary(
        title=f"{network.backbone.name}, ImageNet's own head",
        validation=val,
        backbone=network.backbone.name,
        trunk=network.label,
        notes=(*notes, *(["scores in int8"] if precision == "int8" else [])),
    )
    run = record(config.runs, "zero_shot", config, answers, summary, devices=options.devices, precision=precision)
    print(f"val: {val.top1:.2%} top-1, {val.top5:.2%} top-5 of {val.images:,} images, without training\n{run.path}")
    print(near_chance(val.top1, len(wnids), "is --pixels right, and are the scores in the wnids' order?"), end="")
    return run


if __name__ == "__main__":
    command(Config, main, __doc__)
