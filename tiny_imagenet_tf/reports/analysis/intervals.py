"""How sure a share is. Plain Python, so that tables need no extra package."""

import math
import statistics

_Z = statistics.NormalDist().inv_cdf(0.975)  # of an interval of 95%


def wilson(right: int, images: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95%.

    Args:
        right: how many images were classified correctly.
        images: of how many; at least one.

    Returns:
        Lower and upper bound as fractions, 0 to 1.

    Raises:
        ValueError: there are no images, or fewer than are right.
    """
    if not 0 <= right <= images or images == 0:
        raise ValueError(f"{right} right of {images}: not a share")
    share = right / images
    middle = share + _Z * _Z / (2 * images)
    half = _Z * math.sqrt(share * (1 - share) / images + _Z * _Z / (4 * images * images))
    scale = 1 + _Z * _Z / images
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def of_accuracy(share: float, images: int) -> tuple[float, float]:
    """Returns Wilson's interval of an accuracy, a fraction of so many images."""
    return wilson(round(share * images), images)
