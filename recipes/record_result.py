"""Turns a finished run into results/<name>.json and writes the tables of README and docs/results.md anew.

Takes a second. The tables are made from the files in results/ alone, so they can also be written without a run, after
one of them was edited or removed.

    python recipes/record_result.py runs/transfer_v3-20260101-120000 --name transfer_v3
    python recipes/record_result.py                       # the tables only
    python recipes/record_result.py runs/inception_baseline-20260101-120000 --results results/try --no-tables
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.reports import markers, tables
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.files import read_json
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Config:
    """What to record, and where."""

    run: tyro.conf.Positional[Path | None] = None
    """A finished run directory; without one only the tables are written."""
    name: str | None = None
    """Name of the record; default: the recipe's name."""
    results: Path = ROOT / "results"
    """Folder of the records."""
    tables: bool = True
    """Write the tables, too; --no-tables for a record that none shows."""
    pages: tuple[Path, ...] = (ROOT / "README.md", ROOT / "docs" / "results.md")
    """Pages with tables of results between their markers."""
    networks: Path = ROOT / "docs" / "networks.json"
    """Parameters of each network, as recipes/list_models.py writes them."""


def main(config: Config) -> None:
    if config.run is not None:
        run = Run.finished(config.run)
        path = records.write(config.results, records.from_run(run, config.name or run.config["recipe"]))
        print(f"wrote {path}")
    if config.tables:
        found, sizes = records.read(config.results), read_json(config.networks)
        for page in config.pages:
            markers.replace(page, "results", lambda asked: tables.section(asked, found, sizes))
            print(f"wrote the results section of {page}")


if __name__ == "__main__":
    command(Config, main, __doc__)
