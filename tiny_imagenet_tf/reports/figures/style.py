"""The house style of all figures: colours that colour-blind readers tell apart, little ink, legible in print."""

import warnings
from io import BytesIO
from typing import Literal

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design", 2008; the yellow is left out, for it fades on paper.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BROWN, GREY = "#CC79A7", "#56B4E9", "#6B4423", "#6F6F6F"
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BROWN, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#222222"

HOUSE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$\\frac{$"
    "lines.linewidth": 1.7,
    "lines.markersize": 4,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.hashsalt": "tiny_imagenet_tf",
}
in_house_style = matplotlib.rc_context(HOUSE)
"""Decorates a function that draws, so that it draws in this style and leaves the global one alone."""


@in_house_style
def to_bytes(figure: Figure, kind: Literal["svg", "png"]) -> bytes:
    """Renders a figure; the same figure gives the same bytes."""
    buffer = BytesIO()
    with warnings.catch_warnings():  # a class may have a name in a script that the font lacks, or one of any length
        warnings.filterwarnings("ignore", "Glyph .* missing|constrained_layout not applied", UserWarning)
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return buffer.getvalue()


def percent_axis(axis: Axis) -> None:
    """Labels an axis of fractions in percent."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:g}%")


def bare(axes: Axes) -> None:
    """Takes ticks, grid and frame away, for a picture."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
