"""Tells a whole JPEG file from a broken one, and says what is wrong."""

import struct

import tensorflow as tf

_START, _END = b"\xff\xd8", b"\xff\xd9"
_FRAME_MARKERS = {0xC0, 0xC1, 0xC2}  # baseline, extended sequential, progressive
_STANDALONE_MARKERS = {0x01, *range(0xD0, 0xD8)}


class JpegError(ValueError):
    """The bytes are not a whole JPEG image."""


def verify(data: bytes) -> tuple[int, int, int]:
    """Decodes an image and returns its ``(height, width, channels)``; channels is 1 for grayscale.

    Raises:
        JpegError: not a JPEG, truncated, or damaged inside.
    """
    if not data.startswith(_START):
        raise JpegError(f"not a JPEG file: it begins with {data[:8]!r}")
    # Some encoders pad the end with zero bytes; a cut file lacks the marker altogether.
    if not data.rstrip(b"\x00").endswith(_END):
        raise JpegError(f"truncated JPEG: {len(data)} bytes and no end-of-image marker")
    shape = _frame(data)
    try:
        tf.io.decode_jpeg(data)
    except tf.errors.InvalidArgumentError as error:
        raise JpegError("damaged JPEG: it does not decode") from error
    return shape


def _frame(data: bytes) -> tuple[int, int, int]:
    """Height, width and channels as the frame header gives them."""
    position = 2
    while position + 9 < len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in _FRAME_MARKERS:
            height, width, channels = struct.unpack(">xHHB", data[position + 4 : position + 10])
            return height, width, channels
        if marker in _STANDALONE_MARKERS:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    raise JpegError("damaged JPEG: it has no frame header")
