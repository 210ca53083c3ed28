"""Baseline under each reading of its weight decay, epoch by epoch, for docs/from_scratch.md (needs the extra report).

Reads the records in results/weight_decay/ and Baseline's own, all at full width on all images; writes the table between
the page's markers and its figure.

python docs/weight_decay.py
"""

from pathlib import Path

from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.figures import curves, style
from tiny_imagenet_tf.reports.table import NOTHING, grid
from tiny_imagenet_tf.runs import records

ROOT = Path(__file__).parents[1]
READINGS = {  # a record to how it reads 0.08
    "inception_baseline": "`decoupled`",
    "l2_loss_sum": "`l2_loss`, beside a summed cross-entropy",
    "l2_loss_mean": "`l2_loss`, beside the mean cross-entropy",
}


def measured() -> dict[str, list[dict]]:
    """Returns each reading's measurements, until the second longest run ends: beyond, there is nothing to compare."""
    folders = ("results", "results/weight_decay")
    found = {each.name: each.metrics for folder in folders for each in records.read(ROOT / folder)}
    runs = {words: found[name] for name, words in READINGS.items() if name in found}
    last = sorted(rows[-1]["epoch"] for rows in runs.values())[-2]
    return {words: [row for row in rows if row["epoch"] <= last] for words, rows in runs.items()}


def section() -> str:
    """Returns the table: each run after each epoch."""
    rows = []
    for words, metrics in measured().items():
        for row in metrics:
            if row["epoch"] == int(row["epoch"]):
                shown = (row["accuracy"], row["val_accuracy"], row.get(curves.REESTIMATED))
                cells = (NOTHING if each is None else f"{each:.1%}" for each in shown)
                rows.append((words, f"{row['epoch']:g}", *cells))
    return grid(("0.08 read as", "epoch", "training", "val", "val, statistics anew"), rows)


def draw() -> bytes:
    """Returns the figure of their curves."""
    shown = {words.replace("`", ""): rows for words, rows in measured().items()}
    return style.to_bytes(curves.training_curves(shown), "svg")


if __name__ == "__main__":
    markers.replace(ROOT / "docs/from_scratch.md", "weight_decay", lambda _: section())
    (ROOT / "docs/figures/from_scratch_weight_decay.svg").write_bytes(draw())
