"""Le & Yang's screening: training images whose object a crop can lose are left out (sections 5.2.1 and 5.3.3)."""

from typing import NamedTuple

import numpy as np

from tiny_imagenet_tf.data.views import LE_YANG, WINDOWS


class Screening(NamedTuple):
    """Two arrays, bool (n,): the images to remove, and of the others those with an object smaller than 8x8 pixels."""

    removed: np.ndarray
    small: np.ndarray


def screen(boxes: np.ndarray) -> Screening:
    """Finds the images with a crop, of the five of section 4.2.1, that keeps less than a quarter of their object.

    On the official boxes 1,544 images are removed where the paper says 1,535, and 1,972 more are small where it
    says 1,891: it does not say how it counts a box's edge pixels.

    Args:
        boxes: int (n, 4), ``x0 y0 x1 y1`` in pixels. A box of no area has no quarter to lose: its image is kept.
    """
    x0, y0, x1, y1 = np.asarray(boxes, np.int64).T
    area = (x1 - x0) * (y1 - y0)
    crops = [WINDOWS[window] for window in LE_YANG.windows]
    kept = [_inside(x0, x1, left, size) * _inside(y0, y1, top, size) for top, left, size in crops]
    removed = 4 * np.min(kept, axis=0) < area
    return Screening(removed, ~removed & (area < 8 * 8))


def _inside(low: np.ndarray, high: np.ndarray, start: int, size: int) -> np.ndarray:
    """Length of low..high that lies within a crop."""
    return np.clip(np.minimum(high, start + size) - np.maximum(low, start), 0, None)
