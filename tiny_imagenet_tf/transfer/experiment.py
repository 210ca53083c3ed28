"""A transfer-learning run from images to the run directory (Milani section 4)."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.experiments import images, losses, schedules
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.experiment import Experiment, begin, check_resumable, precision_of
from tiny_imagenet_tf.experiments.fit import compile_for_training, fit, save_network, steps_together
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models import network_files, preprocess
from tiny_imagenet_tf.models.backbones import Trunk
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import StoredView, Training
from tiny_imagenet_tf.runs.transfer_values import Store
from tiny_imagenet_tf.transfer import engine
from tiny_imagenet_tf.transfer.options import TransferOptions
from tiny_imagenet_tf.transfer.pool import ValueBatches, ValuePool
from tiny_imagenet_tf.transfer.values import Values, extract, extraction_of, predictions, trunk_of


def run(study: Study, options: TransferOptions) -> Run:
    """Runs a recipe and returns its run directory.

    Raises:
        UserError: an option, the images or the weights cannot be used; the message names it.
    """
    options.check()
    data = images.load(options)
    check_resumable(study, options, data)
    precision = precision_of(options)
    trunk = trunk_of(options, precision)
    extraction = extraction_of(options, trunk, data.all_train, precision)
    facts = {"engine": options.settled.engine, "backbone": extraction.engine.digests}
    with begin(study, options, data=data, **facts) as experiment:
        # New views every epoch go through the whole network; stored values then serve the statistics alone.
        values = extract(experiment, extraction, training=options.standardize or not options.new_views)
        head, trunk_in = _fresh_head(experiment, trunk, values), partial(trunk_of, options, experiment.precision)
        train(experiment, trunk, values, head, trunk_in)
        return experiment.run


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
        behind_views = trunk if engine.trunk_dtype(experiment.precision) == policy else trunk_in(policy)
        with hardware.policy(head.dtype_policy.name):  # by which Keras scales a loss in float16
            joined = _joined(behind_views, head, network=_AtTest(behind_views.model))
            model = preprocess.behind_views(joined, views.MILANI_TRANSFER, options.resize)
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
    """Mean and variance of each value, float32 (width,); by float64, in which what is constant does not vary."""
    mean = values.mean(axis=0, dtype=np.float64)
    parts = (values[first : first + 10_000] for first in range(0, len(values), 10_000))
    variance = sum(np.square(part - mean).sum(axis=0) for part in parts) / len(values)
    return mean.astype(np.float32), variance.astype(np.float32)


def _joined(trunk: Trunk, head: keras.Model, network: keras.layers.Layer | None = None) -> keras.Model:
    """Trunk and head as a classifier of pixels in 0..255; ``network`` for another form of the trunk's."""
    pixels = trunk.model.input
    joined = keras.Model(pixels, head((network or trunk.model)(pixels)), name="network")
    return preprocess.classifier(joined, trunk.backbone.pixels)


class _AtTest(keras.layers.Layer):
    """A frozen network that computes as at test time while what is behind it trains.

    Keras hands ``training=True`` on to every layer of a functional model. To freeze a network stops its batch
    normalization, but not its dropout.
    """

    def __init__(self, network: keras.Model):
        super().__init__(trainable=False, autocast=False, name="at_test")
        self.network = network

    def call(self, images: Any) -> Any:
        return self.network(images, training=False)


def _notes(trunk: Trunk, experiment: Experiment) -> list[str]:
    """What keeps a run from being a reproduction of the paper's figure."""
    notes = ["transfer values in int8"] if experiment.precision == "int8" else []
    if trunk.label == "random":
        return [*notes, "the backbone's weights are random"]
    if trunk.label == "imagenet" or trunk.backbone.is_file:
        return notes
    return [*notes, f"the backbone's weights are {trunk.label}, not Keras' imagenet"]


def _training_views(experiment: Experiment) -> str:
    options = experiment.options
    if not options.augment:
        return "whole image"
    if options.new_views:
        return "new augmented view each epoch"
    rows = experiment.data.all_train.fraction_rows(options.augmented_fraction)
    covered = "all" if options.augmented_fraction == 1 else f"{len(rows):,}"
    return f"whole image; {options.augmented_views} augmented views of {covered} images"


def _stored_view(store: Store) -> StoredView:
    """A store, with the part of its key that distinguishes one view from another."""
    names = ("view", "window", "mirrored", "seed", "number")
    of_view = {name: value for name, value in store.key.items() if name in names}
    return StoredView(str(store.folder.absolute()), store.rows, of_view)
