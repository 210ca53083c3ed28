"""How sure a share is. Plain Python, so that tables need no extra package."""

import math

Z_95 = 1.959963984540054  # standard normal quantile of 0.975


def wilson(right: int, images: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Args:
        right: how many images were classified correctly.
        images: of how many; at least one.
        z: quantile of the standard normal distribution, 95 % by default.

    Returns:
        Lower and upper bound as fractions, 0 to 1.

    Raises:
        ValueError: there are no images, or fewer than are right.
    """
    if not 0 <= right <= images or images == 0:
        raise ValueError(f"{right} right of {images}: not a share")
    share = right / images
    middle = share + z * z / (2 * images)
    half = z * math.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    scale = 1 + z * z / images
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
