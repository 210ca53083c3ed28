"""The command tiny-imagenet."""

import json
import os
import re
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


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["transfer"], "did you mean\n  tiny-imagenet transfer vanilla"),
        (["transfer", "v4"], "tiny-imagenet transfer v3"),
        (["trian", "baseline"], "did you mean\n  tiny-imagenet train baseline\n"),
        (["convnet"], "did you mean\n  tiny-imagenet train convnet\n"),
        (["xyzzy"], "there are\n  tiny-imagenet prepare\n"),
    ],
)
def test_what_is_no_command_is_told_what_there_is(capsys, words, meant):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert meant in told and "Traceback" not in told


HELP = """
import contextlib, io, json, sys
from tiny_imagenet_tf.__main__ import COMMANDS, main
told = {}
for name in COMMANDS:
    screen = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(screen), contextlib.suppress(SystemExit):
        main([*name.split(), "--help"])
    screen.flush()
    told[name] = screen.buffer.getvalue().decode()
print(json.dumps([told, sorted({"tensorflow", "keras", "matplotlib"} & set(sys.modules))]))
"""


def test_every_help_is_explained_within_80_columns_without_loading_tensorflow():
    environment = os.environ | {"COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", HELP], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == "" and done.returncode == 0, done.stderr
    told, loaded = json.loads(done.stdout)
    assert loaded == []
    for name in COMMANDS:
        options = [line for line in told[name].splitlines() if line.startswith(("│", "╭", "╰"))]
        assert options and max(map(len, options)) <= 80, name
        assert f"tiny-imagenet {name}" in told[name] and "python recipes/" not in told[name]


def test_a_group_lists_its_commands(capsys):
    main(["transfer", "--help"])
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[2:]] == ["vanilla", "v2", "v3"]


@pytest.mark.parametrize("variant", ["vanilla", pytest.param("v3", marks=pytest.mark.slow)])
def test_a_run_says_the_device_first_and_nothing_of_tensorflows(tmp_path, variant):
    command = [sys.executable, "-m", "tiny_imagenet_tf", "transfer", variant, "--demo", "--runs", "runs"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.search(r" cores(, AVX[^:]*)?: ", lines[0]) or "NVIDIA" in lines[0]
    assert lines[-2:] == ["On the real images, next:", f"  tiny-imagenet transfer {variant} --runs runs"]
    assert max(map(len, lines)) <= 80
    for noise in ("WARNING", "I0000", "oneDNN", "cuda", "Generating"):
        assert noise not in done.stdout + done.stderr
    (run,) = (tmp_path / "runs").glob(f"transfer_{variant}-*")
    assert (run / "best.keras").is_file() and (run / "report" / "index.html").is_file()
    best = max(float(line.split("val ")[1].split("%")[0]) for line in lines if line.startswith("epoch"))
    assert best >= 60, "the demo learns"
