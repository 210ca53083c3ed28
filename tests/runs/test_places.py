"""Where a command may write."""

import os
from pathlib import Path

import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import places


def test_a_link_to_a_file_of_a_run_or_to_nowhere_is_refused(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.json", "environment.json", "metrics.jsonl"):
        (run / name).touch()
    (tmp_path / "out.txt").symlink_to("run/metrics.jsonl")
    with pytest.raises(UserError, match="out.txt: is a file of the run in"):
        places.check_output("--output", tmp_path / "out.txt")
    (tmp_path / "lost.txt").symlink_to("gone/there.txt")
    with pytest.raises(UserError, match="lost.txt: must be a file in an existing folder"):
        places.check_output("--output", tmp_path / "lost.txt")


def test_a_name_that_is_too_long_is_told_in_time(tmp_path):
    with pytest.raises(UserError, match="--csv .* bytes too long"):
        places.check_output("--csv", tmp_path / f"{'a' * 240}.csv")


def test_where_nothing_may_be_written_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(UserError, match=f"--runs .*: there is no permission to write in {tmp_path}"):
        places.check_folder("--runs", tmp_path / "new/runs")
    places.check_folder("--store", tmp_path / "new/store", written=False)


def test_a_project_with_a_list_of_classes_is_no_dataset(tmp_path):
    (tmp_path / "wnids.txt").touch()
    (tmp_path / "train").mkdir()
    places.check_apart("--runs", tmp_path / "runs")
    (tmp_path / "train" / "n01443537").mkdir()
    with pytest.raises(UserError, match="lies within the dataset"):
        places.check_apart("--runs", tmp_path / "runs")


def test_only_ordinary_files_are_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="--output .*pipe: already exists, and is not an ordinary file"):
        places.check_output("--output", tmp_path / "pipe")
