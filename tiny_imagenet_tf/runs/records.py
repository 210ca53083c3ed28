"""``results/<name>.json``: one reported run a file, small enough to commit, with no machine's paths in it."""

import json
import re
from pathlib import Path

from tiny_imagenet_tf.runs.run import Run, write_json

_ABSOLUTE = re.compile(r"(?:^|(?<=[\s=\"']))(?:~|/)[^\s\"',;]*/([^\s\"',;/]+)/?")


def finished_run(path: Path) -> Run:
    """Returns the run of a directory.

    Raises:
        FileNotFoundError: it has no summary.
    """
    if not (path / "summary.json").exists():
        raise FileNotFoundError(f"{path} has no summary.json: only a finished run can be recorded or reported")
    return Run(path)


def from_run(run: Run, name: str) -> dict:
    """Merges what a finished run stored into one record.

    Args:
        run: a run with a summary.
        name: of the record; the file's stem.

    Returns:
        ``name``, ``summary``, ``metrics``, ``config`` and ``environment``; of a path only the last part stays, and
        the folders of transfer values are dropped.
    """
    summary = {key: value for key, value in run.summary.items() if key != "transfer_values"}
    stored = {"summary": summary, "metrics": run.metrics, "config": run.config, "environment": run.environment}
    return without_paths({"name": name, **stored})


def without_paths(value):
    """Returns JSON data in which every absolute path has become its last part, also inside a longer string."""
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    return _ABSOLUTE.sub(r"\1", value) if isinstance(value, str) else value


def write(folder: Path, result: dict) -> Path:
    """Writes one record to ``folder/<name>.json`` and returns that path.

    Raises:
        ValueError: there is a record of that name already, of another experiment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['name']}.json"
    if path.exists():
        kept, title = json.loads(path.read_text(encoding="utf-8"))["summary"]["title"], result["summary"]["title"]
        if kept != title:
            raise ValueError(f"{path} is the record of {kept}, not of {title}")
    write_json(path, result)
    return path


def read(folder: Path) -> list[dict]:
    """Returns all records of a folder, sorted by name; none where there is no such folder."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
