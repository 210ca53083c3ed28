"""ImageNet's 1,000 classes in the order of every network's scores: sorted by wnid, as Tiny ImageNet's 200 are here."""

from collections.abc import Sequence
from importlib import resources

import numpy as np

from tiny_imagenet_tf.errors import UserError


def wnids() -> tuple[str, ...]:
    """Returns the 1,000 wnids in the order of an ImageNet network's scores."""
    return tuple(resources.files(__package__).joinpath("imagenet1k_wnids.txt").read_text().split())


def columns(classes: Sequence[str]) -> np.ndarray:
    """Returns where the scores of some classes stand among the 1,000; int64 (classes,).

    Args:
        classes: wnids.

    Raises:
        UserError: a class is not among the 1,000.
    """
    places = {wnid: place for place, wnid in enumerate(wnids())}
    strange = [wnid for wnid in classes if wnid not in places]
    if strange:
        raise UserError(f"not among ImageNet's 1,000 classes: {', '.join(strange[:5])}")
    return np.array([places[wnid] for wnid in classes])
