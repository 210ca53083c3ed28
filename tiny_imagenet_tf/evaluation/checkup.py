"""A look at the machine, at prepared data and at a model: what is printed, and in words what is wrong."""

import platform
import textwrap
from collections.abc import Sequence
from pathlib import Path

import keras

from tiny_imagenet_tf import extras, hardware
from tiny_imagenet_tf.choices import Pixels
from tiny_imagenet_tf.data import imagenet, official_layout, splits
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.diagnosis import diagnose
from tiny_imagenet_tf.evaluation.members import Member
from tiny_imagenet_tf.runs.environment import PACKAGES, versions
from tiny_imagenet_tf.runs.files import room

ROOM = 3 * 2**30  # bytes; the dataset, its records, and transfer values of one view


def machine(data_dir: Path | None = None) -> list[str]:
    """Prints versions, extras, devices and room on the disk; returns the findings.

    Args:
        data_dir: where prepared datasets are kept.
    """
    print(f"Python {platform.python_version()}")
    print(textwrap.fill(", ".join(f"{name} {version}" for name, version in versions(*PACKAGES).items()), 80))
    there = ", ".join(f"{extra} {'yes' if extras.installed(extra) else 'no'}" for extra in extras.EXTRAS)
    print(textwrap.fill(f"extras: {there}", 80))
    print(f"Keras computes on {keras.backend.backend()}")
    print(hardware.headline(hardware.resolve_precision("auto")))
    wrong = ["there is an NVIDIA GPU, but no CUDA that works"] if hardware.gpu_without_cuda() else []
    folder, free = room(splits.root_of(data_dir).absolute())
    print(f"{free / 2**30:,.1f} GiB free at {folder}")
    if free < ROOM:
        wrong.append(f"{folder}: {free / 2**30:.1f} GiB are free; dataset and transfer values need about 3")
    return wrong


def data(source: Path | None, data_dir: Path | None) -> tuple[splits.Prepared | None, list[str]]:
    """Prints what the records are; returns their builder, None where there is nothing to measure on, and the findings.

    Args:
        source: a tree or an archive, prepared if it has not been; None for the download's records, if there are any.
        data_dir: where prepared datasets are kept.
    """
    try:
        if source is None:
            builder = splits.existing_download(data_dir)
            if builder is None:
                print("the official archive has not been prepared here; give --source to check a folder or an archive")
                return None, []
        else:
            builder = splits.prepare(source, data_dir)
        splits.verify(builder)
    except UserError as error:
        return None, [str(error)]
    counts = {name: builder.info.splits[name].num_examples for name in builder.info.splits}
    print(f"{builder.data_path}\n{builder.info.features['label'].num_classes} classes; records as they were verified:")
    print("  " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    for name, official in official_layout.OFFICIAL_COUNTS.items():
        if counts.get(name, 0) != official:
            print(f"  {counts.get(name, 0):,} of the official {official:,} {name} images")
    if "validation" not in counts:
        return None, ["there are no val images: nothing can be measured"]
    return builder, []


def network(
    member: Member, builder: splits.Prepared, images: int, pixels: Pixels | None = None, labels: str | None = None
) -> list[str]:
    """Prints a model's accuracy as it is said to work, and at its best; returns what keeps it from that.

    Args:
        member: the model.
        builder: of the records.
        images: val images to show it, spread evenly over all.
        pixels: what it is said to expect.
        labels: the order that its scores are said to be in.

    Raises:
        UserError: it keeps no network, or not one of one square RGB image.
    """
    if member.path is None:
        raise UserError(f"--model {member.name}: has stored predictions, but no saved network")
    validation = splits.load(builder, "validation")
    split = validation.take(validation.spread_rows(images))
    found = diagnose(member.path, split, _orders(split.wnids, builder), pixels, labels)
    claimed, best = found.claimed, found.best
    print(f"{member.name}: {claimed.accuracy:.1%} of {found.images} val images,")
    print(f"  pixels {claimed.pixels}, order {claimed.order}")
    if best != claimed:
        swapped = ", blue first" if best.blue_first else ""
        print(f"  at its best {best.accuracy:.1%}: pixels {best.pixels}{swapped}, order {best.order}")
    return [f"{member.name}: {finding}" for finding in found.findings(len(split.wnids))]


def _orders(wnids: Sequence[str], builder: splits.Prepared) -> dict[str, tuple[str, ...]]:
    """Orders that somebody's scores may have, beside the sorted one."""
    orders = {"imagenet1k": imagenet.wnids()} if set(wnids) <= set(imagenet.wnids()) else {}
    if listed := builder.info.metadata.get("listed"):  # of records that were prepared by this version
        orders["wnids.txt"] = tuple(listed)
    return orders
