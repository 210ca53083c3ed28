"""A transfer-learning run from images to the run directory (Milani section 4)."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import keras
import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.choices import Arithmetic
from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import DrawnView, View
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.experiments import images, losses, schedules
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.experiment import Experiment, begin, precision_of
from tiny_imagenet_tf.experiments.fit import compile_for_training, fit, save_network, steps_together
from tiny_imagenet_tf.experiments.images import Data
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models import backbones, network_files, preprocess
from tiny_imagenet_tf.models.backbones import Trunk
from tiny_imagenet_tf.models.heads import scores, transfer_head
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Crops, StoredView, Training
from tiny_imagenet_tf.runs.transfer_values import Store
from tiny_imagenet_tf.transfer import engine
from tiny_imagenet_tf.transfer.engine import Engine
from tiny_imagenet_tf.transfer.extraction import Extraction
from tiny_imagenet_tf.transfer.options import TransferOptions, ValueOptions
from tiny_imagenet_tf.transfer.pool import ValueBatches, ValuePool


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


def run(study: Study, options: TransferOptions) -> Run:
    """Runs a recipe and returns its run directory.

    Raises:
        UserError: an option, the images or the weights cannot be used; the message names it.
    """
    options.check()
    data, precision = images.load(options), precision_of(options)
    trunk = trunk_of(options, precision)
    made = extraction_of(options, trunk, data.all_train, precision)
    with begin(study, options, data=data, engine=options.settled.engine, backbone=made.engine.digests) as experiment:
        # New views every epoch go through the whole network; stored values then serve the statistics alone.
        values = extract(experiment, made, training=options.standardize or not options.new_views)
        head, trunk_in = _fresh_head(experiment, trunk, values), partial(trunk_of, options, experiment.precision)
        train(experiment, trunk, values, head, trunk_in)
        return experiment.run


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
        A store a view; and of each view its values (n, width) with the training rows (n,) that they are of. The whole
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


def _fresh_head(experiment: Experiment, trunk: Trunk, values: Values) -> keras.Model:
    options, data = experiment.options, experiment.data
    hardware.set_seed(options.seed)
    standardized = _statistics(values.training_views[0][0][data.rows]) if options.standardize else None
    return transfer_head(
        trunk.model.output_shape[-1],
        experiment.classes,
        hidden=(options.hidden_units,) if options.head == "mlp" else (),
        dropout_rate=1 - options.dropout_keep,
        weight_decay=losses.l2_coefficient(options.weight_decay, options.weight_decay_convention),
        standardized=standardized,
    )


def predictions(values: Values, head: keras.Model, split: Split) -> np.ndarray:
    """Returns a head's class probabilities (n, classes) of a split, by its stored crops."""
    crops = values.crops[split.digest]
    return combine(scores(head, each) for each in crops)


def train(
    experiment: Experiment,
    trunk: Trunk,
    values: Values,
    head: keras.Model,
    trunk_in: Callable[[str], Trunk],
    *,
    checkpoint_every: int | None = None,
    note: Callable[[np.ndarray], str] | None = None,
) -> None:
    """Trains a head on what the options ask for, and reports it at its best.

    Args:
        experiment: its run.
        trunk: what is frozen.
        values: of the images.
        head: from rows of values to scores.
        trunk_in: builds it in a Keras dtype policy: to train behind, or in float32 to save, whatever made the values.
        checkpoint_every: steps that an interruption costs, where steps are long; None for an epoch's.
        note: what to add to the run's notes, from the val probabilities (n, classes) of the best head.
    """
    options, data = experiment.options, experiment.data
    per_epoch, steps_are_long = experiment.steps.per_epoch, options.new_views or checkpoint_every
    checkpoint_every = checkpoint_every or per_epoch
    together = steps_together(experiment.run, per_epoch, checkpoint_every) if steps_are_long else None
    if options.new_views:
        batches = ImageBatches(data.train, views.MILANI_TRANSFER, options.batch_size, options.seed)
        policy = hardware.training_policy(experiment.precision)  # a graph that is frozen is rewritten; this one is not
        shown = trunk if engine.trunk_dtype(experiment.precision) == policy else trunk_in(policy)
        with hardware.policy(head.dtype_policy.name):  # by which Keras scales a loss in float16
            model = preprocess.behind_views(_joined(shown, head), views.MILANI_TRANSFER, options.resize)
    else:
        pool = ValuePool.from_views(values.training_views, data.all_train.labels).only(data.rows)
        batches = ValueBatches(pool, experiment.steps, experiment.classes, together)  # of short steps many
        model, together = head, batches.steps_per_execution
    loss = losses.smoothed_cross_entropy(options.label_smoothing)
    adam = keras.optimizers.Adam(options.learning_rate, epsilon=losses.ADAM_EPSILON)
    compile_for_training(model, adam, loss, steps_per_execution=together)

    staircase = schedules.staircase_callback(options.learning_rate, options.learning_rate_decay_per_epoch)
    never_compiled = keras.Model(head.inputs, head.outputs, name=head.name)  # saves the layers alone
    keeping = experiment.keeping(
        partial(predictions, values, head),
        never_compiled.save,
        measure_every=per_epoch,
        checkpoint_every=checkpoint_every,
    )
    clock = fit(model, batches, keeping, epochs=options.epochs, callbacks=[staircase])
    _save_and_report(experiment, trunk, values, clock, trunk_in, note)


def _save_and_report(
    experiment: Experiment,
    trunk: Trunk,
    values: Values,
    clock: Clock,
    trunk_in: Callable[[str], Trunk],
    note: Callable[[np.ndarray], str] | None,
) -> None:
    """Saves trunk and best head as one network of pixels, in float32, and reports it."""
    options, data = experiment.options, experiment.data
    best = network_files.load(experiment.snapshots.best_path)
    if engine.trunk_dtype(experiment.precision, options.openvino) != "float32":
        trunk = trunk_in("float32")
    saved = preprocess.deployed(_joined(trunk, best), resize=options.resize)
    experiment.run.write_classifier(partial(save_network, saved, experiment.class_names))
    extraction = sum(store.seconds for stores in values.stores.values() for store in stores)
    drawn = dataclasses.asdict(views.MILANI_TRANSFER) if options.augment else None
    few = options.augment and options.augmented_views and options.augmented_fraction < 1
    more = [note(predictions(values, best, data.validation))] if note else []
    experiment.report(
        clock,
        partial(predictions, values, best),
        crops=options.crops,
        train=Training(views=_training_views(experiment), drawn=drawn),
        trunk=trunk.label,
        backbone=trunk.backbone.name,
        hours=(extraction + clock.seconds) / 3600,
        notes=[*_notes(trunk, experiment), *more],
        partial=f"augmented views of {options.augmented_fraction:.0%} of the images" if few else None,
        transfer_values={name: tuple(map(_stored_view, stores)) for name, stores in values.stores.items()},
    )


def _statistics(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each value, float32 (width,), of float16 values, in which neither could be summed."""
    mean = values.mean(axis=0, dtype=np.float32)
    parts = (values[first : first + 10_000].astype(np.float32) for first in range(0, len(values), 10_000))
    return mean, sum(np.square(part - mean).sum(axis=0) for part in parts) / len(values)


def _joined(trunk: Trunk, head: keras.Model) -> keras.Model:
    """Trunk and head as a classifier of pixels in 0..255."""
    network = keras.Model(trunk.model.input, head(trunk.model(trunk.model.input, training=False)), name="network")
    return preprocess.classifier(network, trunk.backbone.pixels)


def _notes(trunk: Trunk, experiment: Experiment) -> list[str]:
    """What keeps a run from being a reproduction of the paper's figure."""
    notes = ["transfer values in int8"] if experiment.precision == "int8" else []
    if trunk.label == "random":
        return [*notes, "the backbone's weights are random"]
    if trunk.label == "imagenet" or trunk.backbone.has_weights:
        return notes
    return [*notes, f"the backbone's weights are {trunk.label}, not Keras' imagenet"]


def _training_views(experiment: Experiment) -> str:
    options = experiment.options
    if not options.augment:
        return "whole image"
    if options.new_views:
        return "new augmented view each epoch"
    images = len(experiment.data.all_train)
    covered = "all" if options.augmented_fraction == 1 else f"{round(options.augmented_fraction * images):,}"
    return f"whole image; {options.augmented_views} augmented views of {covered} images"


def _stored_view(store: Store) -> StoredView:
    """A store, with the part of its key that distinguishes one view from another."""
    names = ("view", "window", "mirrored", "seed", "number")
    of_view = {name: value for name, value in store.key.items() if name in names}
    return StoredView(str(store.folder.absolute()), store.rows, of_view)
