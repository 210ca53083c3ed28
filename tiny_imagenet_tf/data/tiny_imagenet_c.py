"""Tiny-ImageNet-C: images of the 200 classes under corruptions of five severities (Hendrycks and Dietterich 2019).

FOLDER/<corruption>/<severity 1 to 5>/<wnid>/<image>.JPEG      as its authors publish it
"""

import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from tiny_imagenet_tf.data import jpeg
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.data.official_layout import LARGEST, DatasetError
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import new_folder, read_object, sweep, write_json, writing
from tiny_imagenet_tf.runs.locks import locked

SUFFIXES = (".jpeg", ".jpg")
_LOCK = ".lock"
MADE = "made_of"  # in a folder of ours, JSON: of which images, from which seed
_QUALITY = 85  # of the published JPEG files


def groups(folder: Path) -> list[tuple[str, int]]:
    """Returns the corruptions of a folder with their severities, sorted.

    Raises:
        DatasetError: there are none.
    """
    if not folder.is_dir():
        raise DatasetError(f"--corrupted {folder}: no such folder")
    found = [path for path in folder.glob("*/[1-5]") if path.is_dir() and path.parent.name[0] != "."]
    if not found:
        raise DatasetError(
            f"--corrupted {folder}: no folders such as gaussian_noise/1/n01443537; point to Tiny-ImageNet-C"
        )
    return sorted((path.parent.name, int(path.name)) for path in found)


def read(folder: Path, corruption: str, severity: int, clean: Split, fraction: float = 1.0) -> Split:
    """Returns the images of one corruption and severity, by class and name.

    Args:
        folder: of all corruptions.
        corruption: name of one.
        severity: of it, from 1 to 5.
        clean: the val split, whose classes they have.
        fraction: share of each class to read.

    Raises:
        DatasetError: a class is not one of val's or has no image, or an image is damaged or has another size.
    """
    place = folder / corruption / str(severity)
    classes = {path.name: path for path in sorted(place.iterdir()) if path.is_dir()}
    if odd := classes.keys() ^ set(clean.wnids):
        raise DatasetError(f"{place}: its classes are not those of val; they differ in {', '.join(sorted(odd)[:3])}")
    files, labels = [], []
    for label, wnid in enumerate(clean.wnids):
        found = sorted((file for file in classes[wnid].iterdir() if file.suffix.lower() in SUFFIXES), key=_by_number)
        if not found:
            raise DatasetError(f"{classes[wnid]}: no image")
        if odd := [file for file in found if not file.is_file() or file.stat().st_size > LARGEST]:
            raise DatasetError(f"{odd[0]}: not an ordinary file of at most {LARGEST:,} bytes")
        files += found[: max(1, round(fraction * len(found)))]
        labels += [label] * (len(files) - len(labels))
    data = [file.read_bytes() for file in files]
    for file, found in zip(files, jpeg.verify_all(data), strict=True):
        if fault := jpeg.fault_of(found):
            raise DatasetError(f"{file}: {fault}")
    digest = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in data)).hexdigest()
    names = np.array([file.name for file in files])
    boxes = np.full((len(files), 4), -1, np.int32)
    labels = np.array(labels, np.int64)
    return Split(f"{corruption} {severity}", tf.constant(data), labels, boxes, names, clean.wnids, clean.words, digest)


def check_same(folder: Path, kinds: Sequence[tuple[str, int]]) -> None:
    """Raises DatasetError where corruptions are not of the same images, so that their errors cannot be compared.

    Args:
        folder: of all corruptions.
        kinds: corruptions with their severities.
    """
    first: set[str] = set()
    for name, severity in kinds:
        place = folder / name / str(severity)
        found = {f"{path.parent.name}/{path.name}" for path in place.glob("*/*") if path.suffix.lower() in SUFFIXES}
        first = first or found
        if odd := sorted(found ^ first):
            raise DatasetError(
                f"{name} {severity}: not the images of {kinds[0][0]} {kinds[0][1]}; {len(odd)} are in one of them "
                f"alone, such as {odd[0]}"
            )


def check_made(folder: Path, clean: Split) -> bool:
    """Returns whether a folder is of ours, made of images at hand, and not as its authors publish it.

    Raises:
        DatasetError: it is made of others than these, whose errors cannot stand side by side.
    """
    if not (folder / MADE).is_file():
        return False
    found = read_object(folder / MADE)
    if found.get("images") != clean.digest:
        raise DatasetError(
            f"--corrupted {folder}: made of {found.get('count')} images, which are not these {len(clean)}; name the "
            "--source, --data-dir and --fraction that it was made with"
        )
    return True


@contextlib.contextmanager
def claimed(folder: Path, split: Split, seed: int) -> Iterator[None]:
    """Holds a folder, new or begun before, for the corruptions of some images.

    Raises:
        UserError: it holds something else, or another process is at work on it.
    """
    made, known = {"images": split.digest, "count": len(split), "seed": seed}, folder / MADE
    if folder.exists() and any(path.name[0] != "." for path in folder.iterdir()) and not known.is_file():
        raise UserError(f"--output {folder}: is not empty and not begun by this command; name a new folder")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / _LOCK, f"--output {folder}", wait=False):
        if known.is_file() and (found := read_object(known)) != made:
            its = f"{found.get('count')} images with seed {found.get('seed')}"
            ours = f"{len(split)} images with seed {seed}"
            raise UserError(
                f"--output {folder}: its corruptions are of {its}, not of "
                f"{f'these {ours}' if its != ours else 'these, which are others'}; name a new folder"
            )
        with writing(folder):
            for each in (folder, *(path for path in folder.iterdir() if path.is_dir())):
                sweep(each)
            write_json(known, made)
        yield


def write(
    folder: Path,
    corruption: str,
    severity: int,
    split: Split,
    corrupt: Callable[[np.ndarray, str], np.ndarray],
    written: Callable[[], object] = lambda: None,
) -> None:
    """Writes the images of one corruption and severity, all or none; what is there already is left as it is.

    Args:
        folder: of all corruptions, see ``claimed``.
        corruption: its name.
        severity: of it.
        split: the images.
        corrupt: takes an image, uint8 (64, 64, 3), and its name to the corrupted one.
        written: called after each image.
    """
    place = folder / corruption / str(severity)
    if place.exists():
        return
    with writing(place), new_folder(place) as part:
        for wnid in split.wnids:
            (part / wnid).mkdir()
        images = (image for batch in in_order(split, 100).as_numpy_iterator() for image in batch)
        for image, label, name in zip(images, split.labels, split.file_names, strict=True):
            stored = io.BytesIO()
            Image.fromarray(corrupt(image, name)).save(stored, "JPEG", quality=_QUALITY, optimize=True)
            (part / split.wnids[label] / name).write_bytes(stored.getvalue())
            written()


def _by_number(file: Path) -> list[str | int]:
    """val_9 before val_10, as the dataset's own images are ordered."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", file.name)]


def table(errors: dict[tuple[str, int], float], clean: float) -> Iterator[str]:
    """Yields the lines of a table of top-1 errors: a corruption per row, a severity per column; then their mean.

    Args:
        errors: of each corruption and severity, fractions.
        clean: of the images as they are.
    """
    severities = sorted({severity for _, severity in errors})
    yield f"{'top-1 error':22}" + "".join(f"{severity:>8}" for severity in severities) + f"{'mean':>9}"
    means = {}
    for corruption in sorted({name for name, _ in errors}):
        row = [errors.get((corruption, severity)) for severity in severities]
        means[corruption] = float(np.mean([each for each in row if each is not None]))
        cells = "".join(f"{'':>8}" if each is None else f"{each:8.1%}" for each in row)
        yield f"{corruption:22}{cells}{means[corruption]:9.1%}"
    if len(errors) < len(means) * len(severities):
        yield f"no mean over the corruptions, which are not all there in the same severities; clean error {clean:.2%}"
        return
    mean = float(np.mean(list(means.values())))
    yield f"mean error of {len(means)} corruptions, not normalized (no mCE): {mean:.2%}; clean error {clean:.2%}"
