"""Every figure draws the data it was given, in the house style, and leaves the global style alone."""

import matplotlib
import numpy as np
import pytest

from tiny_imagenet_tf.reports.analysis.calibration import calibration
from tiny_imagenet_tf.reports.figures import curves, errors, pictures, scatter, style, trials

ROWS = [{"epoch": 0.5, "val_accuracy": 0.2}, {"epoch": 1, "accuracy": 0.3, "val_accuracy": 0.4}]


def points(line):
    return line.get_xydata().tolist()


def texts(axes):
    return [text.get_text() for text in axes.texts]


def widths(axes):
    return [bar.get_width() for bar in axes.patches]


def test_accuracy_by_statistics_estimated_anew_is_dotted():
    rows = [{"epoch": n, "val_accuracy": 0.1 * n, "val_accuracy_reestimated": 0.12 * n} for n in (1, 2)]
    axes = curves.training_curves({"A": rows}).axes[0]
    assert [line.get_linestyle() for line in axes.lines] == ["--", "-", ":"]
    assert list(axes.lines[2].get_ydata()) == [0.12, 0.24]
    assert axes.get_legend().get_texts()[-1].get_text() == "validation, statistics estimated anew"


def test_curves_show_what_rows_there_are():
    training, validation = curves.training_curves({"A": ROWS}).axes[0].lines
    assert points(training) == [[1, 0.3]]
    assert points(validation) == [[0.5, 0.2], [1, 0.4]]
    assert (training.get_linestyle(), validation.get_linestyle()) == ("--", "-")


def test_overlaid_runs_have_a_colour_each_and_a_name_in_the_legend():
    axes = curves.training_curves({"A": ROWS, "B": ROWS, "C": []}).axes[0]
    assert [line.get_color() for line in axes.lines] == [c for c in style.COLOURS[:3] for _ in range(2)]
    assert [text.get_text() for text in axes.get_legend().get_texts()][2:] == ["A", "B", "C"]


def test_the_best_ensemble_is_marked():
    axes = curves.ensemble_curves({"A": [0.48, 0.52, 0.51]}).axes[0]
    assert points(axes.lines[0]) == [[1, 0.48], [2, 0.52], [3, 0.51]]
    assert points(axes.lines[1]) == [[2, 0.52]]
    assert texts(axes) == ["2 networks: 52.00%"]
    assert axes.get_title("left") == "A"


def test_overlaid_ensembles_have_a_colour_each_and_a_legend():
    axes = curves.ensemble_curves({"A": [0.48, 0.52, 0.51], "B": [0.46]}).axes[0]
    assert [line.get_color() for line in axes.lines] == [c for c in style.COLOURS[:2] for _ in range(2)]
    assert points(axes.lines[3]) == [[1, 0.46]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["A", "B"]


def test_worst_and_best_classes():
    worst, best = errors.worst_and_best(["a", "b", "c", "d"], np.array([0.1, 0.5, 0.3, 0.0]), count=2).axes
    assert [label.get_text() for label in worst.get_yticklabels()] == ["b", "c"]
    assert widths(worst) == [0.5, 0.3]
    assert [label.get_text() for label in best.get_yticklabels()] == ["d", "a"]
    assert widths(best) == [0.0, 0.1]
    assert worst.lines[0].get_xdata()[0] == pytest.approx(0.225)


def test_all_class_errors_are_sorted_and_marked_at_their_rank():
    axes = errors.all_class_errors(np.array([0.1, 0.5, 0.3]), {"b": 0.5, "c": 0.3}).axes[0]
    assert {(*points(line)[0],) for line in axes.lines[1:]} == {(1, 0.5), (2, 0.3)}
    assert sorted(texts(axes)) == ["b 50%", "c 30%"]


def test_pairs_stack_both_directions():
    axes = errors.pairs([("a", "b"), ("a", "c")], np.array([3, 1]), np.array([2, 1])).axes[0]
    assert widths(axes) == [3, 1, 2, 1]
    assert [bar.get_x() for bar in axes.patches] == [0, 0, 3, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a / b", "a / c"]


def test_reliability_draws_filled_bins_only():
    measured = calibration(np.array([0.2, 0.9, 0.7]), np.array([False, True, False]), bins=4)
    upper, lower = errors.reliability(measured).axes
    assert [bar.get_height() for bar in upper.patches] == [0, 0, 1]
    assert [bar.get_height() for bar in lower.patches] == [1, 0, 1, 1]
    assert upper.get_title("left") == f"Calibration error {100 * measured.error:.1f}%"


@pytest.mark.parametrize("classes", [3, 20])
def test_scatter_draws_each_class_in_its_colour_with_a_label_where_it_is_densest(classes):
    labels = np.arange(classes).repeat(3)
    where = np.stack([labels, [0, 1, 1.01] * classes], axis=1).astype(float)
    colours = [style.COLOURS[i % 8] for i in range(classes)]
    axes = scatter.scatter(where, labels, [f"class {i}" for i in range(classes)], colours).axes[0]
    assert axes.collections[1].get_offsets().tolist() == [[1, 0], [1, 1], [1, 1.01]]
    assert matplotlib.colors.to_hex(axes.collections[1].get_facecolor()[0]) == colours[1].lower()
    assert axes.texts[1].get_text() == ("class 1" if classes == 3 else "2")
    assert axes.texts[1].get_position() == (1, 1)


def test_grid_draws_the_pixels_with_their_captions():
    images = np.random.default_rng(0).integers(0, 255, (3, 4, 4, 3), np.uint8)
    axes = pictures.grid(list(images), ["a", "b", "c"], columns=2).axes
    assert [each.get_title() for each in axes] == ["a", "b", "c", ""]
    assert all((axis.images[0].get_array() == image).all() for axis, image in zip(axes, images, strict=False))
    assert not axes[3].images


def test_samples_put_a_class_into_a_column():
    images = np.arange(2 * 3).reshape(2, 3, 1, 1, 1).repeat(3, axis=4).astype(np.uint8)
    axes = pictures.samples(images, ["a", "b"]).axes
    assert [each.images[0].get_array()[0, 0, 0] for each in axes] == [0, 3, 1, 4, 2, 5]
    assert [each.get_title() for each in axes] == ["a", "b", "", "", "", ""]


def test_boxes_surround_their_pixels():
    image = np.zeros((1, 64, 64, 3), np.uint8)
    (box,) = pictures.boxes(image, np.array([[2, 3, 10, 20]]), ["x"], columns=1).axes[0].patches
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((1.5, 2.5), 9, 18)


def test_misclassified_tells_truth_guess_and_probability():
    image = np.zeros((1, 4, 4, 3), np.uint8)
    figure = pictures.misclassified(image, ["plunger"], ["a name that is rather long"], np.array([0.876]))
    assert figure.axes[0].get_title() == "plunger\nas a name that is rath…\n88%"


def test_rescaling_shows_both_sizes():
    axes = pictures.rescaling(np.zeros((64, 64, 3), np.uint8), np.zeros((299, 299, 3), np.uint8)).axes
    assert [each.get_title() for each in axes] == ["64x64", "299x299"]


def test_trials_that_ended_are_drawn_and_the_best_has_a_ring():
    tried = [
        {"state": state, "accuracy": accuracy, "weight_decay": l2, "learning_rate": 1e-3}
        for state, accuracy, l2 in (("complete", 0.7, 1e-3), ("complete", 0.72, 1e-4), ("pruned", None, 1e-2))
    ]
    figure = trials.accuracy_of_trials({"A": tried})
    points, ring = figure.axes[0].collections
    assert points.get_offsets().tolist() == [[1e-3, 0.7], [1e-4, 0.72]] and ring.get_offsets().tolist() == [
        [1e-4, 0.72]
    ]
    style.to_bytes(figure, "svg")
    assert {text.get_text() for text in figure.axes[0].get_xticklabels()} >= {"1e-4", "1e-3"}


def test_a_name_is_no_formula():
    figure = scatter.scatter(np.zeros((4, 2)), np.array([0, 0, 1, 1]), ["cup $\\frac{$", "$x_1$ ^{"], ["#000000"] * 2)
    assert style.to_bytes(figure, "png").startswith(b"\x89PNG")


def test_the_global_style_is_left_alone_and_files_repeat():
    before = dict(matplotlib.rcParams)
    first = style.to_bytes(curves.training_curves({"A": ROWS}), "svg")
    assert dict(matplotlib.rcParams) == before
    assert first == style.to_bytes(curves.training_curves({"A": ROWS}), "svg")
    assert style.to_bytes(curves.training_curves({"A": ROWS}), "png").startswith(b"\x89PNG")
