"""The frozen Inception-v3 and where its weights come from (Milani section 4.1)."""

import contextlib
import dataclasses
import hashlib
from pathlib import Path

import keras

CHANNELS = 3


class WeightsError(ValueError):
    """The weights cannot be used; the message names the file and what was expected."""


@dataclasses.dataclass(frozen=True)
class Trunk:
    """A frozen feature extractor.

    Attributes:
        model: float32 images (batch, size, size, 3) in -1..1 to transfer values (batch, width).
        description: what defines the values: trunk, weights digest, layer and input size.
        label: what to call the weights in a table.
    """

    model: keras.Model
    description: dict
    label: str


def inception_v3(
    weights: str = "imagenet", *, layer: str = "avg_pool", input_size: int = 299, seed: int = 0, dtype: str = "float32"
) -> Trunk:
    """Builds ``keras.applications.InceptionV3`` without its top, frozen, up to a layer.

    Args:
        weights: ``imagenet`` downloads Keras' weights; ``random`` draws them from ``seed``; otherwise the path of
            a ``.h5``, ``.weights.h5`` or ``.keras`` file of this network, with or without its top.
        layer: ``avg_pool`` for the 2048 transfer values of the paper, or a block such as ``mixed8``, whose map
            is averaged over its positions.
        input_size: height and width in pixels.
        seed: for ``random``.
        dtype: Keras dtype policy of the layers (``float32``, ``mixed_bfloat16``, ``mixed_float16``).

    Raises:
        WeightsError: no such file, a file of another network, or a failed download.
        ValueError: ``layer`` is not a layer of the network.
    """
    with _policy(dtype):
        network = _network(input_size)
    if weights == "random":
        with _policy("float32"):
            keras.utils.set_random_seed(seed)
            network.set_weights(_network(input_size).get_weights())
    elif weights == "imagenet":
        _load_imagenet(network)
    else:
        _load_file(network, Path(weights).expanduser())
    network.trainable = False
    description = {
        "trunk": "keras.applications.InceptionV3",
        "weights_sha256": digest_weights(network),
        "layer": layer,
        "input_size": input_size,
    }
    label = weights if weights in ("imagenet", "random") else Path(weights).name
    return Trunk(_up_to(network, layer), description, label)


def digest_weights(model: keras.Model) -> str:
    """Returns the sha256 over every variable's path, shape and float32 bytes."""
    digest = hashlib.sha256()
    for variable in model.variables:
        values = keras.ops.convert_to_numpy(variable).astype("float32")
        digest.update(f"{variable.path} {values.shape}\n".encode())
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


def _network(input_size: int, include_top: bool = False) -> keras.Model:
    keras.utils.clear_session(free_memory=False)  # so that layer names do not depend on what was built before
    return keras.applications.InceptionV3(
        weights=None,
        include_top=include_top,
        input_shape=(299, 299, 3) if include_top else (input_size, input_size, 3),
        pooling=None if include_top else "avg",
        name="inception_v3",
    )


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
    values = keras.layers.Activation("linear", dtype="float32", name="transfer_values")(values)
    model = keras.Model(network.input, values, name="trunk")
    model.trainable = False
    return model


def _load_imagenet(network: keras.Model) -> None:
    try:
        reference = keras.applications.InceptionV3(
            weights="imagenet", include_top=False, input_shape=network.input_shape[1:], pooling="avg"
        )
    except Exception as error:  # Keras wraps every network failure in a bare Exception.
        raise WeightsError(
            f"Keras' ImageNet weights for Inception-v3 could not be downloaded:\n  {str(error).splitlines()[0][:200]}\n"
            "Take them from disk instead:\n"
            "  --weights PATH    a .h5, .weights.h5 or .keras file of Inception-v3\n"
            "or place inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5 in ~/.keras/models\n"
            "or try the program without any: --weights random (the accuracy then means little), or --demo"
        ) from error
    network.set_weights(reference.get_weights())


def _load_file(network: keras.Model, path: Path) -> None:
    """Loads a file of the network with or without its top, at whatever precision it is stored."""
    if not path.is_file():
        raise WeightsError(f"--weights {path}: no such file (nor one of the words imagenet and random)")
    if path.suffix == ".keras":
        source = _read_keras(path)
    elif path.suffix in (".h5", ".hdf5"):
        source = _read_h5(path)
    else:
        raise WeightsError(f"--weights {path}: must end in .keras, .weights.h5 or .h5")
    wanted = {weight.path: weight for weight in network.weights}
    ours, theirs = _convolution_shapes(network), _convolution_shapes(source)
    if ours != theirs[: len(ours)] or len(ours) != len(theirs):
        raise WeightsError(
            f"--weights {path}: not an Inception-v3. Expected {len(ours)} convolutions, found {len(theirs)}; the first "
            f"difference is at number {_first_difference(ours, theirs)}."
        )
    network.set_weights(source.get_weights()[: len(wanted)])


def _read_keras(path: Path) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"--weights {path}: not a model that Keras can load ({_first_line(error)})") from error


def _read_h5(path: Path) -> keras.Model:
    failures = []
    for include_top in (False, True):
        source = _network(299, include_top)
        try:
            source.load_weights(path)
            return source
        except (OSError, ValueError, KeyError) as error:
            failures.append(f"{'with' if include_top else 'without'} top: {_first_line(error)}")
    raise WeightsError(
        f"--weights {path}: not the weights of Inception-v3, or the file is damaged.\n  " + "\n  ".join(failures)
    )


def _convolution_shapes(model: keras.Model) -> list[tuple]:
    return [tuple(each.kernel.shape) for each in model.layers if isinstance(each, keras.layers.Conv2D)]


def _first_difference(ours: list, theirs: list) -> int:
    pairs = zip(ours, theirs, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
