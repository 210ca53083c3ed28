"""The recipe writes a record and README's section, and says what is missing."""

import dataclasses
import json

import pytest

from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Summary, Training, Validation

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


@dataclasses.dataclass(frozen=True)
class Asked:
    epochs: int = 10


@pytest.fixture
def record_result(tmp_path, tiny_imagenet):
    """The command, on a page and a folder of records of the test's own."""
    page, networks, results = (tmp_path / name for name in ("page.md", "networks.json", "results"))
    places = ("--results", results, "--networks", networks, "--pages", page)
    return lambda *arguments: tiny_imagenet("record", *arguments, *places)


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


def test_a_finished_run_is_recorded_and_the_page_follows(run, record_result, tmp_path):
    finish(run)
    done = record_result(run.path, "--name", "vanilla")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results" / "vanilla.json").read_text())["config"]["epochs"] == 10
    readme = (tmp_path / "page.md").read_text()
    assert readme.startswith(f"# Title\n\n{BEGIN}\n") and readme.endswith(f"{END}\n\nThe end.\n")
    assert "30.00% (70.00%)" in readme and "old" not in readme
    assert record_result().returncode == 0
    assert (tmp_path / "page.md").read_text() == readme


def test_a_record_beside_the_tables_leaves_the_page_alone(run, tiny_imagenet, tmp_path):
    finish(run)
    (tmp_path / "page.md").unlink()
    done = tiny_imagenet("record", run.path, "--no-tables", "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "transfer_vanilla.json").exists() and not (tmp_path / "page.md").exists()


def test_a_record_of_another_run_of_the_experiment_is_kept(run, record_result, tmp_path):
    finish(run)
    assert record_result(run.path, "--name", "mine").returncode == 0
    other = Run.create(tmp_path, "transfer_vanilla", Asked())
    other.write_environment(device="a CPU", started="another day")
    finish(other)
    done = record_result(other.path, "--name", "mine")
    assert done.returncode == 2 and "not of that of another day; give it another --name" in done.stderr


def test_a_record_of_another_experiment_is_kept(run, record_result, tmp_path):
    finish(run)
    assert record_result(run.path, "--name", "mine").returncode == 0
    readme = (tmp_path / "page.md").read_text()
    run.write_summary(dataclasses.replace(run.summary, title="Another"))
    done = record_result(run.path, "--name", "mine")
    assert done.returncode == 2
    assert "is the record of Transfer learning, vanilla, not of Another; give it another --name" in done.stderr
    assert (tmp_path / "page.md").read_text() == readme


def test_a_run_that_did_not_end_is_refused(run, record_result, tmp_path):
    done = record_result(run.path)
    assert done.returncode == 2
    assert "not a finished run (no summary.json)" in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("of", ["run", "members"])
def test_a_demo_is_not_recorded_and_nothing_is_made(run, record_result, tmp_path, of):
    finish(run)
    name = "config.json" if of == "run" else "environment.json"  # an ensemble's own options know nothing of it
    write_json(run.path / name, getattr(run, name.removesuffix(".json")) | {"demo": True})
    done = record_result(run.path)
    assert done.returncode == 2 and "a demo's, of synthetic images" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_page_that_asks_for_what_there_is_not_is_named(run, record_result, tmp_path):
    finish(run)
    (tmp_path / "page.md").write_text("<!-- results:begin shortest -->\n<!-- results:end -->\n")
    done = record_result(run.path)
    assert done.returncode == 2 and "results:begin shortest: a page can ask for short" in done.stderr


def test_a_page_without_markers_is_named(run, record_result, tmp_path):
    finish(run)
    (tmp_path / "page.md").write_text("# Title\n")
    done = record_result(run.path)
    assert done.returncode == 2
    assert "page.md needs <!-- results:begin ... -->" in done.stderr
