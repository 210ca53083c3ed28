"""The command tiny-imagenet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tiny_imagenet_tf
from tiny_imagenet_tf.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[1]


def test_every_recipe_is_a_command():
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.py")} - {"__init__"}
    assert set(COMMANDS.values()) == recipes


def test_without_a_command_all_are_listed_within_80_columns(capsys):
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(line.strip().startswith(name) for line in lines) for name in COMMANDS)


def test_the_version(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"tiny_imagenet_tf {tiny_imagenet_tf.__version__}\n"


@pytest.mark.parametrize("words", [["transfer"], ["transfer", "v4"], ["trian", "baseline"]])
def test_what_is_no_command_is_told_what_there_is(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "transfer v3" in told and "Traceback" not in told


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_explained_without_loading_tensorflow(name):
    code = (
        "import sys\n"
        "from tiny_imagenet_tf.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('loaded', *({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *name.split(), "--help"],
        env=os.environ | {"COLUMNS": "80", "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stderr == "loaded\n"
    options = [line for line in done.stdout.splitlines() if line.startswith(("│", "╭", "╰"))]
    assert options and max(map(len, options)) <= 80
    assert f"tiny-imagenet {name}" in done.stdout


def test_a_run_says_the_device_first_and_nothing_of_tensorflows(tmp_path):
    command = [sys.executable, "-m", "tiny_imagenet_tf", "transfer", "vanilla", "--demo", "--runs", "runs"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "cores: " in lines[0] or "NVIDIA" in lines[0]
    assert lines[-1].strip().startswith("tiny-imagenet report runs/transfer_vanilla-")
    assert max(map(len, lines)) <= 80
    for noise in ("WARNING", "I0000", "oneDNN", "cuda", "Generating"):
        assert noise not in done.stdout + done.stderr
    assert (tmp_path / lines[-1].split()[-1] / "best.keras").is_file()
    best = max(float(line.split("val ")[1].split("%")[0]) for line in lines if line.startswith("epoch"))
    assert best >= 60, "the demo learns"
