"""Two backbones beside each other, for docs/beyond.md: what they cost, and what each recipe reaches with them.

Reads the records in results/ and the speeds in results/benchmarks/; writes the table between the page's markers.

python docs/backbones.py
"""

from pathlib import Path
from statistics import median

from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.files import read_object

ROOT = Path(__file__).parents[1]
SPEEDS = {"EfficientNet-Lite2": "extraction_lite2", "Inception-v3": "extraction"}  # benchmarks
SHAPES = {"EfficientNet-Lite2": (260, 1280), "Inception-v3": (299, 2048)}
ROWS = {  # to the records of both
    "no training at all": ("lite2_zero_shot", None),
    "vanilla, the paper's settings": ("lite2_vanilla", "cpus/transfer_vanilla_int8_vnni"),
    "vanilla, searched": ("lite2_vanilla_searched", "transfer_vanilla_searched"),
    "v2, searched": ("lite2_v2_searched", "transfer_v2_searched"),
    "v3, searched": ("lite2_v3_searched", "transfer_v3_searched"),
}


def speed(benchmark: str) -> str:
    """Returns the images a second in int8, on two cores with VNNI."""
    rates = read_object(ROOT / f"results/benchmarks/avx512/{benchmark}.json")["rates"]
    return f"{median(rates['OpenVINO engine, int8']):.0f}"


def top1(name: str | None) -> str:
    """Returns the val accuracy of a record."""
    if name is None:
        return "not run"
    (found,) = (each for each in records.read((ROOT / "results" / name).parent) if each.name == Path(name).name)
    return f"{found.summary.validation.top1:.2%}"


def section() -> str:
    """Returns the table."""
    rows = [
        (what, *(f"{shape[at]:,}" for shape in SHAPES.values()))
        for at, what in enumerate(("pixels", "values an image"))
    ]
    rows.append(("images/s, two cores with VNNI", *map(speed, SPEEDS.values())))
    rows += [(what, *map(top1, names)) for what, names in ROWS.items()]
    return grid(("", *SPEEDS), rows)


if __name__ == "__main__":
    markers.replace(ROOT / "docs/beyond.md", "backbones", lambda _: section())
