"""Batch normalization's statistics, estimated anew.

The moving averages remember some hundred steps. Where a weight decay shrinks kernels faster than that, they lag behind,
and a network that learns looks like one at chance.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data.batches import in_view
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import View
from tiny_imagenet_tf.models.layers import normalizations

IMAGES = 2000


class Reestimation:
    """Puts statistics of some batches in the place of the moving averages for a while.

    Args:
        model: whose other state, such as dropout's, is left as it is.
    """

    def __init__(self, model: keras.Model):
        self._model, self._layers = model, normalizations(model)
        self._in_training = _InTraining(model)
        self._in_training.jit_compile = hardware.jit_predict()

    def of_images(self, train: Split, view: View, batch_size: int) -> contextlib.AbstractContextManager[None]:
        """Gives the layers the statistics of 2,000 training images of all classes; see ``of``.

        In a random order, as in training: in the order of their classes a batch would show a few of them alone.
        """
        shown = train.take(np.random.default_rng(0).permutation(train.spread_rows(IMAGES)))
        return self.of(inputs for (inputs,) in in_view(shown, view, batch_size))

    @contextlib.contextmanager
    def of(self, batches: Iterable[Any]) -> Iterator[None]:
        """Gives the layers the mean statistics of some batches, and their own back after it.

        Args:
            batches: of the model's inputs, at least one; they are seen as in training.
        """
        layers, kept = self._layers, [np.array(variable) for variable in self._model.variables]
        found, sizes = [], []
        try:
            with _without_momentum(layers):  # a network may be saved in what follows
                for inputs in batches:
                    self._in_training.predict_on_batch(keras.tree.map_structure(np.asarray, inputs))  # JAX: no tensors
                    sizes.append(len(keras.tree.flatten(inputs)[0]))
                    found.append([(np.array(layer.moving_mean), np.array(layer.moving_variance)) for layer in layers])
            _assign(self._model, kept)
            for layer, statistics in zip(layers, zip(*found, strict=True), strict=True):
                mean, variance = np.average(statistics, axis=0, weights=sizes)
                layer.moving_mean.assign(mean)
                layer.moving_variance.assign(variance)
            yield
        finally:
            _assign(self._model, kept)


@contextlib.contextmanager
def _without_momentum(layers: Sequence[keras.layers.BatchNormalization]) -> Iterator[None]:
    """Has layers take each batch's own statistics for the moving ones."""
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.momentum = 0.0
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


class _InTraining(keras.Model):
    """A model that predicts as it does in training, compiled, where a call of it alone would run op by op."""

    def __init__(self, model: keras.Model):
        super().__init__(name="in_training", dtype="float32", autocast=False)
        self.model = model

    def call(self, inputs: Any) -> Any:
        return self.model(inputs, training=True)


def _assign(model: keras.Model, values: list[np.ndarray]) -> None:
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
