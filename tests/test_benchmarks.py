"""benchmarks/: each measures, and the page says what is stored. No time is tested."""

import importlib
import json
import shutil
from pathlib import Path

import pytest

from tiny_imagenet_tf.data import synthetic
from tiny_imagenet_tf.reports import markers

ROOT = Path(__file__).parents[1]


@pytest.fixture
def benchmark(monkeypatch):
    """Loads one by its name, as Python does that is started with it."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiles faster, for processes it starts
    return importlib.import_module


def test_the_page_is_what_is_stored(benchmark, tmp_path):
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "docs" / "performance.md").read_text())
    markers.replace(page, "benchmarks", benchmark("write_page").section)
    markers.replace(page, "growth", benchmark("write_page").growth)
    assert page.read_text() == (ROOT / "docs" / "performance.md").read_text(), "run python benchmarks/write_page.py"


@pytest.mark.parametrize(("backend", "words"), [("jax", "NVIDIA H100, on jax, commit"), (None, "NVIDIA H100, commit")])
def test_the_page_takes_what_a_gpu_has_measured(benchmark, tmp_path, monkeypatch, backend, words):
    page = benchmark("write_page")
    benchmarks = shutil.copytree(ROOT / "results/benchmarks", tmp_path / "results/benchmarks")
    (benchmarks / "h100").mkdir()
    for name in ("head", "search", "growth_training"):
        stored = json.loads(next(benchmarks.glob(f"*/{name}.json")).read_text()) | {"device": "NVIDIA H100"}
        (benchmarks / "h100" / f"{name}.json").write_text(json.dumps(stored | {"backend": backend or "tensorflow"}))
    before = page.growth("")
    monkeypatch.setattr(page, "ROOT", tmp_path)
    assert words in page.section("")
    assert page.growth("") == before


GROWN = [f"{size} classes" for size in ("40 x 6, 3", "80 x 6, 3", "40 x 6, 6", "40 x 12, 3")]
SMALL = {"images": 40, "width": 6, "classes": 3, "batch_size": 10, "turns": 2}


FILLED = ["8 images, 1 views", "16 images, 1 views", "8 images, 2 views", "8 images, 2 views, two processes"]
TINY = {"precisions": ("float32",), "width_multiplier": 0.05, "batch_size": 4}
CASES = {
    "head": ("head", SMALL, ["Keras fit on arrays", "head trainer"]),
    "search": ("search", SMALL | {"heads": (2, 4)}, ["1 head", "2 heads", "4 heads"]),
    "growth": ("growth", SMALL | {"factors": (2,)}, GROWN),
    "extraction": ("growth_extraction", {"images": 8, "views": 1, "input_size": 32, "turns": 1}, FILLED),
    "pipeline": ("pipeline", {"steps": 2, "batch_size": 5, "turns": 2}, None),
    "training step": (
        "training_step",
        TINY | {"beside": ("fused",)},
        ["float32", "float32, fused batch normalization"],
    ),
    "training steps together": ("training_step", TINY | {"steps": 4, "together": 2}, ["float32"]),
}
TOGETHER = {"batch_size": 10, "steps": 2, "width_multiplier": 0.05, "turns": 1}
CASES["training by processes"] = ("growth_training", TOGETHER, ["one process", "two processes"])
SLOW = ("growth", "extraction", "pipeline", "training step", "training steps together", "training by processes")


@pytest.mark.parametrize(
    ("name", "options", "contenders"),
    [pytest.param(*case, id=id, marks=[pytest.mark.slow] * (id in SLOW)) for id, case in CASES.items()],
)
def test_a_benchmark_writes_what_it_measured(benchmark, tmp_path, name, options, contenders):
    module, path = benchmark(name), tmp_path / "made" / "figures.json"
    found = module.measure(module.Config(**options, output=path))
    stored = json.loads(path.read_text())
    assert stored["rates"] == found.rates and stored["name"] == name and stored["device"]
    assert contenders is None or list(found.rates) == contenders
    assert all(len(rates) == found.turns and min(rates) > 0 for rates in found.rates.values())


@pytest.mark.slow
def test_extraction_shows_few_images_again(benchmark, tmp_path):
    extraction = benchmark("extraction")
    source = synthetic.write(tmp_path, synthetic.Sizes(classes=2, train=3, validation=2, test=2))
    options = {"source": source, "data_dir": tmp_path / "data", "input_size": 75, "images": 60, "turns": 1}
    found = extraction.measure(extraction.Config(**options, precision="float32"))
    assert found.shown.startswith("60 images at 75 pixels")
    ways = ("", ", random views", ", two batches at a time")
    assert {"Keras predict, float32", *(f"TensorFlow engine, float32{way}" for way in ways)} <= set(found.rates)


def test_without_a_gpu_that_is_said(benchmark, tmp_path, monkeypatch):
    gpu = benchmark("gpu")
    monkeypatch.setattr(gpu.hardware, "has_gpu", lambda: False)
    with pytest.raises(ValueError, match="there is no GPU here"):
        gpu.main(gpu.Config(output=tmp_path / "gpu"))
    assert not (tmp_path / "gpu").exists()


@pytest.fixture
def on_a_gpu(benchmark, monkeypatch):
    """The benchmark of a GPU with measurements that take no time: the first fails, each of the others writes."""
    gpu = benchmark("gpu")
    monkeypatch.setattr(gpu.hardware, "has_gpu", lambda: True)
    for name in ("extraction", "head", "pipeline", "search"):
        monkeypatch.setattr(getattr(gpu, name), "measure", lambda config: config.output.write_text("{}"))
    monkeypatch.setattr(gpu.training_step, "measure", lambda config: 1 // 0)
    return gpu


def test_on_a_gpu_one_that_fails_costs_no_other(on_a_gpu, tmp_path, capsys):
    with pytest.raises(ValueError, match=r"training_step: integer.*; training_step_float32: integer"):
        on_a_gpu.main(on_a_gpu.Config(output=tmp_path))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["extraction", "head", "pipeline", "search"]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_on_a_gpu_none_begins_when_the_time_is_up(on_a_gpu, tmp_path):
    with pytest.raises(ValueError, match="extraction: no time left; .*training_step_float32: no time left"):
        on_a_gpu.main(on_a_gpu.Config(output=tmp_path, seconds=-1))
    assert not any(tmp_path.iterdir())
