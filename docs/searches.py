"""What the stored searches have found, for docs/searches.md (needs the extra report).

Reads results/search/ and the records of the best heads in results/; writes the tables between the page's markers, and
a figure a backbone.

python docs/searches.py
"""

from pathlib import Path

from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.figures import style, trials
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.files import read_object

ROOT = Path(__file__).parents[1]
BACKBONES = {"inception": "Inception-v3", "lite2": "EfficientNet-Lite2"}
HEADS = ("vanilla", "v2", "v3")
RECORD = {"inception": "transfer_{}_searched", "lite2": "lite2_{}_searched"}  # of the best head's run
LEAST = 0.7  # in the figures; the few trials below would press the others together


def section() -> str:
    """Returns the table: what each search found, and what became of it on val."""
    runs, rows = {record.name: record for record in records.read(ROOT / "results")}, []
    for backbone, words in BACKBONES.items():
        for head in HEADS:
            tried = read_object(ROOT / f"results/search/{backbone}_{head}.json")["trials"]
            whole = [trial for trial in tried if trial["state"] == "complete"]
            best = max(whole, key=lambda trial: trial["accuracy"])
            first = sum(trial["accuracy_by_epoch"][0] > best["accuracy_by_epoch"][0] for trial in whole) + 1
            found = (f"{best[name]:.2g}" for name in ("learning_rate", "learning_rate_decay_per_epoch", "weight_decay"))
            val = runs[RECORD[backbone].format(head)].summary.validation.top1
            place = f"{first} of {len(whole)}"
            rows.append((words, head, *found, f"{best['accuracy']:.2%}", f"{val:.2%}", place))
    columns = ("rate", "decay per epoch", "L2", "held-out", "val", "rank after epoch 1")
    return grid(("backbone", "head", *columns), rows)


def folds(_: str) -> str:
    """Returns the table of the search by cross-validation: its three best trials, and the run of the best."""
    runs = {record.name: record for record in records.read(ROOT / "results")}
    tried = read_object(ROOT / "results/search/lite2_vanilla_folds.json")["trials"]
    whole = sorted((each for each in tried if each["state"] == "complete"), key=lambda each: -each["accuracy"])
    val = f"{runs['lite2_vanilla_folds'].summary.validation.top1:.2%}"
    rows = []
    for trial in whole[:3]:
        searched = (trial["learning_rate"], trial["learning_rate_decay_per_epoch"], trial["weight_decay"])
        shown = (*searched, trial["dropout_keep"], trial["label_smoothing"])
        rows.append((*(f"{value:.2g}" for value in shown), f"{trial['accuracy']:.2%}", "" if rows else val))
    columns = ("rate", "decay per epoch", "L2", "dropout keep", "smoothing", "held-out, 5 folds", "val")
    return grid(columns, rows)


def draw(backbone: str) -> bytes:
    """Returns the figure of a backbone's three searches."""
    found = {
        f"{BACKBONES[backbone]}, {head}": read_object(ROOT / f"results/search/{backbone}_{head}.json")["trials"]
        for head in HEADS
    }
    return style.to_bytes(trials.accuracy_of_trials(found, LEAST), "svg")


if __name__ == "__main__":
    markers.replace(ROOT / "docs/searches.md", "searches", lambda _: section())
    markers.replace(ROOT / "docs/searches.md", "folds", folds)
    for name in BACKBONES:
        (ROOT / f"docs/figures/searches_{name}.svg").write_bytes(draw(name))
