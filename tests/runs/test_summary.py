"""The figures of a run, in this schema and in the one before there was a number."""

import dataclasses
import json
from pathlib import Path

import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.records import read
from tiny_imagenet_tf.runs.summary import SCHEMA, Ensemble, StoredView, Summary, Training, Validation

RESULTS = Path(__file__).parents[2] / "results"
WHOLE = Summary(
    "Baseline",
    Validation(5000, 0.5, 0.75, "whole"),
    published="milani/baseline",
    train=Training(100_000, "whole image", 0.8, 3, {"windows": ["whole"], "mirror": True}),
    notes=("one", "two"),
    ensemble=Ensemble((0.4, 0.5), 2, (("a", 0.4), ("b", 0.3))),
    transfer_values={"train": (StoredView("folder", 24, {"view": "View"}),)},
)


def test_a_summary_comes_back_from_json():
    stored = json.loads(json.dumps(dataclasses.asdict(WHOLE)))
    assert stored["schema"] == SCHEMA
    assert Summary.from_json(stored) == WHOLE


def test_a_field_of_a_later_version_is_left_out():
    assert Summary.from_json(dataclasses.asdict(WHOLE) | {"weather": "fine"}) == WHOLE


def test_what_was_written_without_a_schema_is_read():
    old = {
        "published": None, "title": "Ensemble of 2", "trunk": None, "hours": None, "best_epoch": None,
        "validation": {"images": 12, "top1": 0.5, "top5": 0.9, "crops": "ten-crop"},
        "train": {"images": None},
        "ensemble": {"accuracy_by_size": [0.4, 0.5], "best_size": 2, "members": [{"name": "a", "accuracy": 0.4}]},
        "transfer_values": {"train": [{"folder": "f", "rows": 3, "view": {"view": "View"}}]},
    }  # fmt: skip
    found = Summary.from_json(old)
    assert found.schema == 0 and found.validation.crops == "ten" and found.validation.shown == "ten-crop"
    assert found.ensemble.members == (("a", 0.4),) and found.train == Training()
    assert found.transfer_values["train"][0].rows == 3
    assert Summary.from_json(json.loads(json.dumps(dataclasses.asdict(found)))) == found, "recorded anew, too"
    assert (
        Summary.from_json(
            old | {"validation": {"images": 1, "top1": 1, "crops": "each network's own"}}
        ).validation.crops
        is None
    )


def test_every_stored_result_is_read():
    found = {record.name: record.summary for record in read(RESULTS)}
    assert found["transfer_v3"].validation.crops == "ten" and found["inception_baseline"].validation.crops == "whole"
    assert found["le_yang_model_6"].train.screened > 0
    assert len(found["inception_baseline_ensemble"].ensemble.members) == 15


def test_a_summary_of_a_later_version_is_not_read_as_this_ones():
    with pytest.raises(UserError, match=f"its schema is {SCHEMA + 1}, and this version reads up to {SCHEMA}"):
        Summary.from_json({"title": "a run", "validation": {"images": 1, "top1": 1.0}, "schema": SCHEMA + 1})
