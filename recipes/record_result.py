"""Turns a finished run into results/<name>.json and writes README's results section anew.

Takes a second. README's tables are made from the files in results/ alone, so the section can also be written
without a run, after one of them was edited or removed.

    python recipes/record_result.py runs/transfer_v3-20260101-120000 --name transfer_v3
    python recipes/record_result.py                       # README only
    python recipes/record_result.py runs/inception_baseline-20260101-120000 --results results/try --readme None
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from tiny_imagenet_tf.reports import tables
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.run import replacing

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Config:
    """What to record, and where."""

    run: tyro.conf.Positional[Path | None] = None
    """A finished run directory; without one only README is written."""
    name: str | None = None
    """Name of the record; default: the recipe's name."""
    results: Path = ROOT / "results"
    """Folder of the records."""
    readme: Path | None = ROOT / "README.md"
    """The text whose results section is written; None for a record that no table shows."""
    networks: Path = ROOT / "docs" / "networks.md"
    """The page with the table of networks, for their parameter counts."""


def section(config: Config) -> str:
    """README's results section as the records have it now."""
    sizes = tables.read_network_sizes(config.networks.read_text(encoding="utf-8")) if config.networks.exists() else {}
    return tables.readme_section(records.read(config.results), sizes)


def main(config: Config) -> None:
    if config.run is not None:
        try:
            run = records.finished_run(config.run)
        except FileNotFoundError as error:
            raise SystemExit(str(error)) from error
        record = records.from_run(run, config.name or run.config["recipe"])
        try:
            path = records.write(config.results, record)
        except ValueError as error:
            raise SystemExit(f"{error}; give this one another --name") from error
        print(f"wrote {path}")
    if config.readme is None:
        return
    readme = config.readme.read_text(encoding="utf-8")
    try:
        updated = readme.replace(tables.current_section(readme), section(config))
    except ValueError as error:
        raise SystemExit(f"{config.readme}: {error}") from error
    with replacing(config.readme) as file:
        file.write(updated.encode())
    print(f"wrote the results section of {config.readme}")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
