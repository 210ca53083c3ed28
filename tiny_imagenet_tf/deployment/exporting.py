"""A network for other runtimes: each file is written, read back by its own runtime, and compared with Keras."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf.choices import Format
from tiny_imagenet_tf.data.batches import decoded
from tiny_imagenet_tf.data.labels import columns
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.deployment import formats
from tiny_imagenet_tf.evaluation.metrics import softmax, top_k_accuracy
from tiny_imagenet_tf.evaluation.predict import Predictor, are_probabilities, as_scores
from tiny_imagenet_tf.models import preprocess

CALIBRATION_IMAGES = 100
MUCH = 0.1  # of accuracy, that a format loses


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is written, and what Keras says of some images.

    Attributes:
        model: float32 images (batch, 64, 64, 3) in 0..255 to its answers (batch, classes).
        images: as it takes them.
        labels: the true class of each image, as a column of ``answers``.
        answers: Keras', probabilities (n, classes).
        probable: whether the model gives probabilities.
    """

    model: keras.Model
    images: np.ndarray
    labels: np.ndarray
    answers: np.ndarray
    probable: bool

    @classmethod
    def of(cls, network: Predictor, split: Split, own: Sequence[str]) -> "Subject":
        """Takes a network, some images, and the wnids in the order of its answers."""
        classifier = formats.in_float32(network.classifier)  # one that learned in bfloat16 computes in it
        model = preprocess.deployed(classifier, network.views()[0], network.resize, ranges=False)
        images, labels = decoded(split).astype(np.float32), columns(own, split.wnids)[split.labels]
        answers = model.predict(images, verbose=0)
        probable = are_probabilities(answers)
        return cls(model, images, labels, softmax(as_scores(answers, probable)), probable)

    @functools.cached_property
    def top1(self) -> float:
        """Keras' accuracy."""
        return top_k_accuracy(self.answers, self.labels)

    def written(self, path: Path, format: Format, calibration: Split | None) -> dict:
        """Writes a file, in int8 where there are images to calibrate it; reads it back, and measures it."""
        shown = calibration and decoded(calibration.take(calibration.spread_rows(CALIBRATION_IMAGES)))
        formats.write(self.model, path, format, None if shown is None else shown.astype(np.float32))
        run = formats.read(path, format)
        answers = np.concatenate([run(self.images[n : n + 50]) for n in range(0, len(self.images), 50)])
        answers = softmax(as_scores(answers, self.probable))
        row = {
            "file": path.name,
            "format": f"{format}, int8" if calibration else format,
            "bytes": formats.size_of(path),
            "largest_difference": float(np.abs(answers - self.answers).max()),
            "top1": top_k_accuracy(answers, self.labels),
        }
        print(f"{row['format']:28}{row['bytes'] / 1e6:8.1f}{row['largest_difference']:20.1e}{row['top1']:9.2%}")
        if row["top1"] < self.top1 - MUCH:
            print(f"  far below Keras: do not use {path.name} for this network")
        return row
