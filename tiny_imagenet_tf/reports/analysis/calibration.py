"""Whether a probability of 0.8 is right eight times in ten: reliability diagram and expected calibration error."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Images sorted into bins of equal width by the probability of their predicted class.

    Attributes:
        edges: float (bins + 1,), from 0 to 1; a bin includes its upper edge.
        images: int (bins,).
        confidence: float (bins,), mean probability of the predicted class; NaN in an empty bin.
        accuracy: float (bins,), share that is right; NaN in an empty bin.
        error: expected calibration error, 0 to 1: the mean gap between the two, weighted by images.
    """

    edges: np.ndarray
    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def calibration(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> Calibration:
    """Measures calibration (Guo et al. 2017, "On Calibration of Modern Neural Networks", Eqs. 2 to 5).

    Args:
        confidence: float (n,), probability of the predicted class.
        right: bool (n,).
        bins: how many bins of equal width.
    """
    edges = np.linspace(0, 1, bins + 1)
    # float32 probabilities may exceed 1 by rounding; they belong in the last bin.
    place = np.clip(np.searchsorted(edges, np.asarray(confidence, np.float64), side="left") - 1, 0, bins - 1)
    images = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(place, weights=confidence, minlength=bins) / images
        accuracy = np.bincount(place, weights=right, minlength=bins) / images
    filled = images > 0
    gaps = np.abs(accuracy - mean_confidence)[filled]
    return Calibration(edges, images, mean_confidence, accuracy, float((gaps * images[filled]).sum() / images.sum()))
