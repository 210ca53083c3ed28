"""Sections about errors: by class, by pair, against section 4.3, and the gallery."""

import numpy as np

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.reports import thumbnails
from tiny_imagenet_tf.reports.analysis.calibration import calibration
from tiny_imagenet_tf.reports.analysis.predictions import ClassErrors, Predictions, class_errors, confused_pairs
from tiny_imagenet_tf.reports.figures import errors as charts
from tiny_imagenet_tf.reports.figures import pictures
from tiny_imagenet_tf.reports.page import ClassRow, ClassTable, Drawing, Gallery, Section
from tiny_imagenet_tf.reports.sections import claims
from tiny_imagenet_tf.reports.subject import Subject

PAIRS = 15
GALLERY_IMAGES = 1600  # about 1 MB of thumbnails
THUMBNAIL = 48  # pixels
PICTURED = 12  # misclassified images in the figure


def errors(subject: Subject) -> Section:
    """Error of each class, the most confused pairs, calibration, and the classes that section 4.3 names."""
    answers = subject.predictions
    if answers is None:
        return Section("errors", "Errors", "The run stored no predictions of the validation images.")
    names, found = subject.names.short, class_errors(answers)
    by_name = {names[each.label]: each for each in found}
    shares = np.array([each.error for each in found])
    marked = {name: by_name[name].error for name in published.MILANI_NAMED_CLASSES if name in by_name}
    pairs = confused_pairs(answers, PAIRS)
    measured = calibration(answers.confidence, answers.right)
    blocks = [
        Drawing("class-errors", charts.all_class_errors(shares, marked), "Top-1 error of every class, sorted."),
        Drawing("worst-and-best", charts.worst_and_best(list(by_name), shares), "The worst and the best classes."),
    ]
    if pairs:
        figure = charts.pairs([(names[a], names[b]) for a, b, *_ in pairs], *np.array(pairs).T[2:])
        blocks.append(Drawing("confused-pairs", figure, "Pairs of classes that are taken for each other most often."))
    caption = "Accuracy (bars) and mean probability of the predicted class (dashes) in bins of that probability."
    blocks.append(Drawing("reliability", charts.reliability(measured), caption))
    if marked:
        blocks.append(claims.about_errors(by_name, names))
    blocks.append(_class_table(subject, found, names))
    spread = f"from {100 * shares.min():.0f} to {shares.max():.0%}"
    images_a_class = len(answers) / len(found)
    text = (
        f"{subject.title}: {int((~answers.right).sum()):,} of {len(answers):,} validation images are wrong. The error "
        f"of a class goes {spread}; a class has {images_a_class:.0f} images on average, so one image is about "
        f"{100 / images_a_class:.1f} points."
    )
    return Section("errors", "Errors", text, tuple(blocks))


def gallery(subject: Subject) -> Section | None:
    """Wrongly classified images, most confident first within the page's limit; None without predictions."""
    answers = subject.predictions
    if answers is None:
        return None
    wrong = np.flatnonzero(~answers.right)
    shown = most_confident(answers, wrong, GALLERY_IMAGES)
    sprite = None
    blocks = []
    if subject.images and len(shown):
        rows = subject.images.validation_rows(answers.file_names[shown])
        shown, rows = shown[rows >= 0], rows[rows >= 0]
        if len(shown):
            pixels = thumbnails.decode(subject.images.validation, rows)
            sprite = thumbnails.sprite(pixels, THUMBNAIL)
            names = subject.names.short
            chosen = splits.spread(len(shown), PICTURED)
            figure = pictures.misclassified(
                pixels[chosen],
                [names[label] for label in answers.labels[shown[chosen]]],
                [names[label] for label in answers.predicted[shown[chosen]]],
                answers.confidence[shown[chosen]],
            )
            caption = "Wrongly classified images from the most to the least confident, as in Le & Yang's Fig. 2."
            blocks.append(Drawing("misclassified", figure, caption, "picture"))
    caption = f"All {len(wrong):,} wrongly classified images, the most confident first."
    if len(shown) < len(wrong):
        caption = f"{len(shown):,} of {len(wrong):,} wrongly classified images: of each class the most confident ones."
    blocks.append(
        Gallery(
            answers.file_names[shown],
            answers.labels[shown],
            answers.predicted[shown],
            answers.confidence[shown],
            subject.names.short,
            sprite,
            caption,
        )
    )
    return Section("gallery", "Wrongly classified images", "", tuple(blocks))


def most_confident(answers: Predictions, rows: np.ndarray, limit: int) -> np.ndarray:
    """Returns at most about ``limit`` of the rows, equally many of each class, sorted by confidence."""
    ranked = rows[np.argsort(-answers.confidence[rows], kind="stable")]
    if len(ranked) <= limit:
        return ranked
    labels = answers.labels[ranked]
    each = max(1, limit // len(np.unique(labels)))
    rank_in_class = np.empty(len(ranked), int)
    for label in np.unique(labels):
        rank_in_class[labels == label] = np.arange((labels == label).sum())
    return ranked[rank_in_class < each]


def _class_table(subject: Subject, found: tuple[ClassErrors, ...], names: list[str]) -> ClassTable:
    answers = subject.predictions
    rows = []
    for each in found:
        of_class = answers.labels == each.label
        top5 = top_k_accuracy(answers.probabilities[of_class], answers.labels[of_class], 5)
        confusions = tuple((names[label], count / each.images) for label, count in each.confusions)
        wnid = subject.names.wnids[each.label]
        rows.append(
            ClassRow(
                each.label, names[each.label], wnid, each.images, each.error, each.wrong_classes, confusions, 1 - top5
            )
        )
    sprite = None
    if subject.images:
        train = subject.images.train
        first = [int(np.flatnonzero(train.labels == each.label)[0]) for each in found]
        sprite = thumbnails.sprite(thumbnails.decode(train, first), THUMBNAIL)
    return ClassTable(tuple(rows), sprite)
