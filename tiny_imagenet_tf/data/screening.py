"""Le & Yang's screening: training images whose object a crop can lose are left out (sections 5.2.1 and 5.3.3)."""

import dataclasses

import numpy as np

from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import LE_YANG, WINDOWS
from tiny_imagenet_tf.published import CROP_SIZE

FIVE_CROPS = tuple(WINDOWS[window][:2] for window in LE_YANG.windows)
"""Upper left pixels (top, left) of the four corner crops and the centre crop of section 4.2.1."""

KEPT_SHARE = 1 / 4  # of the object, at the least, in every crop (section 5.2.1)
SMALL_AREA = 8 * 8  # square pixels (section 5.3.3)


@dataclasses.dataclass(frozen=True)
class Screening:
    """What screening does to a training split.

    Attributes:
        removed: bool (n,): some crop keeps less than a quarter of the object.
        small: bool (n,): not removed, but the object is smaller than 8x8 pixels.
    """

    removed: np.ndarray
    small: np.ndarray

    def apply(self, split: Split) -> Split:
        """Returns the split without the removed images."""
        return split.take(np.flatnonzero(~self.removed))


def screen(boxes: np.ndarray) -> Screening:
    """Judges images by their bounding boxes.

    On the official boxes 1,544 images are removed where the paper says 1,535, and 1,972 more are small where it
    says 1,891: it does not say how it counts a box's edge pixels.

    Args:
        boxes: int (n, 4), ``x0 y0 x1 y1`` in pixels. A box of no area has no quarter to lose: its image is kept.
    """
    x0, y0, x1, y1 = np.asarray(boxes, np.int64).T
    area = (x1 - x0) * (y1 - y0)
    least = np.min([_inside(x0, x1, left) * _inside(y0, y1, top) for top, left in FIVE_CROPS], axis=0)
    removed = least < KEPT_SHARE * area
    return Screening(removed, ~removed & (area < SMALL_AREA))


def _inside(low: np.ndarray, high: np.ndarray, start: int) -> np.ndarray:
    """Length of low..high that lies within a crop which begins at ``start``."""
    return np.clip(np.minimum(high, start + CROP_SIZE) - np.maximum(low, start), 0, None)
