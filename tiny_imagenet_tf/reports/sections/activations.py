"""Sections that lay activations out in the plane (Milani Fig. 11, Le & Yang Fig. 1)."""

import colorsys
from pathlib import Path

import numpy as np

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import LE_YANG_TSNE_CLASSES, MILANI_TSNE_CLASSES
from tiny_imagenet_tf.reports import thumbnails
from tiny_imagenet_tf.reports.analysis import embedding
from tiny_imagenet_tf.reports.analysis.class_names import ClassNames, UnknownClass
from tiny_imagenet_tf.reports.figures import scatter, style
from tiny_imagenet_tf.reports.page import Drawing, Scatter, Section
from tiny_imagenet_tf.reports.sections import claims
from tiny_imagenet_tf.reports.subject import Subject
from tiny_imagenet_tf.reports.table import Table
from tiny_imagenet_tf.runs.transfer_values import existing_store

WHOLE = {"view": "View", "window": "whole", "mirrored": False}
TOO_FEW = "Fewer than five images make no map."
THUMBNAIL = 40  # pixels; 3,500 of them are about 2 MB
COLOURS_BY_NAME = {  # near those of Milani's Fig. 11
    "convertible": style.PURPLE,
    "sports car": style.VERMILLION,
    "plunger": style.SKY,
    "Egyptian cat": style.GREEN,
    "Persian cat": style.BROWN,
    "golden retriever": style.ORANGE,
    "bullet train": style.BLUE,
}


def transfer_values(subject: Subject, classes: tuple[str, ...]) -> Section:
    """Transfer values of all training images of some classes, as dots that show their image.

    Args:
        subject: the run.
        classes: names or wnids.

    Raises:
        UserError: a class is not known, or other classes than the paper's are asked for and there are no values.
    """
    title, anchor = "Transfer values", "transfer-values"

    def without(why: str) -> Section:
        if classes != MILANI_TSNE_CLASSES:
            raise UserError(f"--classes {' '.join(classes)}: would be ignored. {why}")
        return Section(anchor, title, why)

    stored = subject.summary.transfer_values.get("train", ())
    folders = [Path(view.folder) for view in stored if WHOLE.items() <= view.view.items()]
    if not folders:
        return without("The run has no transfer values of whole training images.")
    if not subject.images:
        return without(f"Which row is which image is not known. {subject.without_images}")
    store = existing_store(folders[0])
    if store is None:
        return without("The transfer values are not on this machine.")
    train = subject.images.train.fraction(subject.run.config.get("fraction", 1))
    if store.key["dataset_sha256"] != train.digest:
        return without("The stored transfer values are not those of the images that were opened.")
    labels, note = _choose(subject.names, classes)
    rows = np.array([row for label in labels for row in np.flatnonzero(train.labels == label)], int)
    if len(rows) < 5:
        return without(TOO_FEW)
    values = store.read_rows(rows)
    if why := _unmappable(values):
        return without(why)
    caption = f"t-SNE of {values.shape[1]} transfer values of {len(rows):,} training images, as in Milani's Fig. 11."
    shown = train.file_names[rows], thumbnails.decode(train, rows)
    blocks = _blocks("transfer-values", values, train.labels[rows], labels, subject.names, *shown, caption)
    return Section(anchor, title, note, blocks)


def features(subject: Subject) -> Section | None:
    """Activations of the last hidden layer on val (Le & Yang section 5.4: model 9's); None where none are stored."""
    stored = subject.run.read_features()
    if stored is None:
        return None
    labels = list(np.unique(stored["labels"])[:LE_YANG_TSNE_CLASSES])
    chosen = np.isin(stored["labels"], labels)
    caption = (
        f"t-SNE of the last hidden layer's {stored['features'].shape[1]} activations of {chosen.sum():,} validation "
        f"images of the first {len(labels)} classes, as in Le & Yang's Fig. 1."
    )
    values, truth, files = (stored[name][chosen] for name in ("features", "labels", "file_names"))
    if why := _unmappable(values):
        return Section("features", "Last hidden layer", why)
    rows = subject.images.validation_rows(files) if subject.images else np.array([-1])
    images = thumbnails.decode(subject.images.validation, rows) if (rows >= 0).all() else None
    names = ClassNames(tuple(map(str, stored["wnids"])), subject.names.words)
    blocks = _blocks("features", values, truth, labels, names, files, images, caption)
    return Section("features", "Last hidden layer", "", blocks)


def _unmappable(values: np.ndarray) -> str | None:
    """Why activations (n, width) cannot be laid out in the plane."""
    if len(values) < 5:
        return TOO_FEW
    return "All images have the same activations, which make no map." if not np.ptp(values, axis=0).any() else None


def _choose(names: ClassNames, classes: tuple[str, ...]) -> tuple[list[int], str]:
    """The labels of the classes asked for; of a set without the paper's classes, as many of its own."""
    try:
        labels = [names.find(name) for name in classes]
        twice = [name for name, label in zip(classes, labels, strict=True) if labels.count(label) > 1]
        if twice and classes != MILANI_TSNE_CLASSES:
            raise UserError(f"--classes {twice[0]}: was named twice")
        return list(dict.fromkeys(labels)), ""
    except UnknownClass:
        if classes != MILANI_TSNE_CLASSES:
            raise
        return list(range(min(len(classes), len(names.wnids)))), "This set lacks the paper's classes: its first ones."


def _blocks(
    name: str,
    values: np.ndarray,
    truth: np.ndarray,
    labels: list[int],
    names: ClassNames,
    files: np.ndarray,
    images: np.ndarray | None,
    caption: str,
) -> tuple[Scatter | Drawing | Table, ...]:
    """The page's scatter, with a thumbnail for each point if there are images, and the printed figure."""
    place = np.array([labels.index(label) for label in truth])
    short = [names.short[label] for label in labels]
    points = embedding.tsne(values)
    colours = colours_of(short)
    sprite = None if images is None else thumbnails.sprite(images, THUMBNAIL, quality=40)
    hint = f"{caption} {'Point at a dot to see its image.' if sprite else 'Point at a dot to see its name.'}"
    figure = scatter.scatter(points, place, short, colours)
    neighbours = _neighbours(values, place, short) if len(short) <= scatter.LARGEST_LEGEND else ()
    return (
        Scatter(f"{name}-points", points, place, short, colours, list(map(str, files)), sprite, hint),
        Drawing(f"tsne-{name}", figure, caption, "picture", in_page=False),
        *neighbours,
    )


def _neighbours(values: np.ndarray, place: np.ndarray, names: list[str]) -> tuple[Table, ...]:
    """Which classes are next to which before t-SNE lays them out."""
    count = min(10, len(values) - 2)
    shares = embedding.neighbour_shares(values, place, len(names), count)
    rows = tuple((name, *(f"{share:.1%}" for share in row)) for name, row in zip(names, shares, strict=True))
    caption = (
        f"Of the {count} images nearest to an image of the row's class, by cosine similarity of the activations "
        "themselves, the share that is of the column's class."
    )
    table = Table("Nearest neighbours", caption, ("Class", *names), rows)
    of_the_paper = claims.about_clusters(shares, names)
    return (table, of_the_paper) if of_the_paper.rows else (table,)


def colours_of(names: list[str]) -> list[str]:
    """The paper's colours for its classes, the house's for others; hues where there are more than eight classes."""
    if len(names) > len(style.COLOURS):
        hues = [colorsys.hls_to_rgb(i * 0.618 % 1, 0.3 + 0.17 * (i // 21 % 3), 0.65) for i in range(len(names))]
        return ["#" + "".join(f"{round(255 * part):02x}" for part in hue) for hue in hues]
    taken = {COLOURS_BY_NAME[name] for name in names if name in COLOURS_BY_NAME}
    free = (colour for colour in style.COLOURS if colour not in taken)
    return [COLOURS_BY_NAME[name] if name in COLOURS_BY_NAME else next(free) for name in names]
