"""The corruptions of Tiny-ImageNet-C, for images of one's own (Hendrycks and Dietterich 2019, section 3 and appendix).

Fourteen of the fifteen, each of five severities, with the constants that their authors chose for 64x64 pixels. Frost
is left out: it lays photographs of frost over an image, which are not ours to give. Twelve agree with the authors'
program; the two with motion blur, ``motion_blur`` and ``snow``, follow the description of ImageMagick's, which
that program calls.

An image here is float64 (64, 64, 3) with pixels in 0..1, and so is what a corruption gives, before it is cut to 0..1.
"""

import io
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from scipy import ndimage

from tiny_imagenet_tf.published import IMAGE_SIZE

Corruption = Callable[..., np.ndarray]  # of an image, what a severity sets, and a random generator

SEVERITIES = range(1, 6)


def corrupt(image: np.ndarray, corruption: str, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Returns an image under a corruption.

    Args:
        image: uint8 (64, 64, 3).
        corruption: one of ``CORRUPTIONS``.
        severity: from 1 to 5.
        rng: of what is random.

    Returns:
        uint8 (64, 64, 3), its fractions cut off as in the published images.

    Raises:
        KeyError: there is no such corruption.
        IndexError: there is no such severity.
    """
    apply, settings = CORRUPTIONS[corruption]
    if severity not in SEVERITIES:
        raise IndexError(severity)
    return np.uint8(np.clip(apply(image / 255.0, *settings[severity - 1], rng), 0, 1) * 255)


def corrupted(seed: int, corruption: str, severity: int, image: np.ndarray, name: str) -> np.ndarray:
    """Returns an image under a corruption, whose random numbers depend on the seed and the image's name alone."""
    return corrupt(image, corruption, severity, rng_of(seed, corruption, severity, name))


def rng_of(seed: int, corruption: str, severity: int, name: str) -> np.random.Generator:
    """Returns the random numbers of one image, independent of every other image."""
    return np.random.default_rng((seed, zlib.crc32(f"{corruption} {severity} {name}".encode())))


def gaussian_noise(x: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Adds noise of a standard deviation, as low light does."""
    return x + rng.normal(size=x.shape, scale=deviation)


def shot_noise(x: np.ndarray, photons: float, rng: np.random.Generator) -> np.ndarray:
    """Counts photons, so many of a white pixel."""
    return rng.poisson(x * photons) / photons


def impulse_noise(x: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Sets a share of the values to black or white."""
    struck, white = rng.random(x.shape) <= share, rng.random(x.shape) <= 0.5
    return np.where(struck, white, x)


def defocus_blur(x: np.ndarray, radius: float, softening: float, rng: np.random.Generator) -> np.ndarray:
    """Spreads each pixel over a disk of a radius, whose edge is softened by a 3x3 Gaussian."""
    across = np.arange(-8, 9)
    disk = (across**2 + across[:, None] ** 2 <= radius**2).astype(np.float64)
    edge = np.exp(-(np.arange(-1, 2) ** 2) / (2 * softening**2))
    kernel = ndimage.correlate(disk / disk.sum(), np.outer(edge, edge) / edge.sum() ** 2, mode="mirror")
    return ndimage.correlate(x, kernel[..., None], mode="mirror")


def glass_blur(x: np.ndarray, deviation: float, reach: int, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """Looks through frosted glass: pixels take the color of one nearby, between two Gaussian blurs.

    The authors' program means to exchange two pixels, but copies one: numpy assigns views. So do we.
    """
    pixels = np.uint8(_blurred(x, deviation) * 255)
    places = range(IMAGE_SIZE - reach, reach, -1)
    for _ in range(rounds):
        moves = iter(rng.integers(-reach, reach, (len(places) ** 2, 2)).tolist())
        for row in places:
            for column, (right, down) in zip(places, moves, strict=False):
                pixels[row, column] = pixels[row + down, column + right]
    return _blurred(pixels / 255.0, deviation)


def motion_blur(x: np.ndarray, radius: float, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Drags the image along a line within 45 degrees of the horizontal."""
    return _dragged(x, radius, deviation, angle=rng.uniform(-45, 45))


def zoom_blur(x: np.ndarray, end: float, rng: np.random.Generator) -> np.ndarray:
    """Moves towards the image: the mean of it and of enlargements, the first by 1."""
    factors = np.arange(1, end, 0.01)
    return (x + sum(_zoomed(x.astype(np.float32), factor) for factor in factors)) / (len(factors) + 1)


def snow(
    x: np.ndarray,
    mean: float,
    deviation: float,
    zoom: float,
    least: float,
    radius: float,
    drag: float,
    share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lets flakes fall, twice, over an image that is whitened."""
    flakes = _zoomed(rng.normal(size=x.shape[:2], loc=mean, scale=deviation)[..., None], zoom)
    flakes = np.where(flakes < least, 0, np.clip(flakes, 0, 1))
    flakes = _dragged(np.uint8(flakes * 255) / 255.0, radius, drag, angle=rng.uniform(-135, -45))
    gray = x @ (0.299, 0.587, 0.114)
    x = share * x + (1 - share) * np.maximum(x, gray[..., None] * 1.5 + 0.5)
    return x + flakes + np.rot90(flakes, 2)


def fog(x: np.ndarray, amount: float, smoothness: float, rng: np.random.Generator) -> np.ndarray:
    """Lays a plasma fractal over the image, which keeps its highest value."""
    highest = x.max()
    return (x + amount * _plasma(smoothness, rng)[..., None]) * highest / (highest + amount)


def brightness(x: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Adds to the value of each color, of hue, saturation and value."""
    value = x.max(axis=-1, keepdims=True)
    brighter = np.minimum(value + amount, 1)
    return np.where(value > 0, x / np.where(value > 0, value, 1), 1) * brighter


def contrast(x: np.ndarray, kept: float, rng: np.random.Generator) -> np.ndarray:
    """Draws colors towards the image's mean color."""
    mean = x.mean(axis=(0, 1), keepdims=True)
    return (x - mean) * kept + mean


def elastic_transform(
    x: np.ndarray, reach: float, smoothness: float, shift: float, rng: np.random.Generator
) -> np.ndarray:
    """Stretches the image by a random affine map, and then each place by a smooth random field."""
    reach, smoothness, shift = (share * IMAGE_SIZE for share in (reach, smoothness, shift))
    middle, third = IMAGE_SIZE // 2, IMAGE_SIZE // 3
    corners = middle + third * np.array([(1, 1), (1, -1), (-1, -1)], np.float32)
    moved = corners + rng.uniform(-shift, shift, size=corners.shape).astype(np.float32)
    ones = np.ones((3, 1))
    back = np.linalg.solve(np.hstack([moved, ones]), corners)  # (x, y, 1) of a new place to (x, y) of the old one
    rows, columns = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE]
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ back
    x = _at(x, places[..., 1], places[..., 0], "mirror")
    right, down = (
        reach * _blurred(rng.uniform(-1, 1, size=x.shape[:2]), smoothness, mode="reflect", truncate=3) for _ in range(2)
    )
    return _at(x, rows + down, columns + right, "reflect")


def pixelate(x: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Makes the image smaller and large again, each by the mean of boxes."""
    small = (int(IMAGE_SIZE * share),) * 2
    picture = _picture(x).resize(small, Image.Resampling.BOX)
    return np.asarray(picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BOX)) / 255.0


def jpeg_compression(x: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    """Stores the image as a JPEG of low quality."""
    stored = io.BytesIO()
    _picture(x).save(stored, "JPEG", quality=quality)
    return np.asarray(Image.open(stored)) / 255.0


CORRUPTIONS: dict[str, tuple[Corruption, Sequence[tuple]]] = {
    "gaussian_noise": (gaussian_noise, [(0.04,), (0.08,), (0.12,), (0.15,), (0.18,)]),
    "shot_noise": (shot_noise, [(250,), (100,), (50,), (30,), (15,)]),
    "impulse_noise": (impulse_noise, [(0.01,), (0.02,), (0.05,), (0.08,), (0.14,)]),
    "defocus_blur": (defocus_blur, [(0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)]),
    "glass_blur": (glass_blur, [(0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)]),
    "motion_blur": (motion_blur, [(10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)]),
    "zoom_blur": (zoom_blur, [(1.06,), (1.11,), (1.16,), (1.21,), (1.26,)]),
    "snow": (
        snow,
        [
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ],
    ),
    "fog": (fog, [(0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)]),
    "brightness": (brightness, [(0.1,), (0.2,), (0.3,), (0.4,), (0.5,)]),
    "contrast": (contrast, [(0.4,), (0.3,), (0.2,), (0.1,), (0.05,)]),
    "elastic_transform": (
        elastic_transform,
        [(0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)],
    ),
    "pixelate": (pixelate, [(0.9,), (0.8,), (0.7,), (0.6,), (0.5,)]),
    "jpeg_compression": (jpeg_compression, [(65,), (58,), (50,), (40,), (25,)]),
}


def _blurred(x: np.ndarray, deviation: float, mode: str = "nearest", truncate: float = 4) -> np.ndarray:
    """A Gaussian blur of rows and columns."""
    return ndimage.gaussian_filter(x, (deviation, deviation) + (0,) * (x.ndim - 2), mode=mode, truncate=truncate)


def _zoomed(x: np.ndarray, factor: float) -> np.ndarray:
    """The middle of an image, enlarged to its size."""
    size = len(x)
    kept = int(np.ceil(size / factor))
    first = (size - kept) // 2
    large = ndimage.zoom(x[first : first + kept, first : first + kept], (factor, factor, 1), order=1)
    cut = (len(large) - size) // 2
    return large[cut : cut + size, cut : cut + size]


def _dragged(x: np.ndarray, radius: float, deviation: float, angle: float) -> np.ndarray:
    """The sum along a line, one-sided, with the weights of a Gaussian; beyond the edge the edge goes on."""
    steps = np.arange(2 * int(np.ceil(radius)) + 1)
    weights = np.exp(-(steps**2) / (2 * deviation**2))
    rows, columns = np.mgrid[: x.shape[0], : x.shape[1]]
    total = np.zeros_like(x)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        down = int(np.ceil(step * np.sin(np.radians(angle)) - 0.5))
        right = int(np.ceil(step * np.cos(np.radians(angle)) - 0.5))
        there = np.clip(rows + down, 0, len(x) - 1), np.clip(columns + right, 0, x.shape[1] - 1)
        total += weight * x[there]
    return total


def _plasma(smoothness: float, rng: np.random.Generator) -> np.ndarray:
    """Heights in 0..1 by the diamond-square algorithm, on a torus of 64x64 places."""
    heights = np.zeros((IMAGE_SIZE, IMAGE_SIZE))
    step, wobble = IMAGE_SIZE, 100.0
    while step >= 2:
        half = step // 2

        def mean(total: np.ndarray, wobble: float = wobble) -> np.ndarray:
            return total / 4 + wobble * rng.uniform(-wobble, wobble, total.shape)

        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = middles = mean(pairs + np.roll(pairs, -1, axis=1))
        heights[::step, half::step] = mean(
            middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        )
        heights[half::step, ::step] = mean(
            middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        )
        step, wobble = half, wobble / smoothness
    heights -= heights.min()
    return heights / heights.max()


def _at(x: np.ndarray, rows: np.ndarray, columns: np.ndarray, mode: str) -> np.ndarray:
    """An image's colors at places between its pixels, bilinearly."""
    channels = (ndimage.map_coordinates(x[..., each], (rows, columns), order=1, mode=mode) for each in range(3))
    return np.stack(list(channels), axis=-1)


def _picture(x: np.ndarray) -> Image.Image:
    return Image.fromarray(np.uint8(np.rint(x * 255)))
