"""Pages of docs/ that scripts write show what is stored."""

from pathlib import Path

import pytest

from tiny_imagenet_tf.runs.files import read_object

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("costs", "scale"), ("seeds", "beyond"), ("order", "beyond"), ("ingredients", "beyond"),
        ("input_sizes", "beyond"), ("errors_and_boxes", "analysis"), ("val_and_test", "analysis"),
    ],
)  # fmt: skip
def test_a_page_shows_what_is_stored(docs_script, name, page):
    path = ROOT / f"results/analyses/{name}.json"  # the others read the records themselves
    stored = [read_object(path)] if path.exists() else []
    shown = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    assert docs_script(name).section(*stored) in shown, f"run python docs/{name}.py"
