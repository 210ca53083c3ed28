"""What all rows take, by the stored figures."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script(docs_script):
    return docs_script("costs")


def test_all_rows_of_both_papers_are_there_and_a_measured_one_takes_what_it_took(script):
    of_tiny_imagenet, _ = script.SETS.values()
    found = {name.split(",")[0].split(":")[0]: seconds for name, *seconds in script.rows(*of_tiny_imagenet)}
    assert {"vanilla", "v2", "v3", "Baseline", "Regularized", *(f"Model {number}" for number in range(1, 10))} <= set(
        found
    )
    hours = {record.name: record.summary.hours for record in script.records.read(ROOT / "results")}
    assert found["Model 6"][1] == pytest.approx(3600 * hours["le_yang_model_6"])  # its forty epochs
    assert found["Model 9"][1] > found["Model 6"][1] > found["Model 1"][1]


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "under 30 s"), (45, "45 seconds"), (120, "2 minutes"), (5400, "1.5 hours")]
)
def test_times_are_told(script, seconds, words):
    assert script.words(seconds) == words
