"""What another seed changes: the searched heads five times each, for docs/searches.md.

A seed draws a head's first weights, its dropout and the order of the images; the transfer values are the same, those of
v3's stored views too. Reads the records in results/ and writes the table between the page's markers.

python docs/seeds.py
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.analysis.comparison import differences
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.records import Record
from tiny_imagenet_tf.transfer.options import ValueOptions

ROOT = Path(__file__).parents[1]
FOLDERS = ("results", "results/cpus", "results/seeds")
FIRST = (  # of each group the run of seed 0
    "transfer_vanilla_searched",
    "transfer_v2_searched",
    "lite2_vanilla_searched",
    "lite2_v2_searched",
    "lite2_vanilla_searched_avx2",
    "lite2_v2_searched_avx2",
    "lite2_v3_searched_avx2",
)
OTHERS = (1, 2, 3, 4)


def groups() -> Iterator[list[Record]]:
    """Gives the runs of each head, by seed.

    Raises:
        ValueError: they differ in more than their seed.
    """
    found = {record.name: record for folder in FOLDERS for record in records.read(ROOT / folder)}
    for first in FIRST:
        runs = [found[first], *(found[f"{first}_seed_{seed}"] for seed in OTHERS)]
        if [run.config["seed"] for run in runs] != [0, *OTHERS]:
            raise ValueError(f"{first}: its runs are of other seeds than 0 to {OTHERS[-1]}")
        alike = [{**run.config, "views_seed": _drawn_by(run.config), "CPU": run.environment["device"]} for run in runs]
        if odd := set(differences(alike)) - {"seed"}:
            raise ValueError(f"{first}: its runs differ in {', '.join(sorted(odd))}")
        yield runs


def _drawn_by(config: dict[str, Any]) -> int | None:
    """The seed of a run's stored views, if it has any."""
    found = ValueOptions(seed=config["seed"], views_seed=config.get("views_seed"))
    return found.drawn_by if config.get("augment") else None


def section() -> str:
    """Returns the table."""
    rows = []
    for runs in groups():
        found = [run.summary.validation.top1 for run in runs]
        head = runs[0].config["recipe"].removeprefix("transfer_") + ", no VNNI" * runs[0].name.endswith("_avx2")
        mean, sd = f"{statistics.mean(found):.2%}", f"{100 * statistics.stdev(found):.2f}"
        ends = (f"{end(found):.2%}" for end in (min, max))
        rows.append((Path(runs[0].config["backbone"]).stem, head, f"{found[0]:.2%}", mean, sd, *ends))
    return grid(("backbone", "head", "seed 0", "mean of five", "sd", "lowest", "highest"), rows)


if __name__ == "__main__":
    markers.replace(ROOT / "docs/searches.md", "seeds", lambda _: section())
