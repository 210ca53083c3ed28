"""The recipe writes a record and README's section, and says what is missing."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Summary, Training, Validation

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Asked:
    epochs: int = 10


def record_result(tmp_path, *arguments):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    places = [
        "--results",
        tmp_path / "results",
        "--networks",
        tmp_path / "networks.json",
        "--pages",
        tmp_path / "page.md",
    ]
    return subprocess.run(
        [sys.executable, ROOT / "recipes" / "record_result.py", *map(str, [*arguments, *places])],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def run(tmp_path):
    (tmp_path / "page.md").write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n")
    (tmp_path / "networks.json").write_text("{}")
    run = Run.create(tmp_path, "transfer_vanilla", Asked())
    run.write_environment(device="a CPU")
    return run


def finish(run):
    validation, train = Validation(5000, 0.7, 0.9, "whole"), Training(100_000)
    run.write_summary(
        Summary("Transfer learning, vanilla", validation, published="milani/transfer_vanilla", train=train, epochs=10)
    )


def test_a_finished_run_is_recorded_and_the_page_follows(run, tmp_path):
    finish(run)
    done = record_result(tmp_path, run.path, "--name", "vanilla")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results" / "vanilla.json").read_text())["config"]["epochs"] == 10
    readme = (tmp_path / "page.md").read_text()
    assert readme.startswith(f"# Title\n\n{BEGIN}\n") and readme.endswith(f"{END}\n\nThe end.\n")
    assert "30.00 % (70.00 %)" in readme and "old" not in readme
    assert record_result(tmp_path).returncode == 0
    assert (tmp_path / "page.md").read_text() == readme


def test_a_record_beside_the_tables_leaves_the_page_alone(run, tmp_path):
    finish(run)
    (tmp_path / "page.md").unlink()
    done = record_result(tmp_path, run.path, "--no-tables")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "transfer_vanilla.json").exists() and not (tmp_path / "page.md").exists()


def test_a_record_of_another_experiment_is_kept(run, tmp_path):
    finish(run)
    assert record_result(tmp_path, run.path, "--name", "mine").returncode == 0
    readme = (tmp_path / "page.md").read_text()
    run.write_summary(dataclasses.replace(run.summary, title="Another"))
    done = record_result(tmp_path, run.path, "--name", "mine")
    assert done.returncode == 2
    assert "is the record of Transfer learning, vanilla, not of Another; give it another --name" in done.stderr
    assert (tmp_path / "page.md").read_text() == readme


def test_a_run_that_did_not_end_is_refused(run, tmp_path):
    done = record_result(tmp_path, run.path)
    assert done.returncode == 2
    assert "only a finished run can be recorded" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_page_without_markers_is_named(run, tmp_path):
    finish(run)
    (tmp_path / "page.md").write_text("# Title\n")
    done = record_result(tmp_path, run.path)
    assert done.returncode == 2
    assert "page.md needs <!-- results:begin ... -->" in done.stderr
