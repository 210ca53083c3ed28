"""Prepares the dataset and holds a split's encoded images in memory.

The 100,000 training files are 190 MB as JPEG, so a whole split fits anywhere. Random access to it makes
shuffling, subsampling, screening and resuming plain index arithmetic.
"""

import contextlib
import dataclasses
import errno
import hashlib
import io
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf import json_format
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.download.extractor import ExtractError
from tensorflow_datasets.core.download.util import DownloadError

from tiny_imagenet_tf import hardware  # noqa: F401  # before TensorFlow works: it hides GPUs from it where JAX computes
from tiny_imagenet_tf.data import archives, official_layout
from tiny_imagenet_tf.data.official_layout import DatasetError
from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import (
    DOWNLOAD,
    OF_SOURCES,
    URL,
    Builder,
    classes,
    files_of,
    place_of,
)
from tiny_imagenet_tf.data.untuned import untuned
from tiny_imagenet_tf.errors import UserError, first_line
from tiny_imagenet_tf.runs.files import REFUSED, part_of, room, settle, sweep, writing
from tiny_imagenet_tf.runs.locks import locked
from tiny_imagenet_tf.runs.places import check_folder

Prepared = tfds.core.DatasetBuilder  # what knows the prepared records of a dataset

_EMPTY = hashlib.sha256().hexdigest()  # of a split without images
_WITHHELD = (errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
# What TFDS raises for damaged files.
_OF_TFDS = (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError, json_format.Error)


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of the dataset, images still encoded.

    Attributes:
        name: ``train``, ``validation`` or ``test``.
        jpegs: string tensor (n,), the files' bytes.
        labels: int64 (n,), indices into ``wnids``; -1 in the test split.
        boxes: int32 (n, 4), ``x0 y0 x1 y1`` in pixels 0..63, or four times -1.
        file_names: str (n,).
        wnids: the classes in label order (sorted).
        words: wnid to human-readable names.
        digest: sha256 over what the split holds, in order.
    """

    name: str
    jpegs: tf.Tensor
    labels: np.ndarray
    boxes: np.ndarray
    file_names: np.ndarray
    wnids: tuple[str, ...]
    words: dict[str, str]
    digest: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "Split":
        """Returns the split that holds the given rows, in the given order."""
        digest = hashlib.sha256(f"{self.digest} rows {np.asarray(rows, np.int64).tolist()}".encode()).hexdigest()
        return dataclasses.replace(
            self,
            jpegs=tf.gather(self.jpegs, rows),
            labels=self.labels[rows],
            boxes=self.boxes[rows],
            file_names=self.file_names[rows],
            digest=digest,
        )

    def fraction(self, fraction: float) -> "Split":
        """Returns the first ``fraction`` of every class (Milani section 3.2 used a quarter)."""
        return self if fraction == 1 else self.take(self.fraction_rows(fraction))

    def fraction_rows(self, fraction: float) -> np.ndarray:
        """Returns the rows of the first ``fraction`` of every class; unlabeled images count as one class.

        Raises:
            UserError: ``fraction`` is not in (0, 1].
        """
        check_fraction(fraction)
        by_class = [np.flatnonzero(self.labels == label) for label in np.unique(self.labels)]
        rows = np.concatenate([rows[: max(1, round(fraction * len(rows)))] for rows in by_class])
        return np.sort(rows)

    def spread_rows(self, most: int) -> np.ndarray:
        """Returns up to so many rows, spread evenly over the split; where it is sorted by class, over those, too."""
        return spread(len(self), most)

    def hold_out_rows(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows to train on, and those held out to select with: the last ``share`` of every class.

        Raises:
            UserError: every class keeps all its images, or ``share`` is not in [0, 1); at 0 none is asked for.
        """
        rows = np.arange(len(self))
        kept = self.fraction_rows(1 - share) if share else rows
        if share and len(kept) == len(rows):
            raise UserError(
                f"--holdout {share}: too small, no image of any class is held out ({len(rows):,} training images)"
            )
        return kept, np.setdiff1d(rows, kept)


def spread(number: int, most: int) -> np.ndarray:
    """Returns up to ``most`` of the rows 0 to ``number`` - 1, evenly spread; int (rows,)."""
    return np.linspace(0, number - 1, min(most, number)).astype(int)


def check_fraction(fraction: float) -> None:
    """Raises UserError unless a share of each class is above 0 and at most 1."""
    if not 0 < fraction <= 1:
        raise UserError(f"--fraction {fraction}: must be above 0 and at most 1")


def prepare(source: Path | None = None, data_dir: Path | None = None) -> Prepared:
    """Returns the builder with its records on disk, preparing them at the first call.

    Records belong to what they were made from: those of a source lie in a folder named after its files' names, sizes
    and times, apart from the download's. Of two processes that need the same, one makes them and the other waits.

    Args:
        source: a ``tiny-imagenet-200`` folder, zip or tar; None downloads the official archive, checked
            against its sha256.
        data_dir: where prepared datasets are kept; None takes TFDS's own (``$TFDS_DATA_DIR`` or
            ``~/tensorflow_datasets``).

    Raises:
        DatasetError: the source is broken, or there is none and the download failed.
    """
    root = root_of(data_dir)
    check_folder("--data-dir", root, written=False)
    if source is None:
        return _prepare_download(root)
    source = Path(source).expanduser().resolve()
    if not source.exists():
        raise DatasetError(f"--source {source}: no such file or folder")
    tree = source if source.is_file() else official_layout.find_root(source)
    folder = place_of(tree, root)
    lock = folder.parent / f".{folder.name}.lock"
    builder = _made_once(folder, lock, f"the dataset in {folder}", lambda: _make(tree, folder))
    if (made_from := builder.info.metadata.get("source", folder.name)) != folder.name:
        raise _damaged(folder, f"they were made from {made_from}")
    return builder


def root_of(data_dir: Path | None) -> Path:
    """Returns the folder of all prepared datasets: the given one, or TFDS's own.

    Raises:
        DatasetError: it is not of this machine.
    """
    wanted = str(data_dir or tfds.core.constants.DATA_DIR)
    if re.match(r"[A-Za-z][\w+.-]+:/", wanted):
        raise DatasetError(f"--data-dir {wanted}: must be a folder of this machine; copy the records here first")
    return Path(wanted).expanduser()


def _made_once(folder: Path, lock: Path, what: str, make: Callable[[], None]) -> Prepared:
    """Returns the records of a folder, made by one process while others wait."""
    if (builder := _existing(folder)) is None:
        with writing(lock.parent):
            lock.parent.mkdir(parents=True, exist_ok=True)
        with locked(lock, what, wait=True):
            sweep(lock.parent)
            if (builder := _existing(folder)) is None:  # nobody else made them meanwhile
                make()
                builder = _existing(folder)
    return builder


def _existing(folder: Path) -> Prepared | None:
    try:
        if not Builder(data_dir=folder).data_path.exists():
            return None
        builder = Builder(data_dir=folder)  # anew: records that came after the first had looked it does not know
        digests = dict((builder.info.metadata or {}).get("digests") or {})
        splits, classes = set(builder.info.splits), list(builder.info.features["label"].names)
        stored = list(builder.info.metadata.get("wnids", classes)) if digests else []
        words = dict(builder.info.metadata["words"]) if digests else {}
    except _OF_TFDS as error:
        raise _damaged(folder, error) from error
    if not digests:
        if folder.parent.name == OF_SOURCES:
            raise _damaged(folder, "no digests")
        raise DatasetError(
            f"the records in {folder / 'tiny_imagenet'} were not prepared by this package; choose another --data-dir"
        )
    if splits != {name for name, digest in digests.items() if digest != _EMPTY}:
        raise _damaged(folder, f"there are {', '.join(sorted(splits)) or 'no'} records, not those that were prepared")
    if missing := [wnid for wnid in classes if not isinstance(words.get(wnid), str)]:
        raise _damaged(folder, f"{missing[0]} has no name")
    if classes != stored:
        raise _damaged(folder, "the names of the classes are not those that were prepared")
    return builder


def _damaged(folder: Path, reason: object) -> DatasetError:
    """Of records; ``folder`` holds their folder ``tiny_imagenet`` and may be the folder of all datasets."""
    withheld = isinstance(reason, tf.errors.PermissionDeniedError) or getattr(reason, "errno", None) in _WITHHELD
    reason = first_line(reason) if isinstance(reason, BaseException) else reason
    if withheld:  # they may be whole
        return DatasetError(f"the prepared records in {folder / 'tiny_imagenet'} cannot be read ({reason})")
    return DatasetError(
        f"the prepared records in {folder / 'tiny_imagenet'} are damaged ({reason}); delete that folder and run again"
    )


def _make(tree: Path, folder: Path) -> None:
    """Prepares records in a folder of this process's own, and gives it its name when all is there."""
    part = part_of(folder)
    unpacked, root = part / "unpacked", tree
    try:
        with writing(part):
            if tree.is_file():
                archives.unpack(tree, unpacked)
                root = official_layout.find_root(unpacked)
            with _quiet(), _writing_records(folder, lambda: sum(stat.st_size for stat in files_of(root).values())):
                Builder(data_dir=part, source=root, made_from=folder.name).download_and_prepare()
            shutil.rmtree(unpacked, ignore_errors=True)
            settle(part)
            if not folder.exists():  # where locks do not work another process may have been first
                part.rename(folder)
            elif not (folder / "tiny_imagenet").exists():  # somebody has removed damaged ones
                (part / "tiny_imagenet").rename(folder / "tiny_imagenet")
    except DatasetError as error:  # the folder is gone when a person reads this
        raise DatasetError(str(error).replace(str(unpacked), str(tree))) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _writing_records(kept: Path, size: Callable[[], int]) -> Iterator[None]:
    """TFDS writes by TensorFlow, whose errors are none of Python's own, and then hides them in one of its own."""
    try:
        yield
    except (tf.errors.OpError, RuntimeError, ExtractError) as error:
        cause = error if isinstance(error, tf.errors.OpError) else error.__cause__
        refused = isinstance(cause, OSError) and cause.errno in REFUSED
        if not refused and not isinstance(cause, tf.errors.OpError):
            raise
        reason = cause.strerror if refused else cause.message.rsplit("; ")[-1]
        raise DatasetError(
            f"{kept} cannot be written: {reason}. About {size():,} bytes are needed, "
            f"{room(kept)[1]:,} are free there; make room or choose another --data-dir, and run the same command again"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leaves out TFDS' bars, wider than a screen, and its lines, which name a folder that will not be there."""
    bars = tfds.core.utils.tqdm_utils
    before = bars._active
    bars.display_progress_bar(False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        bars.display_progress_bar(before)


def existing_download(data_dir: Path | None = None) -> Prepared | None:
    """Returns the builder of the official archive's records, if they are there; nothing is downloaded.

    Raises:
        DatasetError: they are damaged, or of something else.
    """
    found = _existing(root_of(data_dir))
    return found and _of_download(found)


def verify(builder: Prepared) -> None:
    """Compares prepared records with the digests that were stored when every file was looked at.

    Raises:
        DatasetError: they differ, or cannot be read.
    """
    for name, digest in builder.info.metadata["digests"].items():
        if name not in builder.info.splits:
            continue
        split, found = load(builder, name), hashlib.sha256()
        for data, file, label, box in zip(
            split.jpegs.numpy(), split.file_names, split.labels, split.boxes, strict=True
        ):
            content = hashlib.sha256(data).hexdigest()
            found.update(official_layout.line_of(file, content, int(label), tuple(map(int, box))))
        if found.hexdigest() != digest:
            raise _damaged(builder.data_path.parents[1], f"the {name} records are not those that were verified")


def load(builder: Prepared, split: str) -> Split:
    """Reads a split into memory, images still encoded.

    Args:
        builder: from ``prepare``.
        split: ``train``, ``validation`` or ``test``.

    Raises:
        DatasetError: the dataset has no such split.
    """
    if split not in builder.info.splits:
        raise DatasetError(f"the dataset at {builder.data_path} has no {split} images")
    try:
        records = untuned(builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()}))
        columns = next(iter(records.batch(builder.info.splits[split].num_examples, drop_remainder=True)))
    except (tf.errors.OpError, StopIteration, AssertionError, OSError, ValueError) as error:
        raise _damaged(builder.data_path.parents[1], error) from error
    file_names = columns["file_name"].numpy().astype(str)
    official_layout.check_names(file_names, builder.info.features["label"].names, builder.data_path)
    # Records are stored shuffled. By class and number, rows do not depend on how TFDS wrote them.
    rows = sorted(range(len(file_names)), key=lambda row: official_layout.class_and_number(file_names[row]))
    label = builder.info.features["label"]
    return Split(
        name=split,
        jpegs=tf.gather(columns["image"], rows),
        labels=columns["label"].numpy()[rows],
        boxes=columns["box"].numpy()[rows],
        file_names=file_names[rows],
        wnids=tuple(label.names),
        words=dict(builder.info.metadata["words"]),
        digest=builder.info.metadata["digests"][split],
    )


def check_classes(wnids: Sequence[str]) -> None:
    """Raises UserError where there are fewer than two classes: every answer would be right."""
    if len(wnids) < 2:
        raise UserError(f"the images have {len(wnids)} class in their wnids.txt; there is nothing to tell apart")


def load_all(builder: Prepared, fraction: float = 1) -> dict[str, Split]:
    """Reads every split that the dataset has, or a fraction of each of their classes.

    Raises:
        DatasetError: there are no validation images to measure accuracy on.
        UserError: ``fraction`` is not in (0, 1].
    """
    names = [name for name in official_layout.SPLITS if name in builder.info.splits]
    if "validation" not in names:
        raise DatasetError(f"the dataset at {builder.data_path} has no validation images to measure accuracy on")
    check_classes(builder.info.features["label"].names)
    return {name: load(builder, name).fraction(fraction) for name in names}


def shortfalls(parts: Collection[Split], screened: int = 0) -> list[str]:
    """Returns a note for each split that has not as many images as the official one, and one for other ones.

    Args:
        parts: the splits.
        screened: training images that were left out on purpose, which is no shortfall.
    """
    official = official_layout.OFFICIAL_COUNTS
    counts = [
        f"{len(split):,} of the official {official[split.name]:,} {split.name} images"
        for split in parts
        if len(split) + (screened if split.name == "train" else 0) != official[split.name]
    ]
    others = [] if all(map(may_be_official, parts)) else ["classes or images that are not the official ones"]
    return counts + others


def may_be_official(split: Split) -> bool:
    """Whether the classes are those of Tiny ImageNet, and a result may stand beside the papers'.

    Of all training images it is known which they are; of the others, of which we have a part, it is not.
    """
    whole = len(split) == official_layout.OFFICIAL_COUNTS[split.name]
    known = official_layout.OFFICIAL_DIGESTS.get(split.name) if whole else None
    return split.wnids == tuple(classes()) and known in (None, split.digest)


def _prepare_download(root: Path) -> Prepared:
    lock = root / ".tiny_imagenet.lock"
    return _of_download(_made_once(root, lock, f"the download to {root}", lambda: _download(root)))


def _of_download(found: Prepared) -> Prepared:
    if (made_from := found.info.metadata.get("source", DOWNLOAD)) != DOWNLOAD:
        raise DatasetError(
            f"{found.data_path} was made from a folder ({made_from}), not from the official archive; "
            "choose another --data-dir, or give the folder as --source"
        )
    return found


def _download(root: Path) -> None:
    """Prepares the download in a folder of this process's own, and gives it its name when all is there."""
    kept, part = Builder(data_dir=root).data_path, part_of(root / "tiny_imagenet")
    downloads = root / "downloads"
    try:
        _sweep_downloads(downloads)
        size = Builder.url_infos[URL].size
        places = (downloads / Builder.name, downloads)  # of TFDS, and of its earlier versions
        if not any(file.stat().st_size == size for place in places for file in place.glob("*.zip")):
            _check_reachable()
        config = tfds.download.DownloadConfig(
            try_download_gcs=False, force_checksums_validation=True, extract_dir=part / "extracted"
        )
        builder = Builder(data_dir=part)
        with _writing_records(kept, lambda: 4 * size):  # the archive, its 120,000 files, and the records
            builder.download_and_prepare(download_dir=downloads, download_config=config)
        shutil.rmtree(part / "extracted", ignore_errors=True)
        settle(part)
        kept.parent.mkdir(parents=True, exist_ok=True)
        builder.data_path.rename(kept)
    except DatasetError as error:  # the folder is gone when a person reads this
        raise DatasetError(str(error).replace(str(part / "extracted"), "the archive")) from error
    except (OSError, ValueError, HTTPException, DownloadError, ExtractError, NonMatchingChecksumError) as error:
        raise DatasetError(
            f"Tiny ImageNet could not be downloaded: {URL}\n  {first_line(error)}\n"
            "If you are offline, give local files:\n"
            "  --source PATH     a tiny-imagenet-200 folder, zip or tar\n"
            "  --weights PATH    for transfer learning, the backbone's weights: a .h5, .weights.h5 or .keras file\n"
            f"or put prepared records in {kept}. To try a training recipe on synthetic images, add --demo."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _sweep_downloads(downloads: Path) -> None:
    """Removes what downloads that were stopped a day ago or more have left: TFDS begins each anew."""
    for part in (downloads / Builder.name).glob("*.tmp.*"):
        with contextlib.suppress(OSError):  # it has just ended
            if time.time() - part.stat().st_mtime > 86_400:
                shutil.rmtree(part, ignore_errors=True)


def _check_reachable() -> None:
    """Raises OSError where the archive is out of reach; TFDS would retry for minutes."""
    try:
        urllib.request.urlopen(urllib.request.Request(URL, method="HEAD"), timeout=20).close()
    except urllib.error.HTTPError as error:
        if error.code not in (403, 405, 501):  # who refuses the question may still give the file
            raise
