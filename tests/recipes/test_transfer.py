import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_imagenet_tf.data.official_layout import DatasetError

RECIPES = Path(__file__).parents[2] / "recipes"
TRANSFER = ("transfer_vanilla", "transfer_v2", "transfer_v3")


def call(recipe, *arguments):
    return subprocess.run(
        [sys.executable, str(RECIPES / f"{recipe}.py"), *map(str, arguments)], capture_output=True, text=True
    )


SLOW = pytest.mark.slow  # each imports TensorFlow in a process of its own


@pytest.mark.parametrize("recipe", [TRANSFER[0], *(pytest.param(each, marks=SLOW) for each in TRANSFER[1:])])
def test_help_gives_defaults_and_the_papers_values(recipe):
    done = call(recipe, "--help")
    assert done.returncode == 0
    text = " ".join(done.stdout.replace("│", " ").split())
    for option in ("--source", "--weights", "--layer", "--resize", "--head", "--batch-size", "--fraction", "--demo"):
        assert option in text
    assert "Paper: 0.713" in text and "val error" in text


def test_a_bad_input_is_one_message_without_traceback(tmp_path, tiny_imagenet):
    done = tiny_imagenet("transfer", "vanilla", "--weights", tmp_path / "nowhere.h5")
    assert done.returncode == 2
    assert "nowhere.h5: no such file" in done.stderr and "Traceback" not in done.stderr


def test_prepare_data_prints_what_it_found(tree, tmp_path, tiny_imagenet):
    (tree / "val/images/val_3.JPEG").unlink()
    done = tiny_imagenet("prepare", "--source", tree, "--data-dir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    assert lines["train"] == ["24", "100,000", "4", "24", "6"]
    assert lines["validation"] == ["11", "10,000", "1", "11", "2", "to", "3"]
    assert lines["test"] == ["5", "10,000", "0", "0", "unlabeled"]
    assert "val/images/val_3.JPEG" in done.stdout


def test_prepare_data_compares_the_records_with_what_was_prepared(recipe, tree, tmp_path, capsys):
    prepare_data = recipe("prepare_data")
    told = prepare_data.Config(tree, tmp_path / "data")
    for verify, said in ((False, "Every file was verified."), (True, "they are what was prepared")):
        prepare_data.main(dataclasses.replace(told, verify=verify))
        assert said in capsys.readouterr().out
    (metadata,) = (tmp_path / "data").rglob("metadata.json")
    metadata.write_text(re.sub(r'"train": "[0-9a-f]{64}"', f'"train": "{"0" * 64}"', metadata.read_text()))
    prepare_data.main(told)
    with pytest.raises(DatasetError, match="delete that folder and run again"):
        prepare_data.main(dataclasses.replace(told, verify=True))


def test_prepare_data_names_a_broken_file(tree, tmp_path, tiny_imagenet):
    (tree / "val/images/val_3.JPEG").write_text("no")
    done = tiny_imagenet("prepare", "--source", tree, "--data-dir", tmp_path / "data")
    assert done.returncode == 2
    assert "val_3.JPEG: not a JPEG file" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_rate_that_overflows_is_one_message_without_traceback(tmp_path):
    done = call("transfer_vanilla", "--demo", "--learning-rate", "1e38", "--runs", tmp_path)
    assert done.returncode == 2
    assert "is not finite at step" in done.stderr and "Traceback" not in done.stderr
    assert "are good" not in done.stderr  # for in its first epoch there is no snapshot yet
