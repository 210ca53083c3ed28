"""From images to the transfer values that heads are trained and tested on (Milani section 4.1)."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from tiny_imagenet_tf.choices import Arithmetic, Crops
from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import DrawnView, View
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.experiments.experiment import Experiment
from tiny_imagenet_tf.experiments.images import Data
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.models.backbones import Trunk
from tiny_imagenet_tf.models.heads import scores
from tiny_imagenet_tf.runs.transfer_values import Store
from tiny_imagenet_tf.transfer import engine
from tiny_imagenet_tf.transfer.engine import Engine
from tiny_imagenet_tf.transfer.extraction import Extraction
from tiny_imagenet_tf.transfer.options import ValueOptions


@dataclasses.dataclass(frozen=True)
class Values:
    """The transfer values of a run.

    Attributes:
        stores: split name to its stores, one a view.
        training_views: for each training view its values (n, width) and the training rows (n,) that they are of;
            the whole images come first.
        crops: digest of a split to one array (n, width) a test crop.
    """

    stores: dict[str, list[Store]]
    training_views: list[tuple[np.ndarray, np.ndarray]]
    crops: dict[str, list[np.ndarray]]


def trunk_of(options: ValueOptions, precision: Arithmetic, dtype: str | None = None) -> Trunk:
    """Returns the backbone of the options, for an engine to run it at a precision or in a Keras dtype policy."""
    return backbones.build(
        backbones.find(options.backbone, options.pixels),
        options.weights,
        layer=options.layer,
        input_size=options.input_size,
        seed=options.seed,
        dtype=dtype or engine.trunk_dtype(precision, options.openvino),
    )


def extraction_of(options: ValueOptions, trunk: Trunk, train: Split, precision: Arithmetic) -> Extraction:
    """Returns how a trunk's values are made, and says of what backbone they are.

    Args:
        options: of the values.
        trunk: the backbone.
        train: the whole training split, some of whose images int8 is calibrated on.
        precision: of the arithmetic.
    """
    by = ", by OpenVINO" if options.openvino else ""
    print(f"{trunk.backbone.name}, weights {trunk.label}, {trunk.size} pixels, {trunk.description['layer']}{by}")
    machine, store = Engine(trunk, precision, options.resize), options.values_folder
    if options.openvino:
        machine = machine.under_openvino(train, store)
    return Extraction(machine, store)


def training_parts(options: ValueOptions, data: Data) -> list[tuple[Split, np.ndarray, list[View | DrawnView]]]:
    """Returns what of the training images passes through the frozen trunk: images, their rows, and how they are shown.

    The whole images come first.
    """
    parts = [(data.all_train, np.arange(len(data.all_train)), [views.WHOLE])]
    if options.augments and options.augmented_views:
        rows = data.all_train.fraction_rows(options.augmented_fraction)
        drawn = [views.DrawnView(views.MILANI_TRANSFER, options.drawn_by, n) for n in range(options.augmented_views)]
        parts.append((data.all_train.take(rows), rows, drawn))
    return parts


def tested_parts(crops: Crops, data: Data) -> list[tuple[Split, Sequence[View]]]:
    """Returns the images that a head is tested on, and how they are shown."""
    shown = views.MILANI_TEN_CROP if crops == "ten" else (views.WHOLE,)
    return [(split, shown) for split in (data.validation, data.test) if split is not None]


def training_stores(
    options: ValueOptions, data: Data, extraction: Extraction
) -> tuple[list[Store], list[tuple[np.ndarray, np.ndarray]]]:
    """Passes every training image through the frozen trunk, once a view, or takes what is stored.

    Returns:
        A store per view; and of each view its values (n, width) with the training rows (n,) that they are of. The whole
        images come first.
    """
    parts = training_parts(options, data)
    filled = extraction.fill_all([(split, shown) for split, _, shown in parts])
    found = [(store, rows) for (_, rows, _), stores in zip(parts, filled, strict=True) for store in stores]
    return [store for store, _ in found], [(store.load(), rows) for store, rows in found]


def extract(experiment: Experiment, extraction: Extraction, *, training: bool = True) -> Values:
    """Makes, or finds in the store, all transfer values of a run.

    Args:
        experiment: its run.
        extraction: how they are made.
        training: of the training images too; without, of those alone that are held out.
    """
    options, data = experiment.options, experiment.data
    tested = tested_parts(options.crops, data)
    stores = {split.name: extraction.fill(split, shown) for split, shown in tested}
    stores["train"], training_views = training_stores(options, data, extraction) if training else ([], [])
    crops = {split.digest: [store.load() for store in stores[split.name]] for split, _ in tested}
    if len(data.held_out) and training:
        crops[data.selection.digest] = [training_views[0][0][data.held_out]]
    elif len(data.held_out):
        crops[data.selection.digest] = [store.load() for store in extraction.fill(data.selection, [views.WHOLE])]
    return Values(stores, training_views, crops)


def predictions(values: Values, head: keras.Model, split: Split) -> np.ndarray:
    """Returns a head's class probabilities (n, classes) of a split, by its stored crops."""
    crops = values.crops[split.digest]
    return combine(scores(head, each) for each in crops)
