"""A view is how an image is shown to a network: a row of numbers, and a linear map made from it.

Crop, mirror image and bilinear resize act on rows and columns apart, so a view of an image X is R X C with two small
matrices. Ten-crop, five crops, mirror images, both ways of resizing and random views are all rows of a table
(``COLUMNS``), applied by one function, ``show``, on any Keras backend and on the device that computes the
network: the host sends 64x64 pixels, 12 KB an image. Stored transfer values are keyed by a view's description, so
every choice that changes pixels stands in it.
"""

import dataclasses
import math
from typing import Any, Literal

import numpy as np
from keras import ops

from tiny_imagenet_tf.choices import Resize
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import CROP_SIZE, IMAGE_SIZE
from tiny_imagenet_tf.runs.typed import misfit

Window = Literal["whole", "top_left", "top_right", "bottom_left", "bottom_right", "center"]

_LAST = IMAGE_SIZE - CROP_SIZE
WINDOWS: dict[Window, tuple[int, int, int]] = {
    "whole": (0, 0, IMAGE_SIZE),
    "top_left": (0, 0, CROP_SIZE),
    "top_right": (0, _LAST, CROP_SIZE),
    "bottom_left": (_LAST, 0, CROP_SIZE),
    "bottom_right": (_LAST, _LAST, CROP_SIZE),
    "center": (_LAST // 2, _LAST // 2, CROP_SIZE),
}
"""Top and left pixel, and height and width, of what is cut out."""
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")

COLUMNS = ("top", "left", "size", "mirrored", "shift", "factor", "mix")
"""Of a table of views, float32: the window in pixels; 1 for a mirror image; brightness as a shift in 0..255, contrast
as a factor; the image's own share where it is mixed with another."""

# Milani gives no ranges. These are the ones of the tutorials whose code he says he used, for values in 0..1.
BRIGHTNESS_DELTA = 0.2
CONTRAST_RANGE = (0.3, 1.0)


def _check_windows(windows: tuple[str, ...]) -> None:
    if not windows or any(window not in WINDOWS for window in windows):
        raise ValueError(f"windows {windows!r}: name at least one of {', '.join(WINDOWS)}")


@dataclasses.dataclass(frozen=True)
class View:
    """A fixed view: the whole image or a 56x56 crop, mirrored or not.

    Attributes:
        window: what is cut out.
        mirrored: flipped left and right after the cut.

    Raises:
        ValueError: there is no such window.
    """

    window: Window = "whole"
    mirrored: bool = False

    def __post_init__(self) -> None:
        _check_windows((self.window,))

    @property
    def size(self) -> int:
        """Height and width in pixels of the window."""
        return WINDOWS[self.window][2]

    def table(self, images: int) -> np.ndarray:
        """Returns the same row for each image, float32 (images, 7)."""
        return np.tile(np.array([*WINDOWS[self.window], self.mirrored, 0, 1, 1], np.float32), (images, 1))


@dataclasses.dataclass(frozen=True)
class RandomViews:
    """What is drawn anew for each image.

    Attributes:
        windows: one of these, each as likely as the others.
        mirror: a mirror image, half of the time.
        brightness_contrast: a random shift of all pixels, then a random factor on each channel's distance from its
            mean, both clipped to 0..255. Milani gives no ranges: the module's are assumptions.
        mixup: alpha of the Beta distribution that mixes an image, and its label, with another of its batch
            (Zhang et al. 2018); 0 mixes nothing.
        anywhere: the window is moved to a random place, any as likely as another.
        least_area: of a square anywhere within the window, which is shown instead; its share of the window's area is
            drawn between this and 1 (Szegedy et al. 2015, there with other aspects, too). At 1, the window.

    Raises:
        ValueError: there is no such window, or a number is out of range.
    """

    windows: tuple[Window, ...] = ("whole",)
    mirror: bool = False
    brightness_contrast: bool = False
    mixup: float = 0.0
    least_area: float = 1.0
    anywhere: bool = False

    def __post_init__(self) -> None:
        _check_windows(self.windows)
        if not 0 < self.least_area <= 1:
            raise ValueError(f"least_area {self.least_area}: must be above 0 and at most 1")
        if not 0 <= self.mixup < math.inf:
            raise ValueError(f"mixup {self.mixup}: must be at least 0")

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "RandomViews":
        """Returns what ``dataclasses.asdict`` made plain.

        Raises:
            UserError: it is no description of views.
        """
        try:
            found = cls(**{**stored, "windows": tuple(stored["windows"])})
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"these are no random views: {stored} ({error})") from error
        if wrong := misfit(found, cls, "views"):
            raise UserError(f"these are no random views: {wrong}")
        return found

    @property
    def size(self) -> int:
        """Height and width in pixels of the windows, of the largest if they differ."""
        return max(WINDOWS[window][2] for window in self.windows)

    @property
    def cuts(self) -> bool:
        """Whether something else than whole images may be shown; ``PLAIN`` stands for any fixed view."""
        return self == PLAIN or self.least_area < 1 or set(self.windows) != {"whole"}

    @property
    def description(self) -> str:
        """What the images are, in words."""
        crops = [window for window in self.windows if window != "whole"]
        whole = "whole image" if len(crops) < len(self.windows) else ""
        size = f"{CROP_SIZE}x{CROP_SIZE}"
        cut = f"a {size} crop at any place" if self.anywhere else f"one of {len(crops)} {size} crops"
        parts = [" or ".join(part for part in (whole, crops and cut) if part)]
        parts[0] += f", {self.least_area:.0%} to all of it" if self.least_area < 1 else ""
        parts += ["random mirror image"] if self.mirror else []
        parts += ["random brightness and contrast"] if self.brightness_contrast else []
        parts += [f"mixup {self.mixup:g}"] if self.mixup else []
        return ", ".join(parts)

    def table(self, images: int, *stream: int) -> np.ndarray:
        """Draws a row for each image, float32 (images, 7), that is a function of the stream's numbers alone."""
        random = np.random.default_rng(stream)
        drawn = random.random((images, 4))
        windows = np.array([WINDOWS[window] for window in self.windows], np.float32)
        table = View().table(images)
        table[:, :3] = windows[(drawn[:, 0] * len(windows)).astype(int)]
        if self.mirror:
            table[:, 3] = drawn[:, 1] < 0.5
        if self.brightness_contrast:
            low, high = CONTRAST_RANGE
            table[:, 4] = (2 * drawn[:, 2] - 1) * BRIGHTNESS_DELTA * 255
            table[:, 5] = low + drawn[:, 3] * (high - low)
        if self.mixup:
            table[:, 6] = random.beta(self.mixup, self.mixup, images)
        if self.least_area < 1:
            area, *places = random.random((images, 3)).T
            size = table[:, 2] * np.sqrt(self.least_area + (1 - self.least_area) * area)
            table[:, :2] += np.stack(places, axis=1) * (table[:, 2] - size)[:, None]
            table[:, 2] = size
        if self.anywhere:
            room = IMAGE_SIZE - np.ceil(table[:, 2:3]).astype(int)
            table[:, :2] = random.integers(room + 1, size=(images, 2))
        return table


@dataclasses.dataclass(frozen=True)
class DrawnView:
    """One random view of each image of a split, to be stored.

    Attributes:
        views: what is drawn.
        seed: the run's seed.
        number: which of an image's views; views of different numbers are independent.
    """

    views: RandomViews
    seed: int
    number: int

    def table(self, images: int) -> np.ndarray:
        """Returns the row of each image, float32 (images, 7)."""
        return self.views.table(images, self.seed, self.number)


WHOLE = View()
MILANI_TEN_CROP = tuple(View(window, mirrored) for mirrored in (False, True) for window in ("whole", *CORNERS))
"""Milani section 4.2: the whole image, four 56x56 corners, and the mirror images of these five."""
LE_YANG_TEN_CROP = tuple(View(window, mirrored) for mirrored in (False, True) for window in (*CORNERS, "center"))
"""Le & Yang section 4.2.1: four corners and the centre, and their mirror images."""

PLAIN = RandomViews()
MILANI = RandomViews(mirror=True, brightness_contrast=True)
"""Milani section 3.3, "Regularized"."""
MILANI_TRANSFER = RandomViews(("whole", *CORNERS), brightness_contrast=True)
"""Milani section 4.2, v3; the odds of the five windows are not given."""
LE_YANG = RandomViews((*CORNERS, "center"), mirror=True)
"""Le & Yang section 4.2.1: one of ten, the five crops and their mirror images."""
LE_YANG_ANYWHERE = RandomViews(("center",), mirror=True, anywhere=True)
"""The same section's "random crops", read as crops at any place."""


def describe(view: View | DrawnView) -> dict[str, Any]:
    """Returns the view as plain data, for a store's key."""
    described = {"view": type(view).__name__, **dataclasses.asdict(view)}
    if isinstance(view, DrawnView):
        described |= {"brightness_delta": BRIGHTNESS_DELTA, "contrast_range": CONTRAST_RANGE}
        for name in ("least_area", "anywhere"):  # what was stored before there was a choice is still found
            if getattr(view.views, name) == getattr(PLAIN, name):
                del described["views"][name]
    return described


def axis_weights(start: Any, length: Any, mirrored: Any, size: int, resize: Resize) -> Any:
    """Returns the matrices that cut, mirror and resize one axis bilinearly.

    Mirrored on the input side, since ``tf1`` sampling is not symmetric.

    Args:
        start: first pixel of each window, (images,).
        length: of each window in pixels, (images,).
        mirrored: 1 where the window is mirrored, (images,).
        size: of the output in pixels.
        resize: ``half_pixel`` places pixel centres at halves, as TensorFlow 2 does; ``tf1`` maps output pixel i to
            input position i * in / out, as TensorFlow 1 did in 2017.

    Returns:
        float32 (images, size, 64); each row sums to 1, and has a single 1 where nothing is resized.
    """
    start, length, mirrored = (ops.expand_dims(ops.cast(value, "float32"), 1) for value in (start, length, mirrored))
    index, scale = ops.arange(size, dtype="float32")[None], length / size
    place = (index + 0.5) * scale - 0.5 if resize == "half_pixel" else index * scale
    place = ops.where(length == size, index, place)  # exactly: compilers turn a quotient into a product
    place = ops.minimum(ops.maximum(place, 0.0), length - 1)
    place = start + ops.where(mirrored > 0, length - 1 - place, place)
    return ops.relu(1 - ops.abs(ops.expand_dims(place, 2) - ops.arange(IMAGE_SIZE, dtype="float32")))


def show(
    images: Any,
    table: Any,
    size: int,
    resize: Resize = "half_pixel",
    *,
    recolour: bool,
    mix: bool = False,
    cut: bool = True,
) -> Any:
    """Shows a batch of images, each in its own view.

    Args:
        images: uint8 (batch, 64, 64, 3).
        table: float32 (batch, 7), see ``COLUMNS``.
        size: height and width of the output in pixels.
        resize: see ``axis_weights``.
        recolour: whether the table changes brightness or contrast.
        mix: whether it mixes images: the first with the last of the batch, the second with the last but one.
        cut: whether it cuts windows, or they are resized; otherwise images are mirrored alone, which costs much less.

    Returns:
        float32 (batch, size, size, 3) in 0..255; where nothing is resized or recoloured, the very pixels.
    """
    table = ops.cast(table, "float32")
    top, left, length, mirrored, shift, factor, share = (table[:, column] for column in range(len(COLUMNS)))
    x = ops.cast(images, "float32")
    if recolour:
        x = _recoloured(x, _inside(top, left, length) if cut else None, shift, factor)
    if cut:
        rows = axis_weights(top, length, ops.zeros_like(mirrored), size, resize)
        columns = axis_weights(left, length, mirrored, size, resize)
        x = ops.einsum("bHh,bhwc->bHwc", rows, x)
        x = ops.einsum("bWw,bHwc->bHWc", columns, x)
    else:
        x = ops.where(ops.reshape(mirrored, (-1, 1, 1, 1)) > 0, ops.flip(x, axis=2), x)
    if mix:
        share = ops.reshape(share, (-1, 1, 1, 1))
        x = share * x + (1 - share) * ops.flip(x, axis=0)
    return x


def _recoloured(x: Any, inside: Any, shift: Any, factor: Any) -> Any:
    """Brightness, then contrast about the mean of what is inside, each clipped to 0..255."""
    shift, factor = (ops.reshape(value, (-1, 1, 1, 1)) for value in (shift, factor))
    x = ops.clip(x + shift, 0, 255)
    if inside is None:
        mean = _mean(x)
    else:
        mean = _mean(x * inside) / _mean(inside)
    return ops.clip((x - mean) * factor + mean, 0, 255)


def _mean(x: Any) -> Any:
    """Over rows and columns, one after the other: XLA adds in a row, and of 4,096 numbers loses three digits."""
    return ops.mean(ops.mean(x, axis=1, keepdims=True), axis=2, keepdims=True)


def _inside(top: Any, left: Any, length: Any) -> Any:
    """1 within the windows, 0 outside, (images, 64, 64, 1)."""
    places = ops.arange(IMAGE_SIZE, dtype="float32")[None]

    def along(start: Any) -> Any:
        start, end = ops.expand_dims(start, 1), ops.expand_dims(start + length, 1)
        return ops.cast(ops.logical_and(places >= start, places < end), "float32")

    return ops.expand_dims(along(top)[:, :, None] * along(left)[:, None, :], 3)
