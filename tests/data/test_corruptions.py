"""Corruptions against those of the authors' program.

``corruptions.npz`` holds an image, 200 places in it, and what the authors' make_tinyimagenet_c.py gives there for each
severity, where its random numbers are those of ``np.random.default_rng(severity)``.
"""

from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf.data import corruptions
from tiny_imagenet_tf.runs.files import read_arrays

ORACLE = read_arrays(Path(__file__).with_name("corruptions.npz"))
OURS = {"motion_blur", "snow"}  # after ImageMagick's description


def of_the_oracle(name, severity):
    return corruptions.corrupt(ORACLE["image"], name, severity, np.random.default_rng(severity))


@pytest.mark.parametrize("name", sorted(corruptions.CORRUPTIONS.keys() - OURS))
def test_they_are_the_authors(name):
    rows, columns = ORACLE["places"].T
    for severity in corruptions.SEVERITIES:
        found = of_the_oracle(name, severity)[rows, columns].astype(int)
        np.testing.assert_allclose(found, ORACLE[name][severity - 1], atol=1)


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_they_hang_on_the_seed_and_the_name_alone(name):
    def drawn(*key):
        return corruptions.corrupt(ORACLE["image"], name, 3, corruptions.rng_of(*key))

    one = drawn(0, name, 3, "val_1.JPEG")
    assert one.shape == (64, 64, 3) and one.dtype == np.uint8
    np.testing.assert_array_equal(one, drawn(0, name, 3, "val_1.JPEG"))
    fixed = name in ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression")
    for other in (drawn(0, name, 3, "val_2.JPEG"), drawn(1, name, 3, "val_1.JPEG")):
        assert np.array_equal(one, other) == fixed


# the affine map of the elastic one, which moves most pixels, becomes weaker from severity to severity
@pytest.mark.parametrize("name", sorted(corruptions.CORRUPTIONS.keys() - {"elastic_transform"}))
def test_they_change_more_the_severer_they_are(name):
    def far(severity):
        image = ORACLE["image"].astype(float)
        return np.sqrt(np.mean((of_the_oracle(name, severity) - image) ** 2))

    assert far(5) > far(1) > 0


def test_a_drag_goes_one_way_and_beyond_the_edge_the_edge_goes_on():
    point = np.zeros((9, 9, 1))
    point[4, 6] = 1
    dragged = corruptions._dragged(point, 2, 1.0, angle=0)
    weights = np.exp(-(np.arange(5) ** 2) / 2)
    np.testing.assert_allclose(dragged[4, 2:7, 0], (weights / weights.sum())[::-1])
    assert dragged.sum() == pytest.approx(1) and dragged[4, 7:].sum() == 0
    np.testing.assert_allclose(corruptions._dragged(np.ones((5, 5, 1)), 8, 3, angle=-120), 1)


def test_there_is_no_frost_and_no_sixth_severity():
    image, rng = ORACLE["image"], np.random.default_rng(0)
    with pytest.raises(KeyError):
        corruptions.corrupt(image, "frost", 1, rng)
    with pytest.raises(IndexError):
        corruptions.corrupt(image, "fog", 0, rng)
