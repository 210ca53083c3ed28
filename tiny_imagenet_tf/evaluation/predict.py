"""A trained network on a split, through one crop or ten."""

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np

from tiny_imagenet_tf.data import pipelines, views
from tiny_imagenet_tf.data.image_ops import CORNERS, Resize
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import View
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.published import IMAGE_SIZE

Crops = Literal["one", "center", "ten"]
NAMES = {"one": "whole image", "center": "center crop", "ten": "ten-crop"}
_BATCH_SIZE = 200  # images; at test time no result depends on it
_RESIZING_LAYERS: dict[str, Resize] = {"resize": "half_pixel", "resize_columns": "tf1"}  # of transfer/classifier.py

LE_YANG_TEN_CROP = tuple(
    View(window, mirrored) for mirrored in (False, True) for window in (*CORNERS, "center")
)  # fmt: skip
"""Le & Yang section 4.2.1: four corners and the centre, and their mirror images."""


def default_crops(model: keras.Model) -> Crops:
    """How the network's paper tests it: on the whole image, or on the centre crop if it was trained on crops."""
    return "one" if _size(model) == IMAGE_SIZE else "center"


def test_views(model: keras.Model, crops: Crops) -> tuple[View, ...]:
    """Returns the views of each image that are shown to the network at test time.

    ``ten`` is Milani's for a network of whole images (section 4.2: the whole, four corners, mirror images), and Le &
    Yang's for a network of crops (section 4.2.1: four corners, the centre, mirror images).

    Args:
        model: images to scores.
        crops: ``one`` is the whole image.

    Raises:
        ValueError: there are no such crops.
    """
    if crops not in NAMES:
        raise ValueError(f"--crops {crops}: must be one of {', '.join(NAMES)}")
    if crops == "ten":
        return views.TEN_CROP if _size(model) == IMAGE_SIZE else LE_YANG_TEN_CROP
    return (views.WHOLE if crops == "one" else View("center"),)


def scores(model: keras.Model, split: Split, view: View) -> np.ndarray:
    """Returns the scores of every image of a split, in its order.

    Args:
        model: images to scores: float images in -1..1, or uint8 images as the transfer recipes save it.
        split: the images.
        view: how each is shown; resized bilinearly where it has not the network's size.

    Returns:
        float32 (n, classes).

    Raises:
        ValueError: a network of uint8 images that no transfer recipe has saved.
    """
    model, resize = _behind_the_resizing(model)
    images = pipelines.network_inputs(split, view, size=_size(model), resize=resize, batch_size=_BATCH_SIZE)
    return model.predict(images, verbose=0)


def features(model: keras.Model, split: Split, view: View) -> np.ndarray:
    """Returns what goes into the last layer, ``logits``: float32 (n, width).

    For Le & Yang's models 7 to 9 that is the second fully connected layer (section 5.4), for models 1 to 6 the only
    one, for the compact Inception the averaged last block.
    """
    return scores(keras.Model(model.inputs, model.get_layer("logits").input), split, view).astype(np.float32)


def probabilities(model: keras.Model, split: Split, shown: Sequence[View]) -> np.ndarray:
    """Returns the class probabilities (n, classes): of several views, the mean over their softmaxes (Eq. 2)."""
    return combine(scores(model, split, view) for view in shown)


def _behind_the_resizing(model: keras.Model) -> tuple[keras.Model, Resize]:
    """A network of uint8 images resizes whole ones by itself; crops are resized before, so this is what comes after."""
    if model.inputs[0].dtype != "uint8":
        return model, "half_pixel"
    for layer, resize in _RESIZING_LAYERS.items():
        if any(each.name == layer for each in model.layers):
            return keras.Model(model.get_layer(layer).output, model.outputs), resize
    raise ValueError(f"{model.name} takes uint8 images and is not of a transfer recipe")


def _size(model: keras.Model) -> int:
    return model.input_shape[1]
