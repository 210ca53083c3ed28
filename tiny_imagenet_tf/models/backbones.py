"""Networks whose features are transferred (Milani section 4.1), each a record; ``network_files`` has their weights.

To add one of ``keras.applications``, add it to ``_rows``.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.choices import Pixels
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.models import network_files
from tiny_imagenet_tf.models.inception_v3 import inception_v3
from tiny_imagenet_tf.models.layers import with_dtypes
from tiny_imagenet_tf.models.network_files import WeightsError
from tiny_imagenet_tf.runs import networks


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network that turns images into features.

    Attributes:
        name: on the command line, in a store's key and in a result.
        build: from ``weights`` (None or "imagenet"), ``input_shape`` and ``include_top`` to the network; further
            options are those of ``keras.applications``.
        pixels: what it expects.
        input_size: height and width in pixels that it was trained at.
        smallest: the smallest height and width in pixels that it accepts.
        last: the layer of the transfer values; ``avg_pool`` for the averaged last map.
        config_sha256: of such a file's layers and how they are wired; None for what is known by name.
        donor: builds the network of the same structure whose weights it takes; None for itself.
    """

    name: str
    build: Callable[..., keras.Model]
    pixels: Pixels
    input_size: int
    smallest: int
    last: str = "avg_pool"
    config_sha256: str | None = None
    donor: Callable[..., keras.Model] | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a file, with weights of its own."""
        return self.config_sha256 is not None

    def at(self, size: int | None = None) -> dict[str, Any]:
        """Arguments of ``build`` for square images of so many pixels, by default its own, and an averaged last map."""
        side = size or self.input_size
        return {"input_shape": (side, side, 3), "pooling": "avg"}


def _blocks(weights: None = None, include_top: bool = False, **options: Any) -> keras.Model:
    """This package's own Inception-v3, with the arguments of ``keras.applications``."""
    return inception_v3(**options)


def _rows() -> Iterator[Backbone]:
    nets = keras.applications
    yield Backbone("inception_v3", nets.InceptionV3, "-1..1", 299, 75)
    yield Backbone("inception_v3_blocks", _blocks, "-1..1", 299, 75, donor=nets.InceptionV3)
    yield Backbone("inception_resnet_v2", nets.InceptionResNetV2, "-1..1", 299, 75)
    yield Backbone("xception", nets.Xception, "-1..1", 299, 71)
    yield Backbone("resnet50", nets.ResNet50, "caffe", 224, 32)
    yield Backbone("resnet50_v2", nets.ResNet50V2, "-1..1", 224, 32)
    # From here on the scaling is a layer of the network.
    yield Backbone("efficientnet_v2_b0", nets.EfficientNetV2B0, "0..255", 224, 32)
    yield Backbone("efficientnet_v2_s", nets.EfficientNetV2S, "0..255", 384, 32)
    yield Backbone("convnext_tiny", nets.ConvNeXtTiny, "0..255", 224, 32)
    yield Backbone("mobilenet_v3_large", nets.MobileNetV3Large, "0..255", 224, 32)


BACKBONES = {backbone.name: backbone for backbone in _rows()}


@dataclasses.dataclass(frozen=True)
class Trunk:
    """A frozen feature extractor.

    Attributes:
        model: float32 images (batch, size, size, 3) in the backbone's range to float32 transfer values (batch, width).
        backbone: what it is of.
        description: what defines the values: backbone, weights digest, layer, input size and pixel range.
        label: what to call the weights in a table.
    """

    model: keras.Model
    backbone: Backbone
    description: dict[str, Any]
    label: str

    @property
    def size(self) -> int:
        """Height and width of its input in pixels."""
        return self.description["input_size"]

    @property
    def digests(self) -> dict[str, str]:
        """Of its weights, and of the layers of one that is a file, by name."""
        return digests_in(self.description)


def digests_in(description: dict[str, Any]) -> dict[str, str]:
    """Returns the digests among what defines a backbone's values."""
    return {name: value for name, value in description.items() if name.endswith("_sha256")}


def find(name: str, pixels: Pixels | None = None) -> Backbone:
    """Returns a backbone by its name, or makes a record of a ``.keras`` file.

    Args:
        name: a key of ``BACKBONES``, or the path of a file.
        pixels: what the file's network expects; None where a layer of its own scales them.

    Raises:
        UserError: there is no such backbone or file, or its pixel range is not known.
    """
    if name in BACKBONES:
        if pixels not in (None, BACKBONES[name].pixels):
            raise UserError(f"--pixels {pixels}: {name} takes {BACKBONES[name].pixels}")
        return BACKBONES[name]
    path = Path(name).expanduser()
    if path.suffix != ".keras" or not path.is_file():
        raise UserError(f"--backbone {name}: neither a .keras file nor one of {', '.join(BACKBONES)}")
    state = path.stat()
    return _of_file(name, path, pixels, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))


@functools.lru_cache(8)
def _of_file(name: str, path: Path, pixels: Pixels | None, state: tuple[int, ...]) -> Backbone:
    """The record of a file, which is read again only when its state has changed."""
    network = network_files.load(path)
    if not network.built:
        raise UserError(f"--backbone {name}: a model without an input; call it on an image, and save it again")
    if len(network.inputs) != 1 or len(network.input_shape) != 4 or network.input_shape[-1] != 3:
        raise UserError(f"--backbone {name}: takes {network.input_shape}, not one RGB image (batch, height, width, 3)")
    pixels = pixels_of(network, f"--backbone {name}", pixels)
    size = network.input_shape[1] or 224

    def build(weights: str | None = None, input_shape: tuple = (size, size, 3), **_: Any) -> keras.Model:
        model = _under_policy(network_files.load(path))
        return model if model.input_shape[1:] == tuple(input_shape) else _at_size(model, tuple(input_shape))

    last, digest = _last_features(network), networks.config_digest(path)
    return Backbone(path.name, build, pixels, size, 32, last, config_sha256=digest)


def pixels_of(network: keras.Model, name: str, claimed: Pixels | None) -> Pixels:
    """Returns the pixels that a user's network expects: what was claimed, or 0..255 where its own layers scale that.

    Raises:
        UserError: neither is known, which is never guessed; or the two contradict each other.
    """
    scales = _scales(network)
    if scales and claimed not in (None, "0..255"):
        raise UserError(f"{name}: --pixels {claimed}: its own layers scale pixels, from 0..255; leave it out")
    if claimed is None and not (scales or network.inputs[0].dtype == "uint8"):
        raise UserError(
            f"{name}: which pixel range does it expect? Add one of --pixels=-1..1, --pixels 0..1, "
            "--pixels 0..255, --pixels caffe; with the wrong one accuracy is lost without an error"
        )
    return claimed or "0..255"


def _scales(network: keras.Model) -> bool:
    """Whether a network begins with a layer that makes 255 small: one that takes 0..1 makes it larger, or leaves it."""
    first = next((each for each in network.layers[:4] if type(each).__name__ in ("Rescaling", "Normalization")), None)
    if first is None:
        return False
    white = keras.ops.convert_to_numpy(first(np.full((1, 1, 1, 3), 255, np.float32)))
    return bool(np.abs(white).max() < 20)


def check(backbone: Backbone, *, layer: str | None = None, input_size: int | None = None) -> None:
    """Raises UserError where ``build`` would, for its layer and size, before any weights are at hand."""
    size = _size(backbone, input_size)
    if layer or (input_size and backbone.is_file):
        _values(backbone.build(weights=None, include_top=False, **backbone.at(size)), backbone, layer or backbone.last)


def _size(backbone: Backbone, wanted: int | None) -> int:
    size = wanted or backbone.input_size
    if size < backbone.smallest:
        raise UserError(f"--input-size {size}: {backbone.name} takes {backbone.smallest} pixels or more")
    return size


def build(
    backbone: Backbone,
    weights: str = "imagenet",
    *,
    layer: str | None = None,
    input_size: int | None = None,
    seed: int = 0,
    dtype: str = "float32",
) -> Trunk:
    """Builds a backbone without its top, frozen, up to a layer.

    Args:
        backbone: from ``find``.
        weights: ``imagenet`` downloads Keras' weights; ``random`` draws them from ``seed``; otherwise the path of a
            ``.h5``, ``.weights.h5`` or ``.keras`` file that holds this network, with or without a head, or nested in
            another one. A backbone that is a file has its own.
        layer: the transfer values; None for the backbone's own, or a block such as ``mixed8``, whose map is averaged
            over its positions.
        input_size: height and width in pixels; None for the backbone's own.
        seed: for ``random``.
        dtype: Keras dtype policy of the layers (``float32``, ``mixed_bfloat16``, ``mixed_float16``).

    Raises:
        WeightsError: no such file, a file of another network, or a failed download.
        UserError: ``layer`` is not a layer of the network, or the input is too small for it.
    """
    size = _size(backbone, input_size)
    if backbone.is_file and weights not in ("imagenet", "random"):
        raise WeightsError(f"--weights {weights}: the file given as --backbone has weights of its own")
    if weights == "random":
        keras.utils.set_random_seed(seed)
    with hardware.policy(dtype):
        network = backbone.build(weights=None, include_top=False, **backbone.at(size))
        if not backbone.is_file and weights != "random":
            network_files.fill(network, backbone, weights)
        layer = layer or backbone.last
        values = _values(network, backbone, layer)
        return _trunk(network, values, backbone, layer, size, Path(weights).name)  # or one of the two words


def with_head(backbone: Backbone, *, dtype: str = "float32") -> Trunk:
    """Returns a network with its own ImageNet head, frozen: its 1,000 scores stand for transfer values.

    Args:
        backbone: from ``find``.
        dtype: Keras dtype policy of the layers, as for ``build``.

    Raises:
        WeightsError: it has not 1,000 scores, or the weights cannot be downloaded.
    """
    with hardware.policy(dtype):
        if backbone.is_file:
            network = backbone.build()
        else:
            with hardware.policy("float32"):
                network = network_files.download(backbone, include_top=True, classifier_activation=None)
            network = _under_policy(network)
    if network.output_shape != (None, 1000):
        raise WeightsError(f"--backbone {backbone.name}: gives {network.output_shape}, not ImageNet's 1,000 scores")
    scores, more = network.outputs[0], {}
    if ends_in(network, "softmax"):
        scores = _log(scores)
    elif ends_in(network, "sigmoid"):
        scores, more = _log(scores) - _log(1 - scores), {"undone": "sigmoid"}
    trunk = _trunk(network, scores, backbone, network.layers[-1].name, backbone.input_size, "imagenet")
    if dtype != "float32":
        more |= {"scores": "float32"}  # early ones were rounded
    return dataclasses.replace(trunk, description=trunk.description | more)


def _log(probabilities: keras.KerasTensor) -> keras.KerasTensor:
    return keras.ops.log(keras.ops.maximum(probabilities, 1e-30))


def ends_in(model: keras.Model, name: Literal["softmax", "sigmoid"]) -> bool:
    """Whether a model gives probabilities: its last layer, or that of the network in it, is a softmax or sigmoid."""
    return _is(model.outputs[0], name)


def _is(scores: keras.KerasTensor, name: str) -> bool:
    last = scores._keras_history.operation
    if isinstance(last, keras.Model):
        return _is(last.outputs[0], name)
    activation = getattr(last, "activation", None)
    if type(last) is keras.layers.Activation and activation is keras.activations.linear:  # casts, perhaps
        return _is(last.input, name)
    return type(last).__name__ == name.capitalize() or activation is getattr(keras.activations, name)  # or keras.ops'


def _trunk(
    network: keras.Model, values: keras.KerasTensor, backbone: Backbone, layer: str, size: int, weights: str
) -> Trunk:
    # Values leave the trunk in float32 under every policy.
    values = keras.layers.Activation("linear", dtype="float32", name="values")(values)
    model = keras.Model(network.inputs[0], values, name="trunk")
    model.trainable = False
    description = {
        "backbone": backbone.name,
        "weights_sha256": _digest(network),
        "layer": layer,
        "input_size": size,
        "pixels": backbone.pixels,
    }
    if network.inputs[0].dtype == "uint8":
        description["rounded"] = True  # early values were of pixels that were cut
    if backbone.config_sha256:
        description["config_sha256"] = backbone.config_sha256
    return Trunk(model, backbone, description, backbone.name if backbone.is_file else weights)


def _digest(model: keras.Model) -> str:
    """The sha256 over every weight's name, shape and float32 bytes, in the model's order.

    Not over every variable: among them are a dropout's seeds, which each process draws anew.
    """
    digest = hashlib.sha256()
    for variable in model.weights:
        values = keras.ops.convert_to_numpy(variable).astype("float32")
        if not np.isfinite(values).all():
            raise WeightsError(f"the weights of {model.name} are not finite: {variable.path} holds NaN or infinity")
        digest.update(f"{variable.name} {values.shape}\n".encode() + values.tobytes())
    return digest.hexdigest()


_NO_WEIGHTS = ("Activation", "Softmax", "Dropout")


def _maker_of(tensor: keras.KerasTensor, *kinds: str) -> keras.Operation:
    """What makes a tensor, behind layers of some kinds."""
    last = tensor._keras_history.operation
    while type(last).__name__ in kinds:
        last = last.input._keras_history.operation
    return last


def _under_policy(model: keras.Model) -> keras.Model:
    """The same layers under the policy in force, but for the scores, and those saved under another than float32."""
    policy = keras.config.dtype_policy()
    if policy.name == "float32":
        return model
    scores = []
    for tensor in model.outputs:
        scores.append(tensor._keras_history.operation)
        made = _maker_of(tensor, *_NO_WEIGHTS, "Flatten", "Reshape")
        if isinstance(made, keras.layers.Dense | keras.layers.Conv2D):
            scores.append(made)

    def dtype_of(layer: keras.layers.Layer) -> str | None:
        return policy.name if layer.dtype_policy.name == "float32" and layer not in scores else None

    return with_dtypes(model, dtype_of)


def _at_size(model: keras.Model, shape: tuple[int, int, int]) -> keras.Model:
    """The same layers for images of another size."""
    try:
        other = keras.models.clone_model(model, input_tensors=keras.Input(shape))
        other.set_weights(model.get_weights())
    except ValueError as error:
        raise UserError(f"--input-size {shape[0]}: {model.name} takes {model.input_shape[1]} ({error})") from error
    return other


def _last_features(network: keras.Model) -> str:
    """The name of the layer whose output a file's head reads, or of the last layer where there is no head."""
    last = _maker_of(network.outputs[0], *_NO_WEIGHTS)
    # Others are inside: of squeeze and excitation, of transformers.
    return last.input._keras_history.operation.name if isinstance(last, keras.layers.Dense) else network.layers[-1].name


def layers_by_name(network: keras.Model, backbone: Backbone) -> dict[str, keras.layers.Layer]:
    """Returns a backbone's layers by their names; those that Keras numbers by what the first building of it has.

    ``add``, ``add_1`` become ``add_12``, ``add_13`` where a process has built the network before. A file's names stay.
    """
    if backbone.is_file:
        return {layer.name: layer for layer in network.layers}
    found: dict[str, keras.layers.Layer] = {}
    numbered: dict[str, list[tuple[int, keras.layers.Layer]]] = {}
    for layer in network.layers:
        kind, _, number = layer.name.rpartition("_")
        kind, place = (kind, int(number)) if kind and number.isdecimal() else (layer.name, 0)
        if kind.replace("_", "") == type(layer).__name__.lower():  # which Keras makes of it
            numbered.setdefault(kind, []).append((place, layer))
        else:
            found[layer.name] = layer
    for kind, alike in numbered.items():
        first = min(place for place, _ in alike)
        found |= {f"{kind}_{place - first}" if place > first else kind: layer for place, layer in alike}
    places = {layer.name: place for place, layer in enumerate(network.layers)}
    return dict(sorted(found.items(), key=lambda each: places[each[1].name]))


def _values(network: keras.Model, backbone: Backbone, layer: str) -> keras.KerasTensor:
    """The output of a layer, (batch, width); a map is averaged over its positions."""
    named = layers_by_name(network, backbone)
    if layer in named:
        values = named[layer].output
    elif layer == "avg_pool":
        values = network.output
    else:
        joints = [name for name, each in named.items() if type(each).__name__ in ("Concatenate", "Add", "Activation")]
        blocks = [name for name in joints if name.startswith("mixed")] or joints or list(named)
        raise UserError(
            f"--layer {layer}: {backbone.name} has no such layer; give avg_pool, or one such as "
            f"{', '.join(blocks[-12:])}"
        )
    if len(values.shape) == 4:
        values = keras.layers.GlobalAveragePooling2D(name=f"{layer}_average")(values)
    elif len(values.shape) != 2:
        raise UserError(f"--layer {layer}: gives {values.shape}, neither maps nor values")
    return values
