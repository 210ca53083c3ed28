"""Writes docs/performance.md's tables from results/benchmarks (``benchmarks/*.py --output``).

python docs/draw_performance.py
"""

import json
import statistics
from pathlib import Path

from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.table import Table
from tiny_imagenet_tf.runs.files import replacing

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
TITLES = {
    "extraction": "Extraction",
    "pipeline": "Input pipeline",
    "training_step": "Training",
    "head": "A head",
    "search": "Many heads together",
}


def section(_: str) -> str:
    """A table a stored benchmark."""
    tables = []
    for path in sorted((ROOT / "results" / "benchmarks").rglob("*.json")):
        stored = json.loads(path.read_text())
        first, *_ = stored["rates"].values()
        rows = []
        for name, rates in stored["rates"].items():
            ratios = sorted(a / b for a, b in zip(rates, first, strict=True))
            median, ratio = statistics.median(rates), statistics.median(ratios)
            rows.append((name, f"{median:.4g}", f"{ratio:.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"))
        versions = ", ".join(f"{name} {number}" for name, number in stored["versions"].items())
        caption = (
            f"{stored['device']}, commit `{(stored['commit'] or 'unknown')[:7]}`, {stored['started'][:10]}, "
            f"{len(first)} turns; {versions}."
        )
        columns = ("", f"{stored['unit']} a second", "ratio to the first", "turn by turn")
        title = f"{TITLES[stored['name']]}: {stored['shown']}"
        tables.append(Table(title, caption, columns, tuple(rows)).markdown())
    return "\n\n".join(tables)


def main() -> None:
    text = markers.replaced(PAGE, "benchmarks", section)
    with replacing(PAGE) as file:
        file.write(text)
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
