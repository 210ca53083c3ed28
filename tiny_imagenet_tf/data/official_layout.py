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
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import IMAGE_SIZE

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
        wnids: class names in sorted order; an example's label is an index into them.
        words: wnid to human-readable names, for the classes of this tree.
        examples: split name to its examples, sorted by class and number.
        digests: split name to the sha256 over names, bytes, labels and boxes.
        grayscale: split name to the number of one-channel files.
        missing: annotated files that are not on disk, as paths in the ``tiny-imagenet-200`` folder.
    """

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
    missing: list[Path] = []
    val = root / "val"
    examples = {
        "train": _train(root, class_ids, faults, missing),
        "validation": _labelled(val / "images", val / "val_annotations.txt", class_ids, faults, missing),
        "test": [Example(file, -1, (-1, -1, -1, -1)) for file in _images(root / "test" / "images", faults)],
    }
    digests, grayscale = {}, {}
    for split, found in examples.items():
        digests[split], grayscale[split] = _verify(found, faults, on_file)
    if faults:
        shown = "\n  ".join(faults[:_FAULTS_SHOWN])
        more = f"\n  and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
        raise DatasetError(
            f"{root}: {len(faults)} fault(s) found; nothing was changed or written:\n  {shown}{more}\n"
            "Restore these files from the original archive, or remove both file and annotation."
        )
    if not examples["train"]:
        raise DatasetError(f"{root}: no training images under {root / 'train'}")
    lines = (root / "words.txt").read_text().splitlines() if (root / "words.txt").is_file() else []
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    return Layout(
        wnids=wnids,
        words={wnid: words.get(wnid, wnid) for wnid in wnids},
        examples={split: tuple(found) for split, found in examples.items()},
        digests=digests,
        grayscale=grayscale,
        missing=tuple(str(file.relative_to(root)) for file in missing),
    )


def _read_wnids(root: Path, faults: list[str]) -> tuple[str, ...]:
    lines = [line.strip() for line in (root / "wnids.txt").read_text().splitlines() if line.strip()]
    faults += [f"wnids.txt: {line!r} is not a wnid such as n01443537" for line in lines if not _WNID.fullmatch(line)]
    faults += [f"wnids.txt: {wnid} is listed {n} times" for wnid, n in Counter(lines).items() if n > 1]
    return tuple(sorted(set(lines)))


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


def _train(root: Path, class_ids: dict[str, int], faults: list[str], missing: list[Path]) -> list[Example]:
    examples = []
    for folder in sorted(folder for folder in (root / "train").glob("*") if folder.is_dir()):
        if folder.name in class_ids:
            boxes = folder / f"{folder.name}_boxes.txt"
            examples += _labelled(folder / "images", boxes, class_ids, faults, missing, folder.name)
        else:
            faults.append(f"{folder}: unknown wnid, not in wnids.txt")
    return examples


def _labelled(
    folder: Path, annotations: Path, class_ids: dict[str, int], faults: list[str], missing: list[Path], wnid: str = ""
) -> list[Example]:
    """Pairs the images of a folder with their annotation lines; where no wnid is given, each line has its own."""
    if not folder.parent.is_dir():
        return []
    rows = _annotations(annotations, 5 if wnid else 6, faults)
    files, examples = _images(folder, faults), []
    missing += [folder / name for name in rows.keys() - {file.name for file in files}]
    for file in files:
        fields = rows.get(file.name)
        if fields is None:
            faults.append(f"{file}: no annotation line for this image")
        elif (wnid or fields[0]) not in class_ids:
            faults.append(f"{file}: annotated with unknown wnid {fields[0]}, not in wnids.txt")
        else:
            examples.append(Example(file, class_ids[wnid or fields[0]], tuple(map(int, fields[-4:]))))
    return examples


def _verify(examples: list[Example], faults: list[str], on_file: Callable[[], object]) -> tuple[str, int]:
    """The digest of a split and its number of grayscale files; a broken image becomes a fault."""
    digest = hashlib.sha256()
    grayscale = 0
    for example in examples:
        data = example.path.read_bytes()
        try:
            height, width, channels = _decoded_shape(data)
        except ValueError as error:
            faults.append(f"{example.path}: {error}")
            continue
        if (height, width) != (IMAGE_SIZE, IMAGE_SIZE):
            faults.append(f"{example.path}: {width}x{height} pixels, expected {IMAGE_SIZE}x{IMAGE_SIZE}")
        grayscale += channels == 1
        content = hashlib.sha256(data).hexdigest()
        digest.update(f"{example.path.name} {content} {example.label} {example.box}\n".encode())
        on_file()
    return digest.hexdigest(), grayscale


def _decoded_shape(data: bytes) -> tuple[int, int, int]:
    """Height, width and channels (1 of grayscale) of a whole JPEG image; ValueError says what is wrong with others."""
    if not data.startswith(b"\xff\xd8"):
        raise ValueError(f"not a JPEG file: it begins with {data[:8]!r}")
    # Some encoders pad the end with zero bytes; a cut file lacks the marker altogether.
    if not data.rstrip(b"\x00").endswith(b"\xff\xd9"):
        raise ValueError(f"truncated JPEG: {len(data)} bytes and no end-of-image marker")
    try:
        return tuple(tf.io.decode_jpeg(data).shape)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError("damaged JPEG: it does not decode") from error
