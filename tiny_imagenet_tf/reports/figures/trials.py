"""What a search has tried: accuracy against each hyper-parameter."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from tiny_imagenet_tf.reports.figures.style import COLOURS, GREY, in_house_style, percent_axis

AXES = {"weight_decay": ("L2", (1,)), "learning_rate": ("learning rate", (1, 3))}  # label, ticks within a decade


@in_house_style
def accuracy_of_trials(searches: Mapping[str, Sequence[Mapping[str, Any]]], least: float | None = None) -> Figure:
    """Draws the accuracy of each trial against its L2 and its learning rate; the best of a search has a ring.

    Args:
        searches: title to trials: a value of each hyper-parameter, ``accuracy`` as a fraction, and ``state``, which
            is ``complete`` where a trial was not given up early.
        least: accuracy at the foot of the figure, which leaves out what is below; None for that of the worst trial.
    """
    figure = Figure(figsize=(6.4, 3.4))
    places = figure.subplots(1, len(AXES), sharey=True)
    for axes, (name, (label, ticks)) in zip(places, AXES.items(), strict=True):
        for (title, trials), colour in zip(searches.items(), COLOURS, strict=False):
            ended = [each for each in trials if each["state"] == "complete"]
            points = np.array([(each[name], each["accuracy"]) for each in ended]).T
            axes.scatter(*points, s=14, color=colour, lw=0, alpha=0.8, label=title)
            best = points[:, points[1].argmax()]
            axes.scatter(*best, s=70, facecolor="none", edgecolor=colour, lw=1.5)
        axes.set_xlabel(label)
        if not all(each[name] > 0 for trials in searches.values() for each in trials):
            continue  # no logarithm of nothing
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=ticks))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-"))  # no formula
        axes.xaxis.set_minor_formatter(NullFormatter())
    places[0].set(ylabel="held-out training images")
    places[0].set_ylim(bottom=least)
    percent_axis(places[0].yaxis)
    columns = len(searches) if len(searches) < 4 else 2  # more would not fit beside each other
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside upper center", ncols=columns, labelcolor=GREY)
    return figure
