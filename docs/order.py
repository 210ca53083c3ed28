"""Vanilla, v2 and v3 at the same effort of search, by McNemar's exact test, for docs/beyond.md (Milani, Table 2).

Reads finished runs of transfer learning, those of one backbone beside one another; writes results/analyses/order.json
and the table between the page's markers.

python docs/order.py runs/transfer_vanilla-20260101-120000 runs/transfer_v2-... runs/transfer_v3-...
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import tyro

from tiny_imagenet_tf import cli
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import p_in_words
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.analysis.comparison import compare
from tiny_imagenet_tf.reports.analysis.predictions import Predictions
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[1]
ORDER = ("vanilla", "v2", "v3")


@dataclasses.dataclass(frozen=True)
class Config:
    """Which runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Finished runs of transfer learning."""
    output: Path = ROOT / "results/analyses/order.json"
    """Where to write the figures."""


def main(config: Config) -> None:
    """Compares, stores and renders."""
    runs, found = sorted(map(Run.finished, config.runs), key=lambda run: ORDER.index(variant(run))), []
    for backbone in dict.fromkeys(run.config["backbone"] for run in runs):
        found += pairs(Path(backbone).stem, [run for run in runs if run.config["backbone"] == backbone])
    if not found:
        raise UserError("name two runs of one backbone, or more")
    stored = {**describe_environment(), "pairs": found}
    write_json(config.output, stored)
    markers.replace(ROOT / "docs/beyond.md", "order", lambda _: section(stored))


def variant(run: Run) -> str:
    """Returns which of the three a run is.

    Raises:
        UserError: none of them.
    """
    found = run.config["recipe"].removeprefix("transfer_")
    if found not in ORDER:
        raise UserError(f"{run.path}: a run of {run.config['recipe']}, not of vanilla, v2 or v3")
    return found


def pairs(backbone: str, runs: Sequence[Run]) -> list[dict]:
    """Returns each pair of runs, the lower in the paper's order first.

    Raises:
        UserError: they are of other val images.
    """
    found = []
    for lower, higher in itertools.combinations(runs, 2):
        if len({run.environment["dataset"]["digests"]["validation"] for run in (lower, higher)}) > 1:
            raise UserError(f"{higher.path}: its val images are not those of {lower.path}")
        both = compare(Predictions.of(lower), Predictions.of(higher))
        found.append(
            {
                "backbone": backbone,
                "lower": {"variant": variant(lower), "top1": both.accuracies[0], **facts(lower)},
                "higher": {"variant": variant(higher), "top1": both.accuracies[1], **facts(higher)},
                "images": both.images,
                "gained": both.only_second,
                "lost": both.only_first,
                "p": both.p_value,
            }
        )
    return found


def facts(run: Run) -> dict[str, str | None]:
    """Returns what a run was started with."""
    return {name: run.environment[name] for name in ("command", "commit", "device")}


def section(stored: dict) -> str:
    """Returns the table."""
    rows = []
    for each in stored["pairs"]:
        lower, higher = (f"{each[name]['variant']} {each[name]['top1']:.2%}" for name in ("lower", "higher"))
        rows.append((each["backbone"], lower, higher, f"{each['gained']}", f"{each['lost']}", p_in_words(each["p"])))
    return grid(("backbone", "one", "the other", "gained", "lost", "p"), rows)


if __name__ == "__main__":
    cli.command(Config, main, __doc__)
