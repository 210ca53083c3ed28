"""Reads and verifies a ``tiny-imagenet-200`` tree as the CS231n server publishes it.

    wnids.txt  words.txt
    train/<wnid>/<wnid>_boxes.txt        file x0 y0 x1 y1
    train/<wnid>/images/<wnid>_<i>.JPEG
    val/val_annotations.txt              file wnid x0 y0 x1 y1
    val/images/val_<i>.JPEG
    test/images/test_<i>.JPEG

A tree with fewer images than the official one is accepted. A file that cannot be trusted is not: every
fault is collected with the file's name, and :func:`read` raises one error that lists them.
"""

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tiny_imagenet_tf.data import jpeg
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import IMAGE_SIZE

NO_BOX = (-1, -1, -1, -1)
UNLABELED = -1
SPLITS = ("train", "validation", "test")
OFFICIAL_COUNTS = {"train": 100_000, "validation": 10_000, "test": 10_000}
_WNID = re.compile(r"n\d{8}")
_FAULTS_SHOWN = 20


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
        root: the ``tiny-imagenet-200`` folder.
        wnids: class names in sorted order; an example's label is an index into them.
        words: wnid to human-readable names, for the classes of this tree.
        examples: split name to its examples, sorted by class and number.
        digests: split name to the sha256 over names, bytes, labels and boxes.
        grayscale: split name to the number of one-channel files.
        missing: annotated files that are not on disk, as paths relative to ``root``.
    """

    root: Path
    wnids: tuple[str, ...]
    words: dict[str, str]
    examples: dict[str, tuple[Example, ...]]
    digests: dict[str, str]
    grayscale: dict[str, int]
    missing: tuple[str, ...]


def find_root(path: Path) -> Path:
    """Returns the folder that holds ``wnids.txt``: ``path`` itself or its ``tiny-imagenet-200``.

    Raises:
        DatasetError: neither is such a folder.
    """
    for root in (path, path / "tiny-imagenet-200"):
        if (root / "wnids.txt").is_file():
            return root
    raise DatasetError(
        f"{path} is not a Tiny ImageNet folder: there is no wnids.txt in it, nor in its tiny-imagenet-200. "
        "Point to the unpacked tiny-imagenet-200 folder, or to its zip or tar."
    )


def read(path: Path, on_file: Callable[[], object] = lambda: None) -> Layout:
    """Reads the annotations, verifies every image, and returns the tree.

    Args:
        path: a ``tiny-imagenet-200`` folder or the folder around it.
        on_file: called after each verified image, for a progress bar.

    Raises:
        DatasetError: with the names of up to 20 files at fault and what is wrong with each.
    """
    root = find_root(path)
    faults: list[str] = []
    wnids = _read_wnids(root, faults)
    class_ids = {wnid: i for i, wnid in enumerate(wnids)}
    missing: list[str] = []
    examples = {
        "train": _train(root, class_ids, faults, missing),
        "validation": _validation(root, class_ids, faults, missing),
        "test": [Example(file, UNLABELED, NO_BOX) for file in _images(root / "test" / "images", faults)],
    }
    digests, grayscale = {}, {}
    for split, found in examples.items():
        digests[split], grayscale[split] = _verify(root, found, faults, on_file)
    if faults:
        shown = "\n  ".join(faults[:_FAULTS_SHOWN])
        more = f"\n  and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
        raise DatasetError(
            f"{root}: {len(faults)} fault(s) found; nothing was changed or written:\n  {shown}{more}\n"
            "Restore these files from the original archive, or remove both file and annotation."
        )
    if not examples["train"]:
        raise DatasetError(f"{root}: no training images under {root / 'train'}")
    words = _read_words(root)
    return Layout(
        root=root,
        wnids=wnids,
        words={wnid: words.get(wnid, wnid) for wnid in wnids},
        examples={split: tuple(found) for split, found in examples.items()},
        digests=digests,
        grayscale=grayscale,
        missing=tuple(missing),
    )


def _read_wnids(root: Path, faults: list[str]) -> tuple[str, ...]:
    lines = [line.strip() for line in (root / "wnids.txt").read_text().splitlines() if line.strip()]
    faults += [f"wnids.txt: {line!r} is not a wnid such as n01443537" for line in lines if not _WNID.fullmatch(line)]
    faults += [f"wnids.txt: {wnid} is listed {n} times" for wnid, n in Counter(lines).items() if n > 1]
    return tuple(sorted(set(lines)))


def _read_words(root: Path) -> dict[str, str]:
    file = root / "words.txt"
    if not file.is_file():
        return {}
    return dict(line.split("\t", 1) for line in file.read_text().splitlines() if "\t" in line)


def _images(folder: Path, faults: list[str]) -> list[Path]:
    """The JPEG files of a folder, in the order of the numbers in their names."""
    if not folder.is_dir():
        return []
    files = []
    for file in folder.iterdir():
        if re.fullmatch(r"\w+_\d+\.JPEG", file.name):
            files.append(file)
        elif not file.name.startswith("."):
            faults.append(f"{file}: not a name such as val_0.JPEG")
    return sorted(files, key=lambda file: int(file.stem.rsplit("_", 1)[1]))


def _annotations(file: Path, columns: int, faults: list[str]) -> dict[str, list[str]]:
    """File name to the other columns of its line."""
    if not file.is_file():
        faults.append(f"{file}: missing annotation file")
        return {}
    rows: dict[str, list[str]] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != columns or not all(field.isdigit() for field in fields[-4:]):
            faults.append(f"{file}, line {number}: {line!r} does not have {columns} columns ending in a box")
        elif fields[0] in rows:
            faults.append(f"{file}, line {number}: {fields[0]} is a duplicate of an earlier line")
        else:
            rows[fields[0]] = fields[1:]
    return rows


def _annotated(root: Path, folder: Path, rows: dict[str, list[str]], faults, missing) -> Iterator[tuple]:
    """Pairs the images of a folder with their annotation lines; notes what lacks its partner."""
    files = _images(folder, faults)
    missing += [str((folder / name).relative_to(root)) for name in rows.keys() - {file.name for file in files}]
    for file in files:
        if file.name in rows:
            fields = rows[file.name]
            yield file, fields[:-4], tuple(int(field) for field in fields[-4:])
        else:
            faults.append(f"{file}: no annotation line for this image")


def _train(root: Path, class_ids: dict[str, int], faults: list[str], missing: list[str]) -> list[Example]:
    examples = []
    folders = sorted(folder for folder in (root / "train").glob("*") if folder.is_dir())
    for folder in folders:
        if folder.name not in class_ids:
            faults.append(f"{folder}: unknown wnid, not in wnids.txt")
            continue
        rows = _annotations(folder / f"{folder.name}_boxes.txt", 5, faults)
        for file, _, box in _annotated(root, folder / "images", rows, faults, missing):
            examples.append(Example(file, class_ids[folder.name], box))
    return examples


def _validation(root: Path, class_ids: dict[str, int], faults: list[str], missing: list[str]) -> list[Example]:
    if not (root / "val").is_dir():
        return []
    examples = []
    rows = _annotations(root / "val" / "val_annotations.txt", 6, faults)
    for file, (wnid,), box in _annotated(root, root / "val" / "images", rows, faults, missing):
        if wnid in class_ids:
            examples.append(Example(file, class_ids[wnid], box))
        else:
            faults.append(f"{file}: annotated with unknown wnid {wnid}, not in wnids.txt")
    return examples


def _verify(root: Path, examples: list[Example], faults: list[str], on_file) -> tuple[str, int]:
    """The digest of a split and its number of grayscale files; a broken image becomes a fault."""
    digest = hashlib.sha256()
    grayscale = 0
    for example in examples:
        data = example.path.read_bytes()
        try:
            height, width, channels = jpeg.verify(data)
        except jpeg.JpegError as error:
            faults.append(f"{example.path}: {error}")
            continue
        if (height, width) != (IMAGE_SIZE, IMAGE_SIZE):
            faults.append(f"{example.path}: {width}x{height} pixels, expected {IMAGE_SIZE}x{IMAGE_SIZE}")
        grayscale += channels == 1
        content = hashlib.sha256(data).hexdigest()
        digest.update(f"{example.path.name} {content} {example.label} {example.box}\n".encode())
        on_file()
    return digest.hexdigest(), grayscale
