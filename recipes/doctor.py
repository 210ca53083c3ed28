"""Looks at the machine, the data and a model, and says in words what is wrong.

The machine: versions, devices, precision, room on the disk. The data: is the tree whole, or what is wrong with it; are
the prepared records still what was verified. A model: its accuracy on a few hundred val images as it is said to work,
and where another pixel range, channel order, order of classes or batch normalization by the batch gives much more, that
is what was wrong.

    tiny-imagenet doctor
    tiny-imagenet doctor --source tiny-imagenet-200
    tiny-imagenet doctor --source tiny-imagenet-200 --model mine.keras --pixels 0..1
"""

import contextlib
import dataclasses
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from tiny_imagenet_tf.choices import Pixels
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import room

PACKAGES = ("tensorflow", "keras", "tensorflow-datasets", "numpy")
EXTRAS = {
    "openvino": "openvino",
    "optuna": "search",
    "tf2onnx": "export",
    "scikit-learn": "report",
    "tensorboard": "tensorboard",
}
ROOM = 3 * 2**30  # bytes; the dataset, its records, and transfer values of one view


@dataclasses.dataclass(frozen=True)
class Config:
    """What to look at."""

    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar; it is prepared, if it has not been. Without it, the records of the
    download that there are."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    model: Path | None = None
    """A .keras file, or a run directory for its best network."""
    pixels: Pixels | None = None
    """What the model is said to expect: -1..1 (write --pixels=-1..1), 0..1, 0..255, or caffe."""
    labels: str | None = None
    """The order that its scores are said to be in: sorted, imagenet1k, or a file with a wnid a line."""
    images: int = 500
    """Val images that the model is shown, spread over the classes."""


def main(config: Config) -> None:
    """Ends with status 1 where anything is wrong."""
    if examine(config):
        sys.exit(1)


def examine(config: Config) -> list[str]:
    """Prints what was looked at and what is wrong, and returns the findings."""
    from tiny_imagenet_tf.data import splits  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.evaluation.members import find, images_of

    if config.images < 1:
        raise UserError(f"--images {config.images}: must be at least 1")
    if config.model is None and (config.pixels or config.labels or config.images != Config.images):
        raise UserError(
            "--pixels, --labels and --images would be ignored: without --model there is no network to look at"
        )
    source, data_dir = config.source, config.data_dir
    with contextlib.suppress(UserError):  # which is told when the model is looked at
        found = find([config.model], "best") if config.model is not None else []
        source, data_dir = images_of(found, source, data_dir)
    config = dataclasses.replace(config, source=source, data_dir=data_dir)
    wrong = machine(config)
    builder = data(config, wrong)
    if config.model is not None:
        try:
            if builder is None:
                raise UserError("--model: not looked at, for there are no images to show it; name them by --source")
            listed = builder.info.metadata.get("listed")  # of records that were prepared by this version
            network(config, splits.load(builder, "validation"), listed, wrong)
        except UserError as error:
            wrong.append(str(error))
    print(f"\n{len(wrong)} finding(s)" if wrong else "\nNothing is wrong.")
    for finding in wrong:
        print(f"  * {finding}")
    return wrong


def machine(config: Config) -> list[str]:
    """Prints what the machine is, and returns what is wrong with it."""
    import keras

    from tiny_imagenet_tf import hardware
    from tiny_imagenet_tf.data import splits

    print(f"Python {platform.python_version()}, {', '.join(f'{name} {metadata.version(name)}' for name in PACKAGES)}")
    there = {extra: _installed(package) for package, extra in EXTRAS.items()}
    print("extras:", ", ".join(f"{extra} {'yes' if found else 'no'}" for extra, found in there.items()))
    print(f"Keras computes on {keras.backend.backend()}")
    print(hardware.headline(hardware.resolve_precision("auto")))
    wrong = ["there is an NVIDIA GPU, but no CUDA that works"] if hardware.gpu_without_cuda() else []
    folder, free = room(splits.root_of(config.data_dir).absolute())
    print(f"{free / 2**30:,.1f} GiB free at {folder}")
    if free < ROOM:
        wrong.append(f"{folder}: {free / 2**30:.1f} GiB are free; dataset and transfer values need about 3")
    return wrong


def data(config: Config, wrong: list[str]):
    """Prints what the dataset is, adds what is wrong with it, and returns the builder of its records."""
    from tiny_imagenet_tf.data import official_layout, splits

    try:
        if config.source is None:
            builder = splits.existing_download(config.data_dir)
            if builder is None:
                print("no prepared records of the download; --source looks at a folder or an archive")
                return None
        else:
            builder = splits.prepare(config.source, config.data_dir)
        splits.verify(builder)
    except UserError as error:
        wrong.append(str(error))
        return None
    counts = {name: builder.info.splits[name].num_examples for name in builder.info.splits}
    label = builder.info.features["label"]
    print(f"{builder.data_path}\n{label.num_classes} classes; records as they were verified:", end=" ")
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    for name, official in official_layout.OFFICIAL_COUNTS.items():
        if counts.get(name, 0) != official:
            print(f"  {counts.get(name, 0):,} of the official {official:,} {name} images")
    if "validation" not in counts:
        wrong.append("there are no val images: nothing can be measured")
        return None
    return builder


def network(config: Config, validation, listed: Sequence[str] | None, wrong: list[str]) -> None:
    """Prints how a model does, and adds what is wrong with it."""
    from tiny_imagenet_tf.data import imagenet
    from tiny_imagenet_tf.evaluation.diagnosis import diagnose
    from tiny_imagenet_tf.evaluation.members import find

    (member,) = find([config.model], "best")
    if member.path is None:
        raise UserError(f"--model {config.model}: it kept predictions only, no network")
    split = validation.take(validation.spread_rows(config.images))
    orders = {"imagenet1k": imagenet.wnids()} if set(split.wnids) <= set(imagenet.wnids()) else {}
    if listed:
        orders["wnids.txt"] = tuple(listed)
    found = diagnose(member.path, split, orders, config.pixels, config.labels)
    told = found.told
    print(f"{member.name}: {told.accuracy:.1%} of {found.images} val images, pixels {told.pixels}, order {told.order}")
    best = found.best
    if best != told:
        swapped = ", blue first" if best.blue_first else ""
        print(f"  at its best {best.accuracy:.1%}: pixels {best.pixels}{swapped}, order {best.order}")
    wrong += [f"{member.name}: {finding}" for finding in found.findings(len(split.wnids))]


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    command(Config, main, __doc__)
