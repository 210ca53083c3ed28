"""Writes the tables of docs/performance.md from results/benchmarks (``benchmarks/*.py --output``), a folder a machine.

python benchmarks/write_page.py
"""

import json
from pathlib import Path

from measured import Measurement

from tiny_imagenet_tf.progress import digits
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.table import Table

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
        if stored.get("backend", "tensorflow") != "tensorflow":
            machine += f", on {stored['backend']}"
        caption = (
            f"{machine}, commit `{(stored['commit'] or 'unknown')[:7]}`, {stored['started'][:10]}, "
            f"{found.turns} turns; {versions}."
        )
        columns = ("", f"{found.unit} a second", "ratio to the first", "turn by turn")
        rows = tuple((name, digits(rate), *words) for name, rate, *words in found.lines)
        tables.append(Table(f"{TITLES[found.name]}: {found.shown}", caption, columns, rows).markdown())
    return "\n\n".join(tables)


if __name__ == "__main__":
    markers.replace(PAGE, "benchmarks", section)
    print(f"wrote {PAGE}")
