"""Learning rates against values worked out by hand."""

import pytest

from tiny_imagenet_tf.experiments.schedules import plateau, staircase


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
    assert staircase(initial, 0.9, every_epochs=every_epochs, epoch=epoch) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("accuracies", "rate"),
    [
        ([], 0.02),
        ([0.1, 0.2, 0.3], 0.02),
        ([0.3, 0.2], 0.02),
        ([0.3, 0.2, 0.25], 0.002),  # two epochs without a new best
        ([0.3, 0.3, 0.3], 0.002),  # ties are none
        ([0.3, float("nan"), 0.2], 0.002),
        ([float("nan"), 0.1, 0.2], 0.02),
        ([0.3, 0.2, 0.4, 0.3], 0.02),  # a new best begins the count anew
        ([0.3, 0.2, 0.2, 0.2], 0.002),  # and so does a cut
        ([0.3, 0.2, 0.2, 0.2, 0.2], 0.0002),
    ],
)
def test_the_plateau(accuracies, rate):
    assert plateau(0.02, accuracies, patience=2) == pytest.approx(rate, rel=1e-12)
