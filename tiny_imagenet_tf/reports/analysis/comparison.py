"""Two runs on the same images: what was asked differently, and whether the answers differ by more than chance."""

import dataclasses

import numpy as np

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import paired
from tiny_imagenet_tf.reports.analysis.predictions import Predictions
from tiny_imagenet_tf.reports.table import NOTHING


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Answers of two runs on the images that both have.

    Attributes:
        images: how many both have.
        accuracies: top-1 of the first and of the second run on these, fractions.
        only_first: images that only the first run has right.
        only_second: images that only the second run has right.
        p_value: McNemar's exact test, two-sided: how often chance alone would split the images on which one of
            the two is right at least this unevenly.
    """

    images: int
    accuracies: tuple[float, float]
    only_first: int
    only_second: int
    p_value: float


def compare(first: Predictions, second: Predictions) -> Comparison:
    """Compares two runs image by image.

    Raises:
        UserError: the runs have no image in common, disagree about a label, or order the classes differently.
    """
    if list(first.wnids) != list(second.wnids):
        raise UserError("the runs do not have the same classes in the same order")
    names, a, b = np.intersect1d(first.file_names, second.file_names, return_indices=True)
    if not len(names):
        raise UserError("the runs have no validation image in common")
    if (first.labels[a] != second.labels[b]).any():
        raise UserError("the runs disagree about the label of an image")
    right, other = first.right[a], second.right[b]
    change = paired(right, other)
    shares = (float(right.mean()), float(other.mean()))
    return Comparison(len(names), shares, change.lost, change.gained, change.p)


PLACES = ("runs", "source", "data_dir", "store")
"""Options that say where something is, and not what a run does."""


def differences(configs: list[dict]) -> dict[str, tuple[str, ...]]:
    """Returns the config fields in which the runs differ, with each run's value as text, in the order met.

    Args:
        configs: one a run; nested objects are compared field by field, ``outer.inner``.
    """
    flat = [_flatten(config) for config in configs]
    fields = dict.fromkeys(field for config in flat for field in config if field not in PLACES)
    rows = {field: tuple(str(config.get(field, NOTHING)) for config in flat) for field in fields}
    return {field: values for field, values in rows.items() if len(set(values)) > 1}


def _flatten(config: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
