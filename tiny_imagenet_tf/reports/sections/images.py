"""The section about the images themselves: samples, rescaling, crops, augmentation, screening."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tiny_imagenet_tf.choices import Resize
from tiny_imagenet_tf.data import splits, views
from tiny_imagenet_tf.data.screening import screen
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import RandomViews, View
from tiny_imagenet_tf.published import INCEPTION_V3_IMAGE_SIZE, MILANI_TSNE_CLASSES
from tiny_imagenet_tf.reports import thumbnails
from tiny_imagenet_tf.reports.figures import pictures
from tiny_imagenet_tf.reports.page import Drawing, Section
from tiny_imagenet_tf.reports.subject import Subject
from tiny_imagenet_tf.runs.networks import first_name
from tiny_imagenet_tf.runs.transfer_values import kept_stores

EXAMPLES = 2  # a class, as in Milani's Fig. 2
AUGMENTED = 11  # beside the image itself
SCREENED = 12


def data(subject: Subject) -> Section:
    """What the networks were shown."""
    if not subject.images:
        return Section("images", "The images", subject.without_images)
    train, config, summary = subject.images.train, subject.run.config, subject.summary
    image = thumbnails.decode(train, [_sample_rows(train, subject)[0, 0]])[0]
    blocks = [_samples(train, subject)]
    if summary.trunk and (size := _input_size(subject)):
        large = shown_as(image, views.WHOLE.table(1), size, config.get("resize", "half_pixel"))[0]
        caption = f"An image as it is and enlarged bilinearly to the backbone's {size} pixels, as in Milani's Fig. 8."
        blocks.append(Drawing("rescaling", pictures.rescaling(image, large), caption, "picture"))
    of_crops = summary.validation.crops == "center"
    blocks.append(ten_crops(image, views.LE_YANG_TEN_CROP if of_crops else views.MILANI_TEN_CROP))
    if summary.train.drawn:
        blocks.append(augmented(image, RandomViews.from_json(summary.train.drawn), int(config.get("seed") or 0)))
    if removed := screened(train):
        blocks.append(removed)
    return Section("images", "The images", "", tuple(blocks))


def _input_size(subject: Subject) -> int | None:
    """Pixels that the backbone was shown; None where it is not known, for its transfer values are gone."""
    config, stores = subject.run.config, kept_stores(subject.summary, "validation")
    stored_size = next((store.key["input_size"] for store in stores if store and "input_size" in store.key), None)
    own = INCEPTION_V3_IMAGE_SIZE if config.get("backbone", "inception_v3").startswith("inception_v3") else None
    return stored_size or config.get("input_size") or own


def screened(train: Split) -> Drawing | None:
    """Some of the images that screening removes, with their boxes; None where it removes none."""
    removed = np.flatnonzero(screen(train.boxes)[0])
    if not len(removed):
        return None
    rows = removed[splits.spread(len(removed), SCREENED)]
    names = [first_name(train.wnids[label], train.words) for label in train.labels[rows]]
    caption = (
        f"{len(rows)} of the {len(removed):,} training images that screening removes, for a 56x56 crop can lose three "
        "quarters of the box: Le & Yang, section 5.2.1."
    )
    return Drawing(
        "screened", pictures.boxes(thumbnails.decode(train, rows), train.boxes[rows], names, 6), caption, "picture"
    )


def _sample_rows(train: Split, subject: Subject) -> np.ndarray:
    """int (classes, EXAMPLES): rows of the classes of Milani's Fig. 11, or of the first ones of another set."""
    names, short = subject.names, subject.names.short
    labels = [short.index(name) for name in MILANI_TSNE_CLASSES if name in short] or range(min(7, len(names.wnids)))
    return np.array([np.resize(np.flatnonzero(train.labels == label), EXAMPLES) for label in labels])  # few again


def _samples(train: Split, subject: Subject) -> Drawing:
    rows = _sample_rows(train, subject)
    pixels = thumbnails.decode(train, rows.ravel()).reshape(*rows.shape, 64, 64, 3)
    names = [subject.names.short[label] for label in train.labels[rows[:, 0]]]
    return Drawing("samples", pictures.samples(pixels, names), "Training images, as in Milani's Fig. 2.", "picture")


def ten_crops(image: np.ndarray, crops: Sequence[View]) -> Drawing:
    """The ten views of a uint8 (64, 64, 3) image, each in its own size."""
    shown = [shown_as(image, view.table(1), view.size)[0] for view in crops]
    captions = [f"{view.window.replace('_', ' ')}\n{'mirrored' if view.mirrored else ''}" for view in crops]
    caption = "The ten views whose predictions are averaged by ten-crop testing."
    return Drawing("ten-crops", pictures.grid(shown, captions, columns=5), caption, "picture")


def augmented(image: np.ndarray, drawn: RandomViews, seed: int) -> Drawing:
    """An image in random views of the kind that the run trained on; with mixup two such were mixed."""
    shown = shown_as(image, drawn.table(AUGMENTED, seed), drawn.size, recolour=drawn.brightness_contrast)
    alone = dataclasses.replace(drawn, mixup=0.0).description
    mixed = f" Two such were mixed (mixup {drawn.mixup:g})." if drawn.mixup else ""
    caption = f"One training image and random views of it, of the kind that this run drew: {alone}.{mixed}"
    figure = pictures.grid([image, *shown], ["as it is"] + [""] * AUGMENTED, columns=6)
    return Drawing("augmented", figure, caption, "picture")


def shown_as(
    image: np.ndarray, table: np.ndarray, size: int, resize: Resize = "half_pixel", *, recolour: bool = False
) -> np.ndarray:
    """Returns the views of a uint8 (64, 64, 3) image, a row of the table each, as uint8 (n, size, size, 3)."""
    images = np.repeat(image[None], len(table), axis=0)
    pixels = views.show(images, table, size, resize, recolour=recolour)
    return np.clip(np.rint(np.asarray(pixels)), 0, 255).astype(np.uint8)
