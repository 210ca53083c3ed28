"""The folder of a search for hyper-parameters.

options.json     what its trials have in common
journal.log      the trials as they begin, go on and end, of all processes (Optuna's)
trials.json      the trials that have ended, with the machine and the command
"""

import dataclasses
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.runs.files import read_json, write_json


@dataclasses.dataclass(frozen=True)
class SearchFolder:
    """A search on disk.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def journal(self) -> Path:
        """Optuna's file."""
        return self.path / "journal.log"

    @property
    def trials(self) -> Path:
        """What the search came to."""
        return self.path / "trials.json"

    def begin(self, options: dict[str, Any]) -> dict[str, Any]:
        """Stores what the trials have in common, if nothing is stored yet, and returns what is stored."""
        path = self.path / "options.json"
        if not path.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(path, options)
        return read_json(path)

    def write_trials(self, stored: dict[str, Any]) -> None:
        """Writes the trials that have ended."""
        write_json(self.trials, stored)
