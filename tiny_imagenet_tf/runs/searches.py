"""The folder of a search for hyper-parameters.

options.json     what its trials have in common
journal.log      the trials as they begin, go on and end, of all processes (Optuna's)
trials.json      the trials that have ended, with the machine and the command
"""

import contextlib
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.runs.files import read_object, write_json
from tiny_imagenet_tf.runs.locks import locked


def journal(folder: Path) -> Path:
    """Returns where Optuna keeps the trials."""
    return folder / "journal.log"


def may_be_in(folder: Path) -> bool:
    """Whether a folder holds a search, one that has just begun, or nothing."""
    if (path := journal(folder)).exists():  # by that name anybody may keep one
        with path.open("rb") as file:
            begin = b'{"op_code":'
            return begin.startswith(file.read(len(begin)))
    begun = ("options.json", "*.lock", ".*")
    return all(any(map(path.match, begun)) for path in folder.iterdir())


def alone(folder: Path) -> contextlib.AbstractContextManager:
    """Lets one process at a time, for moments, begin a search or draw its trials."""
    return locked(folder / "asking.lock", wait=True)


def begin(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Stores what the trials have in common, if nothing is stored yet, and returns what is stored."""
    path = folder / "options.json"
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):  # of several that begin together one is the first
        if not path.exists():
            write_json(path, options)
    return read_object(path)


def add(folder: Path, digests: dict[str, str]) -> None:
    """Adds digests that only a process which has built the network knows."""
    with alone(folder):
        stored = read_object(folder / "options.json")
        if digests.keys() - stored.keys():
            write_json(folder / "options.json", digests | stored)


def write_trials(folder: Path, stored: dict[str, Any]) -> Path:
    """Writes the trials that have ended, and returns where."""
    path = folder / "trials.json"
    write_json(path, stored)
    return path
