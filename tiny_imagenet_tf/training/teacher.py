"""What a finished transfer run says of the training images, for another network to learn (Hinton et al. 2015)."""

from pathlib import Path

import numpy as np

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.experiments.images import Data
from tiny_imagenet_tf.models import network_files
from tiny_imagenet_tf.models.heads import scores
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.transfer_values import kept_stores


def probabilities(path: Path, data: Data) -> np.ndarray:
    """Returns a teacher's class probabilities of the images that are trained on, float32 (images, classes).

    They are of the whole images, by the best head of the run on the transfer values that it has stored.

    Args:
        path: directory of a finished transfer run.
        data: the images.

    Raises:
        UserError: it is no such run, or one of other images or classes, or its transfer values are gone.
    """
    run = Run.finished(path, "--teacher")
    store = next(iter(kept_stores(run.summary, "train")), None)  # the whole images come first
    if store is None:
        raise UserError(f"--teacher {path}: the transfer values of its training images are not on this machine")
    if store.key.get("dataset_sha256") != data.all_train.digest:
        raise UserError(f"--teacher {path}: trained on other images; it must be of the same --source and --fraction")
    snapshots = run.snapshots()
    if snapshots.wnids != data.all_train.wnids:
        raise UserError(f"--teacher {path}: its classes are not those of the images")
    head = network_files.load(snapshots.best_path)
    return combine([scores(head, store.load()[data.rows])]).astype(np.float32)
