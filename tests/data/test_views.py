import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data import image_ops, views
from tiny_imagenet_tf.data.views import TEN_CROP, AugmentedView, View, describe

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_ten_crop_is_ten_hand_cut_crops():
    whole = IMAGE
    corners = [IMAGE[:56, :56], IMAGE[:56, 8:], IMAGE[8:, :56], IMAGE[8:, 8:]]
    by_hand = [whole, *corners]
    by_hand += [crop[:, ::-1] for crop in by_hand]
    assert len(TEN_CROP) == 10
    for view, expected in zip(TEN_CROP, by_hand, strict=True):
        np.testing.assert_array_equal(view(tf.constant(IMAGE), 0), expected, err_msg=str(view))


def test_the_centre_crop():
    np.testing.assert_array_equal(View("center")(tf.constant(IMAGE), 0), IMAGE[4:60, 4:60])


def test_every_view_has_its_own_description():
    shown = [*TEN_CROP, View("center"), *(AugmentedView(s, n) for s in (0, 1) for n in (0, 1))]
    assert len({str(describe(view)) for view in shown}) == len(shown)


def augmented(view, keys):
    pixels = tf.data.Dataset.from_tensor_slices(tf.constant(keys, tf.int64)).map(
        lambda key: image_ops.resize(view(tf.constant(IMAGE), key), 64), num_parallel_calls=4
    )
    return np.stack(list(pixels.as_numpy_iterator()))


def test_an_augmented_view_depends_on_its_key_alone():
    view = AugmentedView(seed=5, number=2)
    together = augmented(view, range(8))
    np.testing.assert_array_equal(augmented(view, [6, 1]), together[[6, 1]])
    assert len(np.unique(together.reshape(8, -1), axis=0)) == 8


def test_numbers_and_seeds_give_other_views():
    shown = [augmented(AugmentedView(seed, number), [7]) for seed in (0, 1) for number in (0, 1)]
    assert len(np.unique(np.reshape(shown, (4, -1)), axis=0)) == 4


def test_all_five_windows_occur_about_equally_often():
    view = AugmentedView(seed=0, number=0, brightness_delta=0.0, contrast_low=0.999, contrast_high=1.0)
    windows = [IMAGE, IMAGE[:56, :56], IMAGE[:56, 8:], IMAGE[8:, :56], IMAGE[8:, 8:]]
    counts = np.zeros(5, int)
    for key in range(1000):
        shown = view(tf.constant(IMAGE), tf.constant(key, tf.int64)).numpy()
        fits = [shown.shape == w.shape and np.abs(shown - w).max() < 1 for w in windows]
        assert sum(fits) == 1
        counts[fits.index(True)] += 1
    assert counts.min() > 140 and counts.max() < 260  # 200 expected, standard deviation 13


def test_values_stay_in_range():
    shown = augmented(AugmentedView(0, 0), range(50))
    assert shown.dtype == np.float32 and shown.min() >= 0 and shown.max() <= 255


def test_an_unknown_window_is_refused():
    with pytest.raises(ValueError, match="corner='left'"):
        View("left")(tf.constant(IMAGE), 0)


def test_the_ten_crops_begin_with_the_whole_image():
    assert views.TEN_CROP[0] == views.WHOLE
