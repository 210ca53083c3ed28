"""Brings a model's scores, or an array of predictions, into another order of the classes.

Two orders of Tiny ImageNet's 200 classes are in use: sorted wnids, as folders of classes, TFDS and this package have
them, and that of the dataset's wnids.txt. A network trained in one and read in the other is at chance, 0.5%. The third,
imagenet1k, is that of the 1,000 classes of ImageNet networks; scores are cut to the 200, or padded for the missing
classes.

    tiny-imagenet labels mine.keras --from wnids.txt --to sorted --output mine-sorted.keras
    tiny-imagenet labels probabilities.npy --from imagenet1k --to sorted --output cut.npy
"""

import dataclasses
import itertools
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import read_array, save_whole
from tiny_imagenet_tf.runs.places import check_output

NEVER = -1e30  # a score below all others


@dataclasses.dataclass(frozen=True)
class Config:
    """What to convert."""

    file: tyro.conf.Positional[Path]
    """A .keras model, or a .npy array of scores or probabilities (images, classes)."""
    start: Annotated[str, tyro.conf.arg(name="from")]
    """The order that it is in: sorted, imagenet1k, or a file with a wnid per line."""
    to: str
    """The order that it gets: sorted, imagenet1k, or a file with a wnid per line."""
    output: Path
    """Where the result is written; another file than the first."""
    classes: Path | None = None
    """A file with the dataset's wnids, for sorted. Default: the wnids of the other order, if that is a file, or else
    Tiny ImageNet's 200."""


def main(config: Config) -> Path:
    from tiny_imagenet_tf.data import labels  # TensorFlow is loaded when the recipe runs

    before, after = _orders(config)
    listed = (Path(name) for name in (config.start, config.to, *([config.classes] if config.classes else [])))
    check_output("--output", config.output, [config.file, *listed])
    if config.file.suffix not in (".keras", ".npy"):
        raise UserError(f"{config.file}: neither a .keras model nor a .npy array")
    if config.output.suffix != config.file.suffix:
        raise UserError(f"--output {config.output}: must end in {config.file.suffix}, as the input")
    columns = labels.columns(before, after)
    if config.file.suffix == ".keras":
        _model(config, before, after, columns)
    else:
        _array(config, before, columns)
    present = int((columns >= 0).sum())
    print(f"wrote {config.output}: {present} of {len(before)} classes in the order of {config.to}")
    return config.output


def _orders(config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    from tiny_imagenet_tf.data import labels
    from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import classes as official

    names = (config.start, config.to)
    listed = config.classes or next((name for name in names if name not in ("sorted", "imagenet1k")), None)
    classes = tuple(sorted(labels.order(str(listed), ()) if listed else official()))
    before, after = (labels.order(name, classes) for name in names)
    return before, after


def _model(config: Config, before: tuple[str, ...], after: tuple[str, ...], columns: np.ndarray) -> None:
    import keras

    from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import classes as official
    from tiny_imagenet_tf.evaluation.predict import check_classifier
    from tiny_imagenet_tf.models import backbones, network_files, preprocess
    from tiny_imagenet_tf.runs import networks
    from tiny_imagenet_tf.runs.networks import Classes

    model = network_files.load(config.file)
    check_classifier(model, config.file)
    if model.output_shape[-1] != len(before):
        raise UserError(f"{config.file}: has {model.output_shape[-1]} scores, but --from lists {len(before)} classes")
    stored = networks.classes_of(config.file)
    if stored is not None and stored.wnids != before:
        raise UserError(f"{config.file}: it holds its classes, in another order than {config.start}")
    probable = backbones.ends_in(model, "softmax")
    taken = {layer.name for layer in model._flatten_layers()}  # it may have been brought into another order before
    name = next(name for name in map("order_{}".format, itertools.count(1)) if name not in taken)
    reorder = keras.layers.EinsumDense("bc,cd->bd", len(after), bias_axes="d", trainable=False, name=name)
    if preprocess.is_deployed(model):  # the classifier is what others take out of it
        inner = model.get_layer("classifier")
        ordered = keras.Model(inner.inputs, reorder(inner.outputs[0]), name="classifier")
        pixels = model.get_layer("preprocess")(model.input)
        reordered = keras.Model(model.inputs, preprocess.guarded(pixels, ordered(pixels)), name=model.name)
    else:
        scores = model.outputs[0]
        if backbones.ends_in(model, "sigmoid"):  # a class's own probabilities: missing classes have no place among them
            scores = keras.ops.clip(scores, 1e-7, 1 - 1e-7)
            scores = keras.ops.log(scores) - keras.ops.log(1 - scores)
        scores = reorder(scores)
        if probable:
            scores = scores / keras.ops.sum(scores, axis=-1, keepdims=True)
        reordered = keras.Model(model.inputs, scores, name=model.name)
    permutation, present = np.zeros((len(before), len(after)), np.float32), np.flatnonzero(columns >= 0)
    permutation[columns[present], present] = 1
    reorder.set_weights([permutation, np.where(columns < 0, 0 if probable else NEVER, 0).astype(np.float32)])
    names = official() | (dict(zip(stored.wnids, stored.names, strict=True)) if stored else {})
    save_whole(lambda path: networks.save(reordered.save, path, Classes.of(after, names)), config.output)


def _array(config: Config, before: tuple[str, ...], columns: np.ndarray) -> None:
    array = read_array(config.file)
    if array.ndim != 2 or not len(array) or array.dtype.kind not in "fiu" or array.shape[1] != len(before):
        raise UserError(f"{config.file}: {array.dtype} {array.shape}, not numbers (images, {len(before)})")
    if not np.isfinite(array).all():
        raise UserError(f"{config.file}: its scores are not finite; one is NaN or infinite")
    from tiny_imagenet_tf.evaluation.predict import are_probabilities

    are_shares = are_probabilities(array)
    never = max(NEVER, np.finfo(array.dtype).min) if array.dtype.kind == "f" else np.iinfo(array.dtype).min
    ordered = np.where(columns >= 0, array[:, np.maximum(columns, 0)], 0 if are_shares else never)
    if are_shares:  # of fewer classes
        sums = ordered.sum(axis=1, keepdims=True)
        if not sums.all():
            raise UserError(f"{config.file}: {np.sum(sums == 0)} of its rows give nothing to any of these classes")
        ordered = ordered / sums
    ordered = ordered.astype(array.dtype)
    save_whole(lambda path: np.save(path, ordered), config.output)


if __name__ == "__main__":
    command(Config, main, __doc__)
