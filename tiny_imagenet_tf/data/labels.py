"""Orders of classes in which networks give their scores, and the way from one to another."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tiny_imagenet_tf.data import imagenet
from tiny_imagenet_tf.data.official_layout import WNID
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import read_lines


def order(name: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Returns the wnids of an order.

    Args:
        name: ``sorted``, as this package, TFDS and folders of classes have them; ``imagenet1k``, ImageNet's 1,000; or
            the path of a file with a wnid per line, such as the dataset's own wnids.txt.
        classes: the dataset's, sorted.

    Raises:
        UserError: there is no such file, or it does not hold these classes, each once.
    """
    if name == "sorted":
        return tuple(classes)
    found = imagenet.wnids() if name == "imagenet1k" else _listed(name)
    if missing := sorted(set(classes) - set(found)):
        raise UserError(f"{name}: {len(missing)} of the dataset's classes are missing, such as {missing[0]}")
    return found


def _listed(name: str) -> tuple[str, ...]:
    """The wnids of a file."""
    path = Path(os.path.expanduser(name))
    if not path.is_file():
        raise UserError(f"{name}: neither sorted, imagenet1k, nor a file with a wnid per line")
    found = tuple(line.split()[0] for line in read_lines(path) if line.strip())
    if not found:
        raise UserError(f"{path}: no wnid in it")
    if odd := [word for word in found if not WNID.fullmatch(word)]:
        raise UserError(f"{path}: {odd[0]!r} is not a wnid such as n01443537, with which each line begins")
    if len(set(found)) != len(found):
        raise UserError(f"{path}: {len(found) - len(set(found))} wnids are listed twice")
    return found


def columns(of: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Returns where the scores of some classes stand in an order, -1 where a class is not in it; int64 (classes,)."""
    places = {wnid: place for place, wnid in enumerate(of)}
    return np.array([places.get(wnid, -1) for wnid in wanted])
