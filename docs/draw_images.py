"""Draws Milani's Figs. 2, 7 and 8 for the docs: samples, how a head is trained, and rescaling (needs the extra report).

python docs/draw_images.py --source tiny-imagenet-200
"""

import dataclasses
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tiny_imagenet_tf import cli
from tiny_imagenet_tf.data import splits, views
from tiny_imagenet_tf.published import MILANI_TSNE_CLASSES
from tiny_imagenet_tf.reports import thumbnails
from tiny_imagenet_tf.reports.analysis.class_names import ClassNames
from tiny_imagenet_tf.reports.figures import pictures
from tiny_imagenet_tf.reports.figures.style import BLUE, GREY, INK, in_house_style, to_bytes
from tiny_imagenet_tf.reports.sections.images import shown_as

FIGURES = Path(__file__).parent / "figures"
STEPS = (
    ("image", "64x64x3, bytes"),
    ("resized", "299x299x3, bilinear"),
    ("Inception-v3", "frozen, 21.8 M weights"),
    ("transfer values", "2,048, stored"),
    ("head", "one dense layer"),
    ("scores", "200 classes"),
)
TRAINED = "head"


@dataclasses.dataclass(frozen=True)
class Config:
    """The images."""

    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""


def main(config: Config) -> None:
    """Draws the three."""
    train = splits.load(splits.prepare(config.source, config.data_dir), "train")
    short = ClassNames(train.wnids, train.words).short
    names = [name for name in MILANI_TSNE_CLASSES if name != "golden retriever"]  # six, and section 4.3 sees the others
    rows = np.array([np.flatnonzero(train.labels == short.index(name))[:2] for name in names])
    images = thumbnails.decode(train, rows.ravel()).reshape(*rows.shape, 64, 64, 3)
    large = shown_as(images[0, 0], views.WHOLE.table(1), 299)[0]
    for name, figure, kind in (
        ("milani_fig_2.png", pictures.samples(images, names), "png"),
        ("milani_fig_7.svg", flow(), "svg"),
        ("milani_fig_8.png", pictures.rescaling(images[0, 0], large), "png"),
    ):
        (FIGURES / name).write_bytes(to_bytes(figure, kind))
        print(f"wrote {FIGURES / name}")


@in_house_style
def flow() -> Figure:
    """Returns the steps from an image to its scores, a box each; what is trained is blue."""
    figure = Figure(figsize=(8.2, 1.1))
    axes = figure.subplots()
    axes.set(xlim=(-0.1, len(STEPS)), ylim=(0, 1))
    axes.axis("off")
    for at, (name, words) in enumerate(STEPS):
        colour = BLUE if name == TRAINED else GREY
        axes.add_patch(
            FancyBboxPatch(
                (at, 0.25), 0.8, 0.5, boxstyle="round,pad=0.02", fill=False, ec=colour, lw=1.5, mutation_aspect=0.3
            )
        )
        axes.text(at + 0.4, 0.58, name, ha="center", va="center", fontsize=8, fontweight="bold", color=INK)
        axes.text(at + 0.4, 0.39, words, ha="center", va="center", fontsize=6.5, color=colour)
        if at:
            axes.annotate("", (at - 0.02, 0.5), (at - 0.18, 0.5), arrowprops={"arrowstyle": "->", "color": GREY})
    return figure


if __name__ == "__main__":
    cli.command(Config, main, __doc__)
