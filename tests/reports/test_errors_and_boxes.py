"""Errors next to boxes: the measures measure."""

import numpy as np
import pytest

from tiny_imagenet_tf.reports.analysis.predictions import Predictions


@pytest.fixture(scope="module")
def script(docs_script):
    return docs_script("errors_and_boxes")


def test_a_box_covers_its_edges(script):
    assert script.covered(np.array([[0, 0, 63, 63], [10, 20, 10, 20], [0, 0, 31, 63]])).tolist() == [1, 1 / 4096, 0.5]


def test_small_things_that_are_missed_are_found(script):
    labels = np.repeat(np.arange(4), 20)
    wnids = np.array(["n01443537", "n01629819", "n03970156", "n04067472"])
    areas = np.concatenate([np.linspace(0.03, 1, 20) * factor for factor in (1, 0.9, 0.8, 0.7)])
    wrong = areas < 0.25
    probabilities = np.eye(4)[(labels + wrong) % 4]
    names = np.array([f"val_{each}" for each in range(80)])
    found = script.measure(Predictions(names, labels, wnids, probabilities), areas)
    assert sum(band["images"] for band in found["bands"]) == found["images"] == 80
    assert [band["wrong"] / max(band["images"], 1) for band in found["bands"]][2:] == [1, 0, 0, 0]
    assert found["within_a_class"]["correlation"] < -0.7
    assert found["plunger"]["images"] == 20 and found["plunger"]["smaller_classes"] == 1
    assert found["plunger"]["error_of_such_boxes"] == pytest.approx(found["plunger"]["error"])


def test_without_plunger_nothing_is_said_of_it(script):
    random, wnids = np.random.default_rng(0), np.array(["n01443537", "n01629819"])
    given = Predictions(np.arange(40).astype(str), np.arange(40) % 2, wnids, random.random((40, 2)))
    found = script.measure(given, random.random(40))
    assert "plunger" not in found and "Plunger" not in script.section(found | {"run": "a run"})
