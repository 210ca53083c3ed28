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
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.evaluation.predict import Predictor, check
from tiny_imagenet_tf.models import backbones, preprocess
from tiny_imagenet_tf.runs import networks

BATCH = 50  # images
_STORED = "of the classes in its file"
_ALIKE = 0.97  # of the best: then what changes least is it
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
        told: the way that was told, or that the network itself says.
        best: of all ways.
        images: how many were shown.
        one_to_one: classes whose images mostly get an answer that no other class' images mostly get.
        mapped: share of all images that get that answer; 0 where fewer than half the classes have one.
        by_batch: accuracy where batch normalization takes each batch's own statistics; None without any.
    """

    told: Trial
    best: Trial
    images: int
    one_to_one: int
    mapped: float
    by_batch: float | None

    def findings(self, classes: int) -> list[str]:
        """Returns in words what is wrong; nothing where nothing is."""
        chance, ways = 1 / classes, {"shown": self.best.accuracy, "batch": self.by_batch or 0, "mapped": self.mapped}
        most = max(ways, key=ways.get)  # the first of equals: what is simplest to cure
        if not self._better(ways[most]):
            told = self.told.accuracy < 3 * chance
            return [f"it is at chance ({chance:.1%}) in every way that was tried: it has not learned this"] * told
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
        found = []
        if self.best.order != self.told.order:
            path = "DATASET/" if self.best.order == "wnids.txt" else ""
            found.append(
                f"its scores are in the order {self.best.order}, not {self.told.order}: "
                f"--labels {path}{self.best.order}, or bring them in order with `tiny-imagenet labels`"
            )
        if self.best.pixels != self.told.pixels:
            found.append(f"it expects pixels in {self.best.pixels}: --pixels={self.best.pixels}")
        if self.best.blue_first != self.told.blue_first:
            found.append("it expects blue first (BGR), as OpenCV reads images: exchange the channels")
        return found

    def _better(self, accuracy: float) -> bool:
        error = (self.told.accuracy * (1 - self.told.accuracy) / self.images) ** 0.5
        return accuracy > self.told.accuracy + max(_MUCH, 3 * error)


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
        order: which its scores are said to be in, as :func:`labels.order` takes it; default: that of the classes which
            the file holds, or else sorted.

    Raises:
        UserError: it is not a network of one square RGB image, has not the scores of any order, or is told what would
            be ignored.
    """
    model = backbones.load(path)
    check(model, path)
    own = preprocess.is_deployed(model)
    told, view, resize = pixels, views.WHOLE, "half_pixel"
    if own:
        if pixels is not None:
            raise UserError(f"--pixels {pixels} would be ignored: {path} is of this package and scales by itself")
        predictor = Predictor.of(model)
        network, told, view, resize = predictor.classifier, "0..255", predictor.views()[0], predictor.resize
    else:
        network = model
        try:
            told = backbones.pixels_of(model, str(path), pixels)
        except UserError:
            told = "-1..1"
    stored = networks.classes_of(path)
    if stored is not None and order is not None:
        raise UserError(f"--labels {order} would be ignored: {path} holds its classes")
    known = {"sorted": split.wnids, **(orders or {})}
    if order is not None:
        known = {order: labels.order(order, split.wnids), **known}
    elif stored is not None and stored.wnids != split.wnids:
        known = {_STORED: stored.wnids, **known}
    known = {name: wnids for name, wnids in known.items() if len(wnids) == network.output_shape[-1]}
    if not known:
        raise UserError(f"{path}: {network.output_shape[-1]} scores; no order of so many classes is known")
    if order is not None and order not in known:
        raise UserError(f"--labels {order}: not an order of {network.output_shape[-1]} classes, which {path} has")
    said = order or next(iter(known))
    columns = {name: labels.columns(wnids, split.wnids) for name, wnids in known.items()}
    ranges = ["0..255"] if own else list(dict.fromkeys((told, *get_args(Pixels))))
    trials, answers, by_batch = [], {}, None
    for each in ranges:
        for blue_first in (False, True):
            shown = _behind(network, each, blue_first, resize)
            scores = shown.predict(in_view(split, view, BATCH), verbose=0)
            answers[each, blue_first] = scores
            for name, of in columns.items():
                trials.append(Trial(each, blue_first, name, top_k_accuracy(scores[:, of], split.labels)))
    first = next(each for each in trials if (each.pixels, each.blue_first, each.order) == (told, False, said))
    most = max(trial.accuracy for trial in trials)
    best = min(
        (trial for trial in trials if trial.accuracy >= _ALIKE * most),
        key=lambda each: (_changes(first, each), -each.accuracy),
    )
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in model._flatten_layers()):
        copied = keras.models.clone_model(network)  # whose moving averages may move
        copied.set_weights(network.get_weights())
        shown = _behind(copied, told, False, resize)
        found = [np.asarray(shown(list(inputs), training=True)) for (inputs,) in in_view(split, view, BATCH)]
        by_batch = top_k_accuracy(np.concatenate(found)[:, columns[said]], split.labels)
    regular = _regular(answers[told, False].argmax(axis=1), split.labels, len(split.wnids))
    return Diagnosis(first, best, len(split), *regular, by_batch)


def _changes(told: Trial, other: Trial) -> int:
    return sum(getattr(told, name) != getattr(other, name) for name in ("pixels", "blue_first", "order"))


def _behind(network: keras.Model, pixels: Pixels, blue_first: bool, resize: Resize) -> keras.Model:
    """The network behind fixed views, with red and blue exchanged or not."""
    if blue_first:
        images = keras.Input(network.input_shape[1:])
        network = keras.Model(images, network(keras.ops.flip(images, axis=-1)))
    return preprocess.behind_views(preprocess.classifier(network, pixels), views.PLAIN, resize)


def _regular(answers: np.ndarray, truth: np.ndarray, classes: int) -> tuple[int, float]:
    """How many classes have an answer of their own, which half their images get, and what share of images gets it."""
    counts = np.zeros((classes, answers.max() + 1), int)
    np.add.at(counts, (truth, answers), 1)
    most = counts.argmax(axis=1)
    alone = (counts.max(axis=1) * 2 >= counts.sum(axis=1)) & (np.bincount(most, minlength=counts.shape[1])[most] == 1)
    mapped = counts.max(axis=1)[alone].sum() / len(truth)
    return int(alone.sum()), float(mapped) if alone.sum() * 2 > classes else 0.0
