"""Reads and verifies a ``tiny-imagenet-200`` tree as the CS231n server publishes it.

    wnids.txt  words.txt
    train/<wnid>/<wnid>_boxes.txt        file x0 y0 x1 y1
    train/<wnid>/images/<wnid>_<i>.JPEG
    val/val_annotations.txt              file wnid x0 y0 x1 y1
    val/images/val_<i>.JPEG              or, arranged by class, val/<wnid>/[images/]val_<i>.JPEG
    test/images/test_<i>.JPEG

A tree with fewer images than the official one is accepted. A file that cannot be trusted is not, nor is an image that
no annotation claims, or a class without training images: every fault is collected with the file's name, and
``read`` raises one error that lists them.
"""

import dataclasses
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tiny_imagenet_tf.data import jpeg
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import IMAGE_SIZE
from tiny_imagenet_tf.runs.files import read_lines
from tiny_imagenet_tf.runs.networks import UNPRINTABLE

SPLITS = ("train", "validation", "test")
OFFICIAL_COUNTS = {"train": 100_000, "validation": 10_000, "test": 10_000}
OFFICIAL_DIGESTS = {"train": "4e7aec930033011bb638ac0a3fc59bb172d4e563a1514e866a102760b96c1f6d"}
WNID = re.compile(r"n[0-9]{8}")
_NAME = re.compile(r"([A-Za-z0-9]+)_([0-9]{1,9})\.JPEG")
_NO_BOX = (-1, -1, -1, -1)
LARGEST = 2**20  # bytes; the largest official file has 5,000
_FAULTS_SHOWN = 20
_AT_A_TIME = 1000  # images


class DatasetError(UserError):
    """The dataset on disk is not what it should be; the message names the files."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One image file and what the annotations say of it.

    Attributes:
        path: the JPEG file.
        label: index into the sorted wnids, or -1 in the test split.
        box: ``(x0, y0, x1, y1)`` in pixels 0..63, or four times -1 where there is none.
    """

    path: Path
    label: int
    box: tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Layout:
    """A verified tree.

    Attributes:
        wnids: class names in sorted order; an example's label is an index into them.
        listed: the same in the order of wnids.txt, in which some networks have their scores.
        words: wnid to human-readable names, for the classes of this tree.
        examples: split name to its examples, sorted by class and number.
        digests: split name to the sha256 over names, bytes, labels and boxes.
        grayscale: split name to the number of one-channel files.
        missing: annotated files that are not on disk, as paths in the ``tiny-imagenet-200`` folder.
    """

    wnids: tuple[str, ...]
    listed: tuple[str, ...]
    words: dict[str, str]
    examples: dict[str, tuple[Example, ...]]
    digests: dict[str, str]
    grayscale: dict[str, int]
    missing: tuple[str, ...]


def find_root(path: Path) -> Path:
    """Returns the folder that holds ``wnids.txt``: ``path`` itself, or a folder at most two levels down.

    Raises:
        DatasetError: there is none, or more than one.
    """
    for level in ("", "*/", "*/*/"):
        found = [file.parent for file in sorted(path.glob(f"{level}wnids.txt")) if file.is_file()]
        if len(found) > 1:
            raise DatasetError(f"{path} holds several datasets: {found[0]}, {found[1]}; point to one of them")
        if found:
            return found[0]
    raise DatasetError(
        f"{path} is not a Tiny ImageNet folder: there is no wnids.txt in it, nor in a folder of it. "
        "Point to the unpacked tiny-imagenet-200 folder, or to its zip or tar."
    )


def check_names(file_names: Sequence[str], wnids: Sequence[str], where: Path) -> None:
    """Raises DatasetError where records that somebody else prepared hold other names than the dataset's.

    Files and folders are named by them.
    """
    odd = [name for name in file_names if not _NAME.fullmatch(name)] + [w for w in wnids if not WNID.fullmatch(w)]
    if odd:
        raise DatasetError(f"the records at {where} hold {odd[0]!r}, no name of an image or class; remove them")


def read(path: Path, on_file: Callable[[int], object] = lambda files: None) -> Layout:
    """Reads the annotations, verifies every image, and returns the tree.

    Args:
        path: a ``tiny-imagenet-200`` folder or a folder around it.
        on_file: called with the number of images verified since the last call, for a progress bar.

    Raises:
        DatasetError: with the names of up to 20 files at fault and what is wrong with each.
    """
    root = find_root(path)
    try:
        reader = _Reader(root)
        lines = read_lines(root / "words.txt") if (root / "words.txt").is_file() else []
    except UserError as error:  # a text that cannot be read
        raise DatasetError(str(error)) from error
    words = _words(lines, reader)
    faults, digests, grayscale = reader.faults, {}, {}
    for split, found in reader.examples.items():
        digests[split], grayscale[split] = _verify(found, faults, on_file)
    if faults:
        shown = "\n  ".join(faults[:_FAULTS_SHOWN])
        more = f"\n  and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
        raise DatasetError(
            f"{root}: {len(faults)} fault(s) found; nothing was changed or written:\n  {shown}{more}\n"
            "Restore these files from the original archive, or remove both file and annotation."
        )
    if not reader.examples["train"]:
        raise DatasetError(f"{root}: no training images under {root / 'train'}")
    return Layout(
        wnids=reader.wnids,
        listed=reader.listed,
        words={wnid: words.get(wnid, wnid) for wnid in reader.wnids},
        examples={split: tuple(found) for split, found in reader.examples.items()},
        digests=digests,
        grayscale=grayscale,
        missing=tuple(sorted(str(file.relative_to(root)) for file in reader.missing)),
    )


def _words(lines: Sequence[str], reader: "_Reader") -> dict[str, str]:
    """The words of ``words.txt`` by wnid; a line without them, or other words for a class of this tree, is a fault."""
    words: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        wnid, tab, names = line.partition("\t")
        if line.strip() and not tab:
            reader.faults.append(f"words.txt, line {number}: no tab between wnid and words: {line[:60]!r}")
        elif words.setdefault(wnid, names) != names and wnid in reader.wnids:
            reader.faults.append(f"words.txt, line {number}: other words for {wnid} than before")
        elif wnid in reader.wnids and UNPRINTABLE.search(names):
            reader.faults.append(f"words.txt, line {number}: a tab or another control character in {names!a}")
    return words


class _Reader:
    """Pairs the images of a tree with their annotations, and collects what is at fault.

    Args:
        root: the ``tiny-imagenet-200`` folder.
    """

    def __init__(self, root: Path):
        self.root, self.faults, self.missing = root, [], []
        self._looked_at: set[Path] = set()
        self.listed = self._read_wnids()
        self.wnids = tuple(sorted(self.listed))
        self._ids = {wnid: i for i, wnid in enumerate(self.wnids)}
        test = [Example(file, -1, _NO_BOX) for file in self._images(root / "test" / "images")]
        self.examples = {"train": self._train(), "validation": self._validation(), "test": test}
        self._find_unclaimed()

    def _read_wnids(self) -> tuple[str, ...]:
        lines = [line.strip() for line in read_lines(self.root / "wnids.txt") if line.strip()]
        wrong = [line for line in lines if not WNID.fullmatch(line)]
        self.faults += [f"wnids.txt: {line!r} is not a wnid such as n01443537" for line in wrong]
        self.faults += [f"wnids.txt: {wnid} is listed {n} times" for wnid, n in Counter(lines).items() if n > 1]
        return tuple(dict.fromkeys(lines))

    def _images(self, folder: Path, prefix: str | None = None) -> list[Path]:
        """The JPEG files of a folder, in the order of the numbers in their names."""
        self._looked_at.add(folder)
        files = []
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = _NAME.fullmatch(file.name)
            if not name:
                if not file.name.startswith("."):
                    self.faults.append(f"{file}: not a name such as val_0.JPEG")
            elif prefix and name[1] != prefix:
                self.faults.append(f"{file}: an image of {name[1]} in the folder of {prefix}")
            elif not file.is_file() or file.stat().st_size > LARGEST:
                self.faults.append(f"{file}: not an ordinary file of at most {LARGEST:,} bytes")
            else:
                files.append(file)
        return sorted(files, key=lambda file: class_and_number(file.name))

    def _annotations(self, file: Path, columns: int) -> dict[str, list[str]]:
        """File name to the other columns of its line."""
        if not file.is_file():
            self.faults.append(f"{file}: missing annotation file")
            return {}
        rows: dict[str, list[str]] = {}
        for number, line in enumerate(read_lines(file), 1):
            fields = line.split()
            if not fields:
                continue
            place = f"{file}, line {number}: "
            if len(fields) != columns or not all(re.fullmatch("[0-9]{1,9}", field) for field in fields[-4:]):
                self.faults.append(f"{place}{line!r} does not have {columns} columns ending in a box")
            elif fields[0] in rows:
                self.faults.append(f"{place}{fields[0]} is a duplicate of an earlier line")
            else:
                x0, y0, x1, y1 = map(int, fields[-4:])
                if not (x0 <= x1 < IMAGE_SIZE and y0 <= y1 < IMAGE_SIZE):
                    self.faults.append(f"{place}the box {x0} {y0} {x1} {y1} is not x0 y0 x1 y1 within 0..63")
                rows[fields[0]] = fields[1:]
        return rows

    def _train(self) -> list[Example]:
        examples, folders = [], sorted(path for path in (self.root / "train").glob("*") if path.is_dir())
        for folder in folders:
            if folder.name not in self._ids:
                self._looked_at.add(folder)
                if not folder.name.startswith("."):
                    self.faults.append(f"{folder}: unknown wnid, not in wnids.txt")
                continue
            rows = self._annotations(folder / f"{folder.name}_boxes.txt", 5)
            files = self._images(folder / "images", folder.name)
            examples += self._paired(files, rows, folder / "images", folder.name)
        with_images = {example.label for example in examples}
        for wnid, label in self._ids.items():
            if examples and label not in with_images:
                self.faults.append(f"{wnid}: no training image; restore train/{wnid}/images, or drop it from wnids.txt")
        return examples

    def _validation(self) -> list[Example]:
        folder, annotations = self.root / "val", self.root / "val" / "val_annotations.txt"
        if not folder.is_dir():
            return []
        flat = folder / "images"
        has_files = flat.is_dir() and any(each.is_file() and each.name[0] != "." for each in flat.iterdir())
        arranged = (top / wnid for top in (folder, flat) for wnid in self.wnids)
        by_class = [] if has_files else [each for each in arranged if each.is_dir()]
        if not by_class:
            rows = self._annotations(annotations, 6)
            return self._paired(self._images(flat), rows, flat)
        rows = self._annotations(annotations, 6) if annotations.is_file() else {}
        examples = []
        for each in by_class:
            for file in self._images(each / "images" if (each / "images").is_dir() else each):
                wnid, *box = rows.get(file.name, [each.name])
                if wnid != each.name:
                    self.faults.append(f"{file}: annotated as {wnid}, in the folder of {each.name}")
                examples.append(Example(file, self._ids[each.name], tuple(map(int, box)) if box else _NO_BOX))
        names = Counter(example.path.name for example in examples)
        self.faults += [f"{folder}: {name} is there {n} times" for name, n in names.items() if n > 1]
        self.missing += [folder / name for name in rows.keys() - names.keys()]
        return sorted(examples, key=lambda example: class_and_number(example.path.name))

    def _paired(self, files: list[Path], rows: dict[str, list[str]], folder: Path, wnid: str = "") -> list[Example]:
        """The images of a folder with their annotations; where no wnid is given, each line has its own."""
        examples = []
        self.missing += [folder / name for name in rows.keys() - {file.name for file in files}]
        for file in files:
            fields = rows.get(file.name)
            if fields is None:
                self.faults.append(f"{file}: no annotation line for this image")
            elif (wnid or fields[0]) not in self._ids:
                self.faults.append(f"{file}: annotated with unknown wnid {fields[0]}, not in wnids.txt")
            else:
                examples.append(Example(file, self._ids[wnid or fields[0]], tuple(map(int, fields[-4:]))))
        return examples

    def _find_unclaimed(self) -> None:
        """Images where the layout has none."""
        seen: set[Path] = set()
        for name, folders, files in os.walk(self.root, followlinks=True):
            folder = Path(name)
            if folder in self._looked_at or folder.resolve() in seen:  # links may go round
                folders.clear()
                continue
            seen.add(folder.resolve())
            folders[:] = [each for each in folders if not each.startswith((".", "__MACOSX"))]
            for file in sorted(files):
                if file.lower().endswith((".jpeg", ".jpg", ".png")) and not file.startswith("."):
                    self.faults.append(f"{folder / file}: an image that nothing claims; the layout has it elsewhere")


def _verify(examples: list[Example], faults: list[str], on_file: Callable[[int], object]) -> tuple[str, int]:
    """The digest of a split and its number of grayscale files; a broken image becomes a fault."""
    digest, grayscale = hashlib.sha256(), 0
    for first in range(0, len(examples), _AT_A_TIME):
        some = examples[first : first + _AT_A_TIME]
        files = [example.path.read_bytes() for example in some]
        for example, data, found in zip(some, files, jpeg.verify_all(files), strict=True):
            if fault := jpeg.fault_of(found):
                faults.append(f"{example.path}: {fault}")
            else:
                grayscale += found[2] == 1
            content = hashlib.sha256(data).hexdigest()
            digest.update(line_of(example.path.name, content, example.label, example.box))
        on_file(len(some))
    return digest.hexdigest(), grayscale


def class_and_number(file_name: str) -> tuple[str, int, str]:
    """Returns what the images of a split are sorted by, wherever they are read from."""
    prefix, number = file_name.removesuffix(".JPEG").rsplit("_", 1)
    return prefix, int(number), file_name


def line_of(name: str, content: str, label: int, box: tuple[int, ...]) -> bytes:
    """Returns what a split's digest takes of an image, whose bytes have the sha256 ``content``."""
    return f"{name} {content} {label} {box}\n".encode()
