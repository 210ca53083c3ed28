"""What the size of the images buys: accuracy and images a second of one backbone at several sizes, for docs/beyond.md.

The originals have 64 pixels; whatever is more is resizing. Reads finished transfer runs, which differ in --input-size
alone, and the seconds that their stored training values took; writes results/analyses/input_sizes.json, the table
between the page's markers and its figure (needs the extra report).

python docs/input_sizes.py runs/size_96/transfer_vanilla-20260101-120000 ...
"""

import dataclasses
from pathlib import Path

import tyro
from matplotlib.figure import Figure

from tiny_imagenet_tf import cli
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.analysis.intervals import of_accuracy
from tiny_imagenet_tf.reports.figures.style import BLUE, GREY, in_house_style, percent_axis, to_bytes
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.transfer_values import kept_stores

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Config:
    """Which runs."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Finished transfer runs whose transfer values are still stored."""
    output: Path = ROOT / "results/analyses/input_sizes.json"
    """Where to write the figures."""


def main(config: Config) -> None:
    """Gathers, stores, renders and draws."""
    if not config.runs:
        raise UserError("no run was named")
    sizes = sorted((measured(Run.finished(path)) for path in config.runs), key=lambda each: each["size"])
    stored = {**describe_environment(), "sizes": sizes}
    write_json(config.output, stored)
    markers.replace(ROOT / "docs/beyond.md", "input_sizes", lambda _: section(stored))
    (ROOT / "docs/figures/beyond_input_sizes.svg").write_bytes(to_bytes(draw(sizes), "svg"))


def measured(run: Run) -> dict:
    """Returns a run's input size, accuracy, and images a second of its extraction, with the run's own description.

    Raises:
        UserError: its transfer values are gone.
    """
    stores = kept_stores(run.summary, "train")
    if not stores or stores[0] is None:
        raise UserError(f"{run.path}: the transfer values of its training images are not stored")
    store, validation = stores[0], run.summary.validation
    low, high = of_accuracy(validation.top1, validation.images)
    return {
        "run": run.summary.title,
        "size": store.key["input_size"],
        "top1": validation.top1,
        "interval": [low, high],
        "val_images": validation.images,
        "train_images": run.summary.train.images,
        "images_a_second": store.rows / store.seconds,
        "commit": run.environment["commit"],
        "command": run.environment["command"],
    }


def section(stored: dict) -> str:
    """Returns the table."""
    rows, sizes = [], stored["sizes"]
    for each in sizes:
        low, high = each["interval"]
        rate = each["images_a_second"]
        times, interval = f"{rate / sizes[-1]['images_a_second']:.1f}", f"{low:.1%} to {high:.1%}"
        rows.append((f"{each['size']}", f"{rate:,.0f}", times, f"{each['top1']:.1%}", interval))
    return grid(("pixels", "images/s", "times the largest", "top-1 of val", "95% interval"), rows)


@in_house_style
def draw(sizes: list[dict]) -> Figure:
    """Returns accuracy against images a second, a dot a size."""
    figure = Figure(figsize=(5.6, 3.2))
    axes = figure.subplots()
    rates, accuracies = ([each[name] for each in sizes] for name in ("images_a_second", "top1"))
    below, above = ([abs(each["interval"][end] - each["top1"]) for each in sizes] for end in (0, 1))
    axes.errorbar(rates, accuracies, yerr=[below, above], color=BLUE, marker="o", elinewidth=0.8, ecolor=GREY)
    for rate, accuracy, each in zip(rates, accuracies, sizes, strict=True):
        axes.annotate(f"{each['size']} px", (rate, accuracy), (6, 6), textcoords="offset points")
    axes.set(xscale="log", xlabel="images a second", ylabel="top-1 of val")
    axes.margins(x=0.12)
    ticks = [ticked for ticked in (50, 100, 200, 500, 1000, 2000) if min(rates) * 0.7 < ticked < max(rates) * 1.4]
    axes.set_xticks(ticks, [f"{ticked:,}" for ticked in ticks])
    axes.minorticks_off()
    percent_axis(axes.yaxis)
    return figure


if __name__ == "__main__":
    cli.command(Config, main, __doc__)
