"""Transfer values on disk: sharded, memory-mapped, resumable, verified when read.

    <root>/<digest of the key>/key.json
                               shard-00000.npy        (rows, width) float16
                               shard-00000.json       its sha256, and the seconds it took to extract

                               .lock                  a byte per shard, locked by the process that extracts it

The key holds everything that changes the values. A shard is written to a temporary name and renamed, its
checksum last, so a shard with a checksum is whole.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import read_json, replacing, sha256, sweep, write_json, writing
from tiny_imagenet_tf.runs.locks import Shares
from tiny_imagenet_tf.runs.summary import Summary

SHARD_ROWS = 2000


@dataclasses.dataclass(frozen=True)
class Store:
    """One view of one split, as transfer values.

    Attributes:
        folder: where the shards are.
        rows: images in the split.
        shard_rows: images a shard.
    """

    folder: Path
    rows: int
    shard_rows: int = SHARD_ROWS

    def shares(self) -> Shares:
        """Lets several processes extract at the same time, each shard by one of them."""
        return Shares(self.folder / ".lock")

    @property
    def key(self) -> dict:
        """What defines the values."""
        return read_json(self.folder / "key.json")

    @property
    def shards(self) -> range:
        """The numbers of all shards."""
        return range(-(-self.rows // self.shard_rows))

    def rows_of(self, shard: int) -> range:
        """The rows of a shard."""
        return range(shard * self.shard_rows, min((shard + 1) * self.shard_rows, self.rows))

    def is_written(self, shard: int) -> bool:
        """Whether a shard is on disk, whole."""
        return self._checksum_path(shard).is_file() and self._values_path(shard).is_file()

    @property
    def missing(self) -> list[int]:
        """The numbers of the shards that are not on disk, whole."""
        return [shard for shard in self.shards if not self.is_written(shard)]

    @property
    def seconds(self) -> float:
        """What the extraction of all shards took."""
        return sum(self._checksum(shard).get("seconds") or 0 for shard in self.shards)

    def write(self, shard: int, values: np.ndarray, seconds: float = 0.0) -> None:
        """Writes a shard; ``values`` are (rows of the shard, width) in the dtype to store.

        Raises:
            UserError: the shape does not fit the shard, or a value is not finite in this dtype.
        """
        rows = len(self.rows_of(shard))
        if values.ndim != 2 or len(values) != rows:
            raise UserError(f"shard {shard} of {self.folder} takes {rows} rows, got {values.shape}")
        if not np.isfinite(values).all():
            ends = ", which ends at 65,504: compute with --precision float32, or take another layer"
            cure = ends if values.dtype == np.float16 else ""
            raise UserError(f"shard {shard} of {self.folder}: transfer values are not finite in {values.dtype}{cure}")
        path = self._values_path(shard)
        with replacing(path) as file:
            np.save(file, values)
        write_json(self._checksum_path(shard), {"sha256": sha256(path), "seconds": seconds})

    def load(self) -> np.ndarray:
        """Returns all values (rows, width) in memory, after checking each shard against its sha256.

        Raises:
            UserError: a shard is missing or damaged.
        """
        return np.concatenate([np.load(self._checked(shard), mmap_mode="r") for shard in self.shards])

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Returns some rows, float32 (n, width), from the shards that hold them.

        Raises:
            UserError: a shard is missing or damaged.
        """
        numbers = np.unique(rows // self.shard_rows)
        shards = {shard: np.load(self._checked(shard), mmap_mode="r") for shard in numbers}
        return np.stack([shards[row // self.shard_rows][row % self.shard_rows] for row in rows]).astype(np.float32)

    def _checked(self, shard: int) -> Path:
        path = self._values_path(shard)
        if not self.is_written(shard):
            raise UserError(f"{path} is missing: not on this machine, or not extracted yet; run again to resume")
        if sha256(path) != self._checksum(shard).get("sha256"):
            raise UserError(f"{path} is damaged: its sha256 has changed; delete it and run again to extract it")
        return path

    def _checksum(self, shard: int) -> dict:
        path = self._checksum_path(shard)
        try:
            found = read_json(path)
        except UserError as error:
            raise UserError(f"{error}; delete it and run again to extract the shard") from error
        return found if isinstance(found, dict) else {}

    def _values_path(self, shard: int) -> Path:
        return self.folder / f"shard-{shard:05d}.npy"

    def _checksum_path(self, shard: int) -> Path:
        return self.folder / f"shard-{shard:05d}.json"


def existing_store(folder: Path) -> Store | None:
    """Returns the store of a folder; None where there is none, or it is withheld."""
    if not os.path.exists(folder / "key.json"):
        return None
    key = read_json(folder / "key.json")
    try:
        return Store(folder, int(key["rows"]), int(key["shard_rows"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / 'key.json'} describes no transfer values ({error!r})") from error


def kept_stores(summary: Summary, split: str) -> list[Store | None]:
    """Returns the stores of a run's transfer values of a split, one a view; None for one that is gone."""
    return [existing_store(Path(view.folder)) for view in summary.transfer_values.get(split, ())]


def stores_of(summary: Summary, split: str, digest: str) -> list[Store]:
    """Returns a split's stores, one a view; none where one is gone, or holds other images than ``digest``'s."""
    stores = kept_stores(summary, split)
    same = None not in stores and all(store.key.get("dataset_sha256") == digest for store in stores)
    return stores if same else []


def open_store(root: Path, key: dict, rows: int, shard_rows: int = SHARD_ROWS) -> Store:
    """Returns the store of a key, creating its folder at the first call.

    Args:
        root: the folder of all stores.
        key: JSON-serializable; everything that changes the values.
        rows: images in the split.
        shard_rows: images a shard.
    """
    key = {**key, "rows": rows, "shard_rows": shard_rows}
    text = json.dumps(key, indent=2, sort_keys=True)
    folder = root / hashlib.sha256(text.encode()).hexdigest()[:20]
    described = folder / "key.json"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    if not described.is_file():
        with replacing(described) as file:
            file.write(text.encode())
    elif described.read_text(errors="replace") != text:
        raise UserError(f"{described} does not describe the values that belong in its folder; delete the folder")
    return Store(folder, rows, shard_rows)
