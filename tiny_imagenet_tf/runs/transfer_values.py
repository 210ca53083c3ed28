"""Transfer values on disk: sharded, memory-mapped, resumable, verified when read.

    <root>/<digest of the key>/key.json
                               shard-00000.npy        (rows, width) float16
                               shard-00000.json       its sha256, and the seconds it took to extract

The key holds everything that changes the values. A shard is written to a temporary name and renamed, its
checksum last, so a shard with a checksum is whole.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import read_json, replacing, write_json

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
    def seconds(self) -> float:
        """What the extraction of all shards took."""
        return sum(read_json(self._checksum_path(shard))["seconds"] for shard in self.shards)

    def write(self, shard: int, values: np.ndarray, seconds: float = 0.0) -> None:
        """Writes a shard; ``values`` are (rows of the shard, width) in the dtype to store.

        Raises:
            UserError: the shape does not fit the shard, or a value is not finite in this dtype.
        """
        rows = len(self.rows_of(shard))
        if values.ndim != 2 or len(values) != rows:
            raise UserError(f"shard {shard} of {self.folder} takes {rows} rows, got {values.shape}")
        if not np.isfinite(values).all():
            raise UserError(f"shard {shard} of {self.folder}: transfer values are not finite in {values.dtype}")
        path = self._values_path(shard)
        with replacing(path) as file:
            np.save(file, values)
        write_json(self._checksum_path(shard), {"sha256": _sha256(path), "seconds": seconds})

    def load(self) -> np.ndarray:
        """Returns all values (rows, width) in memory, after checking each shard against its sha256.

        Raises:
            UserError: a shard is missing or damaged.
        """
        for shard in self.shards:
            path = self._written(shard)
            if _sha256(path) != read_json(self._checksum_path(shard))["sha256"]:
                raise UserError(f"{path} is damaged: its sha256 has changed; delete it and run again to extract it")
        return np.concatenate([np.load(self._values_path(shard), mmap_mode="r") for shard in self.shards])

    def read_rows(self, rows: np.ndarray) -> np.ndarray:
        """Returns some rows, float32 (n, width), from the shards that hold them; for pictures, so unchecked.

        Raises:
            UserError: a shard is not there.
        """
        numbers = np.unique(rows // self.shard_rows)
        shards = {shard: np.load(self._written(shard), mmap_mode="r") for shard in numbers}
        return np.stack([shards[row // self.shard_rows][row % self.shard_rows] for row in rows]).astype(np.float32)

    def _written(self, shard: int) -> Path:
        path = self._values_path(shard)
        if not self.is_written(shard):
            raise UserError(f"{path} is missing: not on this machine, or not extracted yet; run again to resume")
        return path

    def _values_path(self, shard: int) -> Path:
        return self.folder / f"shard-{shard:05d}.npy"

    def _checksum_path(self, shard: int) -> Path:
        return self.folder / f"shard-{shard:05d}.json"


def existing_store(folder: Path) -> Store | None:
    """Returns the store of a folder; None where there is none."""
    if not (folder / "key.json").exists():
        return None
    key = read_json(folder / "key.json")
    return Store(folder, key["rows"], key["shard_rows"])


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
    folder.mkdir(parents=True, exist_ok=True)
    described = folder / "key.json"
    if not described.is_file():
        with replacing(described) as file:
            file.write(text.encode())
    elif described.read_text() != text:
        raise UserError(f"{described} does not describe the values that belong in its folder; delete the folder")
    return Store(folder, rows, shard_rows)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
