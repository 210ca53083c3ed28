"""Scores to probabilities to accuracies, in NumPy (Milani Eq. 2)."""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from tiny_imagenet_tf.choices import Crops
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.summary import Validation


def softmax(scores: np.ndarray) -> np.ndarray:
    """Turns scores (..., classes) into probabilities, in float64."""
    scores = np.asarray(scores, np.float64)
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def combine(members: Iterable[np.ndarray]) -> np.ndarray:
    """Combines crops or networks as Eq. 2 does: softmax each, sum, and divide by their number.

    Args:
        members: scores (n, classes), one array per crop or network.

    Returns:
        Probabilities (n, classes), float64.

    Raises:
        UserError: a score is NaN or infinite.
    """
    total, count = 0.0, 0
    for scores in members:
        if not np.isfinite(scores).all():
            raise UserError(
                "a network's scores are NaN or infinite; its weights are damaged, or the precision is too low for it"
            )
        total, count = total + softmax(scores), count + 1
    return total / count


def top_k_accuracy(probabilities: np.ndarray, labels: np.ndarray, k: int = 1) -> float:
    """Returns the share of images whose label is among the ``k`` most probable classes.

    Between equally probable classes the one with the smaller index comes first.

    Args:
        probabilities: (n, classes); scores do as well.
        labels: int (n,).
        k: how many guesses count.
    """
    best = np.argsort(-probabilities, axis=-1, kind="stable")[:, :k]
    return float((best == np.asarray(labels)[:, None]).any(axis=-1).mean())


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean of -log of the true label's probability, from (n, classes) and int labels (n,)."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_truth, 1e-12)).mean())


def validation_of(probabilities: np.ndarray, labels: np.ndarray, crops: Crops | None) -> Validation:
    """Returns a network's figures on val, from class probabilities (n, classes) and int labels (n,)."""
    return Validation(len(labels), *(top_k_accuracy(probabilities, labels, k) for k in (1, 5)), crops)


@dataclasses.dataclass(frozen=True)
class Paired:
    """Two networks on the same images.

    Attributes:
        lost: images that only the first has right.
        gained: images that only the second has right.
        p: of McNemar's exact test, two-sided.
    """

    lost: int
    gained: int
    p: float


def paired(first: np.ndarray, second: np.ndarray) -> Paired:
    """Compares two networks image by image.

    Args:
        first: whether the first has each image right, bool (n,).
        second: whether the second has.
    """
    lost, gained = int((first & ~second).sum()), int((second & ~first).sum())
    return Paired(lost, gained, mcnemar(lost, gained))


def p_in_words(p: float) -> str:
    """Returns a p-value as tables and notes have it."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def near_chance(top1: float, classes: int, why: str = "tiny-imagenet doctor --model looks for the reason.") -> str:
    """Returns a line on a network that is hardly better than chance, to print; nothing where it is better, or on few.

    Args:
        top1: its accuracy.
        classes: how many there are.
        why: where to look for the reason.
    """
    return f"That is near chance: {why}\n" if classes >= 10 and top1 < 2 / classes else ""


def mcnemar(only_first: int, only_second: int) -> float:
    """Returns the two-sided p-value of McNemar's exact test: how often chance alone splits at least this unevenly.

    Args:
        only_first: images that only the first of two networks has right.
        only_second: images that only the second has right.
    """
    together = only_first + only_second
    tail = sum(math.comb(together, number) for number in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**together)
