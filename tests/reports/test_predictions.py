"""Counts of errors and confusions on five images of three classes."""

import numpy as np
import pytest

from tiny_imagenet_tf.reports.analysis.calibration import calibration
from tiny_imagenet_tf.reports.analysis.predictions import (
    ClassErrors,
    Predictions,
    class_errors,
    confused_pairs,
    confusion_counts,
)


@pytest.fixture
def answers():
    """Labels 0 0 0 1 1, answered 0 1 2 0 0; class 2 has no image."""
    probabilities = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.1, 0.7], [0.9, 0.1, 0.0], [0.5, 0.4, 0.1]])
    names, wnids = np.array([f"val_{i}.JPEG" for i in range(5)]), np.array(["n1", "n2", "n3"])
    return Predictions(names, np.array([0, 0, 0, 1, 1]), wnids, probabilities)


def test_confusions_are_counted_by_truth_and_guess(answers):
    assert confusion_counts(answers).tolist() == [[1, 1, 1], [2, 0, 0], [0, 0, 0]]


def test_classes_come_worst_first_and_without_images_not_at_all(answers):
    assert class_errors(answers) == (ClassErrors(1, 2, 0, ((0, 2),)), ClassErrors(0, 3, 1, ((1, 1), (2, 1))))
    assert [(each.error, each.wrong_classes) for each in class_errors(answers)] == [(1.0, 1), (pytest.approx(2 / 3), 2)]


def test_pairs_add_up_both_directions(answers):
    assert confused_pairs(answers, 5) == ((0, 1, 1, 2), (0, 2, 1, 0))
    assert confused_pairs(answers, 1) == ((0, 1, 1, 2),)


def test_the_answer_is_the_most_probable_class(answers):
    assert answers.predicted.tolist() == [0, 1, 2, 0, 0]
    assert answers.confidence.tolist() == [0.8, 0.6, 0.7, 0.9, 0.5]
    assert answers.right.tolist() == [True, False, False, False, False]


def test_calibration_weighs_each_bin_by_its_images():
    found = calibration(np.array([0.2, 0.4, 0.9, 0.7]), np.array([False, True, True, True]), bins=2)
    assert found.images.tolist() == [2, 2]
    assert found.confidence == pytest.approx([0.3, 0.8])
    assert found.accuracy == pytest.approx([0.5, 1.0])
    assert found.error == pytest.approx(0.5 * 0.2 + 0.5 * 0.2)


def test_a_bin_holds_its_upper_edge_and_an_empty_bin_does_not_count():
    found = calibration(np.array([0.5, 1.0000001]), np.array([True, True]), bins=4)
    assert found.images.tolist() == [0, 1, 0, 1]
    assert np.isnan(found.accuracy[[0, 2]]).all()
    assert found.error == pytest.approx(0.25, abs=1e-6)
