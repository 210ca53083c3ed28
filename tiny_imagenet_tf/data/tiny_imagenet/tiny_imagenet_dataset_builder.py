"""The TFDS builder ``tiny_imagenet``: the official archive or any tree in its layout."""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tiny_imagenet_tf import progress
from tiny_imagenet_tf.data import official_layout

DOWNLOAD = "the official archive"
URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
OF_SOURCES = "tiny_imagenet_from_source"
"""The folder of what is prepared from trees and archives, within that of all datasets."""
Examples = Iterator[tuple[str, dict[str, Any]]]
"""What TFDS writes: of each image its name and its features."""


# A module that is loaded again, as notebooks do, must not register a second time.
_AGAIN = "tiny_imagenet" in tfds.core.registered.list_imported_builders()


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=_AGAIN):
    """Tiny ImageNet: 200 classes, 64x64 images; grayscale files are replicated to three channels.

    Features: ``image`` uint8 (64, 64, 3), ``label`` (index into the sorted wnids, -1 in the test split),
    ``box`` int32 (x0, y0, x1, y1) in pixels 0..63 or four times -1, ``file_name``. The box is no ``BBoxFeature``,
    which holds shares of the image as floats: screening by boxes compares the very pixels that were annotated, and has
    to tell an image without a box.

    The labels' names are the wnids; ``classes`` names them in words. Both are known before anything is prepared.

    ``info.metadata`` holds ``wnids`` (the classes), ``listed`` (the same in the order of wnids.txt), ``words`` (wnid to
    human-readable names), ``digests`` (split to sha256), ``grayscale`` (split to count), ``missing`` (annotated files
    that were not on disk) and ``source`` (what the records were made from).

    Args:
        source: a tree in the official layout to read instead of downloading. Its records lie apart from the
            download's, in a folder that is named after the state of the tree: the one that the recipes use.
        made_from: the word for the source's state, where ``data_dir`` is that folder already.
        **kwargs: as for any TFDS builder.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (TFDS reads a class attribute)

    def __init__(self, *, source: str | Path | None = None, made_from: str | None = None, **kwargs: Any):
        self._source, self._made_from = source, made_from
        if source is not None and made_from is None:
            root = Path(kwargs.get("data_dir") or tfds.core.constants.DATA_DIR).expanduser()
            place = place_of(official_layout.find_root(Path(source).expanduser().resolve()), root)
            kwargs["data_dir"], self._made_from = place, place.name
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        # Of the official archive they are known; of a tree they come with it and are stored beside its records.
        known = self._source is None and not self.data_path.exists()
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(64, 64, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=list(classes()) if known else None),
                    "box": tfds.features.Tensor(shape=(4,), dtype=np.int32),
                    "file_name": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="http://cs231n.stanford.edu/",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Examples]:
        root = self._source or dl_manager.download_and_extract(URL)
        with progress.bar("verifying") as bar:
            layout = official_layout.read(Path(root), on_file=bar.update)
        self.info.features["label"].names = list(layout.wnids)  # of the official archive, those that are known
        self.info.metadata.update(
            wnids=list(layout.wnids),
            listed=list(layout.listed),
            words=layout.words,
            digests=layout.digests,
            grayscale=layout.grayscale,
            missing=list(layout.missing),
            source=self._made_from or DOWNLOAD,
        )
        return {split: self._generate_examples(split, found) for split, found in layout.examples.items() if found}

    def _generate_examples(self, split: str, examples: Sequence[official_layout.Example]) -> Examples:
        for example in progress.bar(f"writing {split}", len(examples), over=examples):
            name, image = example.path.name, io.BytesIO(example.path.read_bytes())  # TFDS opens paths slowly
            yield name, {"image": image, "label": example.label, "box": example.box, "file_name": name}


def classes() -> dict[str, str]:
    """Returns the 200 classes of the official archive: wnid to words, sorted by wnid."""
    lines = Path(__file__).with_name("classes.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def place_of(source: Path, root: Path) -> Path:
    """Returns where the records of a tree or archive are kept under a folder of datasets."""
    return root / OF_SOURCES / fingerprint(source)


def fingerprint(source: Path) -> str:
    """Returns a word for the state of a tree or archive: a changed, added or removed file gives another.

    Links are followed, so that what they point to counts.
    """
    files = {source.name: source.stat()} if source.is_file() else files_of(source)
    digest = hashlib.sha256(os.fsencode(source.parent if source.is_file() else source))
    for name in sorted(files, key=lambda name: name.split("/")):
        digest.update(os.fsencode(f"{name} {files[name].st_size} {files[name].st_mtime_ns}\n"))
    return digest.hexdigest()[:16]


def files_of(folder: Path, name: str = "", seen: set[Path] | None = None) -> dict[str, os.stat_result]:
    """Returns all files of a tree, those behind linked folders as well, by their names in it.

    Args:
        folder: the tree.
        name: of the folder in it, for the folders within.
        seen: folders that need not be entered again.
    """
    found: dict[str, os.stat_result] = {}
    seen = set() if seen is None else seen
    if (real := folder.resolve()) in seen:  # a link that goes round
        return found
    seen.add(real)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                found |= files_of(Path(entry.path), f"{name}{entry.name}/", seen)
            elif entry.is_file():
                found[name + entry.name] = entry.stat()
    return found
