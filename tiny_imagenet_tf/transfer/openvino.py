"""A frozen trunk on a CPU under OpenVINO, in float32, bfloat16 or int8 (extra ``[openvino]``).

int8 is NNCF's post-training quantization: a few hundred training images show the range of every map, and weights and
maps become 8-bit integers. The quantized network is kept beside the transfer values that it makes, and is made once.
"""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tiny_imagenet_tf import extras, hardware
from tiny_imagenet_tf.choices import Arithmetic, Engine
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.models.backbones import Trunk
from tiny_imagenet_tf.runs.files import replacing, save_whole, sha256, sweep
from tiny_imagenet_tf.runs.locks import locked

if TYPE_CHECKING:
    import openvino

CALIBRATION_IMAGES = 300
BATCH = 5
"""Images a request; more of them only wait for memory."""
MUCH = 0.5
"""Of the length of an image's values int8 may be off without a warning; EfficientNet-Lite2's sixth does no harm."""


def resolve(engine: Engine, precision: str, *, free: bool = True) -> Engine:
    """Turns ``auto`` into what computes transfer values here; on JAX, which computes them itself, it stays.

    Args:
        engine: as asked for.
        precision: as asked for.
        free: whether ``auto`` may take OpenVINO for what TensorFlow can do.

    Raises:
        UserError: the two contradict each other, or what they need is not installed.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    if precision == "int8":
        if engine == "tensorflow":
            raise UserError("--precision int8: TensorFlow computes nothing in int8; leave out --engine tensorflow")
    elif engine == "auto" and on_tensorflow:
        return "openvino" if free and _is_faster(precision) and extras.has("openvino") else "tensorflow"
    elif engine != "openvino":
        return engine
    extras.require("--engine openvino", "openvino", "openvino", *(["nncf"] if precision == "int8" else []))
    if not on_tensorflow:
        raise UserError(f"--engine openvino: needs KERAS_BACKEND=tensorflow, not {keras.backend.backend()}")
    return "openvino"


def check_backend(engine: Engine) -> None:
    """Raises UserError where TensorFlow is asked for and another backend of Keras' computes."""
    if engine == "tensorflow" and (backend := keras.backend.backend()) != "tensorflow":
        raise UserError(f"--engine tensorflow: needs KERAS_BACKEND=tensorflow; {backend} computes by itself")


def _is_faster(precision: str) -> bool:
    """Whether it is faster than TensorFlow: in bfloat16, on a CPU that has it, where no GPU computes."""
    return precision in ("auto", "bfloat16") and hardware.cpu_has_bfloat16() and not hardware.has_gpu()


@dataclasses.dataclass(frozen=True)
class Network:
    """A trunk's network in OpenVINO's form.

    Attributes:
        model: float32 images (batch, size, size, 3) to values (batch, width).
        precision: of the arithmetic.
        description: what it adds to a store's key.
    """

    model: "openvino.Model"
    precision: Arithmetic
    description: dict[str, Any]

    def compiled(self) -> "Requests":
        """Returns it ready to run, on the cores that TensorFlow computes on: all, or those of a cluster's actor."""
        import openvino

        hints = {
            "PERFORMANCE_HINT": "THROUGHPUT",  # as many streams as the cores can serve
            # Left to itself OpenVINO takes bfloat16 where there is any, also for the floats of an int8 network.
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": hardware.kept_to(),
        }
        return Requests(openvino.AsyncInferQueue(openvino.Core().compile_model(self.model, "CPU", hints)))


class Requests:
    """A compiled network that is given a batch in small pieces, several at a time."""

    def __init__(self, queue: "openvino.AsyncInferQueue") -> None:
        self._queue, self._values = queue, np.empty(0)
        queue.set_callback(self._take)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns the values, float32 (n, width), of float32 images (n, size, size, 3)."""
        pieces = range(0, len(images), BATCH)
        self._values = [np.empty(0)] * len(pieces)
        for number, first in enumerate(pieces):
            self._queue.start_async({0: images[first : first + BATCH]}, number)
        self._queue.wait_all()
        return np.concatenate(self._values)

    def _take(self, request: "openvino.InferRequest", number: int) -> None:
        self._values[number] = request.get_output_tensor(0).data.copy()


def convert(trunk: Trunk, precision: Arithmetic) -> Network:
    """Returns a trunk at float32 or bfloat16."""
    import openvino
    import tensorflow as tf

    signature = tf.TensorSpec((None, trunk.size, trunk.size, 3), tf.float32)
    function = tf.function(lambda images: trunk.model(images, training=False), input_signature=[signature])
    model = openvino.convert_model(function, input=[(-1, trunk.size, trunk.size, 3)])
    return Network(model, precision, {"engine": "openvino"})


def quantized(trunk: Trunk, pixels: Callable[[], np.ndarray], shown: str, folder: Path) -> Network:
    """Returns a trunk in int8: the stored one, or a new one that is stored.

    Args:
        trunk: in float32.
        pixels: returns images, float32 (n, size, size, 3), as the trunk takes them; called where nothing is stored.
        shown: what distinguishes these images from others.
        folder: where quantized networks are kept.
    """
    import nncf
    import openvino

    # Two kinds of CPU have two networks, even where they share the folder.
    saturates = {"saturates": True} if hardware.cpu_saturates_int8() else {}
    key = json.dumps({**trunk.description, "shown": shown, "nncf": nncf.__version__, **saturates}, sort_keys=True)
    description = folder / f"int8-{hashlib.sha256(key.encode()).hexdigest()[:20]}.xml"
    weights, stored = description.with_suffix(".bin"), description.with_suffix(".sha256")
    folder.mkdir(parents=True, exist_ok=True)
    if not description.is_file():
        # One process makes it for all: its digest is part of what the values are.
        with locked(folder / ".int8.lock", f"the int8 network in {folder}", wait=True):
            if not description.is_file():
                sweep(folder)
                _quantize(trunk, pixels(), description)
    names = f"{weights.name} or {stored.name}"
    damaged = UserError(f"{description}, {names} is damaged; delete all three and run again to quantize anew")
    try:
        model = openvino.Core().read_model(description, weights)
    except RuntimeError as error:
        raise damaged from error
    digest = sha256(weights)
    if stored.is_file() and stored.read_bytes() != digest.encode():  # what was made before this was stored has none
        raise damaged
    return Network(model, "int8", {"engine": "openvino", "quantized_sha256": digest})


def _quantize(trunk: Trunk, images: np.ndarray, description: Path) -> None:
    """Writes a trunk in int8: the description of its network, and beside it its weights."""
    import openvino

    print(f"int8: measuring the range of every map on {len(images)} training images")
    exact = convert(trunk, "float32")
    values = exact.compiled()(images)
    lengths = np.maximum(np.linalg.norm(values, axis=1), np.finfo(np.float32).tiny)

    def off(model: openvino.Model) -> float:
        found = Network(model, "int8", {}).compiled()(images)
        return float(np.median(np.linalg.norm(found - values, axis=1) / lengths))

    kinds = [_in_int8(exact.model, images)]
    if hardware.cpu_saturates_int8():
        print("int8: quantizing again with seven-bit weights, which cannot overflow on this CPU")
        kinds.append(_in_int8(exact.model, images, seven_bits=True))
    share, made = min(((off(each), each) for each in kinds), key=lambda found: found[0])
    print(f"int8: the transfer values differ from those in float32 by {share:.0%} of their length (median)")
    if not share <= MUCH:
        print("int8: that is a large difference; compare with --precision float32 on --fraction 0.1")

    def save(part: Path) -> None:
        openvino.save_model(made, part, compress_to_fp16=False)
        weights = part.with_suffix(".bin").replace(description.with_suffix(".bin"))
        with replacing(description.with_suffix(".sha256")) as file:
            file.write(sha256(weights).encode())

    save_whole(save, description)  # the weights first: with its description a network is whole


def _in_int8(model: "openvino.Model", images: np.ndarray, *, seven_bits: bool = False) -> "openvino.Model":
    """A network in int8; its weights in eight bits but for the first layer's, or all in seven."""
    import nncf

    data = nncf.Dataset([image[None] for image in images])
    advanced = nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE if seven_bits else None)
    if any(_is_behind_a_transpose(node) for node in model.get_ops()):
        # NNCF 3.4 would take the rows of such a map for the channels, each of which it gives a range of its own.
        whole = nncf.quantization.advanced_parameters.QuantizationParameters(per_channel=False)
        advanced.activations_quantization_params = whole
    nncf.set_log_level(logging.ERROR)
    return nncf.quantize(model.clone(), data, subset_size=len(images), advanced_parameters=advanced)


def _is_behind_a_transpose(node: "openvino.Node") -> bool:
    """Whether it is a depthwise convolution whose map has its channels last until then, as in EfficientNetV2."""
    return node.get_type_name() == "GroupConvolution" and node.input_value(0).get_node().get_type_name() == "Transpose"
