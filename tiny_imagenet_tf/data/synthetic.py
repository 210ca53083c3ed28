"""A small made-up dataset in the official layout, for the demo and the tests.

Each class is a shape with a colour and a texture of its own, drawn at a random place and size on a noisy
background. The boxes are those of the shapes; a few files are grayscale. A seed fixes every byte.
"""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from tiny_imagenet_tf.data.official_layout import IMAGE_SIZE

_SHAPES = ("disc", "square", "triangle", "ring", "cross")
_TEXTURES = ("plain", "striped")
_GRAYSCALE_EVERY = 17  # files


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much to draw, in images a class (in all, for the unlabeled test split)."""

    classes: int = 10
    train: int = 20
    validation: int = 4
    test: int = 20


def write(folder: Path, sizes: Sizes = Sizes(), seed: int = 0) -> Path:
    """Draws the dataset.

    Args:
        folder: receives ``tiny-imagenet-200``, which must not exist yet.
        sizes: number of classes (at most 10) and images.
        seed: fixes every byte.

    Returns:
        The path of ``tiny-imagenet-200``.

    Raises:
        ValueError: more classes than there are shapes and textures.
        FileExistsError: there is such a folder already.
    """
    kinds = [(shape, texture) for texture in _TEXTURES for shape in _SHAPES]
    if sizes.classes > len(kinds):
        raise ValueError(f"classes={sizes.classes}: at most {len(kinds)} can be drawn")
    root = folder / "tiny-imagenet-200"
    root.mkdir(parents=True)
    random = np.random.default_rng(seed)
    # Real wnids are eight digits after an n; four nines in front mark these as made up.
    wnids = [f"n9999{number:04d}" for number in range(sizes.classes)]
    names = [f"{texture} {shape}" for shape, texture in kinds[: sizes.classes]]
    (root / "words.txt").write_text("".join(f"{w}\t{n}\n" for w, n in zip(wnids, names, strict=True)))
    (root / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in reversed(wnids)))  # unsorted, as the real one

    for label, wnid in enumerate(wnids):
        images = _folder(root / "train" / wnid / "images")
        lines = []
        for number in range(sizes.train):
            box = _draw(images / f"{wnid}_{number}.JPEG", kinds[label], label, number, random)
            lines.append("\t".join([f"{wnid}_{number}.JPEG", *map(str, box)]))
        (images.parent / f"{wnid}_boxes.txt").write_text("".join(f"{line}\n" for line in lines))

    images, lines = _folder(root / "val" / "images"), []
    for number in range(sizes.validation * sizes.classes):
        label = number % sizes.classes
        box = _draw(images / f"val_{number}.JPEG", kinds[label], label, number, random)
        lines.append("\t".join([f"val_{number}.JPEG", wnids[label], *map(str, box)]))
    (images.parent / "val_annotations.txt").write_text("".join(f"{line}\n" for line in lines))

    images = _folder(root / "test" / "images")
    for number in range(sizes.test):
        label = int(random.integers(sizes.classes))
        _draw(images / f"test_{number}.JPEG", kinds[label], label, number, random)
    return root


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def _draw(file: Path, kind: tuple[str, str], label: int, number: int, random: np.random.Generator) -> tuple:
    """Writes one image and returns its box ``(x0, y0, x1, y1)``, both ends inside."""
    radius = int(random.integers(8, 24))
    x, y = random.integers(radius, IMAGE_SIZE - radius, size=2)
    rows, columns = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE]
    inside = _mask(kind[0], columns - x, rows - y, radius)
    if kind[1] == "striped":
        inside &= (rows + columns) // 4 % 2 == 0
    image = random.integers(60, 120) + random.normal(0, 20, (IMAGE_SIZE, IMAGE_SIZE, 3))
    hue = np.array([np.cos(label), np.cos(label + 2.1), np.cos(label + 4.2)])
    image[inside] = 150 + 90 * hue + random.normal(0, 10, (inside.sum(), 3))
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    if number % _GRAYSCALE_EVERY == 5:
        pixels = pixels.mean(axis=2, keepdims=True).astype(np.uint8)
    file.write_bytes(tf.io.encode_jpeg(pixels, quality=90).numpy())
    where_y, where_x = np.nonzero(inside)
    return int(where_x.min()), int(where_y.min()), int(where_x.max()), int(where_y.max())


def _mask(shape: str, x: np.ndarray, y: np.ndarray, radius: int) -> np.ndarray:
    """Which pixels, given by their distances ``x`` and ``y`` from the centre, a shape covers."""
    if shape == "disc":
        return x**2 + y**2 < radius**2
    if shape == "ring":
        return (x**2 + y**2 < radius**2) & (x**2 + y**2 > (0.55 * radius) ** 2)
    box = (abs(x) < radius) & (abs(y) < radius)
    if shape == "square":
        return box
    if shape == "triangle":
        return box & (2 * abs(x) < y + radius)
    return box & ((abs(x) < radius / 3) | (abs(y) < radius / 3))  # cross
