"""A small synthetic dataset in the official layout, for the demo and the tests.

Each class is a shape with a colour and a texture of its own, drawn at a random place and size on a noisy
background. The boxes are those of the shapes; a few files are grayscale. A seed fixes every byte.
"""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from tiny_imagenet_tf.published import IMAGE_SIZE

_SHAPES = ("disc", "square", "triangle", "ring", "cross")
_KINDS = [(shape, texture) for texture in ("plain", "striped") for shape in _SHAPES]
_GRAYSCALE_EVERY = 17  # files


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is drawn: at most 10 classes, train and validation images a class, test images in all, unlabeled."""

    classes: int = 10
    train: int = 20
    validation: int = 4
    test: int = 20


def write(folder: Path, sizes: Sizes = Sizes(), seed: int = 0) -> Path:
    """Draws the dataset.

    Args:
        folder: receives ``tiny-imagenet-200``, which must not exist yet.
        sizes: how much.
        seed: fixes every byte.

    Returns:
        The path of ``tiny-imagenet-200``.

    Raises:
        ValueError: more classes than there are shapes and textures.
        FileExistsError: there is such a folder already.
    """
    classes = sizes.classes
    if classes > len(_KINDS):
        raise ValueError(f"classes={classes}: at most {len(_KINDS)} can be drawn")
    root = folder / "tiny-imagenet-200"
    root.mkdir(parents=True)
    random = np.random.default_rng(seed)
    # Real wnids are eight digits after an n; four nines in front mark these as made up.
    wnids = [f"n9999{number:04d}" for number in range(classes)]
    words = [f"{wnid}\t{texture} {shape}\n" for wnid, (shape, texture) in zip(wnids, _KINDS, strict=False)]
    (root / "words.txt").write_text("".join(words))
    (root / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in reversed(wnids)))  # unsorted, as the real one

    for label, wnid in enumerate(wnids):
        lines = []
        for number in range(sizes.train):
            name = f"{wnid}_{number}.JPEG"
            box = _draw(root / "train" / wnid / "images" / name, label, number, random)
            lines.append(f"{name}\t{box}\n")
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("".join(lines))

    lines = []
    for number in range(sizes.validation * classes):
        label, name = number % classes, f"val_{number}.JPEG"
        box = _draw(root / "val" / "images" / name, label, number, random)
        lines.append(f"{name}\t{wnids[label]}\t{box}\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))

    for number in range(sizes.test):
        label = int(random.integers(classes))
        _draw(root / "test" / "images" / f"test_{number}.JPEG", label, number, random)
    return root


def _draw(file: Path, label: int, number: int, random: np.random.Generator) -> str:
    """Writes one image and returns its box, ``x0 y0 x1 y1`` with both ends inside, between tabs."""
    shape, texture = _KINDS[label]
    radius = int(random.integers(8, 24))
    x, y = random.integers(radius, IMAGE_SIZE - radius, size=2)
    rows, columns = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE]
    inside = _mask(shape, columns - x, rows - y, radius)
    if texture == "striped":
        inside &= (rows + columns) // 4 % 2 == 0
    image = random.integers(60, 120) + random.normal(0, 20, (IMAGE_SIZE, IMAGE_SIZE, 3))
    hue = np.array([np.cos(label), np.cos(label + 2.1), np.cos(label + 4.2)])
    image[inside] = 150 + 90 * hue + random.normal(0, 10, (inside.sum(), 3))
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    if number % _GRAYSCALE_EVERY == 5:
        pixels = pixels.mean(axis=2, keepdims=True).astype(np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(tf.io.encode_jpeg(pixels, quality=90).numpy())
    ys, xs = np.nonzero(inside)
    return f"{xs.min()}\t{ys.min()}\t{xs.max()}\t{ys.max()}"


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
