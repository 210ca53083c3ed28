"""Names what pictures show, by a trained network: a run's, a file's, or the one that comes with the package.

A picture may have any size and kind. It is shown to the network as the images that it was trained on: the centre
square, resized to 64x64 pixels, turned as its EXIF orientation says, and then in the network's own crops.

    tiny-imagenet predict photo.jpg
    tiny-imagenet predict runs/transfer_v3-20260101-120000 photo.jpg
    tiny-imagenet predict model.keras photos/ --top 3 --csv answers.csv
    tiny-imagenet predict runs/inception_baseline-20260101-120000 photos/ --crops ten --json answers.json
"""

import dataclasses
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import tyro

from tiny_imagenet_tf.choices import Crops, Pixels
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.data import pictures
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.files import replacing
from tiny_imagenet_tf.runs.places import check_output
from tiny_imagenet_tf.runs.run import Run


@dataclasses.dataclass(frozen=True)
class Config:
    """Which network, and which pictures."""

    COMPUTES: ClassVar[bool] = True

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Optionally first a network: a run directory (its best network is used) or a .keras file. Default: the packaged
    network. Then pictures: files, or folders, which are searched with all their subfolders."""
    top: int = 5
    """Answers per picture."""
    crops: Crops | None = None
    """How a picture is shown. Default: as the network was tested."""
    pixels: Pixels | None = None
    """Pixels that a model from elsewhere expects, where it does not scale them itself: -1..1 (write --pixels=-1..1),
    0..1, 0..255, or caffe. A run's model knows its own."""
    labels: str | None = None
    """Order of the classes, for a model that does not store them: sorted (Tiny ImageNet's 200, sorted), imagenet1k, or
    a file with one wnid per line."""
    csv: Path | None = None
    """Where to write the answers as a table: file, rank, wnid, name, probability."""
    json: Path | None = None
    """Where to write the answers as JSON."""

    def look_first(self) -> None:
        """Says what is missing, or in the way, before a network is loaded."""
        if self.top < 1:
            raise UserError(f"--top {self.top}: must be at least 1")
        read = (*self.paths, *([Path(self.labels)] if self.labels else []))
        for option, path in (("--csv", self.csv), ("--json", self.json)):
            check_output(option, path, read)
        if self.csv is not None and self.json is not None and self.csv.resolve() == self.json.resolve():
            raise UserError(f"--csv and --json: both are {self.csv}")
        _ = self.files

    @functools.cached_property
    def files(self) -> list[Path]:
        """The pictures', those of folders too; looked for once."""
        return pictures.find(split(self.paths)[1])


def main(config: Config) -> list[dict]:
    config.look_first()
    model, given = split(config.paths)
    from tiny_imagenet_tf.evaluation import naming  # only now: TensorFlow is loaded
    from tiny_imagenet_tf.evaluation.members import find
    from tiny_imagenet_tf.models import packaged

    (member,) = find([model or packaged.FILE], "best", config.pixels, config.labels)
    network = member.network()
    if model is not None and member.wnids is None and config.labels is None:
        print(f"{member.name} does not store its classes; give --labels to see their names", file=sys.stderr)
    test_views, answered, unreadable = network.views(config.crops or member.crops), [], 0
    for picture in naming.name(network, member.classes(network), config.files, test_views, config.top, given):
        if "error" in picture:
            print(f"left out: {picture['error']}", file=sys.stderr)
            unreadable += 1
            continue
        answered.append(picture)
        print(f"{networks.printable(picture['file'])} ({picture['width']}x{picture['height']})")
        width = max(len(answer["wnid"]) for answer in picture["answers"])
        for answer in picture["answers"]:
            print(f"  {answer['probability']:6.1%}  {answer['wnid']:{width}}  {answer['name']}")
    if not answered:
        raise UserError("none of the pictures can be read")
    for path, form in ((config.csv, naming.as_csv), (config.json, naming.as_json)):
        if path is not None:
            with replacing(path) as file:
                file.write(form(answered))
            print(f"wrote {path}")
    crops = "one crop" if len(test_views) == 1 else f"{len(test_views)} crops"
    count = "one picture" if len(answered) == 1 else f"{len(answered):,} pictures"
    count += f" ({unreadable:,} left out)" if unreadable else ""
    if others := pictures.left_out(given, config.files):
        print(f"skipped {others:,} other file(s) in the folder(s): not pictures, by their extensions")
    print(f"{member.name}: {count}, the centre square at 64x64 pixels, {crops}")
    if model is None:
        known = packaged.figures()["validation"]
        print(f"It comes with the package, and is right on {known['top1']:.1%} of {known['images']:,} val images.")
    return answered


def split(paths: Sequence[Path]) -> tuple[Path | None, Sequence[Path]]:
    """Returns the network's path, None where the first is a picture already, and the pictures'.

    Raises:
        UserError: no picture is among them, or the network is of another kind.
    """
    if not paths:
        raise UserError("no picture was given")
    first = paths[0].expanduser()
    named = first.suffix == ".keras" or Run(first).recognized or Run(first).has_snapshots
    model, shown = (paths[0], paths[1:]) if named else (None, paths)
    if not named and networks.of_another_kind(first):
        raise UserError(f"{first}: a network must be a run directory or a .keras file")
    if not shown:
        raise UserError("no picture was given")
    return model, shown


if __name__ == "__main__":
    command(Config, main, __doc__)
