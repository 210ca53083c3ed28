"""Fine-tuning, Milani's future work (section 5): the last blocks of a frozen backbone learn, too.

The backbone is cut in two where it is a single path. What lies before the cut stays frozen: its maps are stored once,
as transfer values are, so that an epoch costs the last blocks alone. What lies behind it is trained together with the
head of a finished transfer run, at a small rate; batch normalization keeps its statistics.
"""

import dataclasses
import math
from functools import partial

import keras
import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.choices import Arithmetic
from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import paired
from tiny_imagenet_tf.experiments import images
from tiny_imagenet_tf.experiments.experiment import (
    begin,
    check_resumable,
    check_same_backbone,
    precision_of,
    recorded_arithmetic,
)
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models import network_files
from tiny_imagenet_tf.models.backbones import Trunk, layers_by_name
from tiny_imagenet_tf.models.layers import normalizations
from tiny_imagenet_tf.runs.files import room
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.transfer.experiment import train
from tiny_imagenet_tf.transfer.extraction import Extraction
from tiny_imagenet_tf.transfer.options import FinetuneOptions
from tiny_imagenet_tf.transfer.values import extract, extraction_of, predictions, tested_parts, training_parts, trunk_of


def run(study: Study, options: FinetuneOptions) -> Run:
    """Fine-tunes what a transfer run began with, and returns the new run's directory.

    Raises:
        UserError: an option, the images or the weights cannot be used; the message names it.
    """
    options.check()
    data = images.load(options)
    check_resumable(study, options, data)
    if Run(options.start).snapshots().wnids != data.all_train.wnids:
        raise UserError(
            f"--start {options.start}: its classes are not the {len(data.all_train.wnids)} classes of the images"
        )
    precision = precision_of(options)
    trunk = trunk_of(options, precision)
    check_same_backbone(Run(options.start), trunk.digests, "--start")
    cut = place_of_cut(trunk, options.unfreeze)
    if not cut and options.openvino:
        if options.engine == "openvino" or options.precision == "int8":
            raise UserError(
                f"--unfreeze {options.unfreeze}: nothing stays frozen; leave out --engine and --precision int8"
            )
        options = dataclasses.replace(options, engine="tensorflow")
    frozen = frozen_part(trunk, cut)
    # Built anew, for on a CPU what is frozen is built in float32, whatever its engine computes in.
    learns_in = learning_precision(options)
    learning_policy = hardware.training_policy(learns_in)
    hardware.set_seed(options.seed)  # by which its dropout draws
    learning = learning_part(trunk_of(options, precision, learning_policy), cut)
    maps = math.prod(frozen.model.output_shape[1:])
    extraction = extraction_of(options, frozen, data.all_train, precision)
    digests = extraction.engine.digests | trunk.digests
    facts = {"learns_in": learns_in, "engine": options.settled.engine, "backbone": digests}
    with begin(study, options, data=data, source=Run(options.start), **facts) as experiment:
        _tell_size(options, experiment.data, extraction, maps)
        stored_values = extract(experiment, extraction, training=not options.new_views)
        hardware.set_seed(options.seed)
        with hardware.policy(learning_policy):
            head = joined(learning, Run(options.start))
        trained = sum(math.prod(weight.shape) for weight in head.trainable_weights)
        print(
            f"training {trained:,} weights ({learns_in}) from {options.unfreeze} on, and the head of\n{options.start}"
        )
        before = predictions(stored_values, head, data.validation).argmax(axis=1)
        note = partial(compared, options.start.name, before, data.validation.labels)

        def frozen_in(policy: str) -> Trunk:
            return frozen_part(trunk_of(options, experiment.precision, policy), cut)

        train(experiment, frozen, stored_values, head, frozen_in, checkpoint_every=options.checkpoint_every, note=note)
        return experiment.run


def place_of_cut(trunk: Trunk, unfreeze: str) -> int:
    """Returns where to cut a backbone: the last point before a layer where it is a single path.

    Args:
        trunk: frozen.
        unfreeze: name of the layer from which on it is to learn, such as ``mixed9``: a block that ends in a layer of
            that name learns as a whole; or ``all``.

    Returns:
        The number of the last layer that stays frozen, 0 where it is the input alone. Names differ from one building of
        a network to the next.

    Raises:
        UserError: there is no such layer.
    """
    if unfreeze == "all":
        return 0
    named = {layer.name: name for name, layer in layers_by_name(trunk.model, trunk.backbone).items()}
    order = [named[layer.name] for layer in trunk.model.layers]
    points = [named[name] for name in single_paths(trunk.model)]
    if unfreeze not in order:
        some = [name for name in points if name.startswith(("mixed", "block")) or name.endswith(("add", "_out"))]
        names = ", ".join((some or points)[-12:])
        raise UserError(f"--unfreeze {unfreeze}: no such layer; give all, or a layer such as {names}")
    return max((order.index(name) for name in points if order.index(name) < order.index(unfreeze)), default=0)


def frozen_part(trunk: Trunk, place: int) -> Trunk:
    """Returns what of a backbone stays frozen: images to the map of its last layer, one row (values,) per image.

    Args:
        trunk: frozen.
        place: from ``place_of_cut``.
    """
    last_map = trunk.model.layers[place].output
    rows = keras.layers.Reshape((math.prod(last_map.shape[1:]),), dtype="float32", name="maps")(last_map)
    frozen = keras.Model(trunk.model.inputs[0], rows, name="trunk")
    description = {**trunk.description, "layer": f"layer {place}, its map"}
    return dataclasses.replace(trunk, model=frozen, description=description)


def learning_part(trunk: Trunk, place: int) -> keras.Model:
    """Returns what of a backbone learns: rows of ``frozen_part`` to transfer values. Its layers are unfrozen.

    Args:
        trunk: built in the dtype policy that it learns in.
        place: from ``place_of_cut``.
    """
    first_map = trunk.model.layers[place].output
    last_blocks = keras.Model(first_map, trunk.model.outputs[0], name="last_blocks")
    for layer in last_blocks.layers:  # one by one, as the trunk was frozen
        layer.trainable = True
    rows = keras.Input((math.prod(first_map.shape[1:]),), name="rows")
    maps = keras.layers.Reshape(first_map.shape[1:], name="map")(rows)
    return keras.Model(rows, last_blocks(maps), name="learning")


def single_paths(model: keras.Model) -> list[str]:
    """Returns the names of the layers that all paths of a network lead through, in their order; not the input's."""
    needed_by: dict[int, int] = {}
    order = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    for number, layer in enumerate(order):
        for tensor in keras.tree.flatten(layer.input):
            needed_by[id(tensor)] = number
    for tensor in model.outputs:
        needed_by[id(tensor)] = len(order)
    open_until, names = [needed_by.get(id(model.inputs[0]), 0)], []
    for number, layer in enumerate(order):
        open_until = [until for until in open_until if until > number]
        if not open_until and len(keras.tree.flatten(layer.output)) == 1:
            names.append(layer.name)
        open_until += [needed_by.get(id(tensor), number) for tensor in keras.tree.flatten(layer.output)]
    return names


def joined(learning: keras.Model, start: Run) -> keras.Model:
    """Returns what is trained: rows of maps to scores, with the head of a finished run."""
    head = network_files.load(start.snapshots().best_path)
    for layer in normalizations(learning):
        layer.trainable = False  # Keras then takes its statistics as they are, in training too
    rows = keras.Input(learning.input_shape[1:], name="maps")
    return keras.Model(rows, head(learning(rows)), name="head")


def learning_precision(options: FinetuneOptions) -> Arithmetic:
    """Returns what the last blocks learn in: int8, and float16 on a GPU that has bfloat16, are for what is frozen.

    Raises:
        UserError: a run that goes on was begun in float16, and there is no GPU.
    """
    begun = recorded_arithmetic(options, "learns_in", "what learns was ")
    return begun or hardware.resolve_precision("auto" if options.precision == "int8" else options.precision)


def _tell_size(options: FinetuneOptions, data: images.Data, extraction: Extraction, width: int) -> None:
    """Says what the maps take on the disk and in memory, before any is made.

    Raises:
        UserError: they do not fit.
    """
    tested, training = tested_parts(options.crops, data), not options.new_views
    if len(data.held_out) and not training:
        tested.append((data.selection, [views.WHOLE]))
    training_views = [(split, shown) for split, _, shown in training_parts(options, data)] if training else []
    image_bytes = 2 * width
    needed = image_bytes * sum(len(split) * len(shown) for split, shown in [*tested, *training_views])
    print(f"maps of {width:,} values in float16: {needed / 1e9:.2f} GB, on disk and in memory")
    memory = hardware.free_memory()
    copies = 3 if len(training_views) > 1 else 2  # several views, their pool, the device's
    advice = "give a smaller --fraction, or --unfreeze a later layer, which needs smaller maps"
    if training:
        advice += "; on a GPU --augment --augmented-views 0 stores no training maps"
    if copies * needed > memory:
        many = "three times" if copies == 3 else "twice"
        raise UserError(
            f"the maps take {needed:,} bytes, and memory must hold them {many}, but only {memory:,} are free; {advice}"
        )
    folder, free = room(options.values_folder)
    if needed > free:  # or what of them is not stored yet
        stores = [extraction.store(split, view) for split, shown in [*tested, *training_views] for view in shown]
        needed = image_bytes * sum(len(store.rows_of(each)) for store in stores for each in store.missing)
    if needed > free:
        raise UserError(f"the maps will take {needed:,} bytes, but {free:,} are free in {folder}; {advice}")


def compared(start: str, before: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> str:
    """Returns in words what fine-tuning has changed.

    Args:
        start: name of the run it began with.
        before: that network's answers (n,) on the crops of the new run.
        labels: the truth (n,).
        probabilities: of the classes (n, classes), by the new network.
    """
    right = before == labels
    change = paired(right, probabilities.argmax(axis=1) == labels)
    return (
        f"{start} before: {right.mean():.2%}; gained {change.gained}, lost {change.lost} images, McNemar's exact test "
        f"p = {change.p:.2g}"
    )
