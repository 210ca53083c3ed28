"""Writes the figures and the page of one or several finished runs; neither model nor training code is loaded.

Curves (Milani Figs. 5, 6, 9, 10), errors by class (section 4.3), t-SNE (Fig. 11; Le & Yang Fig. 1), wrongly
classified images (Le & Yang Fig. 2), the images and their views, and the papers' tables beside the records in
results/. About a minute; a few megabytes. Needs the extra: pip install "tiny_imagenet_tf[report]".

    python recipes/report.py runs/transfer_v3-20260101-120000
    python recipes/report.py runs/A runs/B                # curves overlaid, A and B compared by McNemar's test
    python recipes/report.py runs/A --docs docs/analysis.md    # the figures and tables that the page asks for
    python recipes/report.py runs/A --classes plunger "bullet train" n02123394
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from tiny_imagenet_tf import extras
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.published import MILANI_TSNE_CLASSES
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.files import read_json
from tiny_imagenet_tf.runs.places import check_folder, check_once, check_output
from tiny_imagenet_tf.runs.run import Run

CHECKOUT = Path(__file__).resolve().parents[1]
OWN = (CHECKOUT / "setup.cfg").exists()
NETWORKS = CHECKOUT / "docs" / "networks.json"


@dataclass(frozen=True)
class Config:
    """What to report, and where to."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Finished run directories. Errors, gallery and t-SNE are those of the first."""
    out: Path | None = None
    """Folder of the report; default: report/ in the first run."""
    classes: tuple[str, ...] = MILANI_TSNE_CLASSES
    """Names or wnids of the classes in the t-SNE of transfer values."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar; default: the run's own."""
    data_dir: Path | None = None
    """Where prepared datasets are kept; default: the run's own."""
    docs: Path | None = None
    """A Markdown page: what stands between its markers is written from this report, too."""
    results: Path | None = CHECKOUT / "results" if OWN else None
    """Records for the papers' tables. Default: the project's own, in a checkout of it."""


def main(config: Config) -> None:
    if not config.runs:
        raise UserError("no run directory was given")
    for name in ("source", "data_dir", "results"):
        path = getattr(config, name)
        if path not in (None, getattr(Config, name)) and not path.exists():
            raise UserError(f"--{name.replace('_', '-')} {path}: no such file or folder")
    if config.results != Config.results and not config.results.is_dir():
        raise UserError(f"--results {config.results}: must be a folder of records")
    if not config.classes:
        raise UserError("--classes: name at least one")
    check_once(config.runs)
    out = config.out or config.runs[0] / "report"
    check_folder("--out", out)
    check_output("--docs", config.docs)
    if config.docs and not config.docs.is_file():
        raise UserError(f"--docs {config.docs}: no such page; what is between its markers is written")
    extras.require("a report", "report")
    from tiny_imagenet_tf.reports import markers, page, report

    if config.docs:
        markers.replaced(config.docs, "report", lambda asked: "")  # a page without the marks is told at once
    if out.resolve() not in [(run / "report").resolve() for run in config.runs]:  # which is ours
        page.check_ours("--out", out)
    path = report.write(
        [Run.finished(path) for path in config.runs],
        out,
        classes=config.classes,
        results=records.read(config.results) if config.results else [],
        network_sizes=read_json(NETWORKS) if NETWORKS.exists() else {},
        source=config.source,
        data_dir=config.data_dir,
        docs=config.docs,
    )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    command(Config, main, __doc__)
