"""The trained network that comes with the package: the compact Inception's weights, in half precision.

weights/compact_inception.npz     each weight of the network, float16, by its number; and its classes
weights/compact_inception.json    sha256 of that file, and where the weights are from: the record of their run,
                                  measured anew with the weights as they are here
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.files import read_arrays, read_object, save_whole, sha256, write_json
from tiny_imagenet_tf.runs.networks import Classes

FILE = Path(__file__).resolve().with_name("weights") / "compact_inception.npz"
NAME = "tiny_imagenet"


def network(**options: object) -> keras.Model:
    """Returns the compact Inception with its trained weights: images in -1..1 to 200 scores.

    Args:
        **options: of ``compact_inception``; only such as leave its weights what they are.

    Raises:
        UserError: the file is not the one that was packaged.
        ValueError: the weights are of another network.
    """
    if sha256(FILE) != figures()["sha256"]:
        raise UserError(f"{FILE}: its sha256 is not that of the packaged weights; install the package again")
    model = compact_inception(**options)
    arrays = read_arrays(FILE, str.isdecimal)
    values = [arrays[str(number)].astype(np.float32) for number in range(len(arrays))]
    if [value.shape for value in values] != [tuple(weight.shape) for weight in model.weights]:
        raise ValueError(f"weights={NAME!r}: they are of the default compact Inception, 200 classes at its full width")
    model.set_weights(values)
    return model


def deployed() -> keras.Model:
    """Returns it as a saved model is: images 64x64 in any usual range to 200 scores."""
    return preprocess.deployed(preprocess.classifier(network()))


def figures() -> dict:
    """Returns where the weights are from and what they reach."""
    return read_object(FILE.with_suffix(".json"))


def write(classifier: keras.Model, classes: Classes, describe: Callable[[], dict]) -> None:
    """Puts a trained compact Inception into the package.

    Args:
        classifier: as a run's snapshot holds it; its weights are rounded to half precision, in place.
        classes: of its scores.
        describe: measures it as rounded, and returns what to tell of it.

    Raises:
        UserError: it is another network, or a weight is too large for half precision.
    """
    rounded = [weight.astype(np.float16) for weight in classifier.get_weights()]
    if [value.shape for value in rounded] != [tuple(weight.shape) for weight in compact_inception().weights]:
        raise UserError("not the compact Inception of 200 classes at its full width; no other network is packaged")
    if not all(np.isfinite(value).all() for value in rounded):
        raise UserError("a weight is too large for half precision")
    classifier.set_weights([value.astype(np.float32) for value in rounded])
    found = describe()

    def save(path: Path) -> None:
        np.savez_compressed(path, **{str(number): value for number, value in enumerate(rounded)})

    FILE.parent.mkdir(exist_ok=True)
    save_whole(lambda path: networks.save(save, path, classes), FILE)
    write_json(FILE.with_suffix(".json"), {"sha256": sha256(FILE), **found})
