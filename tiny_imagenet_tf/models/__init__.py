"""The networks of both papers by name: functions that return functional Keras models ending in float32 logits."""

from functools import partial
from typing import Any

import keras

from tiny_imagenet_tf.models import packaged
from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.models.convnets import le_yang
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.models.inception_v3 import inception_v3
from tiny_imagenet_tf.published import LE_YANG_TABLE_1

NETWORKS = {
    "inception_v3": inception_v3,
    "transfer_head": transfer_head,
    "compact_inception": compact_inception,
    **{f"le_yang_model_{model}": partial(le_yang, model) for model in LE_YANG_TABLE_1},
}


def names() -> tuple[str, ...]:
    """The names of all networks, in the order of the papers."""
    return tuple(NETWORKS)


def build(name: str, /, weights: str | None = None, **options: Any) -> keras.Model:
    """Builds a network.

    Args:
        name: one of `names()`.
        weights: `tiny_imagenet` for those that come with the package, of the compact Inception; None for fresh ones.
        **options: arguments of the network's function, as in `build("compact_inception", dropout_rate=0.2)`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: there is no network, or there are no weights, of that name, or an option is out of range.
    """
    if name not in NETWORKS:
        raise ValueError(f"no network {name!r}; there are {', '.join(NETWORKS)}")
    if weights is None:
        return NETWORKS[name](**options)
    if (name, weights) != ("compact_inception", packaged.NAME):
        raise ValueError(
            f"no weights {weights!r} of {name}; with the package come {packaged.NAME}'s, of compact_inception"
        )
    return packaged.network(**options)
