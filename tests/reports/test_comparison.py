"""McNemar's test against hand-counted values, and the differences of configs."""

import dataclasses

import numpy as np
import pytest

from tiny_imagenet_tf.evaluation.metrics import mcnemar
from tiny_imagenet_tf.reports.analysis.comparison import compare, differences
from tiny_imagenet_tf.reports.analysis.predictions import Predictions


def predictions(files, labels, guesses):
    return Predictions(np.array(files), np.array(labels), np.array(["n1", "n2"]), np.eye(2)[guesses])


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (0, 5, 2 / 32), (5, 0, 2 / 32), (3, 3, 1.0), (1, 4, 12 / 32)]
)
def test_mcnemar_is_the_two_sided_binomial_test(first, second, p):
    assert mcnemar(first, second) == pytest.approx(p)


def test_runs_are_compared_on_the_images_they_share_whatever_their_order():
    first = predictions(["a", "b", "c", "d"], [0, 1, 0, 1], [0, 1, 1, 0])
    second = predictions(["d", "c", "b", "x"], [1, 0, 1, 0], [1, 0, 0, 0])
    found = compare(first, second)
    assert (found.images, found.only_first, found.only_second) == (3, 1, 2)
    assert found.accuracies == pytest.approx((1 / 3, 2 / 3))
    assert found.p_value == 1.0


def test_what_cannot_be_compared_is_refused():
    one = predictions(["a"], [0], [0])
    with pytest.raises(ValueError, match="no validation image in common"):
        compare(one, predictions(["b"], [0], [0]))
    with pytest.raises(ValueError, match="disagree about the label"):
        compare(one, predictions(["a"], [1], [0]))
    with pytest.raises(ValueError, match="same classes"):
        compare(one, dataclasses.replace(one, wnids=np.array(["n2", "n1"])))


def test_only_fields_that_differ_are_listed_nested_ones_too():
    configs = [{"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4, "d": 3}, "e": None}]
    assert differences(configs) == {"b.c": ("2", "4"), "e": ("–", "None")}  # noqa: RUF001
