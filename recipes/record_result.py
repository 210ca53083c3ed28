"""Turns a finished run into results/<name>.json and writes the tables of README and docs anew.

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
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.files import read_object, replacing
from tiny_imagenet_tf.runs.locks import locked
from tiny_imagenet_tf.runs.places import check_folder
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.typed import misfits

CHECKOUT = Path(__file__).resolve().parents[1]
OWN = (CHECKOUT / "setup.cfg").exists()
ROOT = CHECKOUT if OWN else Path()


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
    pages: tuple[Path, ...] = (ROOT / "README.md", ROOT / "docs" / "index.md", ROOT / "docs" / "results.md")
    """Pages with tables of results between their markers."""
    networks: Path = ROOT / "docs" / "networks.json"
    """Parameters of each network, as recipes/list_models.py writes them."""
    claims: Path | None = None
    """The papers' claims, for the page next to them; default: docs/claims.toml, where the results are the project's
    own."""


def main(config: Config) -> None:
    """Checks and renders everything before anything is written."""
    from tiny_imagenet_tf.reports import claims, markers, tables  # TensorFlow is loaded when the recipe runs

    if config.run is None and config.name is not None:
        raise UserError(f"--name {config.name}: would be ignored, for no run was named")
    if config.run is None and not config.results.is_dir():
        raise UserError(f"--results {config.results}: no such folder")
    if not config.tables:
        for name in ("claims", "pages", "networks"):
            if (value := getattr(config, name)) != getattr(Config, name):
                raise UserError(f"--{name} {value}: would be ignored, for --no-tables writes none")
    elif config.results.resolve() != Config.results.resolve() and config.pages == Config.pages:
        raise UserError(f"--results {config.results}: the pages show {Config.results}; name --pages, or --no-tables")
    check_folder("--results", config.results)
    run, record = config.run and Run.finished(config.run), None
    if run is not None and run.of_synthetic_images:
        raise UserError(f"{run.path}: a demo's, of synthetic images, which are in no table")
    config.results.mkdir(parents=True, exist_ok=True)
    with locked(config.results / ".lock", str(config.results), wait=True):
        stored = records.read(config.results)
        if run is not None:
            record = records.from_run(run, config.name or run.config["recipe"])
            stored = records.merged(config.results, record)
        # Outside a checkout there may be none of the defaults.
        sizes_exist = OWN or config.networks != Config.networks or config.networks.exists()
        sizes = _sizes(config.networks) if config.tables and sizes_exist else {}
        pages_named = OWN or config.pages != Config.pages
        pages = [page for page in config.pages if pages_named or (page.exists() and markers.has(page, "results"))]
        parts = [(page, "results", lambda asked: tables.section(asked, stored, sizes)) for page in pages]
        ours = OWN and config.results.resolve() == Config.results.resolve()
        if claimed := config.claims or (ROOT / "docs" / "claims.toml" if ours else None):
            page = claimed.with_suffix(".md")
            parts.append((page, "claims", lambda _: claims.section(claimed, stored, config.results)))
        written: dict[Path, bytes] = {}
        for page, name, make in parts if config.tables else ():
            written[page] = markers.replaced(page, name, make, written.get(page))
        if record is not None:
            print(f"wrote {records.write(config.results, record)}")
        if config.tables and not written:
            print("no page with markers of results is here; --pages names one")
        for page, text in written.items():
            with replacing(page) as file:
                file.write(text)
            for _, name, _ in (part for part in parts if part[0] == page):
                print(f"wrote the {name} section of {page}")


def _sizes(path: Path) -> dict[str, int]:
    found = read_object(path)
    if wrong := misfits(found, dict.fromkeys(found, int), "it"):
        raise UserError(f"{path} does not hold the parameters of networks: {wrong}")
    return found


if __name__ == "__main__":
    command(Config, main, __doc__)
