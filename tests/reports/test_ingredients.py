"""What each ingredient gives: a row changes one thing."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tiny_imagenet_tf.runs.files import read_object

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script(docs_script):
    return docs_script("ingredients")


def test_what_is_stored_changes_one_thing_a_row():
    stored = read_object(ROOT / "results/analyses/ingredients.json")
    first, *others = stored["runs"]
    assert first["changed"] == "" and len({each["changed"] for each in others}) == len(others) >= 6
    assert {each["train_images"] for each in stored["runs"]} == {25_000}


def test_a_run_is_told_by_what_it_changes(script):
    first = SimpleNamespace(config={"recipe": "x", "average": 0.999, "sizes": [32], "teacher": None, "runs": "a"})
    other = SimpleNamespace(config=first.config | {"sizes": [32, 48], "teacher": "/a/b/run_1", "runs": "b"})
    assert script.changed(first, other) == "--sizes 32 48 --teacher run_1"
    assert script.changed(first, first) == ""
