"""Accuracy against epochs (Milani Figs. 5, 9, 10) and against the size of an ensemble (Fig. 6)."""

import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tiny_imagenet_tf.reports.figures.style import COLOURS, INK, in_house_style, percent_axis

REESTIMATED = "val_accuracy_reestimated"


@in_house_style
def training_curves(runs: dict[str, list[dict]]) -> Figure:
    """Draws minibatch training accuracy (running average, dashed) and validation accuracy (solid) of each run.

    Where batch normalization's statistics were also estimated anew, the accuracy by those is dotted.

    Args:
        runs: title to the rows of ``metrics.jsonl``: ``epoch``, and some of ``accuracy``, ``val_accuracy`` and
            ``val_accuracy_reestimated``, as fractions. A row without one of them leaves no point in that curve.
    """
    figure = Figure(figsize=(6.4, 3.8))
    axes = figure.subplots()
    for (title, rows), colour in zip(runs.items(), _colours(len(runs)), strict=True):
        shown = [("accuracy", "--", "_training"), ("val_accuracy", "-", title)]
        if any(row.get(REESTIMATED) is not None for row in rows):
            shown.append((REESTIMATED, ":", "_reestimated"))
        for field, line, label in shown:
            points = [(row["epoch"], row[field]) for row in rows if row.get(field) is not None]
            epochs, accuracies = np.array(points).T if points else ((), ())
            marker = "o" if field == "val_accuracy" and len(points) <= 60 else None
            axes.plot(epochs, accuracies, line, color=colour, label=label, marker=marker)
    colour = COLOURS[0] if len(runs) == 1 else INK
    handles = [Line2D([], [], color=colour, ls="--", label="training, running average")]
    handles.append(Line2D([], [], color=colour, marker="o", label="validation"))
    if len(runs) > 1:
        handles += [
            Line2D([], [], color=of_run, lw=4, label=title)
            for title, of_run in zip(runs, _colours(len(runs)), strict=True)
        ]
    if any(row.get(REESTIMATED) is not None for rows in runs.values() for row in rows):
        handles.append(Line2D([], [], color=colour, ls=":", label="validation, statistics estimated anew"))
    axes.legend(handles=handles, loc="lower right")
    title = textwrap.fill(next(iter(runs)), 64) if len(runs) == 1 else ""  # it may name options
    axes.set(xlabel="epoch", ylabel="top-1 accuracy", title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent_axis(axes.yaxis)
    return figure


@in_house_style
def ensemble_curves(ensembles: dict[str, list[float]]) -> Figure:
    """Draws validation accuracy against the number of networks, best first, the best size marked.

    Args:
        ensembles: title to the accuracies of the ensembles of 1, 2, 3... networks, fractions.
    """
    figure = Figure(figsize=(6.4, 3.4))
    axes = figure.subplots()
    for (title, accuracies), colour in zip(ensembles.items(), _colours(len(ensembles)), strict=True):
        sizes = np.arange(1, len(accuracies) + 1)
        best = int(np.argmax(accuracies))
        axes.plot(sizes, accuracies, marker="o", color=colour, label=title)
        axes.plot(sizes[best], accuracies[best], "o", color=colour, ms=9, mfc="none", mew=1.7)
        axes.annotate(
            f"{sizes[best]} networks: {accuracies[best]:.2%}",
            (sizes[best], accuracies[best]),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            color=colour,
        )
    axes.margins(y=0.2)
    if len(ensembles) > 1:
        axes.legend(loc="lower right")
    axes.set(xlabel="networks in the ensemble", ylabel="top-1 validation accuracy")
    axes.set_title(next(iter(ensembles)) if len(ensembles) == 1 else "")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent_axis(axes.yaxis)
    return figure


def _colours(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]
