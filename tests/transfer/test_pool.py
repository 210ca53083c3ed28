import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data.batches import Steps
from tiny_imagenet_tf.experiments.fit import compile_for_training
from tiny_imagenet_tf.experiments.losses import smoothed_cross_entropy
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.transfer.pool import ValueBatches, ValuePool

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(0, 1, (3, 8))
LABELS = np.arange(60) % 3
VALUES = (CENTRES[LABELS] + RNG.normal(0, 0.3, (60, 8))).astype("float16")


WHOLE = ((VALUES, np.arange(60)),)


def pool(views=WHOLE, labels=LABELS):
    return ValuePool.from_views(list(views), labels)


def batches_of(pool, batch_size, classes=3, seed=0):
    return ValueBatches(pool, Steps(len(pool.labels), batch_size, seed), classes)


def epoch(batches, number):
    each = batches.steps.per_epoch
    pairs = [(v.numpy(), o.numpy()) for v, o in batches.dataset(number * each, (number + 1) * each)]
    return np.concatenate([v for v, _ in pairs]), np.concatenate([o for _, o in pairs]).argmax(-1)


def test_an_epoch_shows_every_image_once_with_its_label():
    values, labels = epoch(batches_of(pool(), 6), 0)
    order = [int(np.flatnonzero((row == VALUES).all(axis=1))[0]) for row in values]
    assert sorted(order) == list(range(60)) and order != list(range(60))
    assert labels.tolist() == LABELS[order].tolist()
    assert values.dtype == np.float32


def test_epochs_differ_and_a_seed_fixes_them():
    batches = batches_of(pool(), 6)
    first, second = epoch(batches, 0)[0], epoch(batches, 1)[0]
    assert (first != second).any()
    np.testing.assert_array_equal(epoch(batches_of(pool(), 6), 1)[0], second)
    assert (epoch(batches_of(pool(), 6, seed=1), 0)[0] != first).any()
    images, rows = batches_of(pool((*WHOLE, (VALUES + 1, np.arange(60)))), 6, seed=3).of_epoch(2)
    assert images[:6].tolist() == [35, 10, 44, 41, 18, 12] and rows[:6].tolist() == [35, 70, 104, 101, 78, 12]


def test_views_are_drawn_evenly_and_some_images_have_fewer():
    images = np.array([0, 1, 2, 3])
    whole = np.stack([images, np.zeros(4)], -1).astype("float16")
    extra = np.stack([images[2:], np.ones(2)], -1).astype("float16")
    two = pool(((whole, images), (extra, images[2:])), labels=np.zeros(4, int))
    assert two.counts.tolist() == [1, 1, 2, 2]
    batches = batches_of(two, 4, classes=1)
    shown = np.concatenate([values.numpy() for values, _ in batches.dataset(0, 40)])
    for image, low, high in ((0, 0, 0), (1, 0, 0), (2, 0.2, 0.8), (3, 0.2, 0.8)):
        share = shown[shown[:, 0] == image][:, 1].mean()
        assert low <= share <= high
    assert (np.bincount(shown[:, 0].astype(int)) == 40).all()


def test_an_image_without_values_is_refused():
    with pytest.raises(ValueError, match="1 training images have no transfer values"):
        pool(((VALUES[:59], np.arange(59)),))


def test_only_some_images():
    some = pool().only(np.array([4, 40]))
    values, labels = epoch(batches_of(some, 2), 0)
    assert sorted(map(tuple, values)) == sorted(map(tuple, VALUES[[4, 40]].astype("float32")))
    assert sorted(labels) == sorted(LABELS[[4, 40]])


def test_from_any_step_on_the_batches_are_the_same():
    extra = (VALUES[:30] + 1, np.arange(30))
    batches = batches_of(pool((*WHOLE, extra)), 6)
    whole = [values.numpy() for values, _ in batches.dataset(0, 25)]
    rest = [values.numpy() for values, _ in batches.dataset(13, 25)]
    np.testing.assert_array_equal(rest, whole[13:])


@pytest.mark.parametrize(("images", "together"), [(60, 10), (101 * 6, 1), (1000 * 6, 50), (90 * 6, 45)])
def test_the_steps_of_an_execution_divide_an_epoch(images, together):
    batches = ValueBatches(pool(), Steps(images, 6, 0), 3)
    assert batches.steps_per_execution == together


def trained(together, seed=5):
    keras.utils.set_random_seed(seed)
    head, batches = transfer_head(8, 3), batches_of(pool(), 6)
    compile_for_training(head, keras.optimizers.Adam(0.1), smoothed_cross_entropy(0.1), steps_per_execution=together)
    rows = head.fit(batches.dataset(0, 40), epochs=4, steps_per_epoch=10, shuffle=False, verbose=0).history
    return head.get_weights(), rows


def test_it_learns_and_two_runs_with_one_seed_are_identical():
    (weights, rows), (again, _) = trained(10), trained(10)
    assert rows["accuracy"][-1] > 0.9 and rows["data_loss"][-1] < rows["data_loss"][0]
    for a, b in zip(weights, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_steps_per_execution_changes_nothing():
    for a, b in zip(trained(10)[0], trained(1)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_loss_is_equation_1():
    head = transfer_head(8, 3, weight_decay=0.1)
    compile_for_training(head, keras.optimizers.Adam(0.1), smoothed_cross_entropy(0.1))
    scores = head.predict(VALUES.astype("float32"), verbose=0).astype("float64")
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    q = 0.1 / 3 + 0.9 * np.eye(3)[LABELS]
    found = head.evaluate(VALUES.astype("float32"), np.eye(3)[LABELS], verbose=0, return_dict=True)
    assert found["data_loss"] == pytest.approx(-(q * log_p).sum(axis=1).mean(), rel=1e-5)
    penalty = 0.1 * float(np.square(head.get_layer("logits").kernel).sum())
    assert found["loss"] - found["data_loss"] == pytest.approx(penalty, rel=1e-4)
