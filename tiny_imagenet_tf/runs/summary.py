"""The figures of a run as they are reported: ``summary.json`` of a run directory and ``summary`` of a record."""

import dataclasses
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.choices import Crops
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import RESULTS, TRAIN_IMAGES, TRAINING
from tiny_imagenet_tf.runs.typed import misfit

SCHEMA = 1
CROPS = {"whole": "whole image", "center": "center crop", "mirror": "with its mirror image", "ten": "ten-crop"}
"""How an image is shown at test time, and what tables call it."""
ALL_MEMBERS = "none: all members"
"""The selection of an ensemble that nothing has chosen."""


@dataclasses.dataclass(frozen=True)
class Validation:
    """Accuracy on official val, as fractions of its images; ``crops`` None for networks that each have their own."""

    images: int
    top1: float
    top5: float | None = None
    crops: Crops | None = None

    @property
    def shown(self) -> str:
        """How an image was shown, in words."""
        return "each network's own" if self.crops is None else CROPS[self.crops]


@dataclasses.dataclass(frozen=True)
class Training:
    """What was trained on; ``images`` None where there are several answers.

    Attributes:
        images: how many, after screening and holding out.
        views: how they were shown, in words.
        accuracy: over the whole epoch of the best measurement.
        screened: images left out by their boxes.
        drawn: the random views, as plain data; None where images were shown as they are, or it is not known.
    """

    images: int | None = None
    views: str | None = None
    accuracy: float | None = None
    screened: int = 0
    drawn: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Networks joined one by one; ``members`` are (name, accuracy alone), best first."""

    accuracy_by_size: tuple[float, ...]
    best_size: int
    members: tuple[tuple[str, float], ...]


@dataclasses.dataclass(frozen=True)
class StoredView:
    """One view of a split as transfer values: their folder, how many rows, and the view's description."""

    folder: str
    rows: int
    view: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Summary:
    """What tables and reports say of a run.

    Attributes:
        title: what a table calls it.
        validation: its accuracy.
        published: key of the paper's row that it reproduces; None for another experiment.
        train: what it was trained on.
        selection: what picked the best measurement.
        best_epoch: of that measurement.
        epochs: trained in all, without those of a shallow network before (Le & Yang's staged initialisation).
        recipe_epochs: the recipe's default.
        snapshots: how many were kept.
        trunk: weights of the frozen backbone, None from scratch.
        backbone: its name.
        hours: of extraction and training.
        notes: what keeps the run from being a reproduction.
        partial: what it has less than its recipe.
        ensemble: of an ensemble, its curve.
        transfer_values: split name to the stored views.
        schema: of the file; 0 before there was a number.
    """

    title: str
    validation: Validation
    published: str | None = None
    train: Training = Training()
    selection: str | None = None
    best_epoch: float | None = None
    epochs: float | None = None
    recipe_epochs: float | None = None
    snapshots: int | None = None
    trunk: str | None = None
    backbone: str | None = None
    hours: float | None = None
    notes: tuple[str, ...] = ()
    partial: str | None = None
    ensemble: Ensemble | None = None
    transfer_values: dict[str, tuple[StoredView, ...]] = dataclasses.field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """Where a run did less than the paper: fewer train images, fewer epochs, or what the run itself says.

        A validation split with fewer images than the official one stands in the tables' data column instead.
        """
        train, found = self.train, []
        screened = train.screened  # Le & Yang left these out, too
        if train.images is not None and train.images + screened < TRAIN_IMAGES:
            before = " before screening" if screened else ""
            found.append(f"{train.images + screened:,} of {TRAIN_IMAGES:,} train images{before}")
        found += self._missing_epochs
        if self.partial:
            found.append(self.partial)
        return tuple(found)

    @property
    def _missing_epochs(self) -> list[str]:
        """Measured against the paper's number of epochs; where it prints none, against the recipe's."""
        stated = TRAINING.get((self.published or "").removesuffix("_ensemble"))
        if stated and stated.epochs:
            low, high = stated.epochs
            usual = f"{low}" if low == high else f"{low} to {high}"
        else:
            low = self.recipe_epochs or 0
            usual = f"the recipe's {low}"
        return [f"{self.epochs:g} of {usual} epochs"] if self.epochs and self.epochs < low else []

    @classmethod
    def from_json(cls, stored: dict[str, Any], path: Path = Path("summary.json")) -> "Summary":
        """Reads plain data of a file; fields that it does not know are left out.

        Before there was a schema, crops were words, and the members of an ensemble objects.

        Raises:
            UserError: it is no summary, or a figure in it cannot be one.
        """
        try:
            summary = cls._from_json(stored)
            problem = summary._problem()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} is not a run's summary ({type(error).__name__}: {error})") from error
        if problem:
            raise UserError(f"{path}: {problem}")
        return summary

    def _problem(self) -> str | None:
        """What cannot be true of any run."""
        if wrong := misfit(self, Summary, "summary"):
            return wrong
        if self.schema > SCHEMA:
            return f"its schema is {self.schema}, and this version reads up to {SCHEMA}; install a newer one"
        val = self.validation
        if not self.title.strip():
            return f"title is {self.title!r}"
        if val.images < 1:
            return f"measured on {val.images} validation images"
        if self.published is not None and self.published not in RESULTS:
            return f"published is {self.published!r}, no row of the papers"
        shares = {"top1": val.top1, "top5": val.top5, "train accuracy": self.train.accuracy}
        if self.ensemble:
            sizes = len(self.ensemble.accuracy_by_size)
            if not 1 <= self.ensemble.best_size <= sizes:
                return f"an ensemble has accuracies for {sizes} sizes, the best of {self.ensemble.best_size}"
            shares |= {f"an ensemble's {n}": share for n, share in enumerate(self.ensemble.accuracy_by_size, start=1)}
        for name, share in shares.items():
            if share is not None and not 0 <= share <= 1:
                return f"{name} is {share}, not from 0 to 1"
        if val.top5 is not None and val.top5 < val.top1:
            return f"top5 {val.top5} is below top1 {val.top1}"
        for name in ("hours", "epochs", "best_epoch", "recipe_epochs", "snapshots"):
            if (getattr(self, name) or 0) < 0:
                return f"{name} is {getattr(self, name)}"
        return None

    @classmethod
    def _from_json(cls, stored: dict[str, Any]) -> "Summary":
        old, validation, ensemble = "schema" not in stored, stored["validation"], stored.get("ensemble")
        if old:
            codes = {words: code for code, words in CROPS.items()}
            validation = {**validation, "crops": codes.get(validation.get("crops"))}
        if ensemble:
            members = tuple(tuple(each.values() if old else each) for each in ensemble["members"])
            ensemble = Ensemble(tuple(ensemble["accuracy_by_size"]), ensemble["best_size"], members)
        stores = stored.get("transfer_values", {}).items()
        parts = {
            "validation": _known(Validation, validation),
            "train": _known(Training, stored.get("train", {})),
            "notes": _listed(stored.get("notes", ())),
            "ensemble": ensemble,
            "transfer_values": {split: tuple(_known(StoredView, view) for view in views) for split, views in stores},
        }
        return _known(cls, {"schema": 0, **stored, **parts})


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _known(kind: type, stored: dict[str, Any]) -> Any:
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in stored.items() if name in names})
