"""A run directory: what was asked, on what machine, what came of it.

    config.json        the recipe's options
    environment.json   commit, versions, device, command, and what the recipe adds (seed, digests, precision)
    metrics.jsonl      a row per measurement, see below
    summary.json       the figures that are reported, written last (``tiny_imagenet_tf.runs.summary``)
    predictions-validation.npz    file_names, labels, wnids, probabilities (n, classes) float32
    predictions-test.txt          image id and wnid a line, as the challenge takes them
    features-validation.npz       of some recipes: file_names, labels, wnids, features (n, width)
    checkpoint.npz     the whole state of training
    best.keras         of transfer learning: the classifier on raw images
    snapshots/         (``tiny_imagenet_tf.runs.snapshots``)
    report/
    .lock              held by the process that trains it

A row of ``metrics.jsonl``: ``epoch`` (epochs so far; a whole number after an epoch), ``step``, ``learning_rate`` (of
that step); means over the epoch so far of ``loss`` (of the data alone), ``penalty`` (of
the weights, where there is one) and ``accuracy``; ``val_loss`` (-log of the probability of the truth),
``val_accuracy``, ``val_top5``, and ``selection_accuracy``, which picks the best; ``seconds`` since the run began,
without pauses. After an epoch there may be ``val_accuracy_reestimated``: by batch normalization's statistics of 2,000
training images, where moving averages lag.

Every file is written to a temporary name and renamed.
"""

import contextlib
import dataclasses
import datetime
import itertools
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import (
    plain,
    read_arrays,
    read_lines,
    read_object,
    replacing,
    save_whole,
    sweep,
    write_json,
    writing,
)
from tiny_imagenet_tf.runs.locks import locked
from tiny_imagenet_tf.runs.snapshots import Snapshots
from tiny_imagenet_tf.runs.summary import Summary
from tiny_imagenet_tf.runs.transfer_values import kept_stores
from tiny_imagenet_tf.runs.typed import misfits

SHALLOW = "shallow"
"""The folder of a network that a run trains before its own; see ``tiny_imagenet_tf.training.staged``."""
_FILES = ("backbone", "weights")  # or names
_CONFIG = {
    "recipe": str, "demo": bool, "seed": int, "source": str | None, "data_dir": str | None, "fraction": float,
    "epochs": float, "input_size": int | None, "resize": str,
}  # fmt: skip
_ENVIRONMENT = {
    "device": str | None, "commit": str | None, "seed": int | None, "precision": str | None, "backend": str | None,
    "engine": str | None, "backbone": dict[str, str] | None, "dataset": dict[str, Any],
    "resumed": tuple[dict[str, Any], ...],
}  # fmt: skip

_WRITTEN = (
    ".lock", "config.json", "environment.json", "metrics.jsonl", "predictions-*", "features-*", "best.keras",
    "snapshots/index.json", "snapshots/step-*.keras", "tensorboard/events.*",
)  # fmt: skip
"""What a run writes, but for the checkpoint and the figures."""


def checked_config(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """Returns the options that a file holds.

    Raises:
        UserError: they are not those of a run.
    """
    wrong = misfits(found, _CONFIG, "config") if "recipe" in found else "it does not say of which recipe"
    if wrong:
        raise UserError(f"{path} is not the config of a run: {wrong}")
    return found


def checked_environment(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """Returns the environment that a file holds.

    Raises:
        UserError: something in it cannot be.
    """
    if wrong := misfits(found, _ENVIRONMENT, "environment"):
        raise UserError(f"{path} is not the environment of a run: {wrong}")
    return found


def checked_rows(rows: list[dict[str, Any]], path: Path) -> list[dict[str, float]]:
    """Returns the measurements that a file holds.

    Raises:
        UserError: one is without its epoch, or holds what is no number.
    """
    for number, row in enumerate(rows, start=1):  # those of early heads have no step
        hints = dict.fromkeys(row, float) | {"step": int}
        wrong = misfits(row, hints, "it") if "epoch" in row else "it has no epoch"
        if wrong or row.get("step", 0) < 0:
            raise UserError(f"{path}: measurement {number} cannot be read: {wrong or 'its step is below 0'}")
    return rows


def demo_folder(runs: Path, seed: int) -> Path:
    """Returns where the synthetic images of the demos in a folder of runs are."""
    return runs / f".demo-{seed}"


@dataclasses.dataclass(frozen=True)
class Run:
    """One run's directory."""

    path: Path

    @classmethod
    def create(cls, root: Path, recipe: str, config: Any) -> "Run":
        """Makes ``root/recipe-YYYYmmdd-HHMMSS`` and stores the options, a dataclass, in it."""
        started = datetime.datetime.now(datetime.UTC)
        path = root / f"{recipe}-{started:%Y%m%d-%H%M%S}"
        with writing(path):
            root.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(2):
            try:
                with writing(path):
                    path.mkdir()
                break
            except FileExistsError:  # of another process, in the same second
                path = root / f"{recipe}-{started:%Y%m%d-%H%M%S}-{number}"
        run = cls(path)
        stored = {"recipe": recipe, **dataclasses.asdict(config)}
        try:
            run.make()
            write_json(path / "config.json", _absolute(stored))
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return run

    @classmethod
    def finished(cls, path: Path, option: str = "") -> "Run":
        """Returns the run of a directory that has its figures.

        Args:
            path: of the directory.
            option: that names it, for the message.

        Raises:
            UserError: the run did not end, or there is none.
        """
        run, named = cls(path), f"{option} {path}".lstrip()
        if not path.is_dir():
            raise UserError(f"{named}: no such folder; if the run was moved, name its new place")
        if not run.ended:
            raise UserError(f"{named}: not a finished run (no summary.json); if it was stopped, --resume it first")
        return run

    def make(self) -> "Run":
        """Makes the folders, where they are missing, and returns the run."""
        (self.path / "snapshots").mkdir(parents=True, exist_ok=True)
        return self

    def locked(self) -> contextlib.AbstractContextManager:
        """Keeps other processes from training it too, and removes what dead ones have left half-written.

        Raises:
            UserError: another process is at work on it.
        """
        for folder in (self.path, *(each for each in self.path.rglob("*") if each.is_dir())):
            sweep(folder)
        return locked(self.path / ".lock", f"--resume {self.path}", wait=False)

    def remove_if_empty(self) -> bool:
        """Removes a run that has nothing to go on with, neither checkpoint nor figures, and tells whether it did.

        What others have put into its folder stays, in the folder.
        """
        if self.ended or any(self.path.rglob(self.checkpoint.name)):  # its own, or that of a part
            return False
        for folder in (self.path / SHALLOW, self.path):
            files = itertools.chain.from_iterable(map(folder.glob, _WRITTEN))
            folders = (folder / "snapshots", folder / "tensorboard", folder)
            for remove in (*(each.unlink for each in files), *(each.rmdir for each in folders)):
                with contextlib.suppress(OSError):  # it is not there or not empty, or NFS keeps a lock that is held
                    remove()
        return True

    @property
    def config(self) -> dict[str, Any]:
        """The stored options, with the recipe's name."""
        path = self.path / "config.json"
        return checked_config(read_object(path), path)

    @property
    def environment(self) -> dict[str, Any]:
        """The stored environment."""
        path = self.path / "environment.json"
        if self.exists and not path.exists():
            began = self.ended or self.checkpoint.exists() or self.metrics
            what = "restore it" if began else "the run stopped before training began, so remove this folder"
            raise UserError(f"{self.path}: its {path.name} is missing; {what}")
        return checked_environment(read_object(path), path)

    @property
    def _environment_if_any(self) -> dict[str, Any]:
        """The stored environment; nothing where there is none, as in a copy of the snapshots alone."""
        return self.environment if (self.path / "environment.json").exists() else {}

    @property
    def exists(self) -> bool:
        """Whether it is a run's directory at all."""
        return (self.path / "config.json").is_file()

    @property
    def of_synthetic_images(self) -> bool:
        """Whether it is a demo, or an ensemble with one."""
        return self.exists and bool(self.config.get("demo") or self._environment_if_any.get("demo"))

    @property
    def recognized(self) -> bool:
        """Whether a folder, which may be anybody's with a ``config.json``, holds another of a run's files as well."""
        return self.exists and any(path.is_file() for path in (self.classifier, self.path / "environment.json"))

    def digest_of(self, split: str) -> str | None:
        """Returns the digest of a split that the run was measured on; None where it stored none."""
        digests = self._environment_if_any.get("dataset", {}).get("digests")
        return digests.get(split) if isinstance(digests, dict) else None

    @property
    def images(self) -> tuple[Path | None, Path | None]:
        """Where its images are: ``source`` and ``data_dir``, as a recipe takes them; None where they are there no more.

        None stands for the download, and for its usual place, too.
        """
        if not self.exists:
            return None, None
        if self.config.get("demo"):
            return self.demo_folder / "tiny-imagenet-200", self.demo_folder / "datasets"
        named = (self.config.get(name) for name in ("source", "data_dir"))
        found = (Path(each).expanduser() if each else None for each in named)
        source, data_dir = (each if each and each.exists() else None for each in found)
        return source, data_dir

    @property
    def demo_folder(self) -> Path:
        """Where the images of a demo are: beside the run, or where it was begun, from which it may have been moved."""
        beside = self.path.absolute().parent
        begun_beside = Path(self.config.get("runs") or beside)
        folders = [demo_folder(runs, self.config["seed"]) for runs in (beside, begun_beside)]
        return next((each for each in folders if os.path.isdir(each)), folders[0])

    def recorded(self, name: str) -> Any:
        """Returns an entry of the environment, or of the first resumption that has it; None if none does."""
        environment = self.environment
        return next(filter(None, (each.get(name) for each in (environment, *environment.get("resumed", ())))), None)

    @property
    def backbone(self) -> dict[str, str]:
        """Digests of the backbone that its head is for; of an early run those of its stores, if they are there."""
        if found := self.recorded("backbone"):
            return found
        splits = ("validation", "train") if self.ended else ()
        stores = (store for split in splits for store in kept_stores(self.summary, split) if store)
        return next((store.key for store in stores), {})  # all are of one backbone

    @property
    def ended(self) -> bool:
        """Whether the run came to its end: only then there are figures."""
        return (self.path / "summary.json").exists()

    @property
    def summary(self) -> Summary:
        """The stored figures.

        Raises:
            UserError: the run did not end.
        """
        path = self.finished(self.path).path / "summary.json"
        return Summary.from_json(read_object(path), path)

    @property
    def metrics(self) -> list[dict[str, float]]:
        """The rows of ``metrics.jsonl``, one a measurement."""
        file = self.rows_file
        lines = read_lines(file) if file.exists() else []
        numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
        return checked_rows([read_object(Path(f"{file}, line {number}"), line) for number, line in numbered], file)

    @property
    def rows_file(self) -> Path:
        """Where the rows are."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """Where the state of training is."""
        return self.path / "checkpoint.npz"

    @property
    def classifier(self) -> Path:
        """Where transfer learning leaves its classifier on raw images."""
        return self.path / "best.keras"

    @property
    def has_predictions(self) -> bool:
        """Whether the class probabilities of the validation images are stored."""
        return (self.path / "predictions-validation.npz").exists()

    @property
    def has_snapshots(self) -> bool:
        """Whether there is an index of snapshots."""
        return Snapshots.exist(self.path / "snapshots")

    def snapshots(self, wnids: Sequence[str] | None = None, limit: int | None = None) -> Snapshots:
        """Returns the run's snapshots; see ``tiny_imagenet_tf.runs.snapshots.Snapshots``."""
        return Snapshots(self.path / "snapshots", wnids, limit)

    def write_environment(self, **more: Any) -> None:
        """Stores commit, versions, device and command, and what the recipe knows besides."""
        write_json(self.path / "environment.json", {**describe_environment(), **more})

    def write_resumption(self, changed: dict[str, Any], **more: Any) -> None:
        """Adds the machine at hand, and the options that a run which goes on may change, to what is stored."""
        environment = self.environment
        resumed = [*environment.get("resumed", []), describe_environment() | more]
        write_json(self.path / "environment.json", environment | {"resumed": resumed})
        write_json(self.path / "config.json", self.config | _absolute(changed))

    def reopen(self) -> None:
        """Takes the figures away from a run that goes on, and what it may not write again, until its new end."""
        for name in ("summary.json", "predictions-test.txt", "features-validation.npz"):
            (self.path / name).unlink(missing_ok=True)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Replaces ``metrics.jsonl`` by these rows, one a measurement."""
        with replacing(self.rows_file) as file:
            file.write("".join(json.dumps(row, default=plain, allow_nan=False) + "\n" for row in rows).encode())

    def write_summary(self, summary: Summary) -> None:
        """Stores the figures to report."""
        write_json(self.path / "summary.json", summary)

    def write_classifier(self, save: Callable[[Path], None]) -> None:
        """Stores the classifier; ``save`` writes it to the path it is given."""
        save_whole(save, self.classifier)

    def write_validation_predictions(self, split: Any, probabilities: np.ndarray) -> None:
        """Stores the class probabilities (n, classes) of the validation images of a split, in its order.

        Raises:
            UserError: one of them is not finite.
        """
        if not np.isfinite(probabilities).all():
            raise UserError(f"{self.path}: predicted probabilities are not finite; nothing was stored")
        self._write_arrays("predictions-validation.npz", split, probabilities=np.asarray(probabilities, np.float32))

    def read_validation_predictions(self) -> dict[str, np.ndarray]:
        """Returns ``file_names``, ``labels``, ``wnids`` and ``probabilities``.

        Raises:
            UserError: they are damaged, or do not fit each other.
        """
        name = "predictions-validation.npz"
        stored = read_arrays(self.path / name)
        if problem := _fault(stored, "probabilities") or _improbable(stored):
            raise UserError(f"{self.path / name}: {problem}")
        return stored

    def write_features(self, split: Any, features: np.ndarray) -> None:
        """Stores what the last hidden layer makes of the validation images, (n, width)."""
        self._write_arrays("features-validation.npz", split, features=features)

    def read_features(self) -> dict[str, np.ndarray] | None:
        """Returns ``file_names``, ``labels``, ``wnids`` and ``features``; None where none are stored.

        Raises:
            UserError: they are damaged, or do not fit each other.
        """
        name = "features-validation.npz"
        if not (self.path / name).exists():
            return None
        stored = read_arrays(self.path / name)
        if problem := _fault(stored, "features"):
            raise UserError(f"{self.path / name}: {problem}")
        return stored

    def write_test_predictions(self, split: Any, labels: np.ndarray) -> None:
        """Stores one predicted class an image: ``test_0.JPEG n02085620`` a line, in the split's order."""
        with replacing(self.path / "predictions-test.txt") as file:
            file.write(prediction_lines(split.file_names, labels, split.wnids).encode())

    def _write_arrays(self, name: str, split: Any, **arrays: np.ndarray) -> None:
        with replacing(self.path / name) as file:
            np.savez_compressed(
                file,
                file_names=np.asarray(split.file_names, dtype=np.str_),
                labels=np.asarray(split.labels, dtype=np.int64),
                wnids=np.asarray(split.wnids, dtype=np.str_),
                **arrays,
            )


def _absolute(options: dict[str, Any]) -> dict[str, Any]:
    """Options with absolute paths, for a run is read from any folder."""
    absolute = dict(options)
    for name, value in options.items():
        is_path = isinstance(value, Path) or (name in _FILES and networks.in_files(str(value)))
        if is_path and Path(value).parts[:1] != ("~",):
            absolute[name] = Path(value).absolute()
    return absolute


def _fault(stored: dict[str, np.ndarray], values: str) -> str | None:
    """What is wrong with stored images and their values, float (images, any)."""
    names = ("file_names", "labels", "wnids", values)
    if lacking := [name for name in names if name not in stored]:
        return f"holds no {lacking[0]}"
    files, labels, wnids, numbers = (stored[name] for name in names)
    if any(each.ndim != 1 for each in (files, labels, wnids)) or labels.dtype.kind not in "iu":
        return "its files, labels or classes are not lists of names and of whole numbers"
    if numbers.dtype.kind != "f" or numbers.ndim != 2 or not len(numbers) == len(labels) == len(files):
        return f"{len(files)} images and {len(wnids)} classes, but {values} {numbers.dtype} {numbers.shape}"
    if list(wnids) != sorted(set(wnids.tolist())):
        return "its classes are not sorted, or one is there twice"
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(wnids)):
        return f"labels from {labels.min()} to {labels.max()} for {len(wnids)} classes"
    return None if np.isfinite(numbers).all() else f"its {values} are not finite"


def _improbable(stored: dict[str, np.ndarray]) -> str | None:
    """What is wrong with values as probabilities of the classes."""
    probabilities, classes = stored["probabilities"], len(stored["wnids"])
    if probabilities.shape[1] != classes:
        return f"{len(probabilities)} images and {classes} classes, but probabilities {probabilities.shape}"
    if (probabilities < 0).any():
        return "its probabilities are not numbers from 0 to 1"
    return None if np.allclose(probabilities.sum(axis=1), 1, atol=1e-2) else "its probabilities do not add up to 1"


def prediction_lines(file_names: Sequence[str], labels: Sequence[int], wnids: Sequence[str]) -> str:
    """Returns predictions as the challenge takes them: ``test_0.JPEG n02085620`` a line."""
    return "".join(f"{name} {wnids[label]}\n" for name, label in zip(file_names, labels, strict=True))
