import keras
import numpy as np
import pytest

from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.transfer.pool import ValuePool, compile_for_training, fit

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(0, 1, (3, 8))
LABELS = np.arange(60) % 3
VALUES = (CENTRES[LABELS] + RNG.normal(0, 0.3, (60, 8))).astype("float16")


WHOLE = ((VALUES, np.arange(60)),)


def pool(views=WHOLE, labels=LABELS):
    return ValuePool.from_views(list(views), labels)


def epoch(batches, number):
    pairs = [(v.numpy(), o.numpy()) for v, o in batches(number)]
    return np.concatenate([v for v, _ in pairs]), np.concatenate([o for _, o in pairs]).argmax(-1)


def test_an_epoch_shows_every_image_once_with_its_label():
    values, labels = epoch(pool().batches(batch_size=7, classes=3, seed=0), 0)
    order = [int(np.flatnonzero((row == VALUES).all(axis=1))[0]) for row in values]
    assert sorted(order) == list(range(60)) and order != list(range(60))
    assert labels.tolist() == LABELS[order].tolist()
    assert values.dtype == np.float32


def test_epochs_differ_and_a_seed_fixes_them():
    batches = pool().batches(batch_size=7, classes=3, seed=0)
    first, second = epoch(batches, 0)[0], epoch(batches, 1)[0]
    assert (first != second).any()
    np.testing.assert_array_equal(epoch(pool().batches(batch_size=7, classes=3, seed=0), 1)[0], second)
    assert (epoch(pool().batches(batch_size=7, classes=3, seed=1), 0)[0] != first).any()


def test_views_are_drawn_evenly_and_some_images_have_fewer():
    images = np.array([0, 1, 2, 3])
    whole = np.stack([images, np.zeros(4)], -1).astype("float16")
    extra = np.stack([images[2:], np.ones(2)], -1).astype("float16")
    two = pool(((whole, images), (extra, images[2:])), labels=np.zeros(4, int))
    assert two.counts.tolist() == [1, 1, 2, 2]
    batches = two.batches(batch_size=4, classes=1, seed=0)
    shown = np.concatenate([epoch(batches, number)[0] for number in range(100)])
    for image, low, high in ((0, 0, 0), (1, 0, 0), (2, 0.3, 0.7), (3, 0.3, 0.7)):
        share = shown[shown[:, 0] == image][:, 1].mean()
        assert low <= share <= high
    assert (np.bincount(shown[:, 0].astype(int)) == 100).all()


def test_an_image_without_values_is_refused():
    with pytest.raises(ValueError, match="1 training images have no transfer values"):
        pool(((VALUES[:59], np.arange(59)),))


def test_only_some_images():
    some = pool().only(np.array([4, 40]))
    values, labels = epoch(some.batches(batch_size=2, classes=3, seed=0), 0)
    assert sorted(map(tuple, values)) == sorted(map(tuple, VALUES[[4, 40]].astype("float32")))
    assert sorted(labels) == sorted(LABELS[[4, 40]])


def trained(seed=0, epochs=4, **options):
    keras.utils.set_random_seed(seed)
    head = transfer_head(8, 3)
    compile_for_training(
        head, learning_rate=0.1, decay_per_epoch=0.5, steps_per_epoch=6, label_smoothing=0.1, **options
    )
    accuracies = iter([0.2, 0.7, 0.7, 0.4])
    weights = []

    def measure():
        weights.append(head.get_weights())
        accuracy = next(accuracies)
        return {"val_accuracy": accuracy, "val_top5": 1.0, "selection_accuracy": accuracy}

    rows = fit(head, pool().batches(batch_size=10, classes=3, seed=seed), epochs=epochs, measure=measure)
    return head, rows, weights


def test_the_learning_rate_falls_once_an_epoch():
    _, rows, _ = trained()
    np.testing.assert_allclose([row["learning_rate"] for row in rows], [0.1, 0.05, 0.025, 0.0125], rtol=1e-6)


def test_it_learns_and_keeps_the_first_best_epoch():
    head, rows, weights = trained()
    assert rows[-1]["accuracy"] > 0.9 and rows[-1]["loss"] < rows[0]["loss"]
    for kept, second in zip(head.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(kept, second)


def test_two_runs_with_one_seed_are_identical():
    for a, b in zip(trained(5)[2][-1], trained(5)[2][-1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_steps_per_execution_changes_nothing():
    for a, b in zip(trained(5)[2][-1], trained(5, steps_per_execution=1)[2][-1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_loss_is_equation_1():
    head = transfer_head(8, 3)
    compile_for_training(head, learning_rate=0.1, decay_per_epoch=1, steps_per_epoch=1, label_smoothing=0.1)
    scores = head.predict(VALUES.astype("float32"), verbose=0).astype("float64")
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    q = 0.1 / 3 + 0.9 * np.eye(3)[LABELS]
    loss, _ = head.evaluate(VALUES.astype("float32"), np.eye(3)[LABELS], verbose=0)
    assert loss == pytest.approx(-(q * log_p).sum(axis=1).mean(), rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run():
    head = transfer_head(8, 3)
    compile_for_training(head, learning_rate=0.1, decay_per_epoch=1, steps_per_epoch=6, label_smoothing=0.1)
    broken = VALUES.copy()
    broken[5] = np.nan
    with pytest.raises(FloatingPointError, match="the loss of epoch 1 is nan"):
        fit(head, pool(((broken, np.arange(60)),)).batches(batch_size=10, classes=3, seed=0), epochs=2, measure=dict)
