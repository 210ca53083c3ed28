"""SavedModel, ONNX and LiteRT: written by Keras' own exporters, read back by each format's own runtime."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tiny_imagenet_tf import extras
from tiny_imagenet_tf.choices import Format
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.models import layers
from tiny_imagenet_tf.progress import quietly
from tiny_imagenet_tf.runs.files import save_whole, writing

SUFFIXES: dict[Format, str] = {"saved_model": "", "onnx": ".onnx", "litert": ".tflite"}
_NEEDED = {"saved_model": (), "onnx": ("tf2onnx", "onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}


def require(format: Format) -> None:
    """Raises UserError where what a format needs is not installed."""
    if modules := _NEEDED[format]:
        extras.require(f"--formats {format}", "export", *modules)
    if format == "litert" and tuple(map(int, keras.__version__.split(".")[:2])) < (3, 13):
        raise UserError(f"--formats litert: needs Keras 3.13 or newer; this is {keras.__version__}")
    if keras.backend.backend() != "tensorflow":
        raise UserError(f"export needs KERAS_BACKEND=tensorflow, not {keras.backend.backend()}")


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a network with every layer in float32, which ONNX and LiteRT compute in; as it is where that is so.

    Raises:
        UserError: it is no graph of layers that could be built anew.
    """
    try:
        return layers.in_float32(model)
    except ValueError as error:
        raise UserError(
            f"{model.name}: not all of it computes in float32, and it cannot be built so ({error})"
        ) from error


def write(model: keras.Model, path: Path, format: Format, calibration: np.ndarray | None = None) -> None:
    """Writes a model in a format; a SavedModel, which is a folder, is whole when this returns.

    Args:
        model: float32 images (batch, height, width, 3) to float32 (batch, classes).
        path: with the format's suffix; nothing must be there.
        format: of the file, or of the folder of a SavedModel.
        calibration: images as the model takes them, for int8 weights and maps in LiteRT; input and output stay float32.

    Raises:
        UserError: the disk is full or read-only, or there is no permission.
    """
    model.predict(np.zeros((1, *model.input_shape[1:]), np.float32), verbose=0)  # ONNX' exporter wants a called one
    options: dict[str, Any] = {"verbose": False}
    if calibration is not None:
        import tensorflow as tf

        def representative() -> Iterator[list[np.ndarray]]:
            for image in calibration:
                yield [image[None]]

        options |= {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": representative}
    with _quiet():
        if format == "saved_model":
            with writing(path), _told_by_tensorflow(path):
                model.export(path, format="tf_saved_model", **options)
        else:
            save_whole(lambda part: model.export(part, format=format, **options), path)


def read(path: Path, format: Format) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what a written model computes, by the format's own runtime."""
    if format == "saved_model":
        layer = keras.layers.TFSMLayer(path, call_endpoint="serve")
        return lambda images: np.asarray(layer(images))
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda images: session.run(None, {name: images})[0]
    with _quiet():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=os.cpu_count())
    taken = interpreter.get_input_details()[0]["index"]

    def run(images: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(taken, images.shape)
        with _quiet():
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken, images)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run


def size_of(path: Path) -> int:
    """Returns the bytes of a file, or of a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


@contextlib.contextmanager
def _told_by_tensorflow(path: Path) -> Iterator[None]:
    """Says what a user can cure where TensorFlow cannot write, whose errors are none of Python's own."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError) as error:
        raise UserError(f"{path} cannot be written: {error.message.rsplit('; ')[-1]}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters report every step."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), quietly():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
