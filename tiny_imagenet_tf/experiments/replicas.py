"""Batch normalization on several devices: the moments of the whole batch, as on one."""

import contextlib
from collections.abc import Iterator

import keras


def synchronize(model: keras.Model) -> None:
    """Lets batch normalization see the whole batch where a strategy spreads it over devices.

    Else each device would normalize its share by itself, and losses would depend on how many there are.

    Args:
        model: made under the strategy's scope; on one device nothing changes.
    """
    if model.distribute_strategy.num_replicas_in_sync > 1:
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


def _set(model: keras.Model, synchronized: bool) -> None:
    for layer in _normalizations(model):
        layer.synchronized = synchronized


def _normalizations(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
