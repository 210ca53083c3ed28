"""Points in the plane, by class."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from tiny_imagenet_tf.reports.analysis.embedding import densest
from tiny_imagenet_tf.reports.figures.style import INK, MARKERS, bare, in_house_style

LARGEST_LEGEND = 12  # classes; with more, clusters carry numbers


@in_house_style
def scatter(points: np.ndarray, labels: np.ndarray, names: list[str], colours: list[str]) -> Figure:
    """Draws points by class: colour and marker, and where a class is densest its name or, of many, its number.

    Args:
        points: float (n, 2).
        labels: int (n,), indices into ``names``.
        names: of the classes, as the figure says them.
        colours: of the classes.
    """
    many = len(names) > LARGEST_LEGEND
    figure = Figure(figsize=(6.4, 7.6 if many else 5.6))
    axes = figure.subplots()
    for label, name in enumerate(names):
        chosen = points[labels == label]
        style = {"s": 14 if many else 8, "c": colours[label], "marker": MARKERS[label % len(MARKERS)]}
        axes.scatter(*chosen.T, **style, lw=0, alpha=0.75, label=f"{label + 1} {name}" if many else name)
    for label, name in enumerate(names):
        if (labels == label).any():
            text = axes.text(*densest(points[labels == label]), str(label + 1) if many else name)
            text.set(ha="center", va="center", color=INK, fontsize=7 if many else 9)
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    if many:
        figure.legend(loc="outside lower center", ncols=5, fontsize=5.5, handletextpad=0.1, columnspacing=0.8)
    bare(axes)
    axes.set_aspect("equal")
    return figure
