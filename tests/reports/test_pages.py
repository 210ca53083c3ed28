"""Pages of docs/ that scripts write, or that name records, show what is stored."""

import re
from pathlib import Path

import pytest

from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.files import read_object

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("costs", "scale"), ("seeds", "searches"), ("searches", "searches"), ("order", "beyond"),
        ("backbones", "beyond"), ("ingredients", "beyond"), ("input_sizes", "beyond"), ("ten_crops", "section4"),
        ("errors_and_boxes", "analysis"), ("val_and_test", "analysis"), ("weight_decay", "from_scratch"),
        ("settings", "settings"),
    ],
)  # fmt: skip
def test_a_page_shows_what_is_stored(docs_script, name, page):
    path = ROOT / f"results/analyses/{name}.json"  # the others read the records themselves
    stored = [read_object(path)] if path.exists() else []
    shown = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    assert docs_script(name).section(*stored) in shown, f"run python docs/{name}.py"


def test_the_table_of_cross_validation_shows_what_is_stored(docs_script):
    shown = (ROOT / "docs/searches.md").read_text(encoding="utf-8")
    assert docs_script("searches").folds("") in shown, "run python docs/searches.py"


def test_each_row_of_section_4_has_the_accuracy_of_the_record_that_it_names():
    found = {record.name: record.summary.validation.top1 for record in records.read(ROOT / "results")}
    page = (ROOT / "docs/section4.md").read_text(encoding="utf-8")
    rows = [row for row in re.findall(r"\| ([\d.]+)% \| `(\w+)` \|", page)]
    assert len(rows) >= 15
    for accuracy, name in rows:
        assert f"{100 * found[name]:.2f}" == accuracy, name
