"""Baseline under each reading of its weight decay, epoch by epoch, for docs/from_scratch.md (needs the extra report).

Reads the records in results/weight_decay/ and Baseline's own, all at full width on all images; writes the table between
the page's markers and its figure.

python docs/weight_decay.py
"""

from pathlib import Path

from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.figures import curves, style
from tiny_imagenet_tf.reports.table import NOTHING
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.records import Record

ROOT = Path(__file__).parents[1]
READINGS = {  # a record to how it reads 0.08
    "inception_baseline": "decoupled",
    "l2_loss_sum": "l2_loss, beside the summed cross-entropy",
    "l2_loss_mean": "l2_loss, beside the mean cross-entropy",
}
COLUMNS = ("accuracy", "val_accuracy", curves.REESTIMATED)


def runs() -> dict[str, Record]:
    """Returns the readings that were run, by their words."""
    found = {each.name: each for folder in ("results", "results/weight_decay") for each in records.read(ROOT / folder)}
    return {words: found[name] for name, words in READINGS.items() if name in found}


def until(found: dict[str, Record]) -> float:
    """Returns the last epoch that all of them have."""
    return min(run.metrics[-1]["epoch"] for run in found.values())


def section() -> str:
    """Returns the table: each reading after the last epoch that all have."""
    found = runs()
    epoch = until(found)
    lines = [
        f"| 0.08 read as, after epoch {epoch:g} | training | val | val, statistics anew | best val until then |",
        "|---|---:|---:|---:|---:|",
    ]
    for words, run in found.items():
        rows = [row for row in run.metrics if row["epoch"] <= epoch]
        cells = [f"{rows[-1][name]:.1%}" if rows[-1].get(name) is not None else NOTHING for name in COLUMNS]
        best = max(row["val_accuracy"] for row in rows)
        lines.append(f"| {words} | {' | '.join(cells)} | {best:.1%} |")
    return "\n".join(lines)


def draw() -> bytes:
    """Returns the figure of their curves."""
    found = runs()
    epoch = until(found)
    shown = {words: [row for row in run.metrics if row["epoch"] <= epoch] for words, run in found.items()}
    return style.to_bytes(curves.training_curves(shown), "svg")


def main() -> None:
    """Writes table and figure."""
    markers.replace(ROOT / "docs/from_scratch.md", "weight_decay", lambda _: section())
    (ROOT / "docs/figures/from_scratch_weight_decay.svg").write_bytes(draw())


if __name__ == "__main__":
    main()
