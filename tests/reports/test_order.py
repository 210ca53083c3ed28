"""The order of vanilla, v2 and v3: every backbone's pairs are there, and their figures go together."""

from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf.evaluation.metrics import mcnemar
from tiny_imagenet_tf.runs.files import read_object

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script(docs_script):
    return docs_script("order")


def test_what_is_stored_is_consistent():
    stored = read_object(ROOT / "results/analyses/order.json")
    for each in stored["pairs"]:
        assert each["p"] == mcnemar(each["lost"], each["gained"]) and each["images"] == 5000
        points = each["higher"]["top1"] - each["lower"]["top1"]
        assert points * each["images"] == pytest.approx(each["gained"] - each["lost"])


class Made:
    def __init__(self, recipe, right, digest="a"):
        self.path, self.config = Path(recipe), {"recipe": recipe, "backbone": "b"}
        self.environment = {"dataset": {"digests": {"validation": digest}}, "command": "", "commit": "", "device": ""}
        self.right = np.array(right)

    def read_validation_predictions(self):
        names, wnids = np.arange(len(self.right)).astype(str), np.array(["n1", "n2"])
        labels, probabilities = np.zeros(len(self.right), int), np.eye(2)[1 - self.right]
        return {"file_names": names, "labels": labels, "wnids": wnids, "probabilities": probabilities}


def test_pairs_are_counted(script):
    right = {"vanilla": [1, 1, 0, 0], "v2": [0, 1, 1, 1], "v3": [1, 1, 1, 1]}
    found = script.pairs("b", [Made(f"transfer_{name}", rows) for name, rows in right.items()])
    told = [(each["lower"]["variant"], each["higher"]["variant"], each["gained"], each["lost"]) for each in found]
    assert told == [("vanilla", "v2", 2, 1), ("vanilla", "v3", 2, 0), ("v2", "v3", 1, 0)]


def test_what_cannot_be_compared_is_said(script):
    with pytest.raises(ValueError, match="not of vanilla, v2 or v3"):
        script.variant(Made("convnets", [1]))
    with pytest.raises(ValueError, match="its val images are not those"):
        script.pairs("b", [Made("transfer_vanilla", [1]), Made("transfer_v2", [1], "b")])
