import dataclasses
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import environment
from tiny_imagenet_tf.runs.files import replacing, write_json
from tiny_imagenet_tf.runs.run import _WRITTEN, SHALLOW, Run


@dataclasses.dataclass(frozen=True)
class Config:
    learning_rate: float = 0.1
    source: Path | None = Path("somewhere")


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path, "recipe", Config())


def test_config_and_metrics_come_back(run):
    assert run.config == {"recipe": "recipe", "learning_rate": 0.1, "source": str(Path("somewhere").absolute())}
    assert run.metrics == []
    rows = [{"epoch": 1, "loss": np.float32(0.5)}, {"epoch": 2, "loss": 0.25}]
    run.write_metrics(rows)
    assert run.metrics == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]


def test_two_runs_of_one_second_have_their_own_folders(tmp_path):
    paths = {Run.create(tmp_path, "recipe", Config()).path for _ in range(3)}
    assert len(paths) == 3


def test_predictions_come_back_without_pickle(run):
    val = SimpleNamespace(file_names=["val_0.JPEG"], labels=[1], wnids=("n1", "n2"))
    assert not run.has_predictions and run.read_features() is None
    run.write_validation_predictions(val, [[0.25, 0.75]])
    run.write_features(val, np.ones((1, 3)))
    assert run.has_predictions and run.read_features()["features"].shape == (1, 3)
    read = run.read_validation_predictions()
    assert read["file_names"].tolist() == ["val_0.JPEG"] and read["wnids"].tolist() == ["n1", "n2"]
    assert read["probabilities"].tolist() == [[0.25, 0.75]] and read["probabilities"].dtype == np.float32
    test = SimpleNamespace(file_names=["test_0.JPEG", "test_1.JPEG"], wnids=("n1", "n2"))
    run.write_test_predictions(test, [1, 0])
    assert (run.path / "predictions-test.txt").read_text() == "test_0.JPEG n2\ntest_1.JPEG n1\n"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    with replacing(path) as file:
        file.write(b"old")
    with pytest.raises(OSError, match="full"), replacing(path) as file:
        file.write(b"ne")
        raise OSError("full")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_the_environment_names_versions_and_no_paths(run, monkeypatch):
    words = ["--source", "/data/x", "--store=/data/a=b/y", "--pixels=-1..1", "--study", "my study", "--epochs", "2"]
    shown = "--source x --store=y --pixels=-1..1 --study 'my study' --epochs 2"
    for program, started in (
        ("/usr/bin/tiny-imagenet", "tiny-imagenet"),
        ("/lib/tiny_imagenet_tf/__main__.py", "python -m tiny_imagenet_tf"),
        ("/home/someone/recipes/a.py", "python a.py"),
    ):
        monkeypatch.setattr("sys.argv", [program, *words])
        run.write_environment(seed=3)
        assert run.environment["command"] == f"{started} {shown}"
    environment = run.environment
    assert environment["versions"]["keras"].startswith("3.") and environment["seed"] == 3


def test_a_run_that_did_not_end_has_no_summary(run):
    with pytest.raises(UserError, match="not a finished run"):
        _ = run.summary


def test_outside_a_checkout_nothing_is_said_of_changes(monkeypatch):
    monkeypatch.setattr(environment, "_git", lambda *arguments: None)
    described = environment.describe_environment()
    assert described["commit"] is None and described["uncommitted_changes"] is None


def test_a_repository_around_an_installation_is_not_its_own(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # as a hook sets them, of the user's repository
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    place = tmp_path / "site-packages/tiny_imagenet_tf/runs/environment.py"
    place.parent.mkdir(parents=True)
    shutil.copy(environment.__file__, place)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    spec = importlib.util.spec_from_file_location("installed", place)
    installed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(installed)
    assert installed.describe_environment()["commit"] is None
    for words in (["add", "."], ["commit", "-q", "-m", "ours"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert installed.describe_environment()["commit"] == head
    assert installed.describe_environment()["uncommitted_changes"] is False
    place.write_text(place.read_text() + "\n")
    assert installed.describe_environment()["uncommitted_changes"] is True


def test_a_demo_that_was_moved_finds_its_images_where_it_was_begun(tmp_path):
    run = Run.create(tmp_path / "runs", "recipe", Config())
    begun_in = {"demo": True, "seed": 0, "runs": str(tmp_path / "runs")}
    write_json(run.path / "config.json", run.config | begun_in)
    moved = Run(run.path.rename(tmp_path / "moved"))
    assert moved.images[0] == tmp_path / ".demo-0" / "tiny-imagenet-200", "neither is there"
    (tmp_path / "runs" / ".demo-0").mkdir()
    assert moved.images[0] == tmp_path / "runs" / ".demo-0" / "tiny-imagenet-200"


def test_a_run_that_came_to_nothing_goes_but_not_what_others_put_there(run, tmp_path):
    run.write_environment()
    (run.path / "snapshots" / "step-0000001.keras").touch()
    (run.path / "tensorboard").mkdir()
    (run.path / "tensorboard" / "events.out.1").touch()
    assert run.remove_if_empty() and not run.path.exists()

    other = Run.create(tmp_path, "recipe", Config())
    (other.path / "notes.md").write_text("mine")
    (other.path / "linked").symlink_to(tmp_path)
    for folder in ("mine/snapshots", "predictions-old"):
        (other.path / folder).mkdir(parents=True)
    (other.path / "mine" / "config.json").write_text("{}")
    Run(other.path / "shallow").make()
    assert other.remove_if_empty()
    left = sorted(path.relative_to(other.path).as_posix() for path in other.path.rglob("*"))
    assert left == ["linked", "mine", "mine/config.json", "mine/snapshots", "notes.md", "predictions-old"]


def test_the_page_on_runs_names_every_file():
    page = (Path(__file__).parents[2] / "docs/runs.md").read_text()
    for name in (*_WRITTEN, "checkpoint.npz", "summary.json", SHALLOW):
        stem = name.split("/")[0].split("*")[0].rstrip("-")
        assert name == ".lock" or f"`{stem}" in page, name
