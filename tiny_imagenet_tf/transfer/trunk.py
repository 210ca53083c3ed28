"""The frozen Inception-v3 and where its weights come from (Milani section 4.1)."""

import contextlib
import dataclasses
import hashlib
import warnings
from pathlib import Path
from typing import Literal

import keras

from tiny_imagenet_tf.data.splits import first_line
from tiny_imagenet_tf.models import inception_v3 as ours
from tiny_imagenet_tf.models.graph_weights import copy_by_structure

Kind = Literal["keras", "blocks"]
_NAMES = {"keras": "keras.applications.InceptionV3", "blocks": "tiny_imagenet_tf.models.inception_v3"}


class WeightsError(ValueError):
    """The weights cannot be used; the message names the file and what was expected."""


@dataclasses.dataclass(frozen=True)
class Trunk:
    """A frozen feature extractor.

    Attributes:
        model: float32 images (batch, size, size, 3) in -1..1 to float32 transfer values (batch, width).
        description: what defines the values: trunk, weights digest, layer and input size.
        label: what to call the weights in a table.
    """

    model: keras.Model
    description: dict
    label: str


def build(
    weights: str = "imagenet",
    *,
    kind: Kind = "keras",
    layer: str = "avg_pool",
    input_size: int = 299,
    seed: int = 0,
    dtype: str = "float32",
) -> Trunk:
    """Builds Inception-v3 without its top, frozen, up to a layer.

    Args:
        weights: ``imagenet`` downloads Keras' weights; ``random`` draws them from ``seed``; otherwise the path
            of a ``.h5``, ``.weights.h5`` or ``.keras`` file of this network, with or without its top.
        kind: ``keras`` takes ``keras.applications``' network, ``blocks`` this package's own.
        layer: ``avg_pool`` for the 2048 transfer values of the paper, or a block such as ``mixed8``, whose
            map is averaged over its positions.
        input_size: height and width in pixels.
        seed: for ``random``.
        dtype: Keras dtype policy of the layers (``float32``, ``mixed_bfloat16``, ``mixed_float16``).

    Raises:
        WeightsError: no such file, a file of another network, or a failed download.
        ValueError: ``layer`` is not a layer of the network.
    """
    if weights == "random":
        keras.utils.set_random_seed(seed)
    with _policy(dtype):
        network = _network(kind, input_size)
        if weights != "random":
            source = _download() if weights == "imagenet" else _read(Path(weights).expanduser())
            try:
                copy_by_structure(source, network)
            except ValueError as error:
                raise WeightsError(f"--weights {weights}: not an Inception-v3. {error}") from error
        model = _up_to(network, layer)
    description = {
        "trunk": _NAMES[kind],
        "weights_sha256": digest_weights(network),
        "layer": layer,
        "input_size": input_size,
    }
    label = weights if weights in ("imagenet", "random") else Path(weights).name
    return Trunk(model, description, label)


def digest_weights(model: keras.Model) -> str:
    """Returns the sha256 over every variable's name, shape and float32 bytes, in the model's order."""
    digest = hashlib.sha256()
    for variable in model.variables:
        values = keras.ops.convert_to_numpy(variable).astype("float32")
        digest.update(f"{variable.name} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _policy(name: str):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _network(kind: Kind, input_size: int) -> keras.Model:
    shape = (input_size, input_size, 3)
    if kind == "blocks":
        return ours.inception_v3(shape)
    return keras.applications.InceptionV3(weights=None, include_top=False, input_shape=shape, pooling="avg")


def _up_to(network: keras.Model, layer: str) -> keras.Model:
    if layer == "avg_pool":
        values = network.output
    else:
        names = [each.name for each in network.layers]
        if layer not in names:
            blocks = ", ".join(name for name in names if name.startswith("mixed"))
            raise ValueError(f"--layer {layer}: Inception-v3 has no such layer; use avg_pool or one of {blocks}")
        values = network.get_layer(layer).output
        if len(values.shape) == 4:
            values = keras.layers.GlobalAveragePooling2D(name=f"{layer}_average")(values)
    # Values leave the trunk in float32 under every policy.
    values = keras.layers.Activation("linear", dtype="float32", name="values")(values)
    model = keras.Model(network.input, values, name="trunk")
    model.trainable = False
    return model


def _download() -> keras.Model:
    try:
        return keras.applications.InceptionV3(weights="imagenet", include_top=False)
    except Exception as error:  # Keras raises a bare Exception when the network fails
        raise WeightsError(
            f"Keras' ImageNet weights for Inception-v3 could not be downloaded:\n  {first_line(error)}\n"
            "Without network, take them from disk:\n"
            "  --weights PATH    a .h5, .weights.h5 or .keras file of Inception-v3\n"
            "  --source PATH     the dataset: a tiny-imagenet-200 folder, zip or tar\n"
            "or place inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5 in ~/.keras/models, or see every step\n"
            "with random weights: --demo"
        ) from error


def _read(path: Path) -> keras.Model:
    """The network of a file, with or without its top, at whatever precision it is stored."""
    if not path.is_file():
        raise WeightsError(f"--weights {path}: no such file (nor one of the words imagenet and random)")
    if path.suffix == ".keras":
        try:
            return keras.saving.load_model(path, compile=False)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise WeightsError(f"--weights {path}: not a model that Keras can load ({first_line(error)})") from error
    if path.suffix not in (".h5", ".hdf5"):
        raise WeightsError(f"--weights {path}: must end in .keras, .weights.h5 or .h5")
    failures = []
    for include_top in (False, True):
        source = keras.applications.InceptionV3(weights=None, include_top=include_top)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a warning a layer, before the error that says it all
                source.load_weights(path)
            return source
        except (OSError, ValueError, KeyError) as error:
            failures.append(f"{'with' if include_top else 'without'} its top: {first_line(error)}")
    raise WeightsError(
        f"--weights {path}: not the weights of Inception-v3, or the file is damaged\n  " + "\n  ".join(failures)
    )
