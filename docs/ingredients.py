"""What each ingredient of `train modern` gives on a quarter of the training images, for docs/beyond.md.

Reads finished runs, of which the first is what the others change something of; measures the best network of each on all
val images at hand, whatever the run looked at; writes results/analyses/ingredients.json and the table between the
page's markers.

python docs/ingredients.py runs/base/inception_modern-20260101-120000 runs/crops/inception_modern-... --source ...
"""

import dataclasses
from pathlib import Path

import tyro

from tiny_imagenet_tf import cli
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import p_in_words, paired
from tiny_imagenet_tf.experiments.options import flag
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.analysis.comparison import differences
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[1]
SAME = ("recipe", "resume", "cache", "track", "tensorboard")


@dataclasses.dataclass(frozen=True)
class Config:
    """Which runs, and which images."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Finished runs of train modern; what the others are compared with comes first."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Without it the official archive is downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    output: Path = ROOT / "results/analyses/ingredients.json"
    """Where to write the figures."""


def main(config: Config) -> None:
    """Measures, stores and renders."""
    from tiny_imagenet_tf.data import splits
    from tiny_imagenet_tf.evaluation.predict import Predictor

    if len(config.runs) < 2:
        raise UserError("name the run to compare with, and one or more others")
    validation = splits.load(splits.prepare(config.source, config.data_dir), "validation")
    found, base, first = [], None, None
    for path in config.runs:
        run = Run.finished(path)
        first = first or run
        right = Predictor.load(run.snapshots().best_path).probabilities(validation).argmax(axis=1) == validation.labels
        base = right if base is None else base
        found.append(
            {
                "changed": changed(first, run),
                "top1": float(right.mean()),
                **dataclasses.asdict(paired(base, right)),
                "train_accuracy": run.summary.train.accuracy,
                "train_images": run.summary.train.images,
                "epochs": run.summary.epochs,
                "command": run.environment["command"],
                "commit": run.environment["commit"],
            }
        )
    stored = {**describe_environment(), "val_images": len(validation), "runs": found}
    write_json(config.output, stored)
    markers.replace(ROOT / "docs/beyond.md", "ingredients", lambda _: section(stored))


def changed(first: Run, run: Run) -> str:
    """Returns the options, as on the command line, in which a run differs from the first."""
    words = []
    for name in differences([first.config, run.config]):
        if name not in SAME:
            value = run.config[name]
            values = value if isinstance(value, list) else [value]
            words += [flag(name), *(Path(str(each)).name for each in values)]
    return " ".join(words)


def section(stored: dict) -> str:
    """Returns the table."""
    first, *others = stored["runs"]
    rows = [(f"{first['epochs']:g} epochs at 32 pixels, all else the defaults", f"{first['top1']:.2%}", "", "", "", "")]
    for each in others:
        points = f"{100 * (each['top1'] - first['top1']):+.2f} points"
        cells = (f"{each['gained']}", f"{each['lost']}", p_in_words(each["p"]))
        rows.append((f"`{each['changed']}`", f"{each['top1']:.2%}", points, *cells))
    return grid(("", "top-1 of val", "against the first", "gained", "lost", "p"), rows)


if __name__ == "__main__":
    cli.command(Config, main, __doc__)
