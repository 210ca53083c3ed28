"""Pictures of any size and kind, as 64x64 images of the dataset."""

import os
import struct
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import IMAGE_SIZE

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm",
)  # fmt: skip

_DAMAGED = (ValueError, SyntaxError, TypeError, KeyError, RuntimeError, struct.error)  # of Pillow's readers


class PictureError(UserError):
    """A file is not a picture that can be read."""


def read(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns a picture as the dataset shows its images: the centre square, resized with antialiasing.

    Args:
        path: of any kind that Pillow reads; turned as its EXIF orientation says.

    Returns:
        uint8 (64, 64, 3), and the width and height that it had.

    Raises:
        PictureError: it cannot be read; the message names it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF, or up to twice the size that Pillow calls a bomb
            with Image.open(path) as opened:
                turned = ImageOps.exif_transpose(opened)
                picture = _in_bytes(turned, opened.format, getattr(opened, "tag_v2", {})).convert("RGB")
    except (UnidentifiedImageError, OSError, *_DAMAGED, Image.DecompressionBombError) as error:
        raise PictureError(f"{path}: not a picture that can be read ({error})") from error
    size = (IMAGE_SIZE, IMAGE_SIZE)
    return np.asarray(ImageOps.fit(picture, size, Image.Resampling.BICUBIC), np.uint8), picture.size


def _in_bytes(picture: Image.Image, kind: str | None, tags: Mapping[int, Any]) -> Image.Image:
    """A picture of up to 16 bits a pixel in 8, which Pillow would cut to white; a transparent one on white."""
    if picture.mode.startswith("I;16") or (picture.mode == "I" and kind in ("PNG", "PPM")):
        (bits, *_), inverted = tags.get(BITSPERSAMPLE, (16,)), tags.get(PHOTOMETRIC_INTERPRETATION) == 0
        gray = np.asarray(picture, np.int64) * 255 // (2**bits - 1)
        return Image.fromarray((255 - gray if inverted else gray).astype(np.uint8))
    if picture.has_transparency_data:  # whose hidden colours nobody has seen
        behind = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(behind, picture.convert("RGBA"))
    if picture.mode in ("I", "F"):
        raise ValueError("its pixels are numbers of 32 bits, whose range is not known; save it with 8 or 16 bits")
    return picture


def find(paths: Sequence[Path]) -> list[Path]:
    """Returns the files of some paths; of a folder all pictures in it and below.

    Raises:
        UserError: there is nothing at a path, or a folder holds no picture.
    """
    files = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if path.is_file():
            files.append(path)
            continue
        if not path.is_dir():
            raise UserError(f"{path}: neither a file nor a folder")
        found = sorted(file for file in _inside(path, tell=True) if file.suffix.lower() in SUFFIXES)
        if not found:
            raise UserError(f"{path}: no picture in this folder ({', '.join(SUFFIXES)})")
        files += found
    return files


def left_out(paths: Sequence[Path], found: Sequence[Path]) -> int:
    """Returns how many files of the folders among some paths are no pictures by their names."""
    inside = (file for path in paths if path.is_dir() for file in _inside(path))
    return len(set(inside) - set(found))


def _inside(folder: Path, *, tell: bool = False) -> Iterator[Path]:
    """The files of a folder and of those below it, also through links; a folder that several links lead to, once.

    Args:
        folder: where to look.
        tell: say which folders cannot be read.
    """

    def skip(error: OSError) -> None:
        if tell:
            print(f"skipped {error.filename}: {error.strerror}", file=sys.stderr)

    seen = set()
    for at, below, names in os.walk(folder, followlinks=True, onerror=skip):
        below.sort()  # or it would depend on the file system under which name a folder is found
        if (place := os.path.realpath(at)) in seen:
            below.clear()
            continue
        seen.add(place)
        yield from (file for name in names if (file := Path(at, name)).is_file())
