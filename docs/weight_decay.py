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
    "decoupled": "`decoupled`",
    "inception_baseline": "`l2_loss`, summed cross-entropy",
    "l2_loss_mean": "`l2_loss`, mean cross-entropy",
}


def measured() -> dict[str, list[dict]]:
    """Returns each stored reading's measurements."""
    folders = ("results", "results/weight_decay")
    found = {each.name: each.metrics for folder in folders for each in records.read(ROOT / folder)}
    return {words: found[name] for name, words in READINGS.items() if name in found}


def section() -> str:
    """Returns the table: each epoch, with what each run had at its end."""
    runs = {words: {row["epoch"]: row for row in rows} for words, rows in measured().items()}
    columns, rows = ["epoch"], []
    for words in runs:
        columns += [f"{words}: training", "val", "val, statistics re-estimated"]
    for epoch in range(1, max(int(max(run)) for run in runs.values()) + 1):
        cells = [f"{epoch}"]
        for run in runs.values():
            row = run.get(epoch, {})
            shown = (row.get("accuracy"), row.get("val_accuracy"), row.get(curves.REESTIMATED))
            cells += [NOTHING if value is None else f"{value:.1%}" for value in shown]
        rows.append(tuple(cells))
    filled = [column for column in range(len(columns)) if any(row[column] != NOTHING for row in rows)]
    return grid(tuple(columns[at] for at in filled), [tuple(row[at] for at in filled) for row in rows])


def draw() -> bytes:
    """Returns the figure of their curves."""
    shown = {words.replace("`", ""): rows for words, rows in measured().items()}
    return style.to_bytes(curves.training_curves(shown), "svg")


if __name__ == "__main__":
    markers.replace(ROOT / "docs/from_scratch.md", "weight_decay", lambda _: section())
    (ROOT / "docs/figures/from_scratch_weight_decay.svg").write_bytes(draw())
