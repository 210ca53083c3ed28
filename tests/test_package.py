import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tiny_imagenet_tf"
FILES = sorted({*PACKAGE.rglob("*.py"), *(PACKAGE / "recipes").glob("*.py")})  # the recipes are behind a link

OUTSIDE = """
import tiny_imagenet_tf.tfds
assert {site!r} in tiny_imagenet_tf.__file__
import tensorflow_datasets as tfds
from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import URL
builder = tfds.builder("tiny_imagenet", data_dir={data!r})
assert builder.url_infos[URL].size == 248100043
assert "russakovsky" in builder.info.citation
print("works")
"""


@pytest.mark.slow
def test_a_wheel_works_outside_the_checkout(tmp_path):
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)], check=True)
    (wheel,) = wheels.iterdir()
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    missing = {str(path.relative_to(ROOT)) for path in files if "dummy_data" not in path.parts} - names
    assert missing == set()
    recipes = {f"tiny_imagenet_tf/recipes/{path.name}" for path in (ROOT / "recipes").glob("*.py")}
    assert recipes <= names
    assert not any("dummy_data" in name for name in names)

    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    code = OUTSIDE.format(site=str(site), data=str(tmp_path / "data"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(site), "PATH": ""}, capture_output=True
    )
    assert done.stdout.decode().strip() == "works", done.stderr.decode()

    demo = [sys.executable, "-m", "tiny_imagenet_tf", "transfer", "vanilla", "--demo", "--epochs", "2"]
    done = subprocess.run(demo, cwd=tmp_path, env={"PYTHONPATH": str(site), "PATH": ""}, capture_output=True)
    assert done.returncode == 0 and b"On the real images, next:\n  tiny-imagenet transfer vanilla" in done.stdout, (
        done.stderr.decode()
    )


FILE_NAME = re.compile(r"[\w.-]+\.(json|jsonl|npz|keras)")

# The floors of the package. Evaluation stands below training, which measures accuracy as it goes.
FLOORS = {
    "published": 0, "choices": 0, "errors": 0, "blocks": 0, "interrupts": 0, "progress": 0, "hardware": 1,
    "processes": 1, "extras": 1, "cluster": 2, "cli": 3,
    "runs": 2,
    "data": 3, "tfds": 4,
    "models": 4,
    "evaluation": 5,
    "deployment": 6,
    "experiments": 6,
    "transfer": 7, "training": 7,
    "search": 8,
    "reports": 8,
    "recipes": 9,
    "__main__": 10,
}  # fmt: skip


def imports(file):
    """The rooms that a module imports from."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "tiny_imagenet_tf":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tiny_imagenet_tf."):
            yield node.module.split(".")[1]


def test_every_room_has_its_floor():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == FLOORS.keys()


def test_imports_go_down_only():
    upward = []
    for file in FILES:
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for other in imports(file):
            if room != "__init__" and other != room and FLOORS[other] >= FLOORS[room]:
                upward.append(f"{file.relative_to(ROOT)} imports {other}")
    assert upward == []


def test_reports_do_without_models_and_training():
    for file in (PACKAGE / "reports").rglob("*.py"):
        assert not {"models", "experiments", "training", "transfer"} & set(imports(file)), file


def test_file_names_of_a_run_are_known_to_its_room_alone():
    """Imports go down, and so does knowledge: no other room has a name such as "summary.json" in its code."""

    def names(file):
        texts = (node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
        return {text for text in texts if isinstance(text, str) and FILE_NAME.fullmatch(text)}

    inside = {file: file.relative_to(PACKAGE).parts[0] == "runs" for file in FILES}
    of_runs = set().union(*(names(file) for file in FILES if inside[file]))
    assert {"config.json", "summary.json", "best.keras"} <= of_runs
    known = {str(file.relative_to(ROOT)): names(file) & of_runs for file in FILES if not inside[file]}
    assert {file: found for file, found in known.items() if found} == {}


def test_tensorflow_is_for_data_and_for_the_engines_of_cpus_alone():
    allowed = {"data", "hardware.py", "cli.py"}
    found = {
        str(file.relative_to(PACKAGE))
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any("tensorflow" in name for name in [getattr(node, "module", "") or "", *(a.name for a in node.names)])
        and file.relative_to(PACKAGE).parts[0] not in allowed
    }
    assert found == {"transfer/engine.py", "transfer/openvino.py", "deployment/formats.py"}
