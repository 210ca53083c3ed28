"""The published numbers agree with themselves: tables, running text and the counts of the real data."""

import pytest

from tiny_imagenet_tf import published
from tiny_imagenet_tf.published import RESULTS, TRAINING


@pytest.mark.parametrize(
    ("key", "val", "test"),
    [
        ("milani/baseline", 0.485, None),
        ("milani/baseline_ensemble", 0.522, 0.477),
        ("milani/regularized", 0.461, None),
        ("milani/regularized_ensemble", 0.468, 0.428),
        ("milani/transfer_vanilla", 0.7475, 0.668),
        ("milani/transfer_v2", 0.7611, 0.686),
        ("milani/transfer_v3", 0.767, 0.691),
        ("milani/kim_best", 0.7501, 0.689),
        ("le_yang/model_1", 0.3727, None),
        ("le_yang/model_2", 0.282, None),
        ("le_yang/model_3", 0.3829, None),
        ("le_yang/model_4", 0.3955, None),
        ("le_yang/model_5", 0.29, None),
        ("le_yang/model_6", 0.4019, None),
        ("le_yang/model_7", 0.4207, None),
        ("le_yang/model_8", 0.4645, None),
        ("le_yang/model_9", 0.595, None),
        ("le_yang/ensemble_8_9", 0.6123, 0.556),
    ],
)
def test_accuracies_are_those_of_the_running_text(key, val, test):
    assert RESULTS[key].val_accuracy == val
    assert RESULTS[key].test_accuracy == test


def test_training_settings_belong_to_results():
    assert set(TRAINING) < set(RESULTS)
    assert TRAINING["milani/regularized"].learning_rate == 2 * TRAINING["milani/baseline"].learning_rate
    assert TRAINING["milani/transfer_vanilla"].weight_decay == 0.0116
    assert TRAINING["le_yang/model_9"].momentum == 0.9


def test_table_1_of_le_yang_has_nine_columns():
    for row in (
        published.LE_YANG_TABLE_1_PARAMETERS_MILLION,
        published.LE_YANG_TABLE_1_DEPTH,
        published.LE_YANG_TABLE_2_NONLINEARITY,
        published.LE_YANG_TABLE_2_SCREENED,
    ):
        assert len(row) == 9
