"""Finds the networks that runs and files hold, to evaluate or to join."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.evaluation import predict
from tiny_imagenet_tf.runs.run import VALIDATION_PREDICTIONS, Run

Which = Literal["all", "best"]
_INDEX = "index.json"  # of a folder of snapshots
_TRANSFER = "best.keras"  # what a run of transfer learning saves


@dataclasses.dataclass(frozen=True)
class Member:
    """One network, or the val predictions of a run that kept none.

    Attributes:
        name: run and file.
        path: a ``.keras`` file or ``predictions-validation.npz``.
        run: the run it is of, None for a file that stands alone.
        wnids: its classes in the order of its scores; None if that is not stored.
    """

    name: str
    path: Path
    run: Run | None = None
    wnids: tuple[str, ...] | None = None

    @property
    def published(self) -> str | None:
        """Key of the paper's row that the run reproduces."""
        ended = self.run is not None and (self.run.path / "summary.json").exists()
        return self.run.summary.get("published") if ended else None

    def probabilities(self, split: Split, how: predict.Crops | None = None, *, stored: bool = False) -> np.ndarray:
        """Returns the class probabilities (n, classes) of a split's images.

        Args:
            split: the images.
            how: crops; None takes those of the run, or of the network's paper.
            stored: what the run has predicted itself will do, where it is of these images and crops.

        Raises:
            ValueError: the classes are others, or stored predictions are asked for what they do not hold.
        """
        if self.wnids is not None and self.wnids != split.wnids:
            raise ValueError(f"{self.name}: its classes, or their order, are not those of the images")
        if self.path.suffix != ".keras":
            return self._only_predictions(split, how)
        if self.path.name == _TRANSFER:
            how = how or self._crops
            if stored and how == self._crops and (predicted := self._predictions(split)) is not None:
                return predicted
        try:
            model = keras.saving.load_model(self.path, compile=False)
        except ValueError as error:
            raise ValueError(f"{self.path} cannot be loaded: {error}") from error
        if model.output_shape[-1] != len(split.wnids):
            raise ValueError(f"{self.name}: {model.output_shape[-1]} scores for {len(split.wnids)} classes")
        return predict.probabilities(model, split, predict.test_views(model, how or predict.default_crops(model)))

    @property
    def _crops(self) -> predict.Crops | None:
        """Those that a run of transfer learning was tested with."""
        if self.run is None or not (self.run.path / "summary.json").exists():
            return None
        names = {name: how for how, name in predict.NAMES.items()}
        return names.get(self.run.summary["validation"]["crops"])

    def _only_predictions(self, split: Split, how: predict.Crops | None) -> np.ndarray:
        if split.name != "validation" or how is not None:
            raise ValueError(f"{self.name}: the run kept its val predictions only, no network")
        predicted = self._predictions(split)
        if predicted is None:
            raise ValueError(f"{self.name}: its predictions are of other val images")
        return predicted

    def _predictions(self, split: Split) -> np.ndarray | None:
        """What the run stored, if it is of these images."""
        if self.run is None or split.name != "validation":
            return None
        stored = self.run.read_validation_predictions()
        same = np.array_equal(stored["file_names"], split.file_names)
        return stored["probabilities"].astype(np.float64) if same else None


def find(paths: Sequence[Path], which: Which = "all") -> list[Member]:
    """Returns the members in the order of the paths, a run's snapshots from the oldest to the newest.

    Args:
        paths: run directories and ``.keras`` files.
        which: of a run's snapshots.

    Raises:
        ValueError: there is neither a network nor a prediction at a path.
    """
    return [member for path in paths for member in _at(path, which)]


def _at(path: Path, which: Which) -> list[Member]:
    if path.suffix == ".keras" and path.is_file():
        if (path.parent / _INDEX).exists():
            run = Run(path.parent.parent)
            return [Member(f"{run.path.name}/{path.name}", path, run, _snapshots(path.parent)[1])]
        if path.name == _TRANSFER and (path.parent / VALIDATION_PREDICTIONS).exists():
            return _at(path.parent, which)
        return [Member(path.name, path)]
    if (path / "snapshots" / _INDEX).exists():
        files, wnids = _snapshots(path / "snapshots")
        if not files:
            raise ValueError(f"{path}: no snapshot yet, the run was not measured so far")
        chosen = files[-1:] if which == "best" else files  # each was better than those before
        return [Member(f"{path.name}/{file.name}", file, Run(path), wnids) for file in chosen]
    for file in (path / _TRANSFER, path / VALIDATION_PREDICTIONS):
        if file.exists():
            wnids = tuple(Run(path).read_validation_predictions()["wnids"].tolist())
            return [Member(f"{path.name}/{file.name}", file, Run(path), wnids)]
    raise ValueError(f"{path}: neither a .keras file nor a run with snapshots or predictions")


def _snapshots(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The networks that the index of a folder names, and their classes."""
    index = json.loads((folder / _INDEX).read_text())
    return [folder / entry["file"] for entry in index["snapshots"]], tuple(index["wnids"])
