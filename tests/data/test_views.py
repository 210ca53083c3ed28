"""Views as linear maps: the very crops, TensorFlow's resizing, the paper's brightness and contrast."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.data.views import (
    LE_YANG,
    LE_YANG_ANYWHERE,
    LE_YANG_TEN_CROP,
    MILANI,
    MILANI_TEN_CROP,
    MILANI_TRANSFER,
    PLAIN,
    DrawnView,
    RandomViews,
    View,
    describe,
    show,
)

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
CUTS = {
    "whole": np.s_[:, :, :], "top_left": np.s_[:, :56, :56], "top_right": np.s_[:, :56, 8:],
    "bottom_left": np.s_[:, 8:, :56], "bottom_right": np.s_[:, 8:, 8:], "center": np.s_[:, 4:60, 4:60],
}  # fmt: skip


def by_hand(view: View) -> np.ndarray:
    cut = IMAGES[CUTS[view.window]]
    return cut[:, :, ::-1] if view.mirrored else cut


def shown(view, size, resize="half_pixel", **options):
    return np.asarray(show(IMAGES, view.table(4), size, resize, **{"recolour": False} | options))


@pytest.mark.parametrize("view", [*MILANI_TEN_CROP, *LE_YANG_TEN_CROP], ids=str)
def test_crops_and_mirror_images_are_the_very_pixels(view):
    np.testing.assert_array_equal(shown(view, view.size), by_hand(view))


def test_milanis_ten_begin_with_the_whole_and_le_yangs_have_the_centre():
    assert MILANI_TEN_CROP[0] == views.WHOLE and len(set(MILANI_TEN_CROP)) == len(set(LE_YANG_TEN_CROP)) == 10
    assert View("center", mirrored=True) in LE_YANG_TEN_CROP and views.WHOLE not in LE_YANG_TEN_CROP
    corners = ("top_left", "top_right", "bottom_left", "bottom_right")
    for crops, five in ((MILANI_TEN_CROP, ("whole", *corners)), (LE_YANG_TEN_CROP, (*corners, "center"))):
        assert {(view.window, view.mirrored) for view in crops} == {(name, m) for name in five for m in (False, True)}
    assert RandomViews(("whole", *corners), mirror=False, brightness_contrast=True) == MILANI_TRANSFER


@pytest.mark.parametrize("resize", ["half_pixel", "tf1"])
@pytest.mark.parametrize("size", [299, 75, 48])
@pytest.mark.parametrize("view", [View(), View("bottom_right"), View("top_right", mirrored=True)], ids=str)
def test_resizing_is_tensorflows(view, size, resize):
    expected = tf.raw_ops.ResizeBilinear(
        images=by_hand(view), size=(size, size), half_pixel_centers=resize == "half_pixel"
    )
    np.testing.assert_allclose(shown(view, size, resize) / 255, expected / 255, atol=1e-5)


def test_half_pixel_and_tf1_are_those_of_tensorflow_2_and_1():
    whole = IMAGES.astype(np.float32)
    np.testing.assert_allclose(shown(View(), 299) / 255, tf.image.resize(whole, (299, 299)) / 255, atol=1e-5)
    older = tf.compat.v1.image.resize_bilinear(whole, (299, 299), align_corners=False)
    np.testing.assert_allclose(shown(View(), 299, "tf1") / 255, older / 255, atol=1e-5)


def test_sampling_of_two_pixels_by_hand():
    # Twice as wide: output i samples (i + 1/2) / 2 - 1/2 = -1/4, 1/4, 3/4, 5/4, or i / 2 = 0, 1/2, 1, 3/2.
    pixels = np.zeros(64)
    pixels[[10, 11]] = 0, 8
    for resize, expected in (("half_pixel", [0, 2, 6, 8]), ("tf1", [0, 4, 8, 8])):
        np.testing.assert_array_equal(np.asarray(views.axis_weights([10], [2], [0], 4, resize))[0] @ pixels, expected)


def test_brightness_then_contrast_about_the_windows_own_mean():
    table = View("top_right", mirrored=True).table(4)
    table[:, 4], table[:, 5] = [-40, 25, 0, 51], [0.3, 1.0, 0.5, 0.7]
    found = np.asarray(show(IMAGES, table, 56, recolour=True))
    for image, cut, (shift, factor) in zip(found, by_hand(View("top_right", True)), table[:, 4:6], strict=True):
        lighter = np.clip(cut.astype(np.float64) + shift, 0, 255)
        mean = lighter.mean((0, 1))
        np.testing.assert_allclose(image, np.clip((lighter - mean) * factor + mean, 0, 255), atol=1e-3)


def test_mixing_joins_the_first_with_the_last():
    table = View().table(4)
    table[:, 6] = [1, 0.25, 0.5, 0]
    found = np.asarray(show(IMAGES, table, 64, recolour=False, mix=True))
    share = table[:, 6].reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(found, share * IMAGES + (1 - share) * IMAGES[::-1], atol=1e-3)


def test_draws_are_a_function_of_their_stream():
    np.testing.assert_array_equal(MILANI.table(50, 3, 1), MILANI.table(50, 3, 1))
    for other in ((3, 2), (4, 1)):
        assert not np.array_equal(MILANI.table(50, 3, 1), MILANI.table(50, *other))


@pytest.mark.parametrize(("drawn", "windows"), [(LE_YANG, 5), (MILANI_TRANSFER, 5), (MILANI, 1), (PLAIN, 1)])
def test_every_window_and_its_mirror_image_come_equally_often(drawn, windows):
    table = drawn.table(2000, 0)
    found, counts = np.unique(table[:, :4], axis=0, return_counts=True)
    kinds = windows * (2 if drawn.mirror else 1)
    assert len(found) == kinds
    assert np.abs(counts - 2000 / kinds).max() < 5 * np.sqrt(2000 / kinds)  # five standard deviations


def test_brightness_and_contrast_fill_their_ranges_and_mixed_shares_theirs():
    table = MILANI.table(5000, 1)
    assert -51 <= table[:, 4].min() < -50 and 50 < table[:, 4].max() <= 51
    assert 0.3 <= table[:, 5].min() < 0.31 and 0.99 < table[:, 5].max() <= 1
    assert (table[:, 6] == 1).all()
    mixed = RandomViews(mixup=0.2).table(5000, 1)[:, 6]
    assert mixed.mean() == pytest.approx(0.5, abs=0.03) and ((mixed < 0.1) | (mixed > 0.9)).mean() > 0.6


def test_crops_at_any_place_are_whole_pixels_inside_the_image_and_evenly_spread():
    table = LE_YANG_ANYWHERE.table(20_000, 0)
    assert (table[:, 2] == 56).all() and LE_YANG_ANYWHERE.size == 56 and LE_YANG_ANYWHERE.cuts
    places, counts = np.unique(table[:, :2], axis=0, return_counts=True)
    assert places.tolist() == [[top, left] for top in range(9) for left in range(9)]
    assert np.abs(counts - 20_000 / 81).max() < 5 * np.sqrt(20_000 / 81)


def test_what_is_drawn_of_an_image_is_drawn_apart():
    names, table = [0, 1, 2, 4, 5], MILANI_TRANSFER.table(5000, 1)
    between = np.corrcoef(table[:, names].T)
    assert np.abs(between[3:] - np.eye(5)[3:]).max() < 0.06
    mirrored = MILANI.table(5000, 1)
    assert np.abs(np.corrcoef(mirrored[:, 3:6].T) - np.eye(3)).max() < 0.06


def test_draws_stay_what_they_were_for_values_that_are_stored():
    expected = [[8, 0, 56, 0, -46.8207, 0.311569, 1], [8, 8, 56, 0, 10.87685, 0.810648, 1]]
    np.testing.assert_allclose(DrawnView(MILANI_TRANSFER, 0, 0).table(2), expected, rtol=1e-5)


def test_random_squares_lie_within_their_window_and_have_areas_down_to_the_least():
    for window in ("whole", "bottom_right"):
        *starts, size = RandomViews((window,), least_area=0.25).table(5000, 1)[:, :3].T
        *firsts, length = View(window).table(1)[0, :3]
        assert length / 2 <= size.min() < 0.51 * length and 0.995 * length < size.max() <= length
        assert (size**2 / length**2).mean() == pytest.approx(0.625, abs=0.01)
        spreads = (np.stack(starts) - np.array(firsts)[:, None]) / np.maximum(length - size, 1e-6)
        assert spreads.min() >= -1e-3 and spreads.max() <= 1 + 1e-3
        independent = np.corrcoef([*np.clip(spreads, 0, 1), size])
        assert np.abs(independent - np.eye(3)).max() < 0.06
    assert RandomViews(least_area=0.25).description == "whole image, 25% to all of it"


def test_a_view_stored_before_there_were_random_squares_keeps_its_description():
    described = describe(DrawnView(MILANI_TRANSFER, 0, 0))["views"]
    assert set(described) == {"windows", "mirror", "brightness_contrast", "mixup"}
    assert "least_area" in describe(DrawnView(RandomViews(least_area=0.5), 0, 0))["views"]


def test_every_view_has_its_own_description():
    drawn = [DrawnView(kind, s, n) for kind in (MILANI, MILANI_TRANSFER) for s in (0, 1) for n in (0, 1)]
    shown = [*MILANI_TEN_CROP, View("center"), *drawn]
    assert len({json.dumps(describe(view)) for view in shown}) == len(shown)


def test_descriptions_in_words():
    assert PLAIN.description == "whole image"
    assert MILANI.description == "whole image, random mirror image, random brightness and contrast"
    assert LE_YANG.description == "one of 5 56x56 crops, random mirror image"
    assert LE_YANG_ANYWHERE.description == "a 56x56 crop at any place, random mirror image"
    assert MILANI_TRANSFER.description == "whole image or one of 4 56x56 crops, random brightness and contrast"
    assert RandomViews.from_json(json.loads(json.dumps(LE_YANG.__dict__))) == LE_YANG


ON_JAX = """
import sys
import numpy as np
from tiny_imagenet_tf.data import views
with np.load(sys.argv[1]) as stored:
    found = views.show(stored["images"], stored["table"], 75, "tf1", recolour=True)
np.save(sys.argv[2], np.asarray(found))
"""


def test_jax_shows_the_same(tmp_path):
    table = MILANI_TRANSFER.table(4, 5)
    np.savez(tmp_path / "in.npz", images=IMAGES, table=table)
    command = [sys.executable, "-c", ON_JAX, str(tmp_path / "in.npz"), str(tmp_path / "out.npy")]
    subprocess.run(command, check=True, env=os.environ | {"KERAS_BACKEND": "jax"}, stdout=subprocess.PIPE)
    here = np.asarray(show(IMAGES, table, 75, "tf1", recolour=True))
    np.testing.assert_allclose(np.load(tmp_path / "out.npy") / 255, here / 255, atol=1e-5)


def test_mirrored_alone_an_image_has_the_very_pixels_of_the_products():
    images = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)
    table = views.MILANI.table(6, 1)
    assert not views.MILANI.cuts and views.PLAIN.cuts and views.LE_YANG.cuts and 0 < table[:, 3].sum() < 6
    product, flipped = (np.asarray(views.show(images, table, 64, recolour=True, cut=cut)) for cut in (True, False))
    np.testing.assert_array_equal(flipped, product)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"windows": ()}, "windows"),
        ({"windows": ("nowhere",)}, "nowhere"),
        ({"least_area": 0.0}, "least_area 0.0"),
        ({"least_area": 1.5}, "least_area 1.5"),
        ({"least_area": float("nan")}, "least_area nan"),
        ({"mixup": -1.0}, "mixup -1"),
        ({"mixup": float("nan")}, "mixup nan"),
    ],
)
def test_views_that_cannot_be_drawn_are_refused(options, named):
    with pytest.raises(ValueError, match=named):
        views.RandomViews(**options)


def test_a_window_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="name at least one of whole, "):
        views.View("nowhere")
