"""Batch normalization on several devices: the moments of the whole batch, as on one."""

import contextlib
from collections.abc import Iterator

import keras

from tiny_imagenet_tf import hardware


def synchronize(model: keras.Model) -> None:
    """Lets batch normalization see the whole batch where a strategy spreads it over devices.

    Else each device would normalize its share by itself, and losses would depend on how many there are.

    Args:
        model: made under the strategy's scope; on one device nothing changes.
    """
    if _several(model):
        _set(model, True)


@contextlib.contextmanager
def for_one_device(model: keras.Model) -> Iterator[keras.Model]:
    """Yields the model as it should be saved: to load on any Keras backend, which synchronized layers do not."""
    synchronized = [layer for layer in _normalizations(model) if layer.synchronized]
    _set(model, False)
    try:
        yield model
    finally:
        for layer in synchronized:
            layer.synchronized = True


def compiles(model: keras.Model) -> bool | str:
    """Returns ``jit_compile`` for a network: XLA where it is no loss.

    On JAX always, since nothing else compiles there. On TensorFlow it is slower on a CPU, and crashes with loss
    scaling on several GPUs (keras issue 21366).

    Args:
        model: made under the strategy's scope.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto"
    return "auto" if hardware.has_gpu() and not _several(model) else False


def _several(model: keras.Model) -> bool:
    return keras.backend.backend() == "tensorflow" and model.distribute_strategy.num_replicas_in_sync > 1


def _set(model: keras.Model, synchronized: bool) -> None:
    for layer in _normalizations(model):
        layer.synchronized = synchronized


def _normalizations(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    inside = [each for layer in model.layers if isinstance(layer, keras.Model) for each in _normalizations(layer)]
    return inside + [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
