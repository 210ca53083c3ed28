"""Names what pictures show, by a trained network: a run's, a file's, or the one that comes with the package.

A picture may have any size and kind. It is shown to the network as the images that it was trained on: the centre
square, resized to 64x64 pixels, turned as its EXIF orientation says, and then in the network's own crops.

    tiny-imagenet predict photo.jpg
    tiny-imagenet predict runs/transfer_v3-20260101-120000 photo.jpg
    tiny-imagenet predict model.keras photos/ --top 3 --csv answers.csv
    tiny-imagenet predict runs/inception_baseline-20260101-120000 photos/ --crops ten --json answers.json
"""

import csv
import dataclasses
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from tiny_imagenet_tf.choices import Pixels
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import check_output, replacing
from tiny_imagenet_tf.runs.snapshots import Snapshots
from tiny_imagenet_tf.runs.summary import Crops

AT_A_TIME = 64  # pictures


@dataclasses.dataclass(frozen=True)
class Config:
    """Which network, and which pictures."""

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """First a run directory, for its best network, or a .keras file; without one the packaged network answers. Then
    pictures: files, and folders with all pictures in them and below."""
    top: int = 5
    """Answers a picture."""
    crops: Crops | None = None
    """How a picture is shown. Default: as the network was tested."""
    pixels: Pixels | None = None
    """What a model of somebody's expects, where it does not scale pixels itself: -1..1 (write --pixels=-1..1), 0..1,
    0..255, or caffe. A run's model knows its own."""
    labels: str | None = None
    """What the scores of a model that does not hold its classes stand for: sorted (Tiny ImageNet's 200, sorted),
    imagenet1k, or a file with a wnid a line."""
    csv: Path | None = None
    """Where to write the answers as a table: file, rank, wnid, name, probability."""
    json: Path | None = None
    """Where to write the answers as JSON."""


def main(config: Config) -> list[dict]:
    model, given = split(config.paths)
    from tiny_imagenet_tf.data import pictures  # only now: TensorFlow is loaded
    from tiny_imagenet_tf.evaluation.members import find
    from tiny_imagenet_tf.models import packaged

    if config.top < 1:
        raise UserError(f"--top {config.top}: must be at least 1")
    for option, path in (("--csv", config.csv), ("--json", config.json)):
        check_output(option, path, config.paths)
    if config.csv is not None and config.json is not None and config.csv.resolve() == config.json.resolve():
        raise UserError(f"--csv and --json: both are {config.csv}")
    (member,) = find([model or packaged.FILE], "best", config.pixels, config.labels)
    files = list(pictures.find(given))
    network, answers = member.network(), []
    classes = member.classes(network)
    if model is not None and member.wnids is None and config.labels is None:
        print(f"{member.name} does not hold its classes: --labels says what its scores stand for", file=sys.stderr)
    shown = network.views(config.crops or member.crops)
    for first in range(0, len(files), AT_A_TIME):
        images, read = [], []
        for file in files[first : first + AT_A_TIME]:
            try:
                image, size = pictures.read(file)
            except pictures.PictureError as error:
                if file in given:
                    raise
                print(f"left out: {error}", file=sys.stderr)
                continue
            images.append(image)
            read.append((file, size))
        if not images:
            continue
        for (file, size), found in zip(read, network.of_images(images, shown), strict=True):
            best = found.argsort()[::-1][: config.top]
            told = [
                {"wnid": classes.wnids[each], "name": classes.names[each], "probability": float(found[each])}
                for each in best
            ]
            answers.append({"file": str(file), "width": size[0], "height": size[1], "answers": told})
            width = max(len(each["wnid"]) for each in told)
            print(f"{file} ({size[0]}x{size[1]})")
            for each in told:
                print(f"  {each['probability']:6.1%}  {each['wnid']:{width}}  {each['name']}")
    if not answers:
        raise UserError("none of the pictures can be read")
    _write(config, answers)
    print(f"{member.name}: {len(answers):,} pictures, each its centre square at 64x64 pixels, {len(shown)} crop(s)")
    if model is None:
        known = packaged.figures()["validation"]
        print(f"It comes with the package, and is right on {known['top1']:.1%} of {known['images']:,} val images.")
    return answers


def split(paths: Sequence[Path]) -> tuple[Path | None, Sequence[Path]]:
    """Returns the network's path, None where the first is a picture already, and the pictures'.

    Raises:
        UserError: no picture is among them.
    """
    first = paths[0].expanduser() if paths else Path()
    named = first.suffix == ".keras" or (first / "config.json").is_file() or Snapshots.exist(first / "snapshots")
    model, pictures = (paths[0], paths[1:]) if named else (None, paths)
    if not pictures:
        raise UserError("no picture was given")
    return model, pictures


def _write(config: Config, answers: list[dict]) -> None:
    if config.csv:
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(("file", "rank", "wnid", "name", "probability"))
        for each in answers:
            for rank, told in enumerate(each["answers"], 1):
                rows.writerow((each["file"], rank, told["wnid"], told["name"], f"{told['probability']:.6f}"))
        with replacing(config.csv) as file:
            file.write(text.getvalue().encode(errors="surrogateescape"))  # a name of a file may be any bytes
        print(f"wrote {config.csv}")
    if config.json:
        with replacing(config.json) as file:
            file.write((json.dumps(answers, indent=2, ensure_ascii=False) + "\n").encode(errors="surrogateescape"))
        print(f"wrote {config.json}")


if __name__ == "__main__":
    command(Config, main, __doc__)
