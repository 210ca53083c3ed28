"""``results/<name>.json``: one reported run a file, small enough to commit, with no machine's paths in it."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import read_json, write_json
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Summary

_ABSOLUTE = re.compile(r"(?:^|(?<=[\s=\"']))(?:~|/)[^\s\"',;]*/([^\s\"',;/]+)/?")


@dataclasses.dataclass(frozen=True)
class Record:
    """What is kept of a reported run: its name, and what its directory holds."""

    name: str
    summary: Summary
    metrics: list[dict[str, Any]]
    config: dict[str, Any]
    environment: dict[str, Any]


def from_run(run: Run, name: str) -> Record:
    """Merges what a finished run stored into the record of a name; the folders of transfer values are dropped."""
    summary = dataclasses.replace(run.summary, transfer_values={})
    return Record(name, summary, run.metrics, run.config, run.environment)


def without_paths(value: Any) -> Any:
    """Returns JSON data in which every absolute path has become its last part, also inside a longer string."""
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(item) for item in value]
    return _ABSOLUTE.sub(r"\1", value) if isinstance(value, str) else value


def write(folder: Path, record: Record) -> Path:
    """Writes one record to ``folder/<name>.json``, of a path only its last part, and returns that file's path.

    Raises:
        UserError: there is a record of that name already, of another experiment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.name}.json"
    if path.exists():
        kept = _read(path).summary.title
        if kept != record.summary.title:
            raise UserError(f"{path} is the record of {kept}, not of {record.summary.title}; give it another --name")
    write_json(path, without_paths(dataclasses.asdict(record)))
    return path


def read(folder: Path) -> list[Record]:
    """Returns all records of a folder, sorted by name; none where there is no such folder."""
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> Record:
    stored = read_json(path)
    return Record(**{**stored, "summary": Summary.from_json(stored["summary"])})
