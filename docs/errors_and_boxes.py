"""Are small things missed? A run's errors on val beside the share of each image that its bounding box covers.

Milani blames some of the errors on what else is in an image (section 4.3, plunger); Le & Yang screen images by their
boxes (section 5.3.3). Compared are images of all classes, images within a class, and classes. Writes
results/analyses/errors_and_boxes.json and the part of docs/analysis.md between its markers (needs the extra report).

python docs/errors_and_boxes.py --source tiny-imagenet-200 runs/transfer_v2-20260101-120000
"""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import tyro

from tiny_imagenet_tf import cli  # isort: skip  # first: it quiets TensorFlow's log
from scipy import stats

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import IMAGE_SIZE
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.analysis.intervals import wilson
from tiny_imagenet_tf.reports.analysis.predictions import Predictions
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[1]
BANDS = (0, 0.05, 0.1, 0.25, 0.5, 0.75, 1)  # shares of an image; each band holds its upper end
PLUNGER = "n03970156"


@dataclasses.dataclass(frozen=True)
class Config:
    """Which run, and the images."""

    run: tyro.conf.Positional[Path]
    """A finished run."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    output: Path = ROOT / "results/analyses/errors_and_boxes.json"
    """Where to write the figures."""


def main(config: Config) -> None:
    """Measures, stores and renders."""
    run = Run.finished(config.run)
    predictions = Predictions.of(run)
    val = splits.load(splits.prepare(config.source, config.data_dir), "validation")
    row = {name: number for number, name in enumerate(val.file_names)}
    if missing := [name for name in predictions.file_names if name not in row]:
        raise UserError(f"{config.run}: {len(missing):,} images of its val are not in --source, such as {missing[0]}")
    if run.digest_of("validation") not in (None, val.digest):
        raise UserError(f"{config.run}: its val is of other images of the same names than --source")
    if (val.boxes < 0).any():
        raise UserError("--source: val has no boxes")
    areas = covered(val.boxes[[row[name] for name in predictions.file_names]])
    found = {**describe_environment(), "run": run.summary.title, **measure(predictions, areas)}
    write_json(config.output, found)
    markers.replace(ROOT / "docs/analysis.md", "errors_and_boxes", lambda _: section(found))


def covered(boxes: np.ndarray) -> np.ndarray:
    """Returns the share of an image that each box covers, edges included, 0 to 1, of boxes int (n, 4) in pixels."""
    x0, y0, x1, y1 = np.asarray(boxes, np.int64).T
    return (x1 - x0 + 1) * (y1 - y0 + 1) / IMAGE_SIZE**2


def measure(predictions: Predictions, areas: np.ndarray) -> dict:
    """Returns errors by band of area, and how both go together within a class, among classes, and for plunger."""
    labels, wrong = predictions.labels, ~predictions.right
    bands = []
    for low, high in itertools.pairwise(BANDS):
        inside = wrong[(areas > low) & (areas <= high)]
        bands.append({"above": low, "to": high, "images": len(inside), "wrong": int(inside.sum())})
    classes = np.unique(labels)
    errors = np.array([wrong[labels == each].mean() for each in classes])
    medians = np.array([np.median(areas[labels == each]) for each in classes])
    logs = np.log(areas)
    means = np.array([logs[labels == each].mean() for each in classes])
    number = np.searchsorted(classes, labels)
    found = {
        "bands": bands,
        "images": len(wrong),
        "within_a_class": within(logs - means[number], wrong - errors[number], groups=len(classes)),
        "among_classes": _told(stats.spearmanr(medians, errors)),
        "median_area": float(np.median(areas)),
    }
    for plunger in np.flatnonzero(predictions.wnids[classes] == PLUNGER):
        of_band = np.searchsorted(BANDS, areas[labels == classes[plunger]]) - 1
        shares = [each["wrong"] / max(each["images"], 1) for each in bands]
        found["plunger"] = {
            "images": len(of_band),
            "error": errors[plunger],
            "median_area": medians[plunger],
            "smaller_classes": int((medians < medians[plunger]).sum()),
            "error_of_such_boxes": float(np.mean([shares[each] for each in of_band])),
        }
    return found


def within(first: np.ndarray, second: np.ndarray, groups: int) -> dict[str, float]:
    """Returns the correlation of what is left without the means of groups, each of which costs a degree of freedom."""
    correlation, free = float(np.corrcoef(first, second)[0, 1]), len(first) - groups - 1
    t = correlation * np.sqrt(free / (1 - correlation**2))
    return {"correlation": correlation, "p": float(2 * stats.t.sf(abs(t), free))}


def _told(test: stats.pearsonr) -> dict[str, float]:
    return {"correlation": float(test.statistic), "p": float(test.pvalue)}


def section(found: dict) -> str:
    """Returns the table and what it comes to."""
    rows = []
    for band in found["bands"]:
        if band["images"]:
            low, high = wilson(band["wrong"], band["images"])
            covers = f"{band['above']:.0%} to {band['to']:.0%} of the image"
            error = f"{band['wrong'] / band['images']:.1%}"
            rows.append((covers, f"{band['images']:,}", error, f"{low:.1%} to {high:.1%}"))
    lines = [grid(("the box covers", "val images", "top-1 error", "95% interval"), rows)]
    within, among = found["within_a_class"], found["among_classes"]
    lines += [
        "",
        f"By {found['run']}.",
        "",
        f"Within a class, error and the logarithm of the area have a correlation of "
        f"{within['correlation']:.2f} (p = {within['p']:.0e}); among classes, error and median area one of "
        f"{among['correlation']:.2f} (ranks, p = {among['p']:.2f}).",
    ]
    if plunger := found.get("plunger"):
        lines.append(
            f"Plunger: {plunger['error']:.0%} of {plunger['images']} wrong; its boxes cover "
            f"{plunger['median_area']:.0%} of the image in the median, those of all classes "
            f"{found['median_area']:.0%}, and {plunger['smaller_classes']} classes have smaller ones. Images of all "
            f"classes with boxes like its own are wrong in {plunger['error_of_such_boxes']:.0%} of cases."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    cli.command(Config, main, __doc__)
