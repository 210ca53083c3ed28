"""Networks and weights in files: this package's, somebody's, or Keras' own, which are downloaded."""

import contextlib
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np

from tiny_imagenet_tf.errors import UserError, first_line
from tiny_imagenet_tf.models.graph_weights import copy_by_structure
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.locks import locked

if TYPE_CHECKING:
    from tiny_imagenet_tf.models.backbones import Backbone


class WeightsError(UserError):
    """The weights cannot be used; the message names the file and what was expected."""


def load(path: str | Path) -> keras.Model:
    """Reads a saved model, never compiled.

    Raises:
        WeightsError: Keras cannot load it, or a weight is NaN or infinite.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras, h5py and zipfile raise what they like at a damaged file
        why = first_line(error)
        if path.is_file() and not zipfile.is_zipfile(path):  # Keras would say that it is not there
            why = f"it has {path.stat().st_size} bytes, and is no zip archive"
        raise WeightsError(f"{path} cannot be loaded: not a model that Keras can load ({why})") from error
    for weight in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise WeightsError(f"{path}: its weights are not finite, {weight.path} holds NaN or infinity")
    return model


def weights_file(weights: str) -> Path | None:
    """Returns the file that ``weights`` names; None where it is one of the words imagenet and random.

    Raises:
        WeightsError: there is no such file.
    """
    if weights in ("imagenet", "random"):
        return None
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(f"--weights {weights}: no such file (nor one of the words imagenet and random)")
    return path


def fill(network: keras.Model, backbone: "Backbone", weights: str) -> None:
    """Gives a backbone its weights.

    Args:
        network: the backbone without its top.
        backbone: what it is.
        weights: ``imagenet`` downloads Keras' weights; otherwise the path of a file that holds the network.

    Raises:
        WeightsError: no such file, a file of another network, or a failed download.
    """
    path = weights_file(weights)
    source = _read(backbone, path) if path else download(backbone)
    errors = {}
    for each in _inside(source):
        try:
            copy_by_structure(each, network)
            return
        except (ValueError, AttributeError) as error:
            errors[len(each.layers)] = error
    reason = errors[max(errors)]  # of the largest, which came nearest
    raise WeightsError(f"--weights {weights}: no {backbone.name} is in it. {reason}") from reason


def download(backbone: "Backbone", **top: Any) -> keras.Model:
    """Returns a backbone with Keras' ImageNet weights, without its top unless ``include_top`` and more say otherwise.

    Raises:
        WeightsError: the download failed; the message says what helps.
    """
    build = backbone.donor or backbone.build
    try:
        with _alone_with_download(build.__name__):
            return build(weights="imagenet", **backbone.at(), **{"include_top": False, **top})
    except Exception as error:  # Keras raises a bare Exception when the network fails
        if isinstance(error, MemoryError) or re.search("RESOURCE_EXHAUSTED|OOM when", str(error)):
            raise WeightsError(f"{backbone.name} could not be built: {first_line(error)}") from error
        file, instead = "weights PATH    a .h5, .weights.h5 or .keras file", ", or try the recipe with --demo"
        if "include_top" in top:  # with the head, which only a whole network has
            file, instead = "backbone PATH   a .keras file with the head", ""
        raise WeightsError(
            f"Keras' ImageNet weights for {backbone.name} could not be downloaded:\n  {first_line(error)}\n"
            "If you are offline, give local files:\n"
            f"  --{file} of {backbone.name}\n"
            "  --source PATH     the dataset: a tiny-imagenet-200 folder, zip or tar\n"
            f"or place the file that Keras downloads in {_downloads()}{instead}"
        ) from error


def _downloads() -> Path:
    """The folder that Keras downloads to, as it chooses it; its own is made when Keras is imported."""
    person = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    home = Path(os.environ.get("KERAS_HOME", person / ".keras")).expanduser()
    return (home if os.access(home, os.W_OK) else Path("/tmp/.keras")) / "models"


@contextlib.contextmanager
def _alone_with_download(network: str) -> Iterator[None]:
    """Lets one process download a network: Keras writes to the file's own name, where another would find half of it."""
    folder = _downloads()
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError, UserError):  # where there can be no lock, the file may be there all the same
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder / f".{network}.lock", f"{network} in {folder}", wait=True))
        yield


def _read(backbone: "Backbone", path: Path) -> keras.Model:
    """The network that a file stores: a whole model (``.keras``, ``.h5``), or one that takes its weights."""
    if not networks.in_files(str(path)):
        raise WeightsError(f"--weights {path}: must end in .keras, .weights.h5 or .h5")
    if path.suffix == ".keras":
        return load(path)
    try:
        with h5py.File(path) as file:
            whole, kernels = "model_config" in file.attrs, _kernels_in(file)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise WeightsError(f"--weights {path}: not an HDF5 file, or damaged ({first_line(error)})") from error
    if whole:
        return load(path)
    failures = []
    for kind, build in _containers(backbone, kernels):
        try:
            network = build()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a warning a layer, before the error that says it all
                network.load_weights(path)
            return network
        except Exception as error:  # h5py raises what it likes at a damaged file
            failures.append(f"{kind}: {first_line(error)}")
    raise WeightsError(
        f"--weights {path}: not the weights of {backbone.name}, or the file is damaged\n  " + "\n  ".join(failures)
    )


def _containers(backbone: "Backbone", kernels: set[tuple[int, ...]]) -> Iterator[tuple[str, Callable[[], keras.Model]]]:
    """What builds the networks that a file of weights alone may be of, from its kernels: one may be that of a head."""
    shape = {"input_shape": (backbone.input_size, backbone.input_size, 3)}
    build = partial(backbone.donor or backbone.build, weights=None)

    def nested(classes: int) -> keras.Model:
        base = build(include_top=False, **shape)
        top = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(classes)]
        return keras.Sequential([keras.Input(shape["input_shape"]), base, *top])

    own = {_kernel(weight.shape) for weight in build(include_top=False, **shape).weights}
    for count in sorted({kernel[-1] for kernel in kernels - own})[:3]:
        yield f"with a top of {count} classes", partial(build, include_top=True, classes=count, **shape)
        yield f"nested, with {count} classes", partial(nested, count)
    yield "without its top", partial(build, include_top=False, **backbone.at())


def _kernels_in(file: h5py.File) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...] | None] = set()
    file.visititems(lambda _, item: found.add(_kernel(getattr(item, "shape", ()))))  # None goes on with the visit
    return {each for each in found if each}


def _kernel(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of what may be a head's kernel, a matrix or a convolution of single pixels; None of anything else."""
    return tuple(shape) if len(shape) == 2 or (len(shape) == 4 and tuple(shape[:2]) == (1, 1)) else None


def _inside(model: keras.Model) -> Iterator[keras.Model]:
    """The model, then those nested in it."""
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _inside(layer)
