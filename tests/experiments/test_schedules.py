"""Learning rates against values worked out by hand."""

from types import SimpleNamespace

import pytest

from tiny_imagenet_tf.experiments.schedules import Plateau, cuts, staircase_callback
from tiny_imagenet_tf.runs.run import Run


@pytest.mark.parametrize(
    ("initial", "every_epochs", "epoch", "rate"),
    [
        (1e-3, 1, 0, 1e-3),  # Baseline: times 0.9 each epoch
        (1e-3, 1, 1, 9e-4),
        (1e-3, 1, 10, 3.486784e-4),
        (2e-3, 2, 1, 2e-3),  # Regularized: doubled, times 0.9 every two epochs
        (2e-3, 2, 2, 1.8e-3),
        (2e-3, 2, 21, 6.973569e-4),
    ],
)
def test_the_papers_staircases(initial, every_epochs, epoch, rate):
    callback = staircase_callback(initial, 0.9, every_epochs=every_epochs)
    assert callback.schedule(epoch, 0.0) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([], []),
        ([0.1, 0.2, 0.3], []),
        ([0.3, 0.2], []),
        ([0.3, 0.2, 0.25], [3]),  # two epochs without a new best
        ([0.3, 0.3, 0.3], [3]),  # ties are none
        ([0.3, float("nan"), 0.2], [3]),
        ([float("nan"), 0.1, 0.2], []),
        ([0.3, 0.2, 0.4, 0.3], []),  # a new best begins the count anew
        ([0.3, 0.2, 0.2, 0.2], [3]),  # and so does a cut
        ([0.3, 0.2, 0.2, 0.2, 0.2], [3, 5]),
    ],
)
def test_a_cut_follows_epochs_without_a_new_best(accuracies, expected):
    assert cuts(accuracies, patience=2) == expected


def test_the_rate_is_divided_by_ten_at_each_cut_and_training_ends_after_the_last(tmp_path):
    run = Run(tmp_path)
    plateau = Plateau(run, 0.02, patience=2, stop_after=2)
    plateau.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.02), stop_training=False))
    rates, ends = [], []
    for epoch, accuracy in enumerate([0.3, 0.2, 0.2, 0.2, 0.1]):
        rates.append(plateau.schedule(epoch, 0.0))
        halves = [{"epoch": epoch + share, "selection_accuracy": accuracy} for share in (0.5, 1)]
        run.write_metrics([*run.metrics, *halves])
        plateau.on_epoch_end(epoch, {})
        ends.append(plateau.model.stop_training)
    assert rates == pytest.approx([0.02, 0.02, 0.02, 0.002, 0.002])
    assert ends == [False] * 4 + [True] and plateau.last_epoch == 5
    assert Plateau(run, 0.02, patience=2).last_epoch is None  # nothing ends it
    assert plateau.schedule(3, 0.0) == pytest.approx(0.002)  # as it was then: a resumed run
