"""Tells a whole JPEG file from a broken one, and says what is wrong."""

import contextlib
import tempfile
from collections.abc import Sequence

import tensorflow as tf

from tiny_imagenet_tf.data.untuned import untuned
from tiny_imagenet_tf.progress import stderr_to
from tiny_imagenet_tf.published import IMAGE_SIZE

_START, _END = b"\xff\xd8", b"\xff\xd9"
_FILLER = b"\x5a\xc3" * 32  # more of a scan: there is no marker in it


class JpegError(ValueError):
    """The bytes are not a whole JPEG image."""


def verify(data: bytes) -> tuple[int, int, int]:
    """Decodes an image and returns its ``(height, width, channels)``; channels is 1 for grayscale.

    Bytes after the end marker are ignored. A scan that stops early is an error: the decoder would fill the rest with
    grey. Extra bytes before the end marker change such an image and no other.

    Raises:
        JpegError: not a JPEG, cut short, or damaged inside.
    """
    if not data.startswith(_START):
        raise JpegError(f"not a JPEG file: it begins with {data[:8]!r}")
    end = _end_of(data)
    if end is None:
        raise JpegError(f"truncated JPEG: {len(data)} bytes and no end-of-image marker")
    with tempfile.TemporaryFile() as said, stderr_to(said):
        try:
            image = tf.io.decode_jpeg(data)
        except tf.errors.InvalidArgumentError as error:
            raise JpegError("damaged JPEG: it does not decode") from error
        try:
            longer = tf.io.decode_jpeg(data[:end] + _FILLER + data[end:])
        except tf.errors.InvalidArgumentError as error:
            raise JpegError("damaged JPEG: its end marker stands within a segment") from error
    if not bool(tf.reduce_all(longer == image)):
        raise JpegError("damaged JPEG: its scan stops before the image is whole")
    return tuple(image.shape)


def _end_of(data: bytes) -> int | None:
    """Where the image's end marker stands: not that of a thumbnail in a segment, nor one in what comes after it."""
    place = 2
    while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
        marker = data[place + 1]
        if marker == 0xD9:
            return place
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # of a scan, or fillers
            place += 1 if marker == 0xFF else 2
        else:  # a segment that says how long it is
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def verify_all(images: Sequence[bytes]) -> list[tuple[int, int, int] | JpegError]:
    """Returns what ``verify`` returns or raises for each of some images, several times as fast.

    Most images are whole, and of a broken one the decoder says so on standard error, at least once for all.
    """
    if images and all(data.startswith(_START) and _END in data for data in images):
        with tempfile.TemporaryFile() as said, stderr_to(said):
            files = untuned(tf.data.Dataset.from_tensor_slices(list(images)))
            shapes = files.map(_shape, num_parallel_calls=tf.data.AUTOTUNE)
            with contextlib.suppress(tf.errors.InvalidArgumentError):
                found = list(map(tuple, shapes.batch(len(images)).get_single_element().numpy().tolist()))
                if not said.tell():
                    return found
    return [_or_error(data) for data in images]


def fault_of(found: tuple[int, int, int] | JpegError) -> str | None:
    """Returns what is wrong with an image, by what ``verify_all`` returned; None where it is whole and 64x64."""
    if isinstance(found, JpegError):
        return str(found)
    height, width, _ = found
    if (height, width) != (IMAGE_SIZE, IMAGE_SIZE):
        return f"{width}x{height} pixels, expected {IMAGE_SIZE}x{IMAGE_SIZE}"
    return None


def _or_error(data: bytes) -> tuple[int, int, int] | JpegError:
    try:
        return verify(data)
    except JpegError as error:
        return error


def _shape(data: tf.Tensor) -> tf.Tensor:
    return tf.shape(tf.io.decode_jpeg(data))
