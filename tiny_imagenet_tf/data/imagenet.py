"""ImageNet's 1,000 classes in the order of every network's scores: sorted by wnid, as Tiny ImageNet's 200 are here."""

from importlib import resources


def wnids() -> tuple[str, ...]:
    """Returns the 1,000 wnids in the order of an ImageNet network's scores."""
    return tuple(resources.files(__package__).joinpath("imagenet1k_wnids.txt").read_text().split())
