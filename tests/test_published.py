"""The published numbers agree with themselves: tables, running text and the counts of the real data."""

import dataclasses

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


def test_there_are_eighteen_results_and_each_says_where_it_is_printed():
    assert len(RESULTS) == 18
    assert all(result.where.startswith("Table ") for result in RESULTS.values())


def test_le_yang_rows_repeat_the_accuracy_they_were_taken_from():
    for row in published.LE_YANG_TABLE_2:
        printed = float(row.where.split(": ")[1].split(" %")[0])
        assert row.val_error_percent == pytest.approx(100 - printed, abs=1e-9)


def test_both_tables_of_milani_give_the_same_baseline_ensemble():
    in_table_2 = published.MILANI_TABLE_2[1]
    assert dataclasses.replace(in_table_2, where="Table 1") == RESULTS["milani/baseline_ensemble"]


def test_training_settings_belong_to_results():
    assert set(TRAINING) < set(RESULTS)
    assert TRAINING["milani/regularized"].learning_rate == 2 * TRAINING["milani/baseline"].learning_rate
    assert TRAINING["milani/transfer_vanilla"].weight_decay == 0.0116
    assert TRAINING["le_yang/model_9"].momentum == 0.9


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RESULTS["milani/baseline"].val_error_percent = 0.0


def test_class_errors_count_to_fifty():
    for name, errors in published.MILANI_CLASS_ERRORS.items():
        assert errors.class_name == name
        assert 100 * (50 - errors.right) / 50 == errors.error_percent


def test_table_1_of_le_yang_has_nine_columns():
    for row in (
        published.LE_YANG_TABLE_1_PARAMETERS_MILLION,
        published.LE_YANG_TABLE_1_DEPTH,
        published.LE_YANG_TABLE_2_NONLINEARITY,
        published.LE_YANG_TABLE_2_SCREENED,
    ):
        assert len(row) == 9
