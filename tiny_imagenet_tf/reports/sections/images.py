"""The section about the images themselves: samples, rescaling, crops, augmentation, screening."""

import numpy as np
import tensorflow as tf

from tiny_imagenet_tf.data import image_ops, views
from tiny_imagenet_tf.data.batches import LE_YANG, MILANI
from tiny_imagenet_tf.data.screening import screen
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.published import INCEPTION_V3_IMAGE_SIZE, MILANI_TSNE_CLASSES
from tiny_imagenet_tf.reports import thumbnails
from tiny_imagenet_tf.reports.figures import pictures
from tiny_imagenet_tf.reports.page import Drawing, Section
from tiny_imagenet_tf.reports.subject import Subject

EXAMPLES = 2  # a class, as in Milani's Fig. 2
AUGMENTED = 11  # beside the image itself
SCREENED = 12
FROM_SCRATCH = {"inception_regularized": MILANI, "convnets": LE_YANG}
"""Recipes that augment the images themselves, not the transfer values."""


def data(subject: Subject) -> Section:
    """What the networks were shown."""
    if not subject.images:
        return Section("images", "The images", subject.without_images)
    train, config = subject.images.train, subject.run.config
    subject_row = _sample_rows(train, subject)[0, 0]
    image = thumbnails.decode(train, [subject_row])[0]
    size, resize = config.get("input_size", INCEPTION_V3_IMAGE_SIZE), config.get("resize", "half_pixel")
    blocks = [
        _samples(train, subject),
        Drawing(
            "rescaling",
            pictures.rescaling(image, thumbnails.enlarge(image, size, resize)),
            f"An image as it is and enlarged bilinearly to the trunk's {size} pixels, as in Milani's Fig. 8.",
            "picture",
        ),
        ten_crops(image),
        augmented(train, subject_row, subject.run.config),
        screened(train),
    ]
    return Section("images", "The images", "", tuple(block for block in blocks if block))


def screened(train: Split) -> Drawing | None:
    """Some of the images that screening removes, with their boxes; None where it removes none."""
    judged = screen(train.boxes)
    removed = np.flatnonzero(judged.removed)
    if not len(removed):
        return None
    rows = removed[np.linspace(0, len(removed) - 1, min(SCREENED, len(removed))).astype(int)]
    names = [train.words.get(train.wnids[label], train.wnids[label]).split(",")[0] for label in train.labels[rows]]
    told = (
        f"{len(rows)} of the {len(removed):,} training images that screening removes, for a 56x56 crop can lose three "
        "quarters of the box: Le & Yang, section 5.2.1."
    )
    return Drawing(
        "screened", pictures.boxes(thumbnails.decode(train, rows), train.boxes[rows], names, 6), told, "picture"
    )


def _sample_rows(train: Split, subject: Subject) -> np.ndarray:
    """int (classes, EXAMPLES): rows of the classes of Milani's Fig. 11, or of the first ones of another set."""
    names, short = subject.names, subject.names.short
    labels = [short.index(name) for name in MILANI_TSNE_CLASSES if name in short] or range(min(7, len(names.wnids)))
    return np.array([np.flatnonzero(train.labels == label)[:EXAMPLES] for label in labels])


def _samples(train: Split, subject: Subject) -> Drawing:
    rows = _sample_rows(train, subject)
    pixels = thumbnails.decode(train, rows.ravel()).reshape(*rows.shape, 64, 64, 3)
    names = [subject.names.short[label] for label in train.labels[rows[:, 0]]]
    return Drawing("samples", pictures.samples(pixels, names), "Training images, as in Milani's Fig. 2.", "picture")


def ten_crops(image: np.ndarray) -> Drawing:
    """The ten views of a uint8 (64, 64, 3) image."""
    shown = [thumbnails.to_uint8(view(tf.constant(image), 0)) for view in views.TEN_CROP]
    captions = [f"{view.window.replace('_', ' ')}\n{'mirrored' if view.mirrored else ''}" for view in views.TEN_CROP]
    told = "The ten views whose predictions are averaged at test time: Milani, section 4.2."
    return Drawing("ten-crops", pictures.grid(shown, captions, columns=5), told, "picture")


def augmented(train: Split, row: int, config: dict) -> Drawing:
    """An image as a recipe's training shows it; of a recipe without augmentation, as transfer learning v3 does."""
    jpeg = train.jpegs[int(row)]
    image, key = image_ops.decode(jpeg), train.image_keys[int(row)]
    seed, recipe = int(config.get("seed") or 0), config["recipe"]
    if recipe in FROM_SCRATCH:
        shown = [FROM_SCRATCH[recipe](image, tf.constant([seed, number], tf.int64)) for number in range(AUGMENTED)]
        told = f"One training image and random views of it, as the recipe {recipe} draws them."
    else:
        shown = [views.AugmentedView(seed, number)(image, key) for number in range(AUGMENTED)]
        told = "One training image and random views of it: crop, brightness and contrast of transfer learning v3."
    tiles = [image.numpy(), *map(thumbnails.to_uint8, shown)]
    return Drawing("augmented", pictures.grid(tiles, ["as it is"] + [""] * AUGMENTED, columns=6), told, "picture")
