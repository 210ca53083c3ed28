"""What keeps a network from its accuracy: its pixels, the order of its classes, its batch normalization."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import keras
import numpy as np

from tiny_imagenet_tf.choices import Pixels, Resize
from tiny_imagenet_tf.data import labels, views
from tiny_imagenet_tf.data.batches import in_view
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.evaluation.predict import Predictor, check_classifier, native, refuse_pixels
from tiny_imagenet_tf.models import backbones, network_files, preprocess
from tiny_imagenet_tf.models.layers import normalizations
from tiny_imagenet_tf.runs import networks

BATCH = 50  # images
_STORED = "of the classes in its file"
_ALIKE = 0.97  # of the best: then what changes least is it
_FEW = 10  # images, from which nothing follows
_MUCH = 0.05  # better, and by three standard errors: a finding, not chance


@dataclasses.dataclass(frozen=True)
class Trial:
    """One way to show images to a network and to read its scores.

    Attributes:
        pixels: the range they are brought to.
        blue_first: red and blue are exchanged.
        order: of the classes.
        accuracy: top-1.
    """

    pixels: Pixels
    blue_first: bool
    order: str
    accuracy: float


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What was tried on a network.

    Attributes:
        claimed: the way that was said, or that the network itself says.
        best: of all ways.
        images: how many were shown.
        one_to_one: classes whose images mostly get an answer that no other class' images mostly get.
        mapped: share of all images that get that answer; 0 where fewer than half the classes have one.
        by_batch: accuracy where batch normalization takes each batch's own statistics; None without any.
    """

    claimed: Trial
    best: Trial
    images: int
    one_to_one: int
    mapped: float
    by_batch: float | None

    def findings(self, classes: int) -> list[str]:
        """Returns in words what is wrong; nothing where nothing is."""
        chance, ways = 1 / classes, {"shown": self.best.accuracy, "batch": self.by_batch or 0, "mapped": self.mapped}
        most = max(ways, key=ways.get)  # the first of equals: what is simplest to cure
        error = (chance * (1 - chance) / self.images) ** 0.5
        if self.images < _FEW:
            return [f"{self.images} image(s) are too few to tell what it has learned: show it more (--images)"]
        if not self._better(ways[most]):
            at_chance = self.claimed.accuracy < chance + max(min(2 * chance, _MUCH), 3 * error)
            return [f"it is at chance ({chance:.1%}) in every way that was tried: it has not learned this"] * at_chance
        if most == "batch":
            return [
                f"with each batch's own statistics it has {self.by_batch:.1%}: the moving averages of its batch "
                "normalization do not fit its weights. Was a frozen trunk run in training mode, or trained too few "
                "steps for its momentum?"
            ]
        if most == "mapped":
            return [
                f"it answers wrongly but regularly: {self.one_to_one} of {classes} classes map one to one. Its scores "
                "are in an order of their own; --labels FILE names a list of wnids in that order"
            ]
        findings = []
        if self.best.order != self.claimed.order:
            path = "DATASET/" if self.best.order == "wnids.txt" else ""
            findings.append(
                f"its scores are in the order {self.best.order}, not {self.claimed.order}: "
                f"--labels {path}{self.best.order}, or bring them in order with `tiny-imagenet labels`"
            )
        if self.best.pixels != self.claimed.pixels:
            findings.append(f"it expects pixels in {self.best.pixels}: --pixels={self.best.pixels}")
        if self.best.blue_first != self.claimed.blue_first:
            findings.append("it expects blue first (BGR), as OpenCV reads images: exchange the channels")
        return findings

    def _better(self, accuracy: float) -> bool:
        error = (self.claimed.accuracy * (1 - self.claimed.accuracy) / self.images) ** 0.5
        return accuracy > self.claimed.accuracy + max(_MUCH, 3 * error)


def diagnose(
    path: Path,
    split: Split,
    orders: Mapping[str, Sequence[str]] | None = None,
    pixels: Pixels | None = None,
    order: str | None = None,
) -> Diagnosis:
    """Shows a network images in every usual way.

    Args:
        path: a ``.keras`` file.
        split: labeled images, a few hundred.
        orders: further orders of classes to try: name to wnids.
        pixels: what it is said to expect; default: its own saying, or -1..1.
        order: which its scores are said to be in, as ``labels.order`` takes it; default: that of the classes which
            the file holds, or else sorted.

    Raises:
        UserError: it is not a network of one square RGB image, has not the scores of any order, or is told what would
            be ignored.
    """
    model = native(network_files.load(path))
    check_classifier(model, path)
    own = preprocess.is_deployed(model)
    if own:
        refuse_pixels(path, pixels)
        predictor = Predictor.of(model)
        subject = _Subject(predictor.classifier, "0..255", split, predictor.views()[0], predictor.resize)
    else:
        try:
            claimed = backbones.pixels_of(model, str(path), pixels)
        except UserError:
            claimed = pixels or "-1..1"
        subject = _Subject(model, claimed, split)
    claimed_order, columns = _orders(path, subject.network.output_shape[-1], split, orders or {}, order)
    as_claimed = (subject.claimed, False, claimed_order)

    trials = []
    for each in ["0..255"] if own else list(dict.fromkeys((subject.claimed, *get_args(Pixels)))):
        for blue_first in (False, True):
            scores = subject.scores(each, blue_first)
            for name, of in columns.items():
                trials.append(Trial(each, blue_first, name, top_k_accuracy(scores[:, of], split.labels)))
            if (each, blue_first) == as_claimed[:2]:
                regular = _regular(scores.argmax(axis=1), split.labels, len(split.wnids))
    first = next(each for each in trials if (each.pixels, each.blue_first, each.order) == as_claimed)
    most = max(trial.accuracy for trial in trials)
    best = min(
        (trial for trial in trials if trial.accuracy >= _ALIKE * most),
        key=lambda each: (_changes(first, each), -each.accuracy),
    )
    by_batch = None
    if normalizations(model):
        by_batch = top_k_accuracy(subject.scores_by_batch()[:, columns[claimed_order]], split.labels)
    return Diagnosis(first, best, len(split), *regular, by_batch)


@dataclasses.dataclass(frozen=True)
class _Subject:
    """A network of one range of pixels, and how its images are shown."""

    network: keras.Model
    claimed: Pixels
    split: Split
    view: View = views.WHOLE
    resize: Resize = "half_pixel"

    def scores(self, pixels: Pixels, blue_first: bool) -> np.ndarray:
        """Its scores (n, classes) of the images, in a range of pixels."""
        shown = _shown_pixels(self.network, pixels, blue_first, self.resize)
        return shown.predict(in_view(self.split, self.view, BATCH), verbose=0)

    def scores_by_batch(self) -> np.ndarray:
        """The same by each batch's own statistics."""
        copied = keras.models.clone_model(self.network)  # whose moving averages may move
        copied.set_weights(self.network.get_weights())
        for layer in normalizations(copied):
            layer.trainable = True  # a frozen one has no other way than its moving averages
        shown = _shown_pixels(copied, self.claimed, False, self.resize)
        order = np.random.default_rng(0).permutation(len(self.split))  # in that of their classes a batch shows few
        batches = in_view(self.split.take(order), self.view, BATCH)
        scores = np.concatenate([np.asarray(shown(list(inputs), training=True)) for (inputs,) in batches])
        return scores[np.argsort(order)]


def _orders(
    path: Path, scores: int, split: Split, more: Mapping[str, Sequence[str]], claimed: str | None
) -> tuple[str, dict[str, np.ndarray]]:
    """The order that a network's scores are said to be in; and of all orders the columns that bring it to the split's.

    Raises:
        UserError: no order has so many classes, or what is told would be ignored.
    """
    stored, known = networks.classes_of(path), {"sorted": split.wnids, **more}
    if stored is not None and claimed is not None:
        raise UserError(f"--labels {claimed} would be ignored: {path} holds its classes")
    if claimed is not None:
        known = {claimed: labels.order(claimed, split.wnids), **known}
    elif stored is not None and stored.wnids != split.wnids:
        known = {_STORED: stored.wnids, **known}
    if stored is not None and not set(split.wnids) <= set(stored.wnids):
        raise UserError(f"{path}: the classes that it holds are not those of the images")
    known = {name: wnids for name, wnids in known.items() if len(wnids) == scores and set(split.wnids) <= set(wnids)}
    if not known:
        raise UserError(f"{path}: {scores} scores; no order of so many classes is known")
    if claimed is not None and claimed not in known:
        raise UserError(f"--labels {claimed}: not an order of {scores} classes, which {path} has")
    return claimed or next(iter(known)), {name: labels.columns(wnids, split.wnids) for name, wnids in known.items()}


def _changes(claimed: Trial, other: Trial) -> int:
    return sum(getattr(claimed, name) != getattr(other, name) for name in ("pixels", "blue_first", "order"))


def _shown_pixels(network: keras.Model, pixels: Pixels, blue_first: bool, resize: Resize) -> keras.Model:
    """The network behind fixed views, with red and blue exchanged or not."""
    if blue_first:
        images = keras.Input(network.input_shape[1:])
        network = keras.Model(images, network(keras.ops.flip(images, axis=-1)))
    return preprocess.behind_views(preprocess.classifier(network, pixels), views.PLAIN, resize)


def _regular(answers: np.ndarray, truth: np.ndarray, classes: int) -> tuple[int, float]:
    """How many classes have an answer of their own, which half their images get, and what share of images gets it.

    Two images at least: one by itself always agrees with itself.
    """
    counts = np.zeros((classes, answers.max() + 1), int)
    np.add.at(counts, (truth, answers), 1)
    most, often = counts.argmax(axis=1), counts.max(axis=1)
    alone = (often >= 2) & (often * 2 >= counts.sum(axis=1)) & (np.bincount(most, minlength=counts.shape[1])[most] == 1)
    mapped = often[alone].sum() / len(truth)
    return int(alone.sum()), float(mapped) if alone.sum() * 2 > classes else 0.0
