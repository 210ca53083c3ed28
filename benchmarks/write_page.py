"""Writes the tables of docs/performance.md from results/benchmarks (``benchmarks/*.py --output``), a folder a machine.

python benchmarks/write_page.py
"""

import json
from pathlib import Path
from statistics import median

from measured import Measurement

from tiny_imagenet_tf.progress import digits
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.table import Table, grid

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
TITLES = {
    "extraction": "Extraction",
    "pipeline": "Input pipeline",
    "training_step": "Training",
    "head": "A head",
    "search": "Many heads together",
    "growth": "How a head's epoch grows",
    "growth_extraction": "How extraction grows",
    "growth_training": "How training grows",
}
# What older files do not say of their CPU.
MACHINES = {"avx2": ", AVX2", "avx512": ", AVX-512 VNNI BF16"}


def section(_: str) -> str:
    """A table a stored benchmark."""
    tables = []
    for path in sorted((ROOT / "results" / "benchmarks").rglob("*.json"), key=lambda path: (path.stem, path.parent)):
        stored = json.loads(path.read_text())
        found = Measurement(*(stored[name] for name in ("name", "shown", "unit", "rates")))
        versions = ", ".join(f"{name} {number}" for name, number in stored["versions"].items())
        machine = stored["device"]
        if "AVX" not in machine:
            machine += MACHINES.get(path.parent.name, "")
        which = machine.split(", ")[-1]  # by which one kind of CPU is told from another
        if stored.get("backend", "tensorflow") != "tensorflow":
            machine += f", on {stored['backend']}"
        caption = (
            f"{machine}, commit `{(stored['commit'] or 'unknown')[:7]}`, {stored['started'][:10]}, "
            f"{found.turns} turns: `{stored['command']}`; {versions}."
        )
        columns = ("", f"{found.unit} a second", "ratio to the first", "range over turns")
        rows = tuple((name, digits(rate), *words) for name, rate, *words in found.lines)
        tables.append(Table(f"{TITLES[found.name]}, {which}: {found.shown}", caption, columns, rows).markdown())
    return "\n\n".join(tables)


def growth(_: str) -> str:
    """How cost grows, from the same files."""

    def ratio(name: str, contender: str, machine: str = "avx512") -> float:
        """The median, to the benchmark's first contender."""
        rates = json.loads((ROOT / "results" / "benchmarks" / machine / f"{name}.json").read_text())["rates"]
        first, *_ = rates.values()
        return median(a / b for a, b in zip(rates[contender], first, strict=True))

    def times(name: str, contender: str) -> str:
        slower = 1 / ratio(name, contender)
        return f"{slower:.{int(slower < 10)}f} times"

    alone, together = "1,000 images, 10 views", "1,000 images, 10 views, two processes"
    faster = ratio("growth_extraction", together) / ratio("growth_extraction", alone)
    rows = (
        (
            "images",
            f"linearly: extraction of twice the images takes {times('growth_extraction', '2,000 images, 5 views')} as "
            f"long; a head's epoch of four times the images {times('growth', '20,000 x 2,048, 200 classes')}, for its "
            "beginning takes time, too",
        ),
        (
            "classes",
            "the last layer grows, by 2,048 weights a class; for four times the classes a head's epoch takes "
            f"{times('growth', '5,000 x 2,048, 800 classes')} as long",
        ),
        (
            "values an image",
            "the last layer grows; for four times the values a head's epoch takes "
            f"{times('growth', '5,000 x 8,192, 200 classes')} as long",
        ),
        (
            "stored views",
            f"linearly: extraction of twice the views takes {times('growth_extraction', alone)} as long. Each is a "
            "pass through the backbone, and 4 KB an image (float16, 2,048 values)",
        ),
        (
            "heads of a search",
            f"an epoch of 16 heads takes {times('search', '16 heads')} as long as one head's, of 64 heads "
            f"{times('search', '64 heads')}, for their products and for Adam's 28 bytes per weight, step and head",
        ),
        (
            "processes that extract, on one machine",
            f"two, on a core each, are {faster:.1f} times as fast as one; more should gain in the same way while each "
            "finds a free shard (2,000 images in one view). Nothing is done twice",
        ),
        (
            "processes that train, on one machine",
            f"two, on a core each, are {ratio('growth_training', 'two processes', 'avx2'):.2f} times as fast as one; "
            "each decodes and computes its share of a batch, and gradients (10 MB for the compact network) are summed "
            "every step",
        ),
    )
    return grid(("with the number of", "cost grows"), rows)


if __name__ == "__main__":
    markers.replace(PAGE, "benchmarks", section)
    markers.replace(PAGE, "growth", growth)
    print(f"wrote {PAGE}")
