import numpy as np
import pytest

from tiny_imagenet_tf.evaluation.metrics import combine, near_chance, p_in_words, softmax, top_k_accuracy

SCORES = np.log([[1.0, 3.0], [9.0, 1.0]])


def test_softmax_by_hand():
    np.testing.assert_allclose(softmax(SCORES), [[0.25, 0.75], [0.9, 0.1]], rtol=1e-12)
    np.testing.assert_allclose(softmax(SCORES + 1000), softmax(SCORES), rtol=1e-9)


def test_combine_sums_probabilities_not_scores():
    other = np.log([[9.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(combine([SCORES, other]), [[0.575, 0.425], [0.7, 0.3]], rtol=1e-12)
    np.testing.assert_allclose(combine(iter([SCORES])), softmax(SCORES))


def test_top_k():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])
    labels = np.array([0, 1, 2])
    assert top_k_accuracy(probabilities, labels) == pytest.approx(1 / 3)
    assert top_k_accuracy(probabilities, labels, 2) == pytest.approx(2 / 3)
    assert top_k_accuracy(probabilities, labels, 3) == 1


def test_ties_go_to_the_smaller_index_as_in_argmax():
    assert top_k_accuracy(np.array([[0.5, 0.5]]), np.array([1])) == 0
    assert top_k_accuracy(np.array([[0.5, 0.5]]), np.array([0])) == 1


def test_figures_in_words():
    assert [p_in_words(p) for p in (9e-5, 1e-4, 0.0124)] == ["< 0.0001", "0.0001", "0.0124"]
    assert near_chance(0.0099, 200) and not near_chance(0.01, 200) and not near_chance(0.1, 5)
