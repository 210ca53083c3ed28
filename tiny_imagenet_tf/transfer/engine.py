"""The fastest way through a frozen trunk on the machine at hand.

On a CPU under TensorFlow the graph is frozen (variables become constants, batch normalization folds into the
convolutions), and where the CPU has bfloat16 the graph optimizer rewrites it to compute in bfloat16; or OpenVINO runs
it, in int8 as well. Elsewhere, on a GPU or on JAX, views and trunk are one compiled model, built under the precision's
policy.
"""

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.choices import Arithmetic, Resize
from tiny_imagenet_tf.data import batches, views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import DrawnView, RandomViews, View
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.models.backbones import Trunk, digests_in
from tiny_imagenet_tf.models.preprocess import scaled
from tiny_imagenet_tf.transfer import openvino

_BFLOAT16_REWRITE = "auto_mixed_precision_onednn_bfloat16"

Extractor = Callable[[tf.Tensor, np.ndarray], Any]
"""From uint8 images (batch, 64, 64, 3) and their rows of a table of views to transfer values (batch, width): an array,
which a GPU may still be at work on."""


def freezes() -> bool:
    """Whether the graph is frozen here: on a CPU under TensorFlow."""
    return keras.backend.backend() == "tensorflow" and not hardware.has_gpu()


def trunk_dtype(precision: Arithmetic, openvino: bool = False) -> str:
    """Returns the Keras dtype policy to build a trunk with, for an engine to run it at ``precision``."""
    # On a CPU the graph rewrite does better than the policy: 66 against 53 images a second where it was tried.
    return "float32" if freezes() or openvino else hardware.training_policy(precision)


@dataclasses.dataclass(frozen=True)
class Engine:
    """A frozen trunk, ready to be shown images.

    Attributes:
        trunk: built with ``trunk_dtype``.
        precision: of the arithmetic inside; the values come out in float32.
        resize: sampling.
        network: the trunk as OpenVINO runs it; None for TensorFlow or JAX.
    """

    trunk: Trunk
    precision: Arithmetic
    resize: Resize = "half_pixel"
    network: openvino.Network | None = None
    _calls: dict[RandomViews, "Extractor"] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @property
    def description(self) -> dict[str, Any]:
        """What defines the values of an image in a view."""
        more: dict[str, Any] = {}
        if self.network:
            more = self.network.description
        elif self.precision == "float32" and (products := hardware.products_of_float32()) != "float32":
            more = {"products": products}
        return {**self.trunk.description, "precision": self.precision, "resize": self.resize, **more}

    @property
    def digests(self) -> dict[str, str]:
        """What the backbone of a head is known by: its files, and the int8 network that was made of it."""
        return digests_in(self.description)

    def under_openvino(self, images: Split, folder: Path) -> "Engine":
        """Returns the same engine, run by OpenVINO.

        Args:
            images: some of them show an int8 network the range of its maps.
            folder: where quantized networks are kept.
        """
        if self.precision != "int8":
            return dataclasses.replace(self, network=openvino.convert(self.trunk, self.precision))
        sample = images.take(images.spread_rows(openvino.CALIBRATION_IMAGES))

        def pixels() -> np.ndarray:
            shown = fixed(self.trunk, views.WHOLE, self.resize)
            return np.concatenate([shown(each, np.empty(0)) for each in batches.in_order(sample, batch_size())])

        network = openvino.quantized(self.trunk, pixels, f"{sample.digest} {self.resize}", folder)
        return dataclasses.replace(self, network=network)

    def extractor(self, view: View | DrawnView) -> Extractor:
        """Returns the way from images to transfer values, in a view whose table's rows come with the images."""
        trunk, drawn = self.trunk, view.views if isinstance(view, DrawnView) else views.PLAIN
        if self.network or freezes():
            extract = self._frozen
            shown = fixed(trunk, view, self.resize) if isinstance(view, View) else _drawn(trunk, drawn, self.resize)
            return lambda images, table: extract(shown(images, table))
        if drawn not in self._calls:  # traced once for all fixed views and once for all drawn ones
            classifier = preprocess.classifier(trunk.model, trunk.backbone.pixels)
            self._calls[drawn] = _compiled(preprocess.behind_views(classifier, drawn, self.resize))
        return self._calls[drawn]

    @functools.cached_property
    def _frozen(self) -> Callable[[tf.Tensor], np.ndarray]:
        """The trunk as a function of float32 images (batch, size, size, 3), its graph frozen."""
        if self.network:
            requests = self.network.compiled()
            return lambda images: requests(np.asarray(images))
        model = self.trunk.model
        signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        function = tf.function(lambda images: model(images, training=False), input_signature=[signature])
        graph = convert_variables_to_constants_v2(function.get_concrete_function())

        def extract(images: tf.Tensor) -> np.ndarray:
            with rewriting(self.precision):
                outputs = graph(tf.convert_to_tensor(images))
            return (outputs[0] if isinstance(outputs, list | tuple) else outputs).numpy()

        return extract


@contextlib.contextmanager
def rewriting(precision: Arithmetic) -> Iterator[None]:
    """Has TensorFlow compute frozen graphs in bfloat16 for a while, or not.

    It looks up the optimized graph by the options in force at the call, not at the trace.
    """
    options = tf.config.optimizer
    before = options.get_experimental_options().get(_BFLOAT16_REWRITE, False)
    options.set_experimental_options({_BFLOAT16_REWRITE: precision == "bfloat16"})
    try:
        yield
    finally:
        options.set_experimental_options({_BFLOAT16_REWRITE: before})


def _compiled(model: keras.Model) -> Extractor:
    """A model behind views as one XLA program of full batches; devices take turns, and are still at work at its end."""
    full, devices = batch_size(), itertools.cycle(_on_each_device(model))

    def extract(images: tf.Tensor, table: np.ndarray) -> Any:
        rest = max(0, full - len(images))  # a last batch is filled up, or it would be another program
        inputs = [np.pad(each, [(0, rest)] + [(0, 0)] * (each.ndim - 1)) for each in (np.asarray(images), table)]
        return next(devices)(inputs, len(images))

    return extract


def _on_each_device(model: keras.Model) -> list[Callable[[list[np.ndarray], int], Any]]:
    """The program with weights of its own on each device that extracts: from a batch to its first so many values."""
    variables = [[each.value for each in of] for of in (model.trainable_variables, model.non_trainable_variables)]

    def call(trained: list[Any], others: list[Any], inputs: list[Any]) -> Any:
        return model.stateless_call(trained, others, inputs, training=False)[0]

    if keras.backend.backend() == "jax":
        import jax

        program = jax.jit(call)

        def on(device: Any) -> Callable[[list[np.ndarray], int], Any]:
            held = jax.device_put(variables, device, may_alias=False)  # predict gives its own away
            return lambda inputs, rows: program(*held, jax.device_put(inputs, device))[:rows]

    else:
        program = tf.function(call, jit_compile=True)

        def on(device: str) -> Callable[[list[np.ndarray], int], Any]:
            with tf.device(device):
                held = tf.nest.map_structure(tf.identity, variables)

            def run(inputs: list[np.ndarray], rows: int) -> Any:
                with tf.device(device):
                    return program(*held, inputs)[:rows]

            return run

    return [on(device) for device in hardware.extraction_devices()]


def batch_size() -> int:
    """Images a batch that keep the device busy: on a CPU two of OpenVINO's requests for each core."""
    return 256 if hardware.has_gpu() else max(50, 2 * openvino.BATCH * hardware.cores())


def fixed(trunk: Trunk, view: View, resize: Resize) -> Callable[[tf.Tensor, np.ndarray], tf.Tensor]:
    """All images in one view: slices and one resizing, half the time of the products that they equal."""
    top, left, size = views.WINDOWS[view.window]
    scale = _scale(trunk)

    @tf.function
    def shown(images: tf.Tensor) -> tf.Tensor:
        images = images[:, top : top + size, left : left + size]
        if view.mirrored:
            images = tf.reverse(images, axis=[2])
        resized = tf.raw_ops.ResizeBilinear(
            images=images, size=(trunk.size, trunk.size), half_pixel_centers=resize == "half_pixel"
        )
        return scale(resized)

    return lambda images, table: shown(images)


def _scale(trunk: Trunk) -> keras.Model:
    """Pixels in 0..255 to the trunk's range; made before a graph, in which its weights could not be."""
    pixels, rounded = keras.Input((trunk.size, trunk.size, 3)), trunk.model.inputs[0].dtype == "uint8"
    return keras.Model(pixels, scaled(pixels, trunk.backbone.pixels, rounded=rounded))


def _drawn(trunk: Trunk, drawn: RandomViews, resize: Resize) -> Callable[[tf.Tensor, np.ndarray], tf.Tensor]:
    """Each image in its own view. Outside the frozen graph: the rewrite would compute the products in bfloat16."""
    scale = _scale(trunk)

    @tf.function(reduce_retracing=True)
    def shown(images: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
        return scale(preprocess.show_function(trunk.size, resize, recolour=drawn.brightness_contrast)(images, table))

    return shown
