"""Prepares the dataset and holds a split's encoded images in memory.

The 100,000 training files are 190 MB as JPEG, so a whole split fits anywhere. Random access to it makes
shuffling, subsampling, screening and resuming plain index arithmetic.
"""

import dataclasses
import hashlib
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.download.util import DownloadError

from tiny_imagenet_tf.data import archives, official_layout
from tiny_imagenet_tf.data.official_layout import DatasetError
from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import URL, Builder
from tiny_imagenet_tf.errors import UserError


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
        if not 0 < fraction <= 1:
            raise UserError(f"--fraction {fraction}: must be above 0 and at most 1")
        by_class = [np.flatnonzero(self.labels == label) for label in np.unique(self.labels)]
        rows = np.concatenate([rows[: max(1, round(fraction * len(rows)))] for rows in by_class])
        return np.sort(rows)

    def hold_out_rows(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows to train on, and those held out to select with: the last ``share`` of every class.

        Raises:
            UserError: every class keeps all its images, or ``share`` is not in [0, 1); at 0 none is asked for.
        """
        rows = np.arange(len(self))
        kept = self.fraction_rows(1 - share) if share else rows
        if share and len(kept) == len(rows):
            raise UserError(f"--holdout {share}: less than half an image a class of {len(rows):,} training images")
        return kept, np.setdiff1d(rows, kept)


def prepare(source: Path | None = None, data_dir: Path | None = None) -> tfds.core.DatasetBuilder:
    """Returns the builder with its records on disk, preparing them at the first call.

    Args:
        source: a ``tiny-imagenet-200`` folder, zip or tar; None downloads the official archive, checked
            against its sha256.
        data_dir: where prepared datasets are kept; None takes TFDS's own (``$TFDS_DATA_DIR`` or
            ``~/tensorflow_datasets``). What comes from a ``source`` is kept apart from the download, under
            a name made from the source's file names, sizes and times.

    Raises:
        DatasetError: the source is broken, or there is none and the download failed.
    """
    root = Path(data_dir or tfds.core.constants.DATA_DIR).expanduser()
    if source is None:
        return _prepare_download(root)
    source = Path(source).expanduser().resolve()
    if not source.exists():
        raise DatasetError(f"--source {source}: no such file or folder")
    kept = root / "tiny_imagenet_from_source" / _fingerprint(source)
    builder = Builder(data_dir=kept)
    if builder.data_path.exists():
        return builder
    unpacked, tree = kept / "unpacked", source
    try:
        if source.is_file():
            shutil.rmtree(unpacked, ignore_errors=True)  # of a process that was killed
            archives.unpack(source, unpacked)
            tree = unpacked
        builder = Builder(data_dir=kept, source=official_layout.find_root(tree))
        builder.download_and_prepare()
    except BaseException:
        shutil.rmtree(kept, ignore_errors=True)
        raise
    shutil.rmtree(unpacked, ignore_errors=True)
    return builder


def load(builder: tfds.core.DatasetBuilder, split: str) -> Split:
    """Reads a split into memory, images still encoded.

    Args:
        builder: from :func:`prepare`.
        split: ``train``, ``validation`` or ``test``.

    Raises:
        DatasetError: the dataset has no such split.
    """
    if split not in builder.info.splits:
        raise DatasetError(f"the dataset at {builder.data_path} has no {split} images")
    records = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    columns = next(iter(records.batch(builder.info.splits[split].num_examples)))
    file_names = columns["file_name"].numpy().astype(str)
    # Records are stored shuffled. By class and number, rows do not depend on how TFDS wrote them.
    rows = sorted(range(len(file_names)), key=lambda row: _class_and_number(file_names[row]))
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


def load_all(builder: tfds.core.DatasetBuilder, fraction: float = 1) -> dict[str, Split]:
    """Reads every split that the dataset has, or a fraction of each of their classes.

    Raises:
        DatasetError: there are no validation images to measure accuracy on.
        UserError: ``fraction`` is not in (0, 1].
    """
    names = [name for name in official_layout.SPLITS if name in builder.info.splits]
    if "validation" not in names:
        raise DatasetError(f"the dataset at {builder.data_path} has no validation images to measure accuracy on")
    return {name: load(builder, name).fraction(fraction) for name in names}


def shortfalls(data: dict[str, Split], screened: int = 0) -> list[str]:
    """Returns a note for each split that has not as many images as the official one.

    Args:
        data: name to split.
        screened: training images that were left out on purpose, which is no shortfall.
    """
    official = official_layout.OFFICIAL_COUNTS
    return [
        f"{len(split):,} of the official {official[name]:,} {name} images"
        for name, split in data.items()
        if len(split) + (screened if name == "train" else 0) != official[name]
    ]


def _prepare_download(root: Path) -> tfds.core.DatasetBuilder:
    builder = Builder(data_dir=root)
    if builder.data_path.exists():
        return builder
    try:
        # TFDS retries for minutes where there is no network; one short question saves them.
        urllib.request.urlopen(urllib.request.Request(URL, method="HEAD"), timeout=20).close()
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False, force_checksums_validation=True)
        )
    except (OSError, DownloadError, NonMatchingChecksumError) as error:
        for part in (root / "downloads" / "tiny_imagenet").glob("*.tmp.*"):
            shutil.rmtree(part, ignore_errors=True)
        raise DatasetError(
            f"Tiny ImageNet could not be downloaded: {URL}\n  {first_line(error)}\n"
            "Without network, take it from disk:\n"
            "  --source PATH     a tiny-imagenet-200 folder, zip or tar\n"
            "  --weights PATH    transfer learning only, for its trunk: an .h5, .weights.h5 or .keras file\n"
            f"or place prepared records at {builder.data_path}. Training recipes show every step on made-up images "
            "with --demo."
        ) from error
    return builder


def _class_and_number(file_name: str) -> tuple[str, int]:
    prefix, number = file_name.removesuffix(".JPEG").rsplit("_", 1)
    return prefix, int(number)


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, cut to 200 characters, to be quoted in another's."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _fingerprint(source: Path) -> str:
    """A name for the state of a source: a changed, added or removed file gives another."""
    if source.is_file():
        base, files = source.parent, [source]
    else:
        base = official_layout.find_root(source)
        files = sorted(file for file in base.rglob("*") if file.is_file())
    digest = hashlib.sha256(str(base).encode())
    for file in files:
        stat = file.stat()
        digest.update(f"{file.relative_to(base)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
