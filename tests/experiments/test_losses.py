"""The losses against the papers' formulas, written down in NumPy."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.experiments.losses import MulticlassHinge, l2_coefficient, smoothed_cross_entropy

SCORES = np.array([[2.0, -1.0, 0.5, 0.0], [0.0, 3.0, 2.5, -2.0], [1.0, 1.0, 1.0, 1.0]], np.float32)
LABELS = np.array([0, 2, 3])
TRUTH = np.eye(4, dtype=np.float32)[LABELS]


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_label_smoothing_is_equation_1(epsilon):
    smoothed = epsilon / 4 + (1 - epsilon) * TRUTH
    log_probabilities = SCORES - np.log(np.exp(SCORES).sum(axis=1, keepdims=True))
    expected = -(smoothed * log_probabilities).sum(axis=1).mean()
    assert float(smoothed_cross_entropy(epsilon)(TRUTH, SCORES)) == pytest.approx(expected, rel=1e-6)


def test_the_hinge_is_the_mean_over_images_of_the_sum_over_wrong_classes():
    margins = [[max(0, s[j] - s[y] + 1) for j in range(4) if j != y] for s, y in zip(SCORES, LABELS, strict=True)]
    assert float(MulticlassHinge()(TRUTH, SCORES)) == pytest.approx(np.sum(margins) / 3, rel=1e-6)
    # By hand: 0 for the first image, 1.5 for the second, 1 + 1 + 1 for the third.
    assert np.sum(margins) == 4.5


def test_losses_of_half_precision_scores_are_finite_and_close():
    for loss in (smoothed_cross_entropy(0.1), MulticlassHinge()):
        full, half = loss(TRUTH, SCORES), loss(TRUTH, SCORES.astype(np.float16))
        assert float(half) == pytest.approx(float(full), rel=1e-3)


@pytest.mark.parametrize(("convention", "factor"), [("l2_loss", 0.5), ("keras", 1.0)])
def test_weight_decay_is_what_its_convention_says(convention, factor):
    kernel = np.array([1.0, -2.0, 3.0], np.float32)
    penalty = keras.regularizers.L2(l2_coefficient(0.08, convention))(kernel)
    assert float(penalty) == pytest.approx(0.08 * 14 * factor, rel=1e-6)


def test_a_network_compiled_with_the_svm_loss_is_loaded_without_custom_objects(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", MulticlassHinge())
    model.save(tmp_path / "svm.keras")
    assert isinstance(keras.saving.load_model(tmp_path / "svm.keras").loss, MulticlassHinge)
