"""Figures made of images: samples, rescaling, crops, augmentation, screened boxes, misclassified images."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tiny_imagenet_tf.reports.figures.style import ORANGE, bare, in_house_style

TILE = 1.05  # inches


@in_house_style
def grid(images: Sequence[np.ndarray], captions: Sequence[str], columns: int) -> Figure:
    """Draws images in rows with a caption above each.

    Args:
        images: uint8 (height, width, 3) each, of any sizes; all are drawn equally large.
        captions: one an image; may be empty.
        columns: images a row.
    """
    rows = -(-len(images) // columns)
    lines = 1 + max((caption.count("\n") for caption in captions), default=0)
    figure = Figure(figsize=(columns * TILE, rows * (TILE + 0.16 * lines)))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        bare(axes)
    for axes, image, caption in zip(panels, images, captions, strict=False):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(caption, fontsize=7, fontweight="normal", loc="center", pad=3)
    return figure


def samples(images: np.ndarray, names: list[str]) -> Figure:
    """Draws examples of some classes, one class a column (Milani Fig. 2).

    Args:
        images: uint8 (classes, examples, height, width, 3).
        names: of the classes.
    """
    classes, examples = images.shape[:2]
    captions = [name if row == 0 else "" for row in range(examples) for name in names]
    return grid(list(images.swapaxes(0, 1).reshape(-1, *images.shape[2:])), captions, columns=classes)


@in_house_style
def rescaling(small: np.ndarray, large: np.ndarray) -> Figure:
    """Draws an image pixel by pixel beside its bilinear enlargement (Milani Fig. 8); uint8 (height, width, 3) both."""
    figure = Figure(figsize=(5.6, 3.0))
    for axes, image in zip(figure.subplots(1, 2), (small, large), strict=True):
        bare(axes)
        axes.imshow(image, interpolation="nearest")
        axes.set_title(f"{image.shape[0]}x{image.shape[1]}", loc="center", fontweight="normal")
    return figure


@in_house_style
def boxes(images: np.ndarray, corners: np.ndarray, captions: Sequence[str], columns: int) -> Figure:
    """Draws bounding boxes on their images.

    Args:
        images: uint8 (n, height, width, 3).
        corners: int (n, 4), ``x0 y0 x1 y1`` in pixels.
        captions: one an image.
        columns: images a row.
    """
    figure = grid(list(images), captions, columns)
    for axes, (x0, y0, x1, y1) in zip(figure.axes, corners, strict=False):
        axes.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0 + 1, y1 - y0 + 1, fill=False, ec=ORANGE, lw=1.8))
    return figure


def misclassified(images: np.ndarray, truths: list[str], guesses: list[str], probabilities: np.ndarray) -> Figure:
    """Draws wrongly classified images with truth, prediction and its probability (Le & Yang Fig. 2).

    Args:
        images: uint8 (n, height, width, 3).
        truths: n class names.
        guesses: n class names.
        probabilities: float (n,), of the guesses.
    """
    rows = zip(truths, guesses, probabilities, strict=True)
    captions = [f"{_short(truth)}\nas {_short(guess)}\n{share:.0%}" for truth, guess, share in rows]
    return grid(list(images), captions, columns=6)


def _short(name: str, limit: int = 20) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
