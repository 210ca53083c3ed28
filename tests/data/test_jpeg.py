"""Whole and broken JPEGs; the broken ones are made here."""

import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data import jpeg

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
WHOLE = [tf.io.encode_jpeg(each, quality=90).numpy() for each in PIXELS]
GRAY = tf.io.encode_jpeg(PIXELS[0, :, :, :1]).numpy()
PROGRESSIVE = tf.io.encode_jpeg(PIXELS[0], progressive=True).numpy()
TABLE = WHOLE[0].index(b"\xff\xdb")
SCAN = WHOLE[0].index(b"\xff\xda") + 14


def cut(data, share):
    """Its scan stops early, and an end marker says that it is whole."""
    start = data.index(b"\xff\xda") + 14
    return data[: start + int((len(data) - start) * share)].rstrip(b"\xff") + b"\xff\xd9"


@pytest.mark.parametrize(
    "data",
    [WHOLE[0], GRAY, PROGRESSIVE, WHOLE[0] + b"\n", WHOLE[0] + b"PictureInfo", WHOLE[0] + b"\0" * 9,
     WHOLE[0][:TABLE] + b"\xff" + WHOLE[0][TABLE:]],
    ids=["colour", "gray", "progressive", "newline", "trailer", "zeros", "fill byte"],
)  # fmt: skip
def test_whole_images(data, capfd):
    assert jpeg.verify(data) == (64, 64, 1 if data is GRAY else 3)
    assert jpeg.verify_all([data, GRAY]) == [jpeg.verify(data), (64, 64, 1)]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a" + WHOLE[0], "not a JPEG file"),
        (b"", "not a JPEG file"),
        (WHOLE[0][:-2], "truncated JPEG"),
        (WHOLE[0][:TABLE] + b"\xff\xd9", "does not decode"),
        *((cut(WHOLE[0], share), "stops before") for share in (0.01, 0.3, 0.5, 0.9, 0.99)),
        (cut(GRAY, 0.5), "stops before"),
    ],
)
def test_broken_images(data, message, capfd):
    with pytest.raises(jpeg.JpegError, match=message):
        jpeg.verify(data)
    before, broken, after = jpeg.verify_all([WHOLE[1], data, WHOLE[2]])
    assert before == after == (64, 64, 3) and message in str(broken)
    assert capfd.readouterr().err == ""


def test_no_images():
    assert jpeg.verify_all([]) == []
