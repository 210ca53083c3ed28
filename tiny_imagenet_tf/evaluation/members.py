"""Finds the networks that runs and files hold, to evaluate or to join."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tiny_imagenet_tf.choices import Crops, Pixels, Which
from tiny_imagenet_tf.data.labels import columns, order
from tiny_imagenet_tf.data.splits import Split, check_classes
from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import classes as official
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.models import network_files, packaged
from tiny_imagenet_tf.models.heads import scores
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.networks import Classes
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots
from tiny_imagenet_tf.runs.transfer_values import Store, kept_stores, stores_of


@dataclasses.dataclass(frozen=True)
class Member:
    """One network, or the val predictions of a run that kept none.

    Attributes:
        name: run and file.
        path: a ``.keras`` file; None for a run that kept its predictions only.
        run: the run it is of, None for a file that stands alone.
        wnids: its classes in the order of its scores; None if that is not stored.
        predicted_by_run: whether the run's stored val predictions are this network's.
        pixels: what a file that is nobody's run expects.
        labels: the order of its scores, see ``labels.order``; None for that of the dataset.
        is_head: whether the file holds a head alone, which answers from the transfer values that its run has stored.
    """

    name: str
    path: Path | None
    run: Run | None = None
    wnids: tuple[str, ...] | None = None
    predicted_by_run: bool = False
    pixels: Pixels | None = None
    labels: str | None = None
    is_head: bool = False

    @property
    def published(self) -> str | None:
        """Key of the paper's row that the run reproduces."""
        return self.run.summary.published if self.run is not None and self.run.ended else None

    @property
    def crops(self) -> Crops | None:
        """How the run tested it; None where nothing is known."""
        return self.run.summary.validation.crops if (self.predicted_by_run or self.is_head) and self.run.ended else None

    def classes(self, network: Predictor) -> Classes:
        """Returns what the scores of its network stand for; numbers where nothing is known."""
        stored, known, wnids = networks.classes_of(self.path), official(), self.wnids
        if stored is not None:
            return stored
        if self.labels is not None:
            wnids = order(self.labels, tuple(known) if self.labels == "sorted" else ())
            if len(wnids) != network.classes:
                raise UserError(
                    f"--labels {self.labels}: lists {len(wnids)} classes, but the model has {network.classes} scores"
                )
        return Classes.of(wnids or tuple(f"class {number}" for number in range(network.classes)), known)

    def order_of(self, network: Predictor, split: Split) -> tuple[str, ...]:
        """Returns the wnids of its scores: those that its file holds, or of a split in the order that is told of it.

        Raises:
            UserError: they are not as many as its scores, or of other classes than the split.
        """
        self._check_classes(split)
        stored = self.wnids if self.run is None else None  # a run's are those of its images
        wnids = stored if stored is not None else order(self.labels or "sorted", split.wnids)
        if network.classes != len(wnids):
            hint = "; give their order with --labels: imagenet1k, or a file" if self.labels is None else ""
            raise UserError(f"{self.name}: has {network.classes} scores, but there are {len(wnids)} classes{hint}")
        return wnids

    def network(self) -> Predictor:
        """Returns the network.

        Raises:
            UserError: there is none, or its scores are not those of its classes.
        """
        if self.path is None:
            raise UserError(f"{self.name}: has stored predictions, but no saved network")
        network = Predictor.load(self.path, self.pixels, of_run=self.run is not None)
        if self.wnids is not None and network.classes != len(self.wnids):
            raise UserError(f"{self.name}: has {network.classes} scores, but there are {len(self.wnids)} classes")
        return network

    def probabilities(
        self, split: Split, crops: Crops | None = None, *, stored: bool = False, network: Predictor | None = None
    ) -> np.ndarray:
        """Returns the class probabilities (n, classes) of a split's images.

        Args:
            split: the images.
            crops: None takes those of the run, or of the network's paper.
            stored: what the run has predicted itself will do, where it is of these images and crops.
            network: its own, where it has been read already.

        Raises:
            UserError: the classes are others, or stored predictions are asked for what they do not hold.
        """
        self._check_classes(split)
        if self.is_head:
            return self._by_head(split, crops)
        if self.path is None:
            return self._stored(split, crops)
        if self.predicted_by_run:
            crops = crops or self.crops
            if stored and crops == self.crops and (predicted := self._predictions(split)) is not None:
                return predicted
        network = network or self.network()
        class_columns = columns(self.order_of(network, split), split.wnids)
        return network.probabilities(split, network.views(crops), title=split.name, columns=class_columns)

    def check(self, split: Split, crops: Crops | None = None) -> None:
        """Raises UserError, before anything is computed, where what it stores is not of these images and crops."""
        self._check_classes(split)
        if self.is_head:
            self._stores(split, crops)
        elif self.path is None:
            self._stored(split, crops)

    def _stored(self, split: Split, crops: Crops | None) -> np.ndarray:
        """What a run without a network has predicted."""
        predicted = None if crops else self._predictions(split)
        if predicted is None:
            raise UserError(
                f"{self.name}: no network is stored, only predictions for its own val images, in the crops of its run"
            )
        return predicted

    def _check_classes(self, split: Split) -> None:
        """Refuses a run's other classes or order; a file that says what its scores stand for may have more."""
        check_classes(split.wnids)
        if self.wnids is None:
            return
        if not (set(split.wnids) <= set(self.wnids) if self.run is None else self.wnids == split.wnids):
            raise UserError(f"{self.name}: its classes, or their order, are not those of the images")

    def _by_head(self, split: Split, crops: Crops | None) -> np.ndarray:
        stores = self._stores(split, crops)
        model = network_files.load(self.path)
        return combine(scores(model, store.load()) for store in stores)

    def _stores(self, split: Split, crops: Crops | None) -> list[Store]:
        """The transfer values that a head answers from."""
        if crops not in (None, self.crops):
            raise UserError(
                f"{self.name}: heads can be tested only on the crops of their run, {self.crops}; leave out --crops, "
                "or give --snapshots best"
            )
        stores = stores_of(self.run.summary, split.name, split.digest)
        if not stores:
            raise UserError(f"{self.name}: the transfer values of these images are not stored; give --snapshots best")
        return stores

    def _predictions(self, split: Split) -> np.ndarray | None:
        """What the run stored, if it is of these images."""
        if split.name != "validation":
            return None
        stored = self.run.read_validation_predictions()
        names = ("file_names", split.file_names), ("labels", split.labels), ("wnids", split.wnids)
        same = all(np.array_equal(stored[name], expected) for name, expected in names)
        same &= self.run.digest_of("validation") in (None, split.digest)  # early runs stored none
        return stored["probabilities"].astype(np.float64) if same else None


def find(
    paths: Sequence[Path], which: Which = "all", pixels: Pixels | None = None, labels: str | None = None
) -> list[Member]:
    """Returns the members in the order of the paths, a run's snapshots from the oldest to the newest.

    Args:
        paths: run directories and ``.keras`` files.
        which: of a run's snapshots.
        pixels: what files that are of no run expect.
        labels: in which order they give their scores.

    Raises:
        UserError: there is neither a network nor a prediction at a path, or a run's is told what it knows itself.
    """
    members = [member for path in paths for member in _at(path, which)]
    if pixels is None and labels is None:
        return members
    if labels is not None:
        order(labels, ())  # whether there is such an order, before images are prepared
    for member in members:
        if member.run is not None or (labels is not None and member.wnids is not None):
            raise UserError(f"--pixels and --labels would be ignored: {member.name} knows its own")
    return [dataclasses.replace(member, pixels=pixels, labels=labels) for member in members]


def images_of(members: Sequence[Member], source: Path | None, data_dir: Path | None) -> tuple[Path | None, Path | None]:
    """Returns where the images for some members are: where it was said, or else where those of the first run are."""
    run = next((member.run for member in members if member.run is not None), None)
    if run is None:
        return source, data_dir
    own, prepared = run.images
    if source is not None:
        return source, data_dir or (None if run.of_synthetic_images else prepared)
    if own is None and run.exists and (named := run.config.get("source")):
        print(f"{run.path.name}: {named} is not there; taking the official archive's images", file=sys.stderr)
    return own, data_dir or prepared


def _at(path: Path, which: Which) -> list[Member]:
    path = path.expanduser().resolve()  # "." has no name
    if path == packaged.FILE:
        return [Member("the packaged network", path, wnids=networks.classes_of(path).wnids)]
    if path.suffix == ".keras" and path.is_file():
        return [_file(path)]
    run = Run(path)
    if which == "all" and run.classifier.exists() and run.ended:
        stores = kept_stores(run.summary, "validation")
        if stores and len((snapshots := run.snapshots()).entries) > 1:
            if None in stores:
                raise UserError(f"{path}: its snapshots need transfer values that are missing; give --snapshots best")
            wnids = snapshots.wnids
            return [Member(f"{path.name}/{file.name}", file, run, wnids, is_head=True) for file in snapshots.paths]
    if run.has_predictions and (run.classifier.exists() or not run.has_snapshots):
        classes = tuple(run.read_validation_predictions()["wnids"].tolist())
        file = run.classifier if run.classifier.exists() else None
        name = f"{path.name}/{file.name if file else 'predictions'}"
        return [Member(name, file, run, classes, predicted_by_run=True)]
    if run.has_snapshots:
        snapshots = run.snapshots()
        if not snapshots.entries:
            raise UserError(f"{path}: no snapshot yet; let the run reach its first measurement")
        chosen = snapshots.entries[-1:] if which == "best" else snapshots.entries
        instead = "; or move snapshots/ away, and its val predictions stand for it" if run.has_predictions else ""
        snapshots.require(chosen, f"put it back{instead}")
        return [Member(f"{path.name}/{entry.file}", snapshots.path(entry), run, snapshots.wnids) for entry in chosen]
    raise UserError(f"{path}: neither a .keras file nor a run with snapshots or predictions")


def _file(path: Path) -> Member:
    """A saved model; where it lies in a run's directory, its classes are known."""
    if Snapshots.may_hold(path):
        run, snapshots = Run(path.parent.parent), Snapshots(path.parent)
        if path in snapshots.paths:
            return Member(f"{run.path.name}/{path.name}", path, run, snapshots.wnids)
    run = Run(path.parent)
    if path == run.classifier and run.has_predictions:
        return _at(path.parent, "best")[0]
    classes = networks.classes_of(path)
    return Member(path.name, path, wnids=classes and classes.wnids)
