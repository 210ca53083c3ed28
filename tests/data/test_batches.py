"""The steps of a run: every image once an epoch, the same from any step on."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data import batches
from tiny_imagenet_tf.data.batches import ImageBatches, Steps, decode, in_order, in_view, of_rows
from tiny_imagenet_tf.data.views import LE_YANG, MILANI, PLAIN, RandomViews, View


def arrays(dataset):
    """Images, tables and labels, a row a step."""
    found = [(images, table, labels) for (images, table), labels in dataset.as_numpy_iterator()]
    return [np.stack(column) for column in zip(*found, strict=True)]


def test_images_are_decoded_in_the_splits_order(train):
    images = np.concatenate(list(in_order(train, 10).as_numpy_iterator()))
    assert images.shape == (24, 64, 64, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[7], decode(train.jpegs[7]))


def test_a_split_in_one_view_is_its_images_with_that_views_row(train):
    view = View("top_left", mirrored=True)
    batches = [each for (each,) in in_view(train, view, 10).as_numpy_iterator()]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches])[13], decode(train.jpegs[13]))
    np.testing.assert_array_equal(np.concatenate([table for _, table in batches]), view.table(24))


def test_grayscale_is_replicated():
    gray = tf.reshape(tf.cast(tf.range(64 * 64) % 200, tf.uint8), (64, 64, 1))
    image = decode(tf.io.encode_jpeg(gray)).numpy()
    np.testing.assert_array_equal(image, np.repeat(image[..., :1], 3, axis=2))


def test_batches_are_finite_uint8_and_one_hot(train):
    batches = ImageBatches(train, PLAIN, 5, seed=0)
    assert batches.steps.per_epoch == 4  # 24 images: 4 are left out
    images, table, labels = arrays(batches.dataset(0, 4))
    assert images.shape == (4, 5, 64, 64, 3) and images.dtype == np.uint8
    assert table.shape == (4, 5, 7) and labels.shape == (4, 5, 4) and labels.dtype == np.float32
    pixels = np.concatenate(list(in_order(train, 24).as_numpy_iterator()))
    order = batches.steps.order(0)
    np.testing.assert_array_equal(images.reshape(-1, 64, 64, 3), pixels[order])
    np.testing.assert_array_equal(labels.reshape(-1, 4), np.eye(4)[train.labels[order]])


def test_an_image_goes_to_the_device_as_bytes(train):
    (images, table), truth = ImageBatches(train, MILANI, 8, seed=0).dataset(0, 3).element_spec
    assert (images.dtype, images.shape.as_list()) == ("uint8", [8, 64, 64, 3])
    assert sum(np.prod(each.shape[1:]) * each.dtype.size for each in (images, table, truth)) == 12_288 + 7 * 4 + 4 * 4
    images = in_order(train, 8).element_spec
    assert images.dtype == "uint8"
    images, _ = of_rows(train, iter([np.arange(8)])).element_spec  # to be extracted
    assert images.dtype == "uint8"


def test_an_epoch_shows_every_image_once_and_another_epoch_shuffles_anew():
    steps = Steps(24, 6, seed=0)
    assert sorted(steps.order(0)) == sorted(steps.order(1)) == list(range(24))
    assert steps.order(0).tolist() != steps.order(1).tolist()
    assert steps.order(0).tolist() != Steps(24, 6, seed=1).order(0).tolist()
    assert Steps(6, 2, seed=3).order(2).tolist() == [4, 0, 1, 2, 3, 5], "as ever, or no run could go on"


@pytest.mark.parametrize("views", [PLAIN, MILANI, LE_YANG, RandomViews(mixup=0.4)], ids=lambda each: each.description)
@pytest.mark.parametrize("first", [0, 1, 3, 4, 6])
def test_from_any_step_on_over_several_epochs_the_batches_are_the_same(train, views, first):
    batches = ImageBatches(train, views, 6, seed=3)
    for whole, rest in zip(arrays(batches.dataset(0, 8)), arrays(batches.dataset(first, 8)), strict=True):
        np.testing.assert_array_equal(rest, whole[first:])


def test_a_run_ends_within_an_epoch_too(train):
    batches = ImageBatches(train, MILANI, 6, seed=3)
    for whole, part in zip(arrays(batches.dataset(0, 8)), arrays(batches.dataset(2, 7)), strict=True):
        np.testing.assert_array_equal(part, whole[2:7])


def test_cached_images_are_the_same(train):
    plain, cached = (ImageBatches(train, MILANI, 6, 3, cache=cache) for cache in (False, True))
    for one, other in zip(arrays(plain.dataset(4, 8)), arrays(cached.dataset(4, 8)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_views_change_with_the_epoch_and_the_seed_but_not_with_the_batch_size(train):
    def by_image(seed, epoch, batch_size=6):
        rows, table = ImageBatches(train, MILANI, batch_size, seed).of_epoch(epoch)
        return table[np.argsort(rows)]

    np.testing.assert_array_equal(by_image(0, 1), by_image(0, 1, batch_size=8))
    assert not np.array_equal(by_image(0, 1), by_image(0, 2))
    assert not np.array_equal(by_image(0, 1), by_image(1, 1))


def test_mixed_images_have_mixed_labels(train):
    batches = ImageBatches(train, RandomViews(mixup=0.4), 6, seed=0)
    _, table, labels = arrays(batches.dataset(0, 1))
    share, truth = table[0, :, -1:], np.eye(4)[train.labels[batches.steps.order(0)[:6]]]
    np.testing.assert_allclose(labels[0], share * truth + (1 - share) * truth[::-1], atol=1e-6)


def test_targets_are_learned_instead_of_the_labels(train):
    targets = np.random.default_rng(0).dirichlet(np.ones(4), len(train)).astype(np.float32)
    batches = ImageBatches(train, PLAIN, 6, 0, targets=targets)
    _, _, labels = arrays(batches.dataset(0, 1))
    np.testing.assert_array_equal(labels[0], targets[batches.steps.order(0)[:6]])


@pytest.mark.parametrize("batch_size", [0, 25])
def test_a_batch_larger_than_the_split_is_an_error(train, batch_size):
    with pytest.raises(ValueError, match="24 training images"):
        ImageBatches(train, PLAIN, batch_size, seed=0).dataset(0, 1)


def test_no_pass_waits_for_the_thread_that_tunes_it(train):
    steps = batches.Steps(24, 4, 0)
    datasets = [
        batches.in_order(train, 5),
        batches.in_view(train, View(), 5),
        batches.of_rows(train, iter([np.arange(3)])),
        batches.ImageBatches(train, MILANI, 4, 0).dataset(0, 3),
        batches.gathered(
            steps.dataset(0, 2, lambda epoch: (steps.order(epoch),) * 2), train.labels, 4, np.zeros((24, 2))
        ),
    ]
    assert all(each.options().autotune.enabled is False for each in datasets)


def test_the_pipeline_of_the_readme_trains(downloaded):
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (code,) = [each for each in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if "ImageBatches(" in each]
    smaller = {
        "prepare()": "prepare(None, downloaded)",
        "compact_inception()": "compact_inception(classes=4, width_multiplier=0.1)",
        "batch_size=100": "batch_size=4",
        "dataset(0, 3000)": "dataset(0, 6)",
        "epochs=3": "epochs=1",
        "steps_per_epoch=1000": "steps_per_epoch=6",
    }
    for shown, here in smaller.items():
        assert code.count(shown) == 1, shown
        code = code.replace(shown, here)
    names = {"downloaded": downloaded}
    exec(code, names)
    assert names["model"].history.history["accuracy"] and names["network"].output_shape == (None, 4)
