"""A finished run becomes one record without a machine's paths."""

import dataclasses

import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.records import Record
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import StoredView, Summary, Validation


@dataclasses.dataclass(frozen=True)
class Asked:
    source: str = "/somewhere/of mine/tiny-imagenet-200"
    epochs: int = 10


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path / "runs", "transfer_v3", Asked())
    run.write_environment(device="a CPU", seed=1)
    run.write_metrics([{"epoch": 1, "val_accuracy": 0.5}])
    run.write_summary(
        Summary(
            "TL v3",
            Validation(12, 0.5, 0.9, "ten"),
            trunk="/weights/kept/here/inception_v3_2015.weights.h5",
            hours=0.9,
            transfer_values={"train": (StoredView("/transfer/values/0fe4", 24, {"view": "View"}),)},
        )
    )
    return run


def test_the_record_merges_summary_config_and_environment(run, tmp_path):
    path = records.write(tmp_path / "results", records.from_run(run, "v3"))
    assert "/somewhere" not in path.read_text() and "/weights" not in path.read_text()
    (record,) = records.read(tmp_path / "results")
    assert record.name == "v3"
    assert record.config == {"recipe": "transfer_v3", "source": "tiny-imagenet-200", "epochs": 10}
    summary = record.summary
    assert (summary.title, summary.trunk, summary.hours) == ("TL v3", "inception_v3_2015.weights.h5", 0.9)
    assert summary.transfer_values == {} and summary.validation == Validation(12, 0.5, 0.9, "ten")
    assert record.environment["device"] == "a CPU"
    assert record.metrics == [{"epoch": 1, "val_accuracy": 0.5}]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("/a/b/c.h5", "c.h5"),
        ("~/data/tiny", "tiny"),
        ("python train.py --data /a/b/tiny --out=/c/d/", "python train.py --data tiny --out=d"),
        ("images/s", "images/s"),
        ("Adam and/or SGD; 1/2 of train", "Adam and/or SGD; 1/2 of train"),
        (["/x/y", {"deep": "/x/z"}, 3, None], ["y", {"deep": "z"}, 3, None]),
    ],
)
def test_of_a_path_only_the_last_part_stays(said, kept):
    assert records.without_paths(said) == kept


def named(name, title):
    return Record(name, Summary(title, Validation(12, 0.5)), [], {"recipe": "convnets"}, {})


def test_records_are_read_back_sorted_by_name(tmp_path):
    for name in ("b", "a", "a"):  # the same experiment again takes the place of its record
        path = records.write(tmp_path / "results", named(name, name))
    assert path.name == "a.json"
    assert [record.name for record in records.read(tmp_path / "results")] == ["a", "b"]


def test_a_record_of_another_experiment_is_not_overwritten(tmp_path):
    records.write(tmp_path, named("convnets", "Model 8"))
    with pytest.raises(UserError, match="convnets.json is the record of Model 8, not of Model 9"):
        records.write(tmp_path, named("convnets", "Model 9"))
    assert records.read(tmp_path)[0].summary.title == "Model 8"
    one, two = (dataclasses.replace(named("v2", "v2"), environment={"started": "now", "seed": n}) for n in (0, 1))
    records.write(tmp_path, one)
    with pytest.raises(UserError, match="of the run of seed 0, not of that of seed 1; give it another --name"):
        records.write(tmp_path, two)


def test_a_record_that_was_half_written_is_no_record(tmp_path):
    records.write(tmp_path, named("a", "A"))
    (tmp_path / ".b.machine-1-ab.json").write_text('{"name": "b"')
    assert [record.name for record in records.read(tmp_path)] == ["a"]


def test_no_folder_is_no_records(tmp_path):
    assert records.read(tmp_path / "nothing") == []
