"""``results/<name>.json``: one reported run a file, small enough to commit, with no machine's paths in it."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import files
from tiny_imagenet_tf.runs.files import read_json, write_json
from tiny_imagenet_tf.runs.run import Run, checked_config, checked_environment, checked_rows
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
    return Record(name, summary, run.metrics, options_of(run), run.environment)


def options_of(run: Run) -> dict[str, Any]:
    """Returns a run's options; of those that are absolute paths, which may have spaces, the last part."""
    return {
        key: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for key, value in run.config.items()
    }


def without_paths(value: Any) -> Any:
    """Returns JSON data in which every absolute path has become its last part, also inside a longer string."""
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(item) for item in value]
    return _ABSOLUTE.sub(r"\1", value) if isinstance(value, str) else value


def merged(folder: Path, record: Record) -> list[Record]:
    """Returns all records of a folder as they would be with one more, checked and with no paths in it.

    Raises:
        UserError: the name cannot be a file's, or there is a record of that name already, of another experiment.
    """
    path = _path(folder, record.name)
    stored = read(folder)
    before = next((each for each in stored if each.name == record.name), None)
    if before and before.summary.title != record.summary.title:
        raise UserError(
            f"{path} is the record of {before.summary.title}, not of {record.summary.title}; give it another --name"
        )
    for name, what in (("started", ""), ("seed", "seed ")):  # runs of two seeds may have begun in one second
        old, new = before and before.environment.get(name), record.environment.get(name)
        if before and old != new:
            raise UserError(
                f"{path} is the record of the run of {what}{old}, not of that of {what}{new}; give it another "
                "--name, or remove the file first"
            )
    plain = json.loads(json.dumps(without_paths(dataclasses.asdict(record)), default=files.plain))
    records = [each for each in stored if each.name != record.name] + [_record(plain, path)]
    return sorted(records, key=lambda each: each.name)


def write(folder: Path, record: Record) -> Path:
    """Writes one record to ``folder/<name>.json``, of a path only its last part, and returns that file's path.

    Raises:
        UserError: see ``merged``.
    """
    merged(folder, record)
    folder.mkdir(parents=True, exist_ok=True)
    files.sweep(folder)
    path = _path(folder, record.name)
    write_json(path, without_paths(dataclasses.asdict(record)))
    return path


def read(folder: Path) -> list[Record]:
    """Returns all records of a folder, sorted by name; none where there is no such folder."""
    found = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))  # one being written, say
    return [_record(read_json(path), path) for path in found]


def _path(folder: Path, name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name, re.ASCII):
        raise UserError(f"--name {name!r}: letters, digits, _ - and . alone, so that the record stays in its folder")
    return folder / f"{name}.json"


def _record(stored: Any, path: Path) -> Record:
    try:
        parts = {name: stored[name] for name in ("name", "metrics", "config", "environment")}
        summary = stored["summary"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is not the record of a run ({error!r})") from error
    if not (isinstance(parts["config"], dict) and isinstance(parts["environment"], dict)):
        raise UserError(f"{path}: config and environment must be objects")
    if not isinstance(parts["metrics"], list) or not all(isinstance(row, dict) for row in parts["metrics"]):
        raise UserError(f"{path}: metrics must be a list of rows")
    checked_config(parts["config"], path)
    checked_environment(parts["environment"], path)
    checked_rows(parts["metrics"], path)
    if parts["name"] != path.stem:
        raise UserError(f"{path} calls itself {parts['name']!r}; a record's name is that of its file")
    return Record(**parts, summary=Summary.from_json(summary, path))
