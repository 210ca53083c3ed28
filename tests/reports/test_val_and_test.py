"""Val beside test: the measures measure."""

import dataclasses

import numpy as np
import pytest

from tiny_imagenet_tf.data import splits


@pytest.fixture(scope="module")
def script(docs_script):
    return docs_script("val_and_test")


def test_sets_of_one_kind_are_not_told_apart_and_others_are(script):
    random = np.random.default_rng(0)
    one, other = random.normal(size=(300, 8)), random.normal(size=(200, 8))
    assert abs(script.told_apart(one, other)["accuracy"] - 0.5) < 4 * script.told_apart(one, other)["standard_error"]
    assert script.told_apart(one, other + 1)["accuracy"] > 0.8
    assert script.told_apart(one, other)["images"] == 400


def test_copies_are_near(script):
    train = np.random.default_rng(0).normal(size=(50, 16))
    found = script.nearest(np.concatenate([train[:5] * 2, -train[:5]]), train)
    assert found["above 0.99"] == 0.5 and found["above 0.9"] == 0.5


def test_standard_errors_apart(script):
    val, test = np.arange(1.0, 5), np.arange(3.0, 7)  # variances of 5/3, four of each
    assert script.apart(val, test) == pytest.approx(2 / np.sqrt(2 * (5 / 3) / 4))


def test_pixels_of_the_same_images_are_no_error_apart(script, builder):
    val = splits.load(builder, "validation")
    same = [dataclasses.replace(val, name=name) for name in ("train", "validation", "test")]
    found = script.pixels(*same)
    assert all(each["validation to test"] == 0 and each["train"] == each["test"] for each in found.values())
    assert 0 < found["brightness"]["test"] < 255 and 0 <= found["saturation"]["test"] <= 1
