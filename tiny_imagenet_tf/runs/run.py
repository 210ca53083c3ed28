"""A run directory: what was asked, on what machine, what came of it.

    config.json        the recipe's config
    environment.json   commit, versions, device, command, and what the recipe adds (seed, digests, precision)
    metrics.jsonl      a row per measurement: after each epoch, and from scratch within it too
    summary.json       the figures that are reported, written last
    predictions-validation.npz    file_names, labels, wnids, probabilities (n, classes) float32
    predictions-test.txt          image id and wnid a line, as the challenge takes them
    snapshots/  report/

Every file is written to a temporary name and renamed.
"""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np

VALIDATION_PREDICTIONS = "predictions-validation.npz"
TEST_PREDICTIONS = "predictions-test.txt"


@contextlib.contextmanager
def replacing(path: Path):
    """Opens a binary file that takes its name only once it is whole; on an error nothing is left behind.

    Args:
        path: the name in the end; an older file of that name is replaced.

    Yields:
        The open file.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    """Writes JSON, indented, whole or not at all. Paths become strings and dataclasses objects."""
    file: BinaryIO
    with replacing(path) as file:
        file.write((json.dumps(value, indent=2, default=_plain) + "\n").encode())


@dataclasses.dataclass(frozen=True)
class Run:
    """One run's directory."""

    path: Path

    @classmethod
    def create(cls, root: Path, recipe: str, config) -> "Run":
        """Makes ``root/recipe-YYYYmmdd-HHMMSS`` and stores the config in it.

        Args:
            root: the folder of all runs.
            recipe: the recipe's name.
            config: a dataclass.
        """
        started = datetime.datetime.now(datetime.UTC)
        path = root / f"{recipe}-{started:%Y%m%d-%H%M%S}"
        number = 1
        while path.exists():
            number += 1
            path = root / f"{recipe}-{started:%Y%m%d-%H%M%S}-{number}"
        (path / "snapshots").mkdir(parents=True)
        run = cls(path)
        write_json(path / "config.json", {"recipe": recipe, **dataclasses.asdict(config)})
        return run

    @property
    def config(self) -> dict:
        """The stored config, with the recipe's name."""
        return self._read("config.json")

    @property
    def environment(self) -> dict:
        """The stored environment."""
        return self._read("environment.json")

    @property
    def summary(self) -> dict:
        """The stored figures. A run that did not end has none: FileNotFoundError."""
        return self._read("summary.json")

    @property
    def metrics(self) -> list[dict]:
        """The rows of ``metrics.jsonl``, one per measurement."""
        file = self.path / "metrics.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def write_environment(self, **more) -> None:
        """Stores commit, versions, device and command, and what the recipe knows besides."""
        write_json(self.path / "environment.json", {**describe_environment(), **more})

    def write_metrics(self, rows: list[dict]) -> None:
        """Replaces ``metrics.jsonl`` by these rows, one per measurement."""
        with replacing(self.path / "metrics.jsonl") as file:
            file.write("".join(json.dumps(row, default=_plain) + "\n" for row in rows).encode())

    def write_summary(self, summary: dict) -> None:
        """Stores the figures to report."""
        write_json(self.path / "summary.json", summary)

    def write_validation_predictions(self, file_names, labels, wnids, probabilities) -> None:
        """Stores the class probabilities of the validation images.

        Args:
            file_names: str (n,).
            labels: int (n,), indices into ``wnids``.
            wnids: the classes in label order.
            probabilities: float (n, classes).
        """
        with replacing(self.path / VALIDATION_PREDICTIONS) as file:
            np.savez_compressed(
                file,
                file_names=np.asarray(file_names, dtype=np.str_),
                labels=np.asarray(labels, dtype=np.int64),
                wnids=np.asarray(wnids, dtype=np.str_),
                probabilities=np.asarray(probabilities, dtype=np.float32),
            )

    def read_validation_predictions(self) -> dict[str, np.ndarray]:
        """Returns what :meth:`write_validation_predictions` stored."""
        with np.load(self.path / VALIDATION_PREDICTIONS, allow_pickle=False) as arrays:
            return dict(arrays)

    def write_test_predictions(self, file_names, labels, wnids) -> None:
        """Stores one predicted class an image: ``test_0.JPEG n02085620`` a line, in the order given."""
        with replacing(self.path / TEST_PREDICTIONS) as file:
            file.write(prediction_lines(file_names, labels, wnids).encode())

    def _read(self, name: str) -> dict:
        return json.loads((self.path / name).read_text())


def prediction_lines(file_names, labels, wnids) -> str:
    """Returns predictions as the challenge takes them: ``test_0.JPEG n02085620`` a line."""
    return "".join(f"{name} {wnids[label]}\n" for name, label in zip(file_names, labels, strict=True))


def departures(config, same: Collection[str]) -> str:
    """Returns the options, as on the command line, that make a run another experiment than the recipe's own.

    Args:
        config: a dataclass whose defaults are the recipe's own.
        same: fields that leave the experiment what it is, or that a table tells by itself.
    """
    own, options = type(config)(), []
    for field in dataclasses.fields(config):
        value, option = getattr(config, field.name), field.name.replace("_", "-")
        if field.name in same or value == getattr(own, field.name):
            continue
        if isinstance(value, bool):
            options.append(f"--{option}" if value else f"--no-{option}")
        else:
            options.append(f"--{option} {value}")
    return " ".join(options)


def describe_environment() -> dict:
    """Returns commit and whether it was changed (None outside a checkout), versions, command and time (UTC)."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    packages = ("tiny_imagenet_tf", "tensorflow", "keras", "tensorflow-datasets", "numpy")
    versions = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "command": " ".join(["python", *_relative_arguments()]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": None if changes is None else bool(changes),
        "python": sys.version.split()[0],
        "versions": versions,
    }


def _relative_arguments() -> list[str]:
    """The command line with paths shortened to their last part: a result says what, not where."""
    return [Path(argument).name if argument.startswith(("/", "~")) else argument for argument in sys.argv]


def _git(*arguments: str) -> str | None:
    """What git prints in this package's checkout; None where it is not one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _plain(value):
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} does not go into JSON")
