"""What ten crops of the val images give one and the same head, for docs/section4.md (Milani, section 4.2).

Reads finished runs of transfer learning that were tested by ten crops, and the transfer values that they have stored;
writes results/analyses/ten_crops.json and the table between the page's markers.

python docs/ten_crops.py --source tiny-imagenet-200 runs/transfer_v2-20260101-120000 runs/transfer_v3-...
"""

import dataclasses
from pathlib import Path

import tyro

from tiny_imagenet_tf import cli  # isort: skip  # first: it quiets TensorFlow's log
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import combine, p_in_words, paired
from tiny_imagenet_tf.models import network_files
from tiny_imagenet_tf.models.heads import scores
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.transfer_values import stores_of

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Config:
    """Which runs, and the images."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Finished runs of transfer learning, tested by ten crops."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    output: Path = ROOT / "results/analyses/ten_crops.json"
    """Where to write the figures."""


def main(config: Config) -> None:
    """Measures, stores and renders."""
    if not config.runs:
        raise UserError("no run was named")
    val = splits.load(splits.prepare(config.source, config.data_dir), "validation")
    stored = {**describe_environment(), "runs": [measured(Run.finished(path), val) for path in config.runs]}
    write_json(config.output, stored)
    markers.replace(ROOT / "docs/section4.md", "ten_crops", lambda _: section(stored))


def measured(run: Run, val: splits.Split) -> dict[str, str | float | int]:
    """Returns the accuracy of a run's best head by the whole image and by ten crops, and how many images differ.

    Raises:
        UserError: it was not tested by ten crops, or their transfer values are gone or of other images.
    """
    stores = stores_of(run.summary, "validation", val.digest)
    if len(stores) != 10:
        raise UserError(f"{run.path}: the transfer values of ten crops of these images are not stored")
    head = network_files.load(run.snapshots().best_path)
    views = [scores(head, store.load()) for store in stores]  # the whole image comes first
    whole, ten = (combine(shown).argmax(axis=1) == val.labels for shown in (views[:1], views))
    return {
        "backbone": Path(run.config["backbone"]).stem,
        "head": run.config["recipe"].removeprefix("transfer_"),
        "training": run.summary.train.accuracy,
        "whole": float(whole.mean()),
        "ten": float(ten.mean()),
        **dataclasses.asdict(paired(whole, ten)),
        "command": run.environment["command"],
        "commit": run.environment["commit"],
    }


def section(stored: dict) -> str:
    """Returns the table."""
    rows = []
    for run in stored["runs"]:
        shares = (f"{run[name]:.2%}" for name in ("whole", "ten"))
        rows.append((run["backbone"], run["head"], *shares, f"{run['gained']}", f"{run['lost']}", p_in_words(run["p"])))
    return grid(("backbone", "head", "whole image", "ten crops", "gained", "lost", "p"), rows)


if __name__ == "__main__":
    cli.command(Config, main, __doc__)
