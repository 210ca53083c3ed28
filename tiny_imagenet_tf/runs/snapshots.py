"""Snapshots of a training run, kept as Milani section 3.4 tells.

    snapshots/index.json         {"wnids": [...], "snapshots": [{"file", "step", "epoch", "accuracy"}, ...]}
    snapshots/step-0000500.keras

Whenever the accuracy beats the best so far, the network is saved. With 20 saved, the next one takes the place of
the oldest. A network's file is whole before the index names it, and is removed only after the index has dropped
it, so at any moment every file that the index names can be loaded. Files of other names are left alone.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import MILANI_MAX_SNAPSHOTS
from tiny_imagenet_tf.runs.files import read_json, save_whole, sha256, write_json
from tiny_imagenet_tf.runs.typed import misfit

_STEPS = "step-*.keras"
_NAME = re.compile(r"step-\d+\.keras")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A saved network.

    Attributes:
        file: its name in the folder.
        step: training steps taken.
        epoch: the same in epochs.
        accuracy: the one that got it saved.
    """

    file: str
    step: int
    epoch: float
    accuracy: float


class Snapshots:
    """The folder of snapshots and its index.

    Args:
        folder: exists.
        wnids: the classes in the order of the scores; None to read an existing index.
        limit: how many are kept; None for the paper's 20.

    Raises:
        UserError: ``limit`` is below 1; the index is gone or damaged, or of a network with other classes.
    """

    def __init__(self, folder: Path, wnids: Sequence[str] | None = None, limit: int | None = None):
        self.folder, self.limit = folder, MILANI_MAX_SNAPSHOTS if limit is None else limit
        if self.limit < 1:
            raise UserError(f"--snapshots {limit}: must be at least 1")
        self._index = folder / "index.json"
        if wnids is not None and not self.exist(folder):
            if orphans := sorted(folder.glob(_STEPS)):
                raise UserError(
                    f"{self._index} is missing, although {orphans[0].name} exists; restore it (nothing was removed)"
                )
            self.wnids, self.entries = tuple(wnids), []
            return
        stored = read_json(self._index)
        try:
            self.wnids = tuple(stored["wnids"])
            self.entries = [Snapshot(**entry) for entry in stored["snapshots"]]
        except (KeyError, TypeError) as error:
            raise UserError(f"{self._index} is not an index of snapshots ({error!r})") from error
        if wrong := misfit(self.entries, tuple[Snapshot, ...], "snapshots"):
            raise UserError(f"{self._index} is not an index of snapshots: {wrong}")
        if odd := [entry.accuracy for entry in self.entries if not 0 <= entry.accuracy <= 1]:
            raise UserError(f"{self._index} is damaged: an accuracy of {odd[0]}")
        inside = all(_NAME.fullmatch(entry.file) for entry in self.entries)
        if not inside:
            raise UserError(f"{self._index} names files that are no snapshots")
        if wnids is not None and self.wnids != tuple(wnids):
            raise UserError(f"{self._index} is of a network with other classes")

    @staticmethod
    def exist(folder: Path) -> bool:
        """Whether a folder has an index."""
        return (folder / "index.json").exists()

    @classmethod
    def may_hold(cls, path: Path) -> bool:
        """Whether a file has a snapshot's name and an index beside it."""
        return bool(_NAME.fullmatch(path.name)) and cls.exist(path.parent)

    @property
    def best(self) -> Snapshot | None:
        """The snapshot of the highest accuracy: the newest, since each one beat all before it."""
        return self.entries[-1] if self.entries else None

    @property
    def paths(self) -> list[Path]:
        """Where the networks are, from the oldest to the best."""
        return [self.path(entry) for entry in self.entries]

    @property
    def best_path(self) -> Path:
        """Where the best network is.

        Raises:
            UserError: there is none, or its file is gone.
        """
        if not self.entries:
            raise UserError(f"{self._index} lists no snapshot yet; let the run reach its first measurement")
        self.require(self.entries[-1:])
        return self.paths[-1]

    @property
    def best_sha256(self) -> str:
        """The sha256 of the best network's file.

        Raises:
            UserError: as ``best_path``.
        """
        return sha256(self.best_path)

    def require(self, entries: Sequence[Snapshot], then: str = "put it back") -> None:
        """Raises UserError where the file of a snapshot is gone.

        Args:
            entries: whose files are needed.
            then: what to do.
        """
        if gone := [path for path in map(self.path, entries) if not path.exists()]:
            raise UserError(f"{gone[0]} is missing, although {self._index.name} lists it; {then}")

    def path(self, snapshot: Snapshot) -> Path:
        """Where a snapshot's network is."""
        return self.folder / snapshot.file

    def offer(self, save: Callable[[Path], None], *, step: int, epoch: float, accuracy: float) -> None:
        """Saves a network if it beats the best so far; a tie or NaN does not.

        Args:
            save: writes the network to the path it is given.
            step: training steps taken.
            epoch: the same in epochs.
            accuracy: measured now.
        """
        if not accuracy > (self.best.accuracy if self.best else float("-inf")):
            return
        snapshot = Snapshot(f"step-{step:07d}.keras", step, epoch, accuracy)
        save_whole(save, self.path(snapshot))
        self._keep([*self.entries, snapshot][-self.limit :])

    def go_back_to(self, step: int) -> None:
        """Forgets what was saved after a step, and removes files that the index does not name.

        Raises:
            UserError: a file that stays is gone.
        """
        if not self.folder.is_dir():
            raise UserError(f"{self.folder} is missing, or no folder; put it back, nothing was changed")
        kept = [entry for entry in self.entries if entry.step <= step]
        self.require(kept, "put it back, nothing was changed")
        self._keep(kept)

    def _keep(self, entries: list[Snapshot]) -> None:
        self.entries = entries
        write_json(self._index, {"wnids": self.wnids, "snapshots": [dataclasses.asdict(entry) for entry in entries]})
        named = {entry.file for entry in entries}
        for file in self.folder.glob(_STEPS):
            if _NAME.fullmatch(file.name) and file.name not in named:
                file.unlink()
