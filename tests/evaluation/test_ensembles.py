"""Ensembles against sums written out by hand."""

import numpy as np
import pytest

from tiny_imagenet_tf.evaluation.ensembles import join_best_first, published_key

LABELS = np.array([0, 1, 2, 0])


def probabilities(*rows):
    return np.array(rows, np.float64)


# Alone: 2 of 4, 3 of 4, 1 of 4 right.
WEAK = probabilities([0.6, 0.4, 0.0], [0.5, 0.4, 0.1], [0.0, 0.1, 0.9], [0.0, 1.0, 0.0])
STRONG = probabilities([0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3], [0.7, 0.2, 0.1])
WRONG = probabilities([0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0])


def test_members_are_joined_best_first():
    joined = join_best_first([WEAK, STRONG, WRONG], LABELS)
    assert joined.order == (1, 0, 2)
    assert joined.accuracies == (0.5, 0.75, 0.25)
    # STRONG + WEAK: 1.5 0.5 | 0.6 1.2 | 0.4 0.4 1.2 | 0.7 1.2: the last is lost, the third won.
    assert joined.accuracy_by_size == (0.75, 0.75, 0.5)
    assert joined.best_size == 1, "of equal sizes the smallest"
    assert joined.best_members == (1,)


def test_an_ensemble_can_beat_its_best_member():
    other = probabilities([0.4, 0.6, 0.0], [0.4, 0.6, 0.0], [0.0, 0.0, 1.0], [0.6, 0.4, 0.0])
    joined = join_best_first([other, STRONG], LABELS)
    assert joined.order == (0, 1), "of equal members the earlier"
    assert joined.accuracy_by_size == (0.75, 1.0)
    assert joined.best_size == 2


def test_probabilities_are_summed_not_scores_or_votes():
    sure, unsure = probabilities([0.9, 0.1]), probabilities([0.45, 0.55])
    assert join_best_first([sure, unsure, unsure], np.array([0])).accuracy_by_size == (1, 1, 1)  # two votes against one


def test_no_members_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        join_best_first([], LABELS)


@pytest.mark.parametrize(
    ("members", "runs", "key"),
    [
        (["milani/baseline"] * 9, "a" * 9, "milani/baseline_ensemble"),
        (["milani/regularized"], "a", "milani/regularized_ensemble"),
        (["milani/baseline"] * 2, "ab", None),  # two runs
        (["milani/baseline", "milani/regularized"], "ab", None),
        (["le_yang/model_9", "le_yang/model_8"], "ab", "le_yang/ensemble_8_9"),
        (["le_yang/model_9", "le_yang/model_8", "le_yang/model_8"], "abb", None),  # snapshots
        (["le_yang/model_9"], "a", None),
        (["le_yang/model_7", "le_yang/model_8", "le_yang/model_9"], "abc", None),
        (["milani/baseline", None], "ab", None),
        ([None], "a", None),
    ],
)
def test_the_papers_row_of_an_ensemble(members, runs, key):
    assert published_key(members, runs) == key
