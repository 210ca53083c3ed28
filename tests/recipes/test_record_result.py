"""The recipe writes a record and README's section, and says what is missing."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_imagenet_tf.reports import tables
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Asked:
    epochs: int = 10


def record_result(tmp_path, *arguments):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    places = ["--results", tmp_path / "results", "--readme", tmp_path / "README.md", "--networks", tmp_path / "none.md"]
    return subprocess.run(
        [sys.executable, ROOT / "recipes" / "record_result.py", *map(str, [*places, *arguments])],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def run(tmp_path):
    (tmp_path / "README.md").write_text(f"# Title\n\n{tables.BEGIN}\nold\n{tables.END}\n\nThe end.\n")
    run = Run.create(tmp_path, "transfer_vanilla", Asked())
    run.write_environment(device="a CPU")
    return run


def finish(run):
    run.write_summary(
        {
            "published": "milani/transfer_vanilla",
            "title": "Transfer learning, vanilla",
            "train": {"images": 100_000},
            "validation": {"images": 5000, "top1": 0.7, "top5": 0.9},
        }
    )


def test_a_finished_run_is_recorded_and_readme_follows(run, tmp_path):
    finish(run)
    done = record_result(tmp_path, run.path, "--name", "vanilla")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results" / "vanilla.json").read_text())["config"]["epochs"] == 10
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith(f"# Title\n\n{tables.BEGIN}\n") and readme.endswith(f"{tables.END}\n\nThe end.\n")
    assert "30.00 % (70.00 %)" in readme and "old" not in readme
    assert record_result(tmp_path).returncode == 0
    assert (tmp_path / "README.md").read_text() == readme


def test_a_record_beside_the_tables_leaves_readme_alone(run, tmp_path):
    finish(run)
    (tmp_path / "README.md").unlink()
    done = record_result(tmp_path, run.path, "--readme", "None")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "transfer_vanilla.json").exists() and not (tmp_path / "README.md").exists()


def test_a_record_of_another_experiment_is_kept(run, tmp_path):
    finish(run)
    assert record_result(tmp_path, run.path, "--name", "mine").returncode == 0
    readme = (tmp_path / "README.md").read_text()
    run.write_summary(run.summary | {"title": "Another"})
    done = record_result(tmp_path, run.path, "--name", "mine")
    assert done.returncode == 1
    assert "is the record of Transfer learning, vanilla, not of Another; give this one another --name" in done.stderr
    assert (tmp_path / "README.md").read_text() == readme


def test_a_run_that_did_not_end_is_refused(run, tmp_path):
    done = record_result(tmp_path, run.path)
    assert done.returncode == 1
    assert "only a finished run can be recorded" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_readme_without_markers_is_named(run, tmp_path):
    finish(run)
    (tmp_path / "README.md").write_text("# Title\n")
    done = record_result(tmp_path, run.path)
    assert done.returncode == 1
    assert "README.md: README needs <!-- results:begin -->" in done.stderr
