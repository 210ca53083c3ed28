"""Finds the networks that runs and files hold, to evaluate or to join."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tiny_imagenet_tf.choices import Which
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots
from tiny_imagenet_tf.runs.summary import Crops


@dataclasses.dataclass(frozen=True)
class Member:
    """One network, or the val predictions of a run that kept none.

    Attributes:
        name: run and file.
        path: a ``.keras`` file; None for a run that kept its predictions only.
        run: the run it is of, None for a file that stands alone.
        wnids: its classes in the order of its scores; None if that is not stored.
        answers: the run's own predictions are this network's.
    """

    name: str
    path: Path | None
    run: Run | None = None
    wnids: tuple[str, ...] | None = None
    answers: bool = False

    @property
    def published(self) -> str | None:
        """Key of the paper's row that the run reproduces."""
        return self.run.summary.published if self.run is not None and self.run.ended else None

    def probabilities(self, split: Split, crops: Crops | None = None, *, stored: bool = False) -> np.ndarray:
        """Returns the class probabilities (n, classes) of a split's images.

        Args:
            split: the images.
            crops: None takes those of the run, or of the network's paper.
            stored: what the run has predicted itself will do, where it is of these images and crops.

        Raises:
            UserError: the classes are others, or stored predictions are asked for what they do not hold.
        """
        if self.wnids is not None and self.wnids != split.wnids:
            raise UserError(f"{self.name}: its classes, or their order, are not those of the images")
        if self.path is None:
            predicted = None if crops else self._predictions(split)
            if predicted is None:
                raise UserError(f"{self.name}: it kept val predictions only, nothing for other val images or crops")
            return predicted
        if self.answers:
            own = self.run.summary.validation.crops if self.run.ended else None
            crops = crops or own
            if stored and crops == own and (predicted := self._predictions(split)) is not None:
                return predicted
        network = Predictor.load(self.path)
        classes = network.classifier.output_shape[-1]
        if classes != len(split.wnids):
            raise UserError(f"{self.name}: {classes} scores for {len(split.wnids)} classes")
        return network.probabilities(split, network.views(crops))

    def _predictions(self, split: Split) -> np.ndarray | None:
        """What the run stored, if it is of these images."""
        if split.name != "validation":
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
        UserError: there is neither a network nor a prediction at a path.
    """
    return [member for path in paths for member in _at(path, which)]


def _at(path: Path, which: Which) -> list[Member]:
    if path.suffix == ".keras" and path.is_file():
        return [_file(path)]
    run = Run(path)
    if run.has_predictions and (run.classifier.exists() or not run.has_snapshots):
        classes = tuple(run.read_validation_predictions()["wnids"].tolist())
        file = run.classifier if run.classifier.exists() else None
        return [Member(f"{path.name}/{file.name if file else 'predictions'}", file, run, classes, answers=True)]
    if run.has_snapshots:
        kept = run.snapshots()
        if not kept.entries:
            raise UserError(f"{path}: no snapshot yet, the run was not measured so far")
        chosen = kept.paths[-1:] if which == "best" else kept.paths
        return [Member(f"{path.name}/{file.name}", file, run, kept.wnids) for file in chosen]
    raise UserError(f"{path}: neither a .keras file nor a run with snapshots or predictions")


def _file(path: Path) -> Member:
    """A saved model; where it lies in a run's directory, its classes are known."""
    if Snapshots.exist(path.parent):
        run = Run(path.parent.parent)
        return Member(f"{run.path.name}/{path.name}", path, run, Snapshots(path.parent).wnids)
    run = Run(path.parent)
    if path == run.classifier and run.has_predictions:
        return _at(path.parent, "best")[0]
    return Member(path.name, path)
