"""What a run answered for each validation image, and which classes it takes for which (Milani section 4.3)."""

import dataclasses
import functools

import numpy as np

from tiny_imagenet_tf.runs.run import Run


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Class probabilities of labelled images.

    Attributes:
        file_names: str (n,).
        labels: int (n,), indices into ``wnids``.
        wnids: str (classes,).
        probabilities: float (n, classes).
    """

    file_names: np.ndarray
    labels: np.ndarray
    wnids: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, run: Run) -> "Predictions":
        """Reads a run's predictions of the validation split."""
        return cls(**run.read_validation_predictions())

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def predicted(self) -> np.ndarray:
        """int (n,): the most probable class; of equals the first."""
        return self.probabilities.argmax(axis=1)

    @functools.cached_property
    def confidence(self) -> np.ndarray:
        """float (n,): the probability of the predicted class."""
        return self.probabilities.max(axis=1)

    @functools.cached_property
    def right(self) -> np.ndarray:
        """bool (n,): whether the predicted class is the label."""
        return self.predicted == self.labels


@dataclasses.dataclass(frozen=True)
class ClassErrors:
    """The errors in the images of one class.

    Attributes:
        label: the class.
        images: how many there are.
        right: how many were recognised.
        confusions: ``(class, images)`` for every wrong class that was predicted, most images first.
    """

    label: int
    images: int
    right: int
    confusions: tuple[tuple[int, int], ...]

    @property
    def wrong_classes(self) -> int:
        """How many distinct wrong classes were predicted."""
        return len(self.confusions)

    @property
    def error(self) -> float:
        """Top-1 error as a fraction, 0 to 1."""
        return 1 - self.right / self.images


def confusion_counts(predictions: Predictions) -> np.ndarray:
    """Returns int (classes, classes): images by true class (row) and predicted class (column)."""
    classes = len(predictions.wnids)
    counts = np.bincount(predictions.labels * classes + predictions.predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def class_errors(predictions: Predictions) -> tuple[ClassErrors, ...]:
    """Returns the errors of every class that has images, worst first; equals in label order."""
    found = []
    for label, row in enumerate(confusion_counts(predictions)):
        if row.sum():
            wrong = [(other, int(row[other])) for other in np.argsort(-row, kind="stable") if row[other]]
            confusions = tuple((int(other), images) for other, images in wrong if other != label)
            found.append(ClassErrors(label, int(row.sum()), int(row[label]), confusions))
    return tuple(sorted(found, key=lambda errors: -errors.error))


def confused_pairs(predictions: Predictions, count: int) -> tuple[tuple[int, int, int, int], ...]:
    """Returns the pairs of classes that are taken for each other most often, both directions together.

    Args:
        predictions: of labelled images.
        count: how many pairs at most.

    Returns:
        ``(a, b, images of a taken for b, images of b taken for a)``, most images first.
    """
    counts = confusion_counts(predictions)
    both = np.triu(counts + counts.T, k=1)
    order = np.argsort(-both, axis=None, kind="stable")[:count]
    pairs = (divmod(int(place), len(counts)) for place in order)
    return tuple((a, b, int(counts[a, b]), int(counts[b, a])) for a, b in pairs if both[a, b])
