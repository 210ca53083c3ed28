"""Figures of what a run got wrong: error by class, confused pairs, reliability."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tiny_imagenet_tf.reports.analysis.calibration import Calibration
from tiny_imagenet_tf.reports.figures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    SKY,
    VERMILLION,
    in_house_style,
    percent_axis,
)

LABEL_RANKS = 45  # how many ranks wide a label is


@in_house_style
def worst_and_best(names: list[str], errors: np.ndarray, count: int = 12) -> Figure:
    """Draws the classes with the highest and with the lowest top-1 error, the mean of all marked.

    Args:
        names: of all classes.
        errors: float (classes,), fractions.
        count: how many classes at each end; fewer where there are fewer than twice as many.
    """
    errors = np.asarray(errors)
    count = min(count, len(errors) // 2)
    order = np.argsort(-errors, kind="stable")
    figure = Figure(figsize=(6.4, 0.6 + 0.22 * count))
    panels = figure.subplots(1, 2, sharex=True)
    ends = (("Worst", order[:count], VERMILLION), ("Best", order[::-1][:count], BLUE))
    for axes, (title, rows, colour) in zip(panels, ends, strict=True):
        axes.barh(range(len(rows)), errors[rows], color=colour, height=0.7)
        axes.axvline(errors.mean(), color=INK, lw=1, ls=":")
        axes.set_yticks(range(len(rows)), [names[row] for row in rows])
        for place, row in enumerate(rows):
            axes.text(errors[row], place, f" {100 * errors[row]:.0f}", va="center", fontsize=8)
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set(title=title, xlim=(0, max(1.12 * errors.max(), 0.01)))
        percent_axis(axes.xaxis)
    figure.supxlabel(f"top-1 error; dotted: mean of all {len(errors)} classes", fontsize=9)
    return figure


@in_house_style
def all_class_errors(errors: np.ndarray, marked: dict[str, float]) -> Figure:
    """Draws the errors of all classes, sorted, as one curve with some classes marked on it.

    Args:
        errors: float (classes,), fractions.
        marked: class name to its error.
    """
    figure = Figure(figsize=(6.4, 2.8))
    axes = figure.subplots()
    ranked = np.sort(errors)[::-1]
    axes.fill_between(np.arange(1, len(ranked) + 1), ranked, step="mid", color=SKY, alpha=0.45, lw=0)
    axes.axhline(ranked.mean(), color=INK, lw=1, ls=":")
    level, right_of_it = 0, None
    for name, error in sorted(marked.items(), key=lambda item: item[1]):  # from the right end of the axis
        rank = int(np.searchsorted(-ranked, -error)) + 1
        # Labels of neighbours would cover each other: each goes a line higher than the one to its right.
        level = level + 1 if right_of_it is not None and right_of_it - rank < LABEL_RANKS else 0
        right_of_it = rank
        side, shift = ("right", -4) if rank > 0.7 * len(ranked) else ("left", 8)
        axes.plot(rank, error, "o", color=VERMILLION, ms=6)
        axes.annotate(
            f"{name} {error:.0%}", (rank, error), (shift, 5 + 12 * level), textcoords="offset points", ha=side
        )
    axes.set(xlabel="class, by its error", ylabel="top-1 error", xlim=(0.5, len(ranked) + 0.5), ylim=(0, None))
    percent_axis(axes.yaxis)
    return figure


@in_house_style
def pairs(names: list[tuple[str, str]], there: np.ndarray, back: np.ndarray) -> Figure:
    """Draws the most confused pairs of classes: images of the first taken for the second, and back.

    Args:
        names: of each pair's two classes.
        there: int (pairs,), images of the first class taken for the second.
        back: int (pairs,), images of the second class taken for the first.
    """
    figure = Figure(figsize=(6.4, 0.8 + 0.25 * len(names)))
    axes = figure.subplots()
    rows = np.arange(len(names))
    axes.barh(rows, there, color=BLUE, height=0.7, label="left taken for right")
    axes.barh(rows, back, left=there, color=ORANGE, height=0.7, label="right taken for left")
    axes.set_yticks(rows, [f"{a} / {b}" for a, b in names])
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="validation images")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")
    return figure


@in_house_style
def reliability(measured: Calibration) -> Figure:
    """Draws accuracy against confidence, bin by bin, and below it how many images each bin holds."""
    figure = Figure(figsize=(4.4, 4.6))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middle, width = (measured.edges[:-1] + measured.edges[1:]) / 2, np.diff(measured.edges)
    filled = measured.images > 0
    upper.plot([0, 1], [0, 1], color=GREY, ls=":", lw=1)
    upper.bar(middle[filled], measured.accuracy[filled], width=0.92 * width[filled], color=BLUE, label="accuracy")
    upper.plot(measured.confidence[filled], measured.confidence[filled], "_", color=VERMILLION, ms=11, mew=2)
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), title=f"Calibration error {measured.error:.1%}")
    lower.bar(middle, measured.images, width=0.92 * width, color=GREY)
    lower.set(xlabel="probability of the predicted class", ylabel="images")
    percent_axis(upper.yaxis)
    percent_axis(lower.xaxis)
    return figure
