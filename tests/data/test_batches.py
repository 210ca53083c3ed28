"""Training batches: every image once an epoch, the same from any step on, and exactly the views that are allowed."""

import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data import image_ops
from tiny_imagenet_tf.data.batches import LE_YANG, MILANI, NONE, Augmentation, TrainingBatches
from tiny_imagenet_tf.data.screening import FIVE_CROPS


def arrays(dataset):
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.stack(images), np.stack(labels)


def decoded(train):
    return {
        name: image_ops.decode(jpeg).numpy() for name, jpeg in zip(train.file_names, train.jpegs, strict=True)
    }  # fmt: skip


def test_batches_are_finite_scaled_and_one_hot(train):
    batches = TrainingBatches(train, NONE, 5, seed=0)
    assert batches.steps == 4 == batches.epoch(0).cardinality()  # 24 images: 4 are left out
    images, labels = arrays(batches.epoch(0))
    assert images.shape == (4, 5, 64, 64, 3) and images.dtype == np.float32
    assert labels.shape == (4, 5, 4) and labels.dtype == np.float32
    pixels = decoded(train)
    for row, image, label in zip(batches.order(0), images.reshape(-1, 64, 64, 3), labels.reshape(-1, 4), strict=True):
        np.testing.assert_allclose(image, pixels[train.file_names[row]] / 127.5 - 1, atol=1e-6)
        assert label.tolist() == np.eye(4)[train.labels[row]].tolist()


def test_an_epoch_shows_every_image_once_and_another_epoch_shuffles_anew(train):
    batches = TrainingBatches(train, NONE, 6, seed=0)
    assert sorted(batches.order(0)) == sorted(batches.order(1)) == list(range(24))
    assert batches.order(0).tolist() != batches.order(1).tolist()
    assert batches.order(1).tolist() == TrainingBatches(train, MILANI, 6, seed=0).order(1).tolist()
    assert batches.order(0).tolist() != TrainingBatches(train, NONE, 6, seed=1).order(0).tolist()


@pytest.mark.parametrize("augmentation", [NONE, MILANI, LE_YANG], ids=["none", "milani", "le_yang"])
@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_from_any_step_on_the_batches_are_the_same(train, augmentation, start):
    batches = TrainingBatches(train, augmentation, 6, seed=3)
    whole = arrays(batches.epoch(2))
    rest = batches.epoch(2, start=start)
    assert rest.cardinality() == 4 - start
    if start < 4:
        for expected, got in zip(whole, arrays(rest), strict=True):
            np.testing.assert_array_equal(got, expected[start:])


def test_cached_images_are_the_same(train):
    for plain, cached in zip(
        arrays(TrainingBatches(train, MILANI, 6, seed=3).epoch(1)),
        arrays(TrainingBatches(train, MILANI, 6, seed=3, cache=True).epoch(1)),
        strict=True,
    ):
        np.testing.assert_array_equal(plain, cached)


def test_views_change_with_the_epoch_and_the_seed_but_not_with_the_batch_size(train):
    def by_image(seed, epoch, batch_size=6):
        batches = TrainingBatches(train, MILANI, batch_size, seed)
        images = arrays(batches.epoch(epoch))[0].reshape(-1, 64, 64, 3)
        return images[np.argsort(batches.order(epoch))]

    np.testing.assert_array_equal(by_image(0, 1), by_image(0, 1, batch_size=8))
    assert not np.array_equal(by_image(0, 1), by_image(0, 2))
    assert not np.array_equal(by_image(0, 1), by_image(1, 1))


def test_a_crop_is_one_of_ten_and_all_ten_come(train):
    pixels = decoded(train)
    batches = TrainingBatches(train, LE_YANG, 24, seed=0)
    seen = set()
    for epoch in range(4):
        images, _ = arrays(batches.epoch(epoch))
        for row, image in zip(batches.order(epoch), images[0], strict=True):
            original = pixels[train.file_names[row]] / 127.5 - 1
            crops = [original[top : top + 56, left : left + 56] for top, left in FIVE_CROPS]
            ten = [*crops, *(crop[:, ::-1] for crop in crops)]
            matches = [number for number, crop in enumerate(ten) if np.allclose(crop, image, atol=1e-6)]
            assert len(matches) == 1, "not one of the ten"
            seen.update(matches)
    assert seen == set(range(10))


def test_brightness_and_contrast_stay_within_their_ranges():
    image = tf.fill((64, 64, 3), tf.constant(100, tf.uint8))
    light = Augmentation(brightness_contrast=True)
    shifts = {float(light(image, tf.constant([0, key], tf.int64))[0, 0, 0]) - 100 for key in range(20)}
    assert len(shifts) == 20  # contrast does nothing to one colour, brightness shifts it
    assert max(map(abs, shifts)) <= 0.2 * 255 + 1e-3 and min(shifts) < 0 < max(shifts)


@pytest.mark.parametrize("batch_size", [0, 25])
def test_a_batch_larger_than_the_split_is_an_error(train, batch_size):
    with pytest.raises(ValueError, match="24 training images"):
        TrainingBatches(train, NONE, batch_size, seed=0)
